package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
	"recall/store"
	"recall/store/storetest"
)

// noQueue is where a plan sends nothing to.
func noQueue(context.Context, pgx.Tx, []*store.Delivery) error {
	return errors.New("a plan sends nothing")
}

// plan makes a replay's plan to its end.
func plan(t testing.TB, db *store.DB, w store.ReplayWish) *store.Replay {
	t.Helper()
	w.Rate, w.StopAbove, w.By = max(w.Rate, 1), max(w.StopAbove, 0.1), "anna"
	r, err := db.CreateReplay(t.Context(), w)
	must(t, err)
	for r.State == store.ReplayPlanning {
		worked, err := db.StepReplays(t.Context(), noQueue)
		must(t, err)
		if !worked {
			t.Fatal("no step is due, and the plan is not made")
		}
		r, err = db.FindReplay(t.Context(), r.ID)
		must(t, err)
	}
	return r
}

// ground is events of all kinds, by name.
type ground struct {
	db     *store.DB
	events map[string]uuid.UUID
}

func newGround(t testing.TB) ground {
	t.Helper()
	g := ground{storetest.New(t), map[string]uuid.UUID{}}
	g.db.Now = func() time.Time { return noon.Add(time.Hour) }
	shop := newSource(t, g.db, "shop")
	other := newSource(t, g.db, "other")
	to := crm()
	must(t, g.db.CreateDestination(t.Context(), to))
	elsewhere := crm()
	elsewhere.Name = "mail"
	must(t, g.db.CreateDestination(t.Context(), elsewhere))
	minute := 0
	add := func(name, body string, source int64, change ...func(*store.Event)) {
		minute++
		e := arrived(noon.Add(time.Duration(minute)*time.Minute), body, append(change, ofSource(source))...)
		record(t, g.db, e)
		g.events[name] = e.ID
	}
	deliveryTo := func(name string, destination int64, state store.DeliveryState) {
		deliver(t, g.db, &store.Delivery{EventID: g.events[name], DestinationID: destination, Trigger: store.TriggerManual, State: state})
	}
	state := func(kind, id string, n int) string {
		return fmt.Sprintf(`{"entityType":"ORDER","callbackType":%q,"entityId":%q,"n":%d}`, kind, id, n)
	}
	add("first of one", state("CREATION", "1", 1), shop.ID)
	add("second of one", state("UPDATE", "1", 2), shop.ID)
	add("delivered", state("CREATION", "2", 1), shop.ID)
	deliveryTo("delivered", to.ID, store.DeliverySucceeded)
	add("delivered elsewhere", state("CREATION", "3", 1), shop.ID)
	deliveryTo("delivered elsewhere", elsewhere.ID, store.DeliverySucceeded)
	add("under way", state("CREATION", "4", 1), shop.ID)
	deliveryTo("under way", to.ID, store.DeliveryWaiting)
	add("exhausted", state("CREATION", "5", 1), shop.ID)
	deliveryTo("exhausted", to.ID, store.DeliveryExhausted)
	add("rejected", state("CREATION", "6", 1), shop.ID, rejected)
	add("rejected, genuine since", state("CREATION", "7", 1), shop.ID, rejected)
	_, err := g.db.Reverify(t.Context(), find(t, g.db, g.events["rejected, genuine since"]), find(t, g.db, g.events["delivered"]).Verification, false, "anna", "")
	must(t, err)
	add("came twice", state("CREATION", "8", 1), shop.ID)
	add("repeat", state("CREATION", "8", 1), shop.ID)
	add("older of a delivered one", state("CREATION", "9", 1), shop.ID)
	add("newer, delivered", state("UPDATE", "9", 2), shop.ID)
	deliveryTo("newer, delivered", to.ID, store.DeliverySucceeded)
	add("of nothing", `{"n":1}`, shop.ID)
	add("of nothing, too", `{"n":2}`, shop.ID)
	add("test", `{"entityType":"`+store.TestEntityType+`","callbackType":"TEST","entityId":"1"}`, shop.ID)
	add("of another source", state("UPDATE", "1", 3), other.ID)
	add("older of a rejected one", state("CREATION", "10", 1), shop.ID)
	add("forged newer one", state("UPDATE", "10", 2), shop.ID, rejected)
	return g
}

func (g ground) listed(t testing.TB, r *store.Replay) []string {
	t.Helper()
	ids, err := g.db.ListReplayItems(t.Context(), r.ID, uuid.Nil, 0)
	must(t, err)
	if int64(len(ids)) != r.Events {
		t.Errorf("%d on the list, and it says %d", len(ids), r.Events)
	}
	var names []string
	for _, id := range ids {
		for name, of := range g.events {
			if of == id {
				names = append(names, name)
			}
		}
	}
	return names
}

func TestReplayPlan(t *testing.T) {
	g := newGround(t)
	for _, test := range []struct {
		name    string
		wish    store.ReplayWish
		want    []string
		leftOut map[string]int64
	}{
		{
			"all in order", store.ReplayWish{Filter: "source:shop"},
			[]string{"first of one", "second of one", "delivered elsewhere", "exhausted", "rejected, genuine since", "came twice", "of nothing", "of nothing, too", "older of a rejected one"},
			map[string]int64{store.LeftDelivered: 2, store.LeftUnderWay: 1, store.LeftRejected: 2, store.LeftRepeat: 1, store.LeftStale: 1, store.LeftTest: 1},
		}, {
			"newest states", store.ReplayWish{Filter: "source:shop", Latest: true},
			[]string{"second of one", "delivered elsewhere", "exhausted", "rejected, genuine since", "came twice", "of nothing", "of nothing, too", "older of a rejected one"},
			map[string]int64{store.LeftDelivered: 2, store.LeftUnderWay: 1, store.LeftRejected: 2, store.LeftRepeat: 1, store.LeftStale: 2, store.LeftTest: 1},
		}, {
			"all again", store.ReplayWish{Filter: "source:shop", Again: true},
			[]string{"first of one", "second of one", "delivered", "delivered elsewhere", "exhausted", "rejected, genuine since", "came twice", "older of a delivered one", "newer, delivered", "of nothing", "of nothing, too", "older of a rejected one"},
			map[string]int64{store.LeftUnderWay: 1, store.LeftRejected: 2, store.LeftRepeat: 1, store.LeftTest: 1},
		}, {
			"a newer state that the filter does not find", store.ReplayWish{Filter: "source:shop type:ORDER.CREATION", Latest: true},
			[]string{"delivered elsewhere", "exhausted", "rejected, genuine since", "came twice", "older of a rejected one"},
			map[string]int64{store.LeftDelivered: 1, store.LeftUnderWay: 1, store.LeftRejected: 1, store.LeftRepeat: 1, store.LeftStale: 2},
		}, {
			"a newer state after the time looked for", store.ReplayWish{Filter: "source:shop before:2026-03-10T12:01:30Z", Latest: true},
			nil, map[string]int64{store.LeftStale: 1},
		}, {
			"a newer state that was delivered and is not sent again", store.ReplayWish{Filter: "source:shop type:ORDER.CREATION", Again: true},
			[]string{"first of one", "delivered", "delivered elsewhere", "exhausted", "rejected, genuine since", "came twice", "older of a rejected one"},
			map[string]int64{store.LeftUnderWay: 1, store.LeftRejected: 1, store.LeftRepeat: 1, store.LeftStale: 1},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.wish.Destination = "crm"
			test.wish.Filter = strings.Replace(test.wish.Filter, "2026-03-10T12:01:30Z", noon.Add(90*time.Second).Format(time.RFC3339), 1)
			for _, atOnce := range []int{20_000, 3, 1, 2} { // in one window, and in many; and with the few that are found named
				undo := store.PlanAtOnce(atOnce, map[int]int{2: 100}[atOnce])
				r := plan(t, g.db, test.wish)
				undo()
				if got := g.listed(t, r); !reflect.DeepEqual(got, test.want) {
					t.Errorf("by %d: on the list\n%q, want\n%q", atOnce, got, test.want)
				}
				if !reflect.DeepEqual(r.Counts.LeftOut, test.leftOut) {
					t.Errorf("by %d: left out %v, want %v", atOnce, r.Counts.LeftOut, test.leftOut)
				}
				var types, verdicts, left int64
				for _, n := range r.Counts.Types {
					types += n
				}
				for _, n := range r.Counts.Verdicts {
					verdicts += n
				}
				for _, n := range r.Counts.LeftOut {
					left += n
				}
				if types != r.Events || verdicts != r.Events || r.Looked != r.Events+left {
					t.Errorf("by %d: %d types, %d verdicts of %d events; %d looked at, %d left out", atOnce, types, verdicts, r.Events, r.Looked, left)
				}
			}
		})
	}
}

// TestReplayPlanIsFrozen: what comes afterwards is not on the list, and an age in the filter is what it was.
func TestReplayPlanIsFrozen(t *testing.T) {
	g := newGround(t)
	r := plan(t, g.db, store.ReplayWish{Filter: "after:2h", Destination: "crm", Reason: "they were down"})
	before := g.listed(t, r)
	record(t, g.db, arrived(noon.Add(2*time.Hour), `{"entityType":"ORDER","callbackType":"UPDATE","entityId":"1","n":9}`))
	r, err := g.db.FindReplay(t.Context(), r.ID)
	must(t, err)
	if got := g.listed(t, r); !slices.Equal(got, before) || strings.Contains(r.Filter, "2h") {
		t.Errorf("the list changed from %q to %q; the filter is %q", before, got, r.Filter)
	}
	entries, err := g.db.ListAudit(t.Context(), fmt.Sprint("replay ", r.ID), 0)
	must(t, err)
	if len(entries) != 1 || entries[0].Action != "replay.plan" || entries[0].Actor != "anna" || entries[0].Reason != "they were down" || entries[0].Detail["destination"] != "crm" {
		t.Errorf("audit: %+v", entries)
	}
}

func TestReplayWishes(t *testing.T) {
	g := newGround(t)
	for _, test := range []struct {
		name string
		wish store.ReplayWish
		is   func(error) bool
	}{
		{"no such destination", store.ReplayWish{Destination: "nobody", Rate: 1}, func(err error) bool { return errors.Is(err, store.ErrNotFound) }},
		{"no filter", store.ReplayWish{Destination: "crm", Filter: "verdict:", Rate: 1}, func(err error) bool { var wrong *filter.Error; return errors.As(err, &wrong) }},
		{"no rate", store.ReplayWish{Destination: "crm"}, says("the rate must be from 0.1 to 5000")},
		{"too fast", store.ReplayWish{Destination: "crm", Rate: 5001}, says("the rate must be from 0.1 to 5000")},
		{"canary", store.ReplayWish{Destination: "crm", Rate: 1, Canary: -1}, says("the canary must be from 0 to 1000")},
		{"share", store.ReplayWish{Destination: "crm", Rate: 1, StopAbove: 1.5}, says("from 0 to 100 %")},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := g.db.CreateReplay(t.Context(), test.wish); err == nil || !test.is(err) {
				t.Errorf("%v", err)
			}
		})
	}
	r := plan(t, g.db, store.ReplayWish{Destination: "crm"})
	for name, change := range map[string]func(context.Context, int64, string, string) error{"pause": g.db.PauseReplay, "resume": g.db.ResumeReplay} {
		if err := change(t.Context(), r.ID, "anna", ""); !errors.Is(err, store.ErrRunState) {
			t.Errorf("%s a plan: %v", name, err)
		}
		if err := change(t.Context(), 999, "anna", ""); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s what is not there: %v", name, err)
		}
	}
	must(t, g.db.CancelReplay(t.Context(), r.ID, "anna", ""))
	if err := g.db.StartReplay(t.Context(), r.ID, "anna", ""); !errors.Is(err, store.ErrRunState) {
		t.Errorf("start what is cancelled: %v", err)
	}
}

func says(text string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), text) }
}

// TestReplayLeftovers: what a plan needed is cleared away, and a month after its end its list; its counts stay.
func TestReplayLeftovers(t *testing.T) {
	g := newGround(t)
	r := plan(t, g.db, store.ReplayWish{Filter: "source:shop", Destination: "crm", Latest: true})
	if count(t, g.db, "replay_seen") == 0 {
		t.Fatal("nothing to be cleared away")
	}
	must(t, g.db.CancelReplay(t.Context(), r.ID, "anna", ""))
	must(t, g.db.Maintain(t.Context()))
	if seen, items := count(t, g.db, "replay_seen"), count(t, g.db, "replay_items"); seen != 0 || int64(items) != r.Events {
		t.Errorf("%d seen and %d items are there, want 0 and %d", seen, items, r.Events)
	}
	later := g.db.Now().Add(31 * 24 * time.Hour)
	g.db.Now = func() time.Time { return later }
	must(t, g.db.Maintain(t.Context()))
	if items := count(t, g.db, "replay_items"); items != 0 {
		t.Errorf("%d items are there after a month", items)
	}
	if found, err := g.db.FindReplay(t.Context(), r.ID); err != nil || found.Events != r.Events {
		t.Errorf("%+v, %v", found, err)
	}
}
