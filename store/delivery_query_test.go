package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/store"
	"recall/store/storetest"
)

// deliver creates deliveries and returns those that were new.
func deliver(t testing.TB, db *store.DB, ds ...*store.Delivery) []*store.Delivery {
	t.Helper()
	var fresh []*store.Delivery
	must(t, pgx.BeginFunc(t.Context(), db.Pool(), func(tx pgx.Tx) (err error) {
		fresh, err = db.CreateDeliveriesTx(t.Context(), tx, ds)
		return err
	}))
	return fresh
}

// delivered is a new delivery of a new event, on a store whose clock stands at noon.
func delivered(t testing.TB) (*store.DB, *store.Delivery) {
	t.Helper()
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	e := arrived(noon, own)
	record(t, db, e)
	d := &store.Delivery{EventID: e.ID, DestinationID: 1, Trigger: store.TriggerAutomatic}
	deliver(t, db, d)
	return db, d
}

func findDelivery(t testing.TB, db *store.DB, d *store.Delivery) *store.Delivery {
	t.Helper()
	found, err := db.FindDelivery(t.Context(), d.EventID, d.ID)
	must(t, err)
	return found
}

func listDeliveries(t testing.TB, db *store.DB, event uuid.UUID) []*store.Delivery {
	t.Helper()
	ds, err := db.ListDeliveries(t.Context(), event)
	must(t, err)
	return ds
}

func TestAutomaticDeliveryIsMadeOnce(t *testing.T) {
	db, d := delivered(t)
	twice := &store.Delivery{EventID: d.EventID, DestinationID: 1, Trigger: store.TriggerAutomatic}
	elsewhere := &store.Delivery{EventID: d.EventID, DestinationID: 2, Trigger: store.TriggerAutomatic}
	again := &store.Delivery{EventID: d.EventID, DestinationID: 2, Trigger: store.TriggerAutomatic}
	if got := deliver(t, db, twice, elsewhere, again); len(got) != 1 || got[0] != elsewhere {
		t.Errorf("%d new ones, want only the one to another destination", len(got))
	}
	by := &store.Delivery{EventID: d.EventID, DestinationID: 1, Trigger: store.TriggerManual}
	byAgain := &store.Delivery{EventID: d.EventID, DestinationID: 1, Trigger: store.TriggerManual}
	replayed := &store.Delivery{EventID: d.EventID, DestinationID: 1, Trigger: store.TriggerReplay}
	if got := deliver(t, db, by, byAgain, replayed); !reflect.DeepEqual(got, []*store.Delivery{by, byAgain, replayed}) {
		t.Errorf("%d new ones, want all three: people may send as often as they like", len(got))
	}
	if got := deliver(t, db); got != nil {
		t.Errorf("%v of none", got)
	}
	if n := count(t, db, "deliveries"); n != 5 {
		t.Errorf("%d deliveries, want 5", n)
	}
}

func TestDeliveriesEndWithTheirTransaction(t *testing.T) {
	db, d := delivered(t)
	failed := errors.New("failed")
	err := pgx.BeginFunc(t.Context(), db.Pool(), func(tx pgx.Tx) error {
		_, err := db.CreateDeliveriesTx(t.Context(), tx, []*store.Delivery{{EventID: d.EventID, DestinationID: 2, Trigger: store.TriggerManual}})
		must(t, err)
		return failed
	})
	if n := count(t, db, "deliveries"); !errors.Is(err, failed) || n != 1 {
		t.Errorf("%v, %d deliveries, want 1", err, n)
	}
	for name, bad := range map[string]*store.Delivery{
		"no trigger":     {EventID: d.EventID, DestinationID: 2},
		"unknown state":  {EventID: d.EventID, DestinationID: 2, Trigger: store.TriggerManual, State: "lost"},
		"no partition":   {EventID: uuid.Nil, DestinationID: 2, Trigger: store.TriggerManual},
		"the id is used": {EventID: d.EventID, ID: d.ID, DestinationID: 2, Trigger: store.TriggerManual},
	} {
		err := pgx.BeginFunc(t.Context(), db.Pool(), func(tx pgx.Tx) error {
			_, err := db.CreateDeliveriesTx(t.Context(), tx, []*store.Delivery{bad})
			return err
		})
		if err == nil {
			t.Errorf("%s: created", name)
		}
	}
}

func TestFindDelivery(t *testing.T) {
	db, d := delivered(t)
	if got := d.ID.Version(); got != 7 || store.IDAt(noon).String()[:13] != d.ID.String()[:13] {
		t.Errorf("id %s is no UUIDv7 of noon", d.ID)
	}
	want := store.Delivery{EventID: d.EventID, ID: d.ID, DestinationID: 1, Trigger: store.TriggerAutomatic, State: store.DeliveryPending, CreatedAt: noon}
	if got := findDelivery(t, db, d); !reflect.DeepEqual(got, &want) {
		t.Errorf("\ngot  %+v\nwant %+v", got, &want)
	}

	destination := crm()
	must(t, db.CreateDestination(t.Context(), destination))
	must(t, db.RemoveDestination(t.Context(), destination.Name))
	full := &store.Delivery{
		EventID: d.EventID, ID: uuid.Must(uuid.NewV7()), DestinationID: destination.ID, Trigger: store.TriggerManual, State: store.DeliverySending,
		RequestedBy: "an\x00na \xff", Reason: "\x00 <script> \xc3", CreatedAt: noon.Add(-time.Hour),
	}
	deliver(t, db, full)
	want = *full
	want.Destination, want.RequestedBy, want.Reason = destination.Name, "an\uFFFDna \uFFFD", "\uFFFD <script> \uFFFD"
	if got := findDelivery(t, db, full); !reflect.DeepEqual(got, &want) {
		t.Errorf("\ngot  %+v\nwant %+v", got, &want)
	}

	for name, ids := range map[string][2]uuid.UUID{
		"other delivery": {d.EventID, uuid.Max}, "other event": {store.IDAt(noon), d.ID}, "no partition": {uuid.Nil, d.ID},
	} {
		if _, err := db.FindDelivery(t.Context(), ids[0], ids[1]); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListDeliveries(t *testing.T) {
	db, d := delivered(t)
	if got := listDeliveries(t, db, store.IDAt(noon)); len(got) != 0 {
		t.Errorf("%d of an event without any", len(got))
	}
	other := arrived(noon, other)
	record(t, db, other)
	newer := &store.Delivery{EventID: d.EventID, DestinationID: 2, Trigger: store.TriggerManual, CreatedAt: noon.Add(time.Minute)}
	older := &store.Delivery{EventID: d.EventID, DestinationID: 3, Trigger: store.TriggerManual, CreatedAt: noon.Add(-time.Minute)}
	deliver(t, db, newer, older, &store.Delivery{EventID: other.ID, DestinationID: 1, Trigger: store.TriggerManual})
	for range 3 {
		storetest.Begin(t, db, d)
	}
	storetest.Begin(t, db, older)

	got := listDeliveries(t, db, d.EventID)
	if len(got) != 3 || got[0].ID != newer.ID || got[1].ID != d.ID || got[2].ID != older.ID {
		t.Fatalf("%+v, want the newest first", got)
	}
	var numbers []int
	for _, a := range got[1].History {
		numbers = append(numbers, a.Number)
	}
	if !reflect.DeepEqual(numbers, []int{1, 2, 3}) || len(got[0].History) != 0 || len(got[2].History) != 1 || got[1].Attempts != 3 {
		t.Errorf("attempts %v, %d and %d", numbers, len(got[0].History), len(got[2].History))
	}

	// An event that is sent again and again.
	var many []*store.Delivery
	for i := range 300 {
		many = append(many, &store.Delivery{EventID: d.EventID, DestinationID: 1, Trigger: store.TriggerManual, CreatedAt: noon.Add(time.Duration(i) * time.Hour)})
	}
	deliver(t, db, many...)
	if got := listDeliveries(t, db, d.EventID); len(got) != 200 || got[0].ID != many[299].ID || got[199].ID != many[100].ID {
		t.Errorf("%d listed, want the newest 200", len(got))
	}
}

func TestCancelDeliveries(t *testing.T) {
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	states := []store.DeliveryState{
		store.DeliveryPending, store.DeliverySending, store.DeliveryWaiting, store.DeliverySucceeded, store.DeliveryExhausted, store.DeliveryCancelled,
	}
	open := func(s store.DeliveryState) bool {
		return s == store.DeliveryPending || s == store.DeliverySending || s == store.DeliveryWaiting
	}
	var ds []*store.Delivery
	toOne := int64(0)
	for week := range 3 {
		e := arrived(noon.AddDate(0, 0, 7*week), own)
		record(t, db, e)
		for i := range 1200 {
			d := &store.Delivery{EventID: e.ID, DestinationID: int64(1 + i%2), Trigger: store.TriggerManual, State: states[i/2%len(states)]}
			if ds = append(ds, d); d.DestinationID == 1 && open(d.State) {
				toOne++
			}
		}
	}
	deliver(t, db, ds...)
	next := noon.Add(time.Hour)
	waiting := &store.Delivery{EventID: ds[0].EventID, DestinationID: 1, Trigger: store.TriggerManual}
	deliver(t, db, waiting)
	storetest.End(t, db, waiting, storetest.Begin(t, db, waiting), store.DeliveryWaiting, next)

	n, err := db.CancelDeliveries(t.Context(), 1)
	if err != nil || n != toOne+1 {
		t.Errorf("%d cancelled, want %d: %v", n, toOne+1, err)
	}
	if d := findDelivery(t, db, waiting); d.State != store.DeliveryCancelled || !d.NextAttemptAt.IsZero() || !d.FinishedAt.Equal(noon) {
		t.Errorf("%+v", d)
	}
	rows, err := db.Pool().Query(t.Context(), `SELECT id, state FROM deliveries`)
	must(t, err)
	stateOf := map[uuid.UUID]store.DeliveryState{}
	var id uuid.UUID
	var state store.DeliveryState
	_, err = pgx.ForEachRow(rows, []any{&id, &state}, func() error { stateOf[id] = state; return nil })
	must(t, err)
	for _, d := range ds {
		want := d.State
		if d.DestinationID == 1 && open(d.State) {
			want = store.DeliveryCancelled
		}
		if got := stateOf[d.ID]; got != want {
			t.Fatalf("to destination %d, %s before: %s, want %s", d.DestinationID, d.State, got, want)
		}
	}
	if n, err := db.CancelDeliveries(t.Context(), 1); err != nil || n != 0 {
		t.Errorf("again: %d cancelled: %v", n, err)
	}
	if n, err := db.CancelDeliveries(t.Context(), 99); err != nil || n != 0 {
		t.Errorf("of none: %d cancelled: %v", n, err)
	}
}

func TestCancellingManyEvents(t *testing.T) {
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	var ds []*store.Delivery
	record(t, db, arrived(noon, own)) // makes the partitions
	for i := range 2500 {             // more than two batches
		e := arrived(noon.Add(time.Duration(i)*time.Second), "")
		ds = append(ds, &store.Delivery{EventID: e.ID, DestinationID: 1, Trigger: store.TriggerAutomatic})
	}
	deliver(t, db, ds...)
	if n, err := db.CancelDeliveries(t.Context(), 1); err != nil || n != 2500 {
		t.Errorf("%d cancelled: %v", n, err)
	}
}
