package store_test

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func TestVolumeTotals(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	now := noon.Add(30*time.Minute + 10*time.Second)
	db.Now = func() time.Time { return now }
	shop, press := newSource(t, db, "shop"), newSource(t, db, "press")
	n := 0
	add := func(at time.Time, count int, source *store.Source, entityType string, change ...func(*store.Event)) {
		for range count {
			n++
			record(t, db, arrived(at, string(rune('a'+n)), append(change, func(e *store.Event) {
				e.SourceID, e.Envelope = source.ID, plenigo.Envelope{EntityType: entityType, CallbackType: "CHANGE"}
			})...))
		}
	}
	late := func(e *store.Event) { e.Verification.Verdict = verify.Late }
	add(noon, 5, shop, "CUSTOMER")
	add(noon.Add(-time.Hour), 2, shop, "ORDER", late)
	add(noon.Add(30*time.Minute), 1, press, "ORDER", rejected)
	add(noon.Add(-30*time.Hour), 4, shop, "CUSTOMER")
	add(noon.Add(-24*time.Hour+time.Hour), 7, shop, "CUSTOMER") // later than now, a day before
	add(noon.AddDate(0, 0, -20), 1, shop, "INVOICE")
	rollup(t, db, "")
	must(t, db.AddUnstored(t.Context(), []store.UnstoredRequests{{SourceID: shop.ID, Hour: noon, Answered: http.StatusServiceUnavailable, Requests: 3}, {SourceID: press.ID, Hour: noon, Answered: http.StatusUnauthorized, Requests: 6}}, nil))
	var latencies []store.AnswerLatency
	for ms := range 100 {
		latencies = append(latencies, store.AnswerLatency{SourceID: shop.ID, Minute: noon.Add(time.Duration(ms%20) * time.Minute), Bucket: store.LatencyBucket(time.Duration(ms) * time.Millisecond), Answers: 1})
	}
	latencies = append(latencies, store.AnswerLatency{SourceID: press.ID, Minute: noon.Add(-2 * time.Hour), Bucket: store.LatencyBucket(time.Hour), Answers: 9})
	for _, part := range [][]store.AnswerLatency{latencies[:50], latencies[50:], nil} {
		must(t, db.AddLatencies(t.Context(), part))
	}

	day := 24 * time.Hour
	got, err := db.VolumeTotals(t.Context(), store.TotalsQuery{From: noon.Add(-23 * time.Hour), Length: day, Parts: 4, Types: 1})
	must(t, err)
	if got.CountedAt.IsZero() {
		t.Error("not counted")
	}
	latency := got.Latency
	if latency.Answers != 109 || latency.P50 < 40*time.Millisecond || latency.P50 > 64*time.Millisecond || latency.P95 < 90*time.Second {
		t.Errorf("%+v", latency)
	}
	got.CountedAt, got.Latency = time.Time{}, store.Latencies{}
	want := &store.VolumeTotals{
		VerdictCounts: store.VerdictCounts{Verified: 12, Late: 2, Rejected: 1}, First: noon.AddDate(0, 0, -20).Truncate(day), Before: 4,
		Types: []store.TypeCount{{EntityType: "CUSTOMER", CallbackType: "CHANGE", VerdictCounts: store.VerdictCounts{Verified: 12}}},
		Sources: []store.SourceCount{
			{SourceID: shop.ID, VerdictCounts: store.VerdictCounts{Verified: 12, Late: 2}, Parts: []int64{7, 0, 0, 7}},
			{SourceID: press.ID, VerdictCounts: store.VerdictCounts{Rejected: 1}, Parts: []int64{0, 0, 0, 1}},
		},
		Answers: []store.AnswerCount{{Status: 200, Kept: 14}, {Status: 401, Kept: 1, Lost: 6}, {Status: 503, Lost: 3}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("a day:\n got %+v\nwant %+v", got, want)
	}

	for name, test := range map[string]struct {
		q             store.TotalsQuery
		events, types int64
		before        int64
		answers       int64 // latencies
	}{
		"an hour":       {store.TotalsQuery{From: now.Truncate(time.Minute).Add(-59 * time.Minute), Length: time.Hour}, 6, 2, 2, 100},
		"one source":    {store.TotalsQuery{From: now.Truncate(time.Minute).Add(-59 * time.Minute), Length: time.Hour, Source: press.ID}, 1, 1, -1, 0},
		"today":         {store.TotalsQuery{From: noon.Truncate(day), Length: day}, 8, 2, 11 - 4 - 7, 109},
		"a week":        {store.TotalsQuery{From: noon.Truncate(day).AddDate(0, 0, -6), Length: 7 * day}, 19, 2, 0, 109},
		"a month":       {store.TotalsQuery{From: noon.Truncate(day).AddDate(0, 0, -29), Length: 30 * day}, 20, 3, -1, 109},
		"nobody's":      {store.TotalsQuery{From: noon.Truncate(day), Length: day, Source: 99}, 0, 0, -1, 0},
		"of the future": {store.TotalsQuery{From: now.Add(day), Length: day}, 0, 0, 5, 0},
	} {
		test.q.Types, test.q.Parts = 10, 24
		got, err := db.VolumeTotals(t.Context(), test.q)
		must(t, err)
		if got.Events() != test.events || int64(len(got.Types)) != test.types || got.Latency.Answers != test.answers {
			t.Errorf("%s: %d events of %d types, %d answers", name, got.Events(), len(got.Types), got.Latency.Answers)
		}
		if name != "today" && name != "of the future" && got.Before != test.before {
			t.Errorf("%s: %d before, want %d", name, got.Before, test.before)
		}
	}
}

func TestLatencyBuckets(t *testing.T) {
	t.Parallel()
	last := -1
	for took := time.Duration(0); took < time.Hour; took = took*11/10 + time.Microsecond {
		bucket := store.LatencyBucket(took)
		if bucket < last || bucket > last+1 {
			t.Errorf("%s falls into %d after %d", took, bucket, last)
		}
		last = bucket
	}
	if store.LatencyBucket(-time.Second) != 0 || store.LatencyBucket(1<<62) != last {
		t.Error("what is out of bounds has no bucket")
	}
}
