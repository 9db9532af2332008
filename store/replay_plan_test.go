package store_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
	"recall/store/storetest"
)

// TestReplayPlansAgree plans random filters over random events in one window, in many, and by the few events that are found and
// the newer ones of their entities, with and without the search index: the lists are the same, and no event is found that the
// filter does not hold for.
func TestReplayPlansAgree(t *testing.T) {
	db := storetest.New(t)
	slugOf := map[int64]string{}
	var sources []int64
	for _, slug := range []string{"shop", "kiosk"} {
		s := newSource(t, db, slug)
		slugOf[s.ID], sources = slug, append(sources, s.ID)
	}
	to := crm()
	must(t, db.CreateDestination(t.Context(), to))
	random := rand.New(rand.NewPCG(7, 8))
	var events []*store.Event
	for range 200 {
		events = append(events, randomEvent(random, sources))
	}
	record(t, db, events...)
	delivered := map[uuid.UUID][]filter.Delivery{}
	for _, e := range events {
		if random.IntN(3) == 0 {
			state := pick(random, []store.DeliveryState{store.DeliveryPending, store.DeliverySucceeded, store.DeliveryExhausted, store.DeliveryCancelled})
			deliver(t, db, &store.Delivery{EventID: e.ID, DestinationID: to.ID, Trigger: store.TriggerManual, State: state})
			delivered[e.ID] = append(delivered[e.ID], filter.Delivery{Destination: to.Name, State: string(state), Trigger: string(store.TriggerManual)})
		}
	}
	now := noon.Add(600 * time.Hour)
	db.Now = func() time.Time { return now }

	listed := 0
	for n := range 120 {
		if n == 60 {
			must(t, db.IndexEvents(t.Context()))
		}
		text := randomText(random, events)
		f, err := filter.Parse(text, now)
		must(t, err)
		matching := int64(0)
		for _, e := range events {
			s := subjectOf(e, slugOf[e.SourceID])
			s.Deliveries = delivered[e.ID]
			if f.Match(s) {
				matching++
			}
		}
		wish := store.ReplayWish{Filter: text, Destination: "crm", Latest: random.IntN(2) == 0, Again: random.IntN(2) == 0}
		type made struct {
			list   []uuid.UUID
			counts store.ReplayCounts
		}
		var first made
		for i, way := range []struct{ atOnce, few int }{{1000, 0}, {1 + random.IntN(40), 0}, {2, 1000}} {
			undo := store.PlanAtOnce(way.atOnce, way.few)
			r := plan(t, db, wish)
			undo()
			ids, err := db.ListReplayItems(t.Context(), r.ID, uuid.Nil, 1000)
			must(t, err)
			switch got := (made{ids, r.Counts}); {
			case r.Looked != matching:
				t.Errorf("%q, %+v: %d were found, and the filter holds for %d", text, way, r.Looked, matching)
			case i == 0:
				first = got
			case !reflect.DeepEqual(got, first):
				t.Errorf("%q, latest %t, again %t, %+v: %s\nin one window: %s", text, wish.Latest, wish.Again, way, fmt.Sprint(got), fmt.Sprint(first))
			}
		}
		listed += len(first.list)
	}
	if listed == 0 {
		t.Error("nothing was ever on a list")
	}
}
