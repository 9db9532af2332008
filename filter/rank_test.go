package filter_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"recall/filter"
)

// TestRanksLeaveNothingOut: whatever a comparison holds for has one of the ranks that the comparison names.
func TestRanksLeaveNothingOut(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	number := func() string {
		return []string{"0", "-0", "0.0", "1", "-1", "100", "99.99", "100.01", "1e3", "-1e3", "1e400", "-1e400", "1e-30", "-1e-30",
			fmt.Sprint(random.IntN(2000) - 1000), fmt.Sprintf("%de%d", random.IntN(99)-49, random.IntN(60)-30)}[random.IntN(16)]
	}
	at := func() string {
		if random.IntN(8) == 0 {
			return []string{"0001-01-01", "1970-01-01", "9999-12-31", "2060-12-31T23:59:59Z", "1990-01-01"}[random.IntN(5)]
		}
		at := now.Add(time.Duration(random.IntN(4*365*24)-2*365*24) * time.Hour)
		if random.IntN(2) == 0 {
			return at.Format(time.DateOnly)
		}
		return at.In(time.FixedZone("", 3600*(random.IntN(25)-12))).Format(time.RFC3339)
	}
	held, left := 0, 0
	for range 20_000 {
		make, kind := number, filter.KindNumber
		if random.IntN(2) == 0 {
			make, kind = at, filter.KindString
		}
		a, b := make(), make()
		text := "p.q:" + []string{">" + a, ">=" + a, "<" + a, "<=" + a, a + ".." + b}[random.IntN(5)]
		f, err := filter.Parse(text, now)
		if err != nil { // a range the wrong way round
			continue
		}
		v := f.Terms[0].Values[0]
		if v.Op == filter.OpEqual { // no time that can be compared
			continue
		}
		ranks := v.Ranks()
		if len(ranks) == 0 || len(ranks) > 100 {
			t.Fatalf("%s: %d ranks", text, len(ranks))
		}
		s := filter.Scalar{Path: "p.q", Kind: kind, Text: make()}
		named := slices.ContainsFunc(s.Ranks(), func(r string) bool { return slices.Contains(ranks, r) })
		if v.HoldsFor(s) {
			if held++; !named {
				t.Errorf("%s holds for %s, of ranks %v, which %v do not name", text, s.Text, s.Ranks(), ranks)
			}
		} else if !named {
			left++
		}
	}
	if held < 1000 || left < 1000 {
		t.Errorf("%d held, %d were left out: it tests little", held, left)
	}
}

func TestNoRanks(t *testing.T) {
	for _, s := range []filter.Scalar{{Kind: filter.KindString, Text: "7"}, {Kind: filter.KindBool, Text: "true"}, {Kind: filter.KindNull, Text: "null"}, {Kind: filter.KindString, Text: "2026"}} {
		if ranks := s.Ranks(); len(ranks) > 0 {
			t.Errorf("%v has ranks %v", s, ranks)
		}
	}
	for _, text := range []string{"p.q:7", "p.q:*", "p.q:~seven"} {
		f, err := filter.Parse(text, time.Now())
		if err != nil || f.Terms[0].Values[0].Ranks() != nil {
			t.Errorf("%s: %v %v", text, f, err)
		}
	}
}
