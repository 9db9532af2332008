package store_test

import (
	"reflect"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func TestNearby(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	sources := map[string]int64{}
	for _, slug := range []string{"shop", "blog", "club"} {
		s := shop()
		s.Slug = slug
		must(t, db.CreateSource(t.Context(), s))
		sources[slug] = s.ID
	}
	skewed := func(slug string, signature verify.Status, seconds int64) func(*store.Event) {
		return func(e *store.Event) {
			e.SourceID = sources[slug]
			e.Verification.Signature, e.Verification.SkewSeconds = signature, seconds
		}
	}
	e := arrived(noon, `{"n":1}`, skewed("shop", verify.Future, -3600))
	record(t, db, e,
		arrived(noon.Add(-time.Minute), `{"n":2}`, skewed("shop", verify.Future, -3601)), // of the same source
		arrived(noon.Add(-11*time.Minute), `{"n":3}`, skewed("blog", verify.Valid, 1)),   // too early
		arrived(noon.Add(-9*time.Minute), `{"n":4}`, skewed("blog", verify.Expired, 7200)),
		arrived(noon.Add(time.Second), `{"n":5}`, skewed("club", verify.Valid, 2)),
		arrived(noon.Add(2*time.Second), `{"n":6}`, skewed("club", verify.Mismatch, -3600)), // anybody can write such a time
		arrived(noon.Add(11*time.Minute), `{"n":7}`, skewed("club", verify.Valid, 3)),       // too late
	)
	got, err := db.Nearby(t.Context(), e.ID, e.SourceID)
	must(t, err)
	if want := []verify.Skew{{Source: "blog", Seconds: 7200}, {Source: "club", Seconds: 2}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSummaryTellsTheLatestReverification(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	e := arrived(noon, plainA, rejected)
	record(t, db, e, arrived(noon.Add(time.Second), plainB, rejected))
	for _, verdict := range []verify.Verdict{verify.Late, verify.Rejected, verify.Verified} {
		_, err := db.Reverify(t.Context(), e, verify.Result{Verdict: verdict}, false, "anna", "")
		must(t, err)
		got, err := db.FindEventSummary(t.Context(), e.ID)
		must(t, err)
		if got.Reverified != verdict || got.Verdict != verify.Rejected || got.AcceptedNow() != verdict.Accepted() {
			t.Errorf("%s: %+v", verdict, got)
		}
	}
	if events := list(t, db, store.EventQuery{}).Events; events[0].Reverified != "" || events[0].AcceptedNow() || !events[1].AcceptedNow() {
		t.Errorf("listed: %+v", events)
	}
}
