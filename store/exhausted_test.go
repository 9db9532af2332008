package store_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// gaveUp makes a delivery of a new event that was given up, and its one attempt.
func gaveUp(t testing.TB, db *store.DB, to *store.Destination, at time.Time, status int, words string) *store.Delivery {
	t.Helper()
	e := arrived(at, own)
	record(t, db, e)
	d := &store.Delivery{EventID: e.ID, DestinationID: to.ID, Trigger: store.TriggerAutomatic, CreatedAt: at}
	deliver(t, db, d)
	_, err := db.Pool().Exec(t.Context(), `
		UPDATE deliveries SET state = 'exhausted', finished_at = $3, last_status = nullif($4, 0), last_error = $5, attempts = 1, next_attempt_at = NULL
		WHERE event_id = $1 AND id = $2`, d.EventID, d.ID, at, status, words)
	must(t, err)
	_, err = db.Pool().Exec(t.Context(), `
		INSERT INTO attempts (event_id, delivery_id, number, started_at, duration_ms, request_url, request_header, status, error)
		VALUES ($1, $2, 1, $3, 5, '', '', nullif($4, 0), $5)`, d.EventID, d.ID, at, status, words)
	must(t, err)
	return d
}

func TestExhausted(t *testing.T) {
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	to := crm()
	must(t, db.CreateDestination(t.Context(), to))
	gone := crm()
	gone.Name = "gone"
	must(t, db.CreateDestination(t.Context(), gone))
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	first := gaveUp(t, db, to, at(0), 500, "")
	last := gaveUp(t, db, to, at(3), 500, "")
	refused := gaveUp(t, db, to, at(1), 0, "could not connect")
	again := gaveUp(t, db, to, at(2), 500, "")
	elsewhere := gaveUp(t, db, gone, at(2), 500, "")
	must(t, db.RemoveDestination(t.Context(), "gone"))
	deliver(t, db,
		&store.Delivery{EventID: again.EventID, DestinationID: to.ID, Trigger: store.TriggerManual, CreatedAt: at(10)},
		&store.Delivery{EventID: first.EventID, DestinationID: gone.ID, Trigger: store.TriggerManual, CreatedAt: at(10)}, // another destination
		&store.Delivery{EventID: last.EventID, DestinationID: to.ID, Trigger: store.TriggerManual, CreatedAt: at(10), State: store.DeliveryCancelled},
	)
	want := []store.ExhaustedGroup{
		{DestinationID: to.ID, Destination: "crm", State: to.State, StateReason: to.StateReason, Status: 500, Deliveries: 2, First: at(0), Last: at(3), Newest: last.EventID},
		{DestinationID: gone.ID, Destination: "gone", Removed: true, State: to.State, StateReason: to.StateReason, Status: 500, Deliveries: 1, First: at(2), Last: at(2), Newest: elsewhere.EventID},
		{DestinationID: to.ID, Destination: "crm", State: to.State, StateReason: to.StateReason, Error: "could not connect", Deliveries: 1, First: at(1), Last: at(1), Newest: refused.EventID},
	}
	groups, err := db.ListExhausted(t.Context())
	must(t, err)
	if !reflect.DeepEqual(groups, want) {
		t.Errorf("\ngot  %+v\nwant %+v", groups, want)
	}

	key := store.ExhaustedKey{DestinationID: to.ID, Status: 500}
	for limit, want := range map[int][]uuid.UUID{10: {first.EventID, last.EventID}, 1: {first.EventID}} {
		if got, err := db.ExhaustedEvents(t.Context(), key, limit); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("at most %d: %v, %v; want %v", limit, got, err, want)
		}
	}

	note := store.AuditEntry{Actor: "anna", Action: "delivery.let_go", Subject: "crm", Reason: "of no use", Detail: map[string]any{"status": 500}}
	for _, want := range []int{1, 1, 0} {
		if n, err := db.LetGo(t.Context(), key, 1, note); err != nil || n != want {
			t.Errorf("let go of %d, %v; want %d", n, err, want)
		}
	}
	if got := findDelivery(t, db, first); got.State != store.DeliveryCancelled || got.LastStatus != 500 || !got.FinishedAt.Equal(at(0)) {
		t.Errorf("%+v", got)
	}
	for _, left := range []*store.Delivery{refused, again, elsewhere} {
		if got := findDelivery(t, db, left); got.State != store.DeliveryExhausted {
			t.Errorf("another one is %s too", got.State)
		}
	}
	entries, err := db.ListAudit(t.Context(), "crm", 0)
	if err != nil || len(entries) != 2 || entries[0].Detail["deliveries"] != 1.0 || entries[0].Detail["status"] != 500.0 {
		t.Errorf("%+v, %v", entries, err)
	}
	if groups, err := db.ListExhausted(t.Context()); err != nil || len(groups) != 2 {
		t.Errorf("left: %+v, %v", groups, err)
	}
}

func TestLastAttempts(t *testing.T) {
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	to, other := crm(), crm()
	other.Name = "other"
	must(t, db.CreateDestination(t.Context(), to))
	must(t, db.CreateDestination(t.Context(), other))
	var made []*store.Delivery
	for i := range 4 {
		made = append(made, gaveUp(t, db, to, noon.Add(time.Duration(i)*time.Minute), 500+i, ""))
	}
	gaveUp(t, db, other, noon.Add(time.Hour), 0, "no answer")
	deliver(t, db, &store.Delivery{EventID: made[0].EventID, DestinationID: to.ID, Trigger: store.TriggerManual}) // never tried
	for limit, want := range map[int]int{2: 2, 10: 4} {
		list, err := db.LastAttempts(t.Context(), to.ID, limit)
		if err != nil || len(list) != want {
			t.Errorf("at most %d: %d, %v", limit, len(list), err)
			continue
		}
		for i, a := range list {
			d := made[len(made)-1-i]
			if a.DeliveryID != d.ID || a.EventID != d.EventID || a.Status != 503-i || a.State != store.DeliveryExhausted || a.Number != 1 || a.Duration != 5*time.Millisecond || a.EntityType == "" {
				t.Errorf("%d: %+v", i, a)
			}
		}
	}
}

func TestDestinationChanges(t *testing.T) {
	before, after := crm(), crm()
	if got := store.DestinationChanges(before, after); len(got) != 0 {
		t.Errorf("nothing changed: %v", got)
	}
	after.URL, after.Method, after.Match = "https://crm.example/in?a=s3cret-c", "", nil
	after.SetHeader(verify.Header{Name: "x-a", Value: "s3cret-b"}, true)
	after.SetHeader(verify.Header{Name: "x-tenant", Value: "open"}, false)
	after.Rotate("s3cret-key", 0, noon)
	got := store.DestinationChanges(before, after)
	text, err := json.Marshal(got)
	must(t, err)
	for _, want := range []string{
		`"replaced":["query of the URL","secret header X-A","signing secret made 2026-`, `"method":{"after":"POST","before":"PUT"}`,
		`"headers":{"after":["X-Tenant: open"],"before":["X-Tenant: shop \u003c\u0026\u003e ü"]}`, `"match":{"after":null,"before":"source:shop type:customer.*"}`, `"signing_secrets":`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s\ndoes not say %s", text, want)
		}
	}
	all, err := json.Marshal(store.DestinationChanges(nil, after))
	must(t, err)
	if strings.Contains(string(text)+string(all), "s3cret") {
		t.Errorf("a secret is noted: %s\n%s", text, all)
	}
	if !after.RemoveHeader("X-TENANT") || after.RemoveHeader("X-Tenant") || len(after.ClearHeaders) != 0 || len(before.ClearHeaders) != 1 {
		t.Errorf("headers %v, %v", after.ClearHeaders, before.ClearHeaders)
	}
}
