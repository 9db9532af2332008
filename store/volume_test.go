package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"recall/filter"
	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func parseAt(t testing.TB, text string, now time.Time) filter.Filter {
	t.Helper()
	f, err := filter.Parse(text, now)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// What the chart says of a time is what the events say, whatever the filter, in whatever order and how often they were
// recorded, and whoever counted them.
func TestVolumeIsExact(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	open := func() *store.DB {
		db, err := store.Open(t.Context(), url, storetest.Key(), nil)
		must(t, err)
		t.Cleanup(db.Close)
		db.Now = func() time.Time { return noon }
		return db
	}
	db := open()
	sources := []*store.Source{newSource(t, db, "shop"), newSource(t, db, "press")}
	types := []plenigo.Envelope{
		{EntityType: "CUSTOMER", CallbackType: "CREATION"}, {EntityType: "CUSTOMER", CallbackType: "CHANGE"}, {EntityType: "ORDER", CallbackType: "CREATION"},
		{EntityType: "order", CallbackType: "Creation"}, {}, {EntityType: `<script>"\'%_`, CallbackType: "ünï\u202e"},
	}
	random := rand.New(rand.NewPCG(1, 2))
	var all []*store.Event
	event := func(ago time.Duration) *store.Event {
		e := arrived(noon.Add(-ago), fmt.Sprintf(`{"n":%d}`, len(all)), func(e *store.Event) {
			e.SourceID = sources[random.IntN(2)].ID
			e.Envelope = types[random.IntN(len(types))]
			switch random.IntN(6) {
			case 0:
				rejected(e)
			case 1:
				e.Verification.Verdict = verify.Late
			case 2:
				rejected(e)
				e.Answered = http.StatusOK // observed
			}
		})
		all = append(all, e)
		return e
	}
	for round := range 6 {
		if round == 3 {
			db = open() // another instance, which goes on where the first one stopped
		}
		var batch []*store.Event
		for range 150 {
			span := []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 60 * 24 * time.Hour}[random.IntN(4)]
			batch = append(batch, event(time.Duration(random.Int64N(int64(span))))) // a spool that was drained late brings old ones
		}
		record(t, db, batch...)
		record(t, db, batch[:20]...) // once more, as after an answer that was lost
		rollup(t, db, "")
	}

	for _, text := range []string{
		"", "after:1h", "after:20m", "after:6h", "after:24h", "after:7d", "after:30d", "after:60d", "before:3h", "after:2d before:1d",
		"source:shop", "-source:shop after:2d", "source:nobody", "source:shop,press verdict:late", "verdict:rejected after:1h", "-verdict:verified",
		"type:customer.creation", "type:order.creation after:24h", "type:*.creation -type:order source:press", "-type:customer", "type:nothing.ever",
		"after:2h after:1h", "-after:30m", "-before:1h,2h", "before:3d,1h", "after:1m", "after:30d before:29d", "after:1h before:2h",
		"answered:401", "answered:2xx verdict:rejected after:1h", "-answered:>=400", "received:2026-03-03", "received:>=2026-03-01 source:shop", "received:2026-02-01..2026-02-10",
		"after:2026-03-04T11:17:31.5Z before:2026-03-04T11:41:02Z",
	} {
		f := parseAt(t, text, noon)
		v, err := db.Volume(t.Context(), store.VolumeQuery{Filter: f})
		must(t, err)
		if v.Unsure != 0 || v.CountedAt.IsZero() {
			t.Errorf("%q: %d unsure, counted at %s", text, v.Unsure, v.CountedAt)
		}
		if len(v.Bars) > 93 {
			t.Errorf("%q: %d bars", text, len(v.Bars))
		}
		want := make([]store.VolumeBar, len(v.Bars))
		outside := 0
		without := f.Without(filter.KeyAfter).Without(filter.KeyBefore).Without(filter.KeyReceived)
		for _, e := range all {
			at := e.ReceivedAt()
			i := slices.IndexFunc(v.Bars, func(b store.VolumeBar) bool { return !at.Before(b.Start) && at.Before(b.End) })
			subject := filter.Subject{
				Source: map[int64]string{sources[0].ID: "shop", sources[1].ID: "press"}[e.SourceID], Verdict: string(e.Verification.Verdict),
				Answered: e.Answered, EntityType: e.Envelope.EntityType, CallbackType: e.Envelope.CallbackType, ReceivedAt: at,
			}
			switch {
			case i < 0 && f.Match(subject):
				outside++
			case i < 0 || !without.Match(subject):
			case e.Verification.Verdict == verify.Verified:
				want[i].Verified++
			case e.Verification.Verdict == verify.Late:
				want[i].Late++
			default:
				want[i].Rejected++
			}
		}
		if outside > 0 {
			t.Errorf("%q: %d events lie outside of the chart", text, outside)
		}
		for i, b := range v.Bars {
			want[i].Start, want[i].End = b.Start, b.End
			if b != want[i] {
				t.Errorf("%q: %+v, want %+v", text, b, want[i])
			}
			if i > 0 && b.Start != v.Bars[i-1].End {
				t.Errorf("%q: a gap before %s", text, b.Start)
			}
		}
	}
	for _, text := range []string{"customer:1", "reason:signature_mismatch after:1h", "entity:1", "sender:127.0.0.1", "-received:2026-03-03", "text", "entity.email:*"} {
		if _, err := db.Volume(t.Context(), store.VolumeQuery{Filter: parseAt(t, text, noon)}); !errors.Is(err, store.ErrNotCounted) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Forgers can send bodies that name ever new types. They use up neither the table nor the room of genuine ones.
func TestVolumeTypesAreBounded(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	s := newSource(t, db, "shop")
	n := 0
	add := func(count int, change ...func(*store.Event)) {
		var batch []*store.Event
		for range count {
			n++
			batch = append(batch, arrived(noon.Add(-time.Minute), fmt.Sprint(n), func(e *store.Event) {
				e.SourceID, e.Envelope = s.ID, plenigo.Envelope{EntityType: fmt.Sprintf("T%d", n), CallbackType: "X"}
			}))
			for _, f := range change {
				f(batch[len(batch)-1])
			}
		}
		record(t, db, batch...)
		rollup(t, db, "")
	}
	add(store.NumberedRejected+30, rejected)
	if got := count(t, db, "volume_types"); got != store.NumberedRejected {
		t.Errorf("%d types, want %d", got, store.NumberedRejected)
	}
	add(1)
	genuine := parseAt(t, fmt.Sprintf("type:t%d", n), noon)
	if v, err := db.Volume(t.Context(), store.VolumeQuery{Filter: genuine}); err != nil || v.Bars[len(v.Bars)-2].Verified != 1 || v.Unsure != 30 {
		t.Errorf("%+v, %v", v, err)
	}
	add(store.NumberedTypes)
	if got := count(t, db, "volume_types"); got != store.NumberedTypes {
		t.Errorf("%d types, want %d", got, store.NumberedTypes)
	}
	var total int64
	v, err := db.Volume(t.Context(), store.VolumeQuery{})
	must(t, err)
	for _, b := range v.Bars {
		total += b.Events()
	}
	if int(total) != n || v.Unsure != 0 {
		t.Errorf("%d events, want %d; %d unsure", total, n, v.Unsure)
	}
}

func TestVolumeIsThinned(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	now := noon
	db.Now = func() time.Time { return now }
	s := newSource(t, db, "shop")
	record(t, db, arrived(noon.Add(-time.Hour), "{}", func(e *store.Event) { e.SourceID = s.ID }))
	rollup(t, db, "")
	for _, step := range []struct {
		later time.Duration
		rows  int // twice for each grain: its type, and all types
	}{{6 * 24 * time.Hour, 6}, {8 * 24 * time.Hour, 4}, {401 * 24 * time.Hour, 2}} {
		now = noon.Add(step.later)
		must(t, db.Maintain(t.Context()))
		if got := count(t, db, "volume"); got != step.rows {
			t.Errorf("after %s: %d rows, want %d", step.later, got, step.rows)
		}
		v, err := db.Volume(t.Context(), store.VolumeQuery{})
		if err != nil || v.Bars[0].Verified != 1 {
			t.Errorf("after %s: %+v, %v", step.later, v, err)
		}
	}
}

func TestVolumeOfNothing(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	v, err := db.Volume(t.Context(), store.VolumeQuery{})
	if err != nil || len(v.Bars) != 0 || !v.CountedAt.IsZero() {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestBars(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	must(t, err)
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	must(t, err)
	at := func(text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		must(t, err)
		return at
	}
	const hour = time.Hour
	now := at("2026-03-30T10:41:07Z")
	for name, test := range map[string]struct {
		from, to    time.Time
		q           store.VolumeQuery
		grain       string
		step        time.Duration
		bars        int
		first, last time.Time
	}{
		"an hour":               {now.Add(-hour), now, store.VolumeQuery{}, "minute", time.Minute, 61, at("2026-03-30T09:41:00Z"), at("2026-03-30T10:41:00Z")},
		"half a day":            {now.Add(-12 * hour), now, store.VolumeQuery{}, "minute", 15 * time.Minute, 49, at("2026-03-29T22:30:00Z"), at("2026-03-30T10:30:00Z")},
		"a day":                 {now.Add(-24 * hour), now, store.VolumeQuery{}, "hour", hour, 25, at("2026-03-29T10:00:00Z"), at("2026-03-30T10:00:00Z")},
		"a week":                {now.Add(-7 * 24 * hour), now, store.VolumeQuery{}, "hour", 3 * hour, 57, at("2026-03-23T09:00:00Z"), at("2026-03-30T09:00:00Z")},
		"a quarter":             {now.Add(-90 * 24 * hour), now, store.VolumeQuery{}, "day", 24 * hour, 91, at("2025-12-30T00:00:00Z"), at("2026-03-30T00:00:00Z")},
		"an hour long ago":      {now.Add(-20 * 24 * hour), now.Add(-20*24*hour + hour), store.VolumeQuery{}, "hour", hour, 2, at("2026-03-10T10:00:00Z"), at("2026-03-10T11:00:00Z")},
		"years":                 {now.AddDate(-30, 0, 0), now, store.VolumeQuery{}, "day", 28 * 24 * hour, 121, at("2016-12-26T00:00:00Z"), at("2026-03-09T00:00:00Z")},
		"days of Berlin":        {now.Add(-20 * 24 * hour), now, store.VolumeQuery{Zone: berlin, Step: 24 * hour}, "hour", 24 * hour, 21, at("2026-03-09T23:00:00Z"), at("2026-03-29T22:00:00Z")},
		"clocks change there":   {at("2026-03-28T23:00:00Z"), now, store.VolumeQuery{Zone: berlin, Step: 2 * hour}, "hour", 2 * hour, 19, at("2026-03-28T23:00:00Z"), at("2026-03-30T10:00:00Z")},
		"hours that are halves": {now.Add(-7 * 24 * hour), now, store.VolumeQuery{Zone: kolkata}, "hour", 3 * hour, 57, at("2026-03-23T09:00:00Z"), at("2026-03-30T09:00:00Z")},
		"nothing":               {now, now, store.VolumeQuery{}, "", 0, 0, time.Time{}, time.Time{}},
	} {
		if test.q.Zone == nil {
			test.q.Zone = time.UTC
		}
		g, step, bars := store.BarsOf(test.from, test.to, now, test.q)
		if g != test.grain || step != test.step || len(bars) != test.bars {
			t.Errorf("%s: %d bars of %s made of %ss, want %d of %s of %ss", name, len(bars), step, g, test.bars, test.step, test.grain)
		}
		if len(bars) > 0 && (!bars[0].Start.Equal(test.first) || !bars[len(bars)-1].Start.Equal(test.last)) {
			t.Errorf("%s: from %s to %s", name, bars[0].Start, bars[len(bars)-1].Start)
		}
	}
}
