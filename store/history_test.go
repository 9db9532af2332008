package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// subscription is a callback about subscription 7 that came so many minutes after noon; changed is the minute of its own
// time, -1 for none.
func subscription(minute, changed int, status string, change ...func(*store.Event)) *store.Event {
	date := "null"
	if changed >= 0 {
		date = `"` + noon.Add(time.Duration(changed)*time.Minute).Format(time.RFC3339) + `"`
	}
	body := fmt.Sprintf(`{"entityType":"SUBSCRIPTION","callbackType":"CHANGE","entityId":"7","entity":{"status":%q,"invoiceCustomerId":"5","changedDate":%s}}`, status, date)
	return arrived(noon.Add(time.Duration(minute)*time.Minute), "", append([]func(*store.Event){withBody([]byte(body))}, change...)...)
}

func history(t *testing.T, db *store.DB, q store.HistoryQuery) store.HistoryPage {
	t.Helper()
	page, err := db.History(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestHistoryFollowsTheEntitysOwnTime(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	forged := subscription(6, 6, "FORGED", rejected)
	late := subscription(70, 3, "OLD")      // a retry of what is older than what is known
	none := subscription(80, -1, "NO DATE") // counts from its arrival
	first := subscription(1, 1, "A")
	second := subscription(5, 5, "B")
	future := subscription(90, 60*24*365, "FUTURE") // not believed
	third := subscription(100, 100, "C")
	events := []*store.Event{first, second, forged, late, none, future, third}
	for _, e := range events {
		record(t, db, e)
	}
	record(t, db, arrived(noon.Add(2*time.Minute), "", withBody([]byte(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"7","entity":{"invoiceCustomerId":"5","status":"OTHER"}}`))))

	want := []struct {
		event, held *store.Event
		stale       bool
	}{
		{third, future, false}, {future, none, false}, {none, second, false}, {late, second, true}, {forged, second, false},
		{second, first, false}, {first, nil, false},
	}
	for _, pageLength := range []int{50, 2, 1} {
		var got []store.HistoryEvent
		q := store.HistoryQuery{Filter: parse(t, "entity:subscription/7"), Limit: pageLength}
		for more := true; more; {
			page := history(t, db, q)
			got = append(got, page.Events...)
			q.Before, more = page.Events[len(page.Events)-1].ID, page.Older
			for _, e := range page.Events {
				if page.Bodies[e.ID] == nil || e.Held != uuid.Nil && page.Bodies[e.Held] == nil {
					t.Errorf("a body is missing")
				}
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		for i, w := range want {
			held := uuid.Nil
			if w.held != nil {
				held = w.held.ID
			}
			if got[i].ID != w.event.ID || got[i].Held != held || got[i].Stale != w.stale {
				t.Errorf("pages of %d, row %d: %+v; want held %s, stale %v", pageLength, i, got[i], held, w.stale)
			}
		}
	}

	// Among others of the same customer it is no different.
	for _, e := range history(t, db, store.HistoryQuery{Filter: parse(t, "customer:5"), Limit: 50}).Events {
		for _, w := range want {
			if e.ID == w.event.ID && (e.Stale != w.stale || w.held != nil && e.Held != w.held.ID || w.held == nil && e.Held != uuid.Nil) {
				t.Errorf("of the customer: %+v; want held %v, stale %v", e, w.held, w.stale)
			}
		}
	}

	// As of a moment, the newest state is the one of what had arrived by then.
	for minute, want := range map[int]*store.Event{2: first, 5: first, 6: second, 75: second, 85: none, 95: future, 101: third} {
		e, _, err := db.FindState(t.Context(), store.EntityKey{Type: "subscription", ID: "7"}, store.IDAt(noon.Add(time.Duration(minute)*time.Minute)))
		if err != nil || e.ID != want.ID {
			t.Errorf("at minute %d: %v %v", minute, e, err)
		}
	}
	if _, _, err := db.FindState(t.Context(), store.EntityKey{Type: "SUBSCRIPTION", ID: "7"}, store.IDAt(noon)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("before the first: %v", err)
	}
	if _, _, err := db.FindState(t.Context(), store.EntityKey{Type: "SUBSCRIPTION", ID: "7"}, uuid.Max, "nosuch"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of another source: %v", err)
	}
}

func TestHistoryOfRepeatsAndReverified(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	first, second := subscription(1, -1, "A"), subscription(5, -1, "B")
	repeat := subscription(61, -1, "A", signedAt(noon.Add(time.Minute))) // plenigo’s retry: the state is of the first one’s time
	refused := subscription(120, -1, "C", rejected)
	for _, e := range []*store.Event{first, second, repeat, refused} {
		record(t, db, e)
	}
	of := func() store.HistoryPage {
		return history(t, db, store.HistoryQuery{Filter: parse(t, "customer:5")})
	}
	if e := of().Events[1]; e.ID != repeat.ID || e.Arrival != 2 || !e.Stale || e.Held != second.ID {
		t.Errorf("a repeat without a time of its own: %+v", e)
	}
	key := store.EntityKey{Type: "SUBSCRIPTION", ID: "7"}
	if e, _, _ := db.FindState(t.Context(), key, uuid.Max); e == nil || e.ID != second.ID {
		t.Errorf("a repeat, or a rejected one, is the state: %+v", e)
	}
	result := verify.Result{Verdict: verify.Verified, Signature: verify.Valid}
	if _, err := db.Reverify(t.Context(), refused, result, false, "anna", ""); err != nil {
		t.Fatal(err)
	}
	if e, at, _ := db.FindState(t.Context(), key, uuid.Max); e == nil || e.ID != refused.ID || !at.Equal(refused.ReceivedAt()) {
		t.Errorf("a re-verified one is not the state: %+v", e)
	}
	if e := of().Events[0]; e.Held != second.ID || e.Stale {
		t.Errorf("re-verified: %+v", e)
	}
}

func TestCustomerEntities(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	record(t, db, arrived(noon, "", withBody([]byte(`{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"5","entity":{"customerId":"5"}}`))))
	record(t, db, subscription(1, 1, "A"))
	record(t, db, subscription(2, 2, "B"))
	entities, all, err := db.CustomerEntities(t.Context(), "5", uuid.Max)
	if err != nil || !all || len(entities) != 2 {
		t.Fatal(entities, all, err)
	}
	if e := entities[0]; e.EntityKey != (store.EntityKey{Type: "SUBSCRIPTION", ID: "7"}) || e.Events != 2 || !e.First.Equal(noon.Add(time.Minute)) || !e.Last.Equal(noon.Add(2*time.Minute)) {
		t.Errorf("%+v", e)
	}
	if entities, _, _ = db.CustomerEntities(t.Context(), "5", store.IDAt(noon.Add(time.Second))); len(entities) != 1 || entities[0].Type != "CUSTOMER" {
		t.Errorf("as of the beginning: %+v", entities)
	}
}
