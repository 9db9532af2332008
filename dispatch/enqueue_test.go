package dispatch

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

// TestAutomatic: recorded events go to the destinations that match, in the transaction that records them.
func TestAutomatic(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("all", to.URL+"/all", match(""))
	w.destination("customers", to.URL+"/customers", match("type:customer.* source:shop"))
	w.destination("niemand", to.URL+"/niemand", match("customer:48213 verdict:verified,late"))
	w.destination("others", to.URL+"/others", match("source:other"))
	w.destination("rejected", to.URL+"/rejected", match("verdict:rejected"))
	w.destination("manual", to.URL+"/manual")
	o := w.options(to.URL)
	o.Live = w.live()
	d := w.start(o)
	w.db.OnRecord(d.EnqueueTx)

	customer, order := w.event(creation), w.event(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"7"}`)
	forged := w.event(`{"entityType":"CUSTOMER"}`, rejected)
	w.record(customer, order, forged)

	for _, c := range []struct {
		event *store.Event
		want  []string
	}{
		{customer, []string{"all", "customers", "niemand"}},
		{order, []string{"all"}},
		{forged, nil},
	} {
		var names []string
		for _, delivery := range w.deliveries(c.event.ID) {
			if delivery.Trigger != store.TriggerAutomatic || delivery.RequestedBy != "" {
				t.Errorf("%+v", delivery)
			}
			names = append(names, delivery.Destination)
			w.reach(delivery, store.DeliverySucceeded)
		}
		if slices.Sort(names); !slices.Equal(names, c.want) {
			t.Errorf("%s: %q, want %q", c.event.Body, names, c.want)
		}
	}
	var got []string
	for _, r := range to.requests() {
		got = append(got, r.url+" "+r.header.Get("Recall-Trigger"))
	}
	if slices.Sort(got); !slices.Equal(got, []string{"/all automatic", "/all automatic", "/customers automatic", "/niemand automatic"}) {
		t.Errorf("%q", got)
	}
}

// TestRecordedTwice: the same batch again, and a repeat of plenigo's, make no second delivery.
func TestRecordedTwice(t *testing.T) {
	w := newWorld(t)
	w.destination("crm", "https://crm.example/", match(""))
	o := w.options()
	o.Live, o.Workers = w.live(), 0
	d := w.dispatcher(o)
	w.db.OnRecord(d.EnqueueTx)
	e := w.event(creation)
	w.record(e)
	w.record(e)
	w.record(w.event(creation))
	if deliveries, jobs := one[int](w, `SELECT count(*) FROM deliveries`), one[int](w, `SELECT count(*) FROM river_job`); deliveries != 1 || jobs != 1 {
		t.Errorf("%d deliveries, %d jobs", deliveries, jobs)
	}

	tx, err := w.db.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	for range 2 { // also where the hook itself is asked again
		if err := d.EnqueueTx(t.Context(), tx, []*store.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if deliveries, jobs := one[int](w, `SELECT count(*) FROM deliveries`), one[int](w, `SELECT count(*) FROM river_job`); deliveries != 1 || jobs != 1 {
		t.Errorf("asked again: %d deliveries, %d jobs", deliveries, jobs)
	}
}

// TestNothingMatches: then the transaction is not touched; it is not even there.
func TestNothingMatches(t *testing.T) {
	w := newWorld(t)
	destinations := []*store.Destination{
		{ID: 1, Name: "manual"},
		{ID: 2, Name: "other", Match: new("source:other")},
		{ID: 3, Name: "unreadable", Match: new("colour:red")},
	}
	o := w.options()
	o.Workers = 0
	for name, live := range map[string]*store.Live{"no settings": nil, "no destination": store.NewLive(nil, nil), "no match": store.NewLive([]*store.Source{w.source}, destinations)} {
		o.Live = live
		d := w.dispatcher(o)
		for range 2 {
			if err := d.EnqueueTx(t.Context(), nil, []*store.Event{w.event(creation), w.event(creation, rejected)}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if n := strings.Count(w.log.String(), "unreadable"); n != 1 {
		t.Errorf("a rule that cannot be read is logged %d times:\n%s", n, w.log)
	}
}

// TestSourceOfAnEventIsRemoved: a drained spool may hold events of it, which still match by its slug.
func TestSourceOfAnEventIsRemoved(t *testing.T) {
	w := newWorld(t)
	w.destination("crm", "https://crm.example/", match("source:shop"))
	if err := w.db.RemoveSource(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	destinations, err := w.db.ListDestinations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o := w.options()
	o.Live, o.Workers = store.NewLive(nil, destinations), 0
	w.db.OnRecord(w.dispatcher(o).EnqueueTx)
	w.record(w.event(creation), w.event("{}", func(e *store.Event) { e.SourceID = 99 }))
	if n := one[int](w, `SELECT count(*) FROM deliveries`); n != 1 {
		t.Errorf("%d deliveries", n)
	}
}

func TestRulesAreKept(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	var r rules
	for i := range maxRules + 10 {
		d := &store.Destination{Name: "crm", Match: new(fmt.Sprintf("customer:%d", i))}
		if _, ok := r.parsed(d, noon, log); !ok {
			t.Fatal(*d.Match)
		}
	}
	if len(r.byText) > maxRules {
		t.Errorf("%d rules are kept", len(r.byText))
	}
}

// TestRulesLookIntoTheEvent: a rule may ask for everything that an arriving event has.
func TestRulesLookIntoTheEvent(t *testing.T) {
	w := newWorld(t)
	for name, rule := range map[string]string{
		"yes-path": "entity.email:*", "yes-text": "example.org", "yes-header": "header.x-own:1", "yes-size": "size:>1 signature:valid repeat:no version:20240827 unexpected:no answered:200",
		"no-path": "-entity.email:*", "no-text": "example.com", "no-header": "header.x-own:2", "no-size": "repeat:yes",
	} {
		w.destination(name, "https://crm.example/", match(rule))
	}
	o := w.options()
	o.Live, o.Workers = w.live(), 0
	w.db.OnRecord(w.dispatcher(o).EnqueueTx)
	w.record(w.event(`{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"1","entity":{"email":"anna@example.org"}}`, func(e *store.Event) {
		e.Header.Set("X-Own", "1")
		e.APIVersion = "20240827"
	}))
	if got := one[string](w, `SELECT string_agg(name, ' ' ORDER BY name) FROM deliveries d JOIN destinations n ON n.id = d.destination_id`); got != "yes-header yes-path yes-size yes-text" {
		t.Errorf("sent to %s", got)
	}
}

// TestRuleWithAnAge: it counts back from when the event came, not from when the rule was first read.
func TestRuleWithAnAge(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	var r rules
	d := &store.Destination{Name: "crm", Match: new("entity.changedDate:>2h")}
	body := filter.NewPayload([]byte(`{"entity":{"changedDate":"` + noon.Add(-time.Hour).Format(time.RFC3339) + `"}}`))
	for after, want := range map[time.Duration]bool{0: true, 2 * time.Hour: false} {
		if rule, ok := r.parsed(d, noon.Add(after), log); !ok || rule.Match(filter.Subject{Payload: body}) != want {
			t.Errorf("after %s: %v", after, !want)
		}
	}
}

// TestAutomaticToAPausedDestination: the delivery is made, waits, and goes out when the destination is active again.
func TestAutomaticToAPausedDestination(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	crm := w.destination("crm", to.URL, match(""), func(d *store.Destination) { d.State = store.DestinationPaused })
	o := w.options(to.URL)
	o.Live = w.live()
	d := w.start(o)
	w.db.OnRecord(d.EnqueueTx)
	e := w.event(creation)
	w.record(e)
	w.destination("erp", to.URL+"/erp")
	w.reach(w.redispatch(d, "erp"), store.DeliverySucceeded) // the dispatcher has looked
	delivery := w.deliveries(e.ID)[0]
	if delivery.State != store.DeliveryPending || delivery.Attempts != 0 || len(to.requests()) != 1 {
		t.Errorf("%+v", delivery)
	}
	if _, err := w.db.SetDestinationState(t.Context(), crm.ID, store.DestinationActive, ""); err != nil {
		t.Fatal(err)
	}
	if got := w.reach(delivery, store.DeliverySucceeded); got.Attempts != 1 {
		t.Errorf("%+v", got)
	}
}

// TestJobsHoldIDsOnly: River's rows name the destination, and say nothing of the event.
func TestJobsHoldIDsOnly(t *testing.T) {
	w := newWorld(t)
	crm := w.destination("crm", "https://crm.example/")
	o := w.options()
	o.Workers = 0
	delivery := w.redispatch(w.dispatcher(o), "crm")
	args := one[map[string]any](w, `SELECT args FROM river_job`)
	if len(args) != 1 || args["destination_id"] != float64(crm.ID) {
		t.Errorf("%v", args)
	}
	if delivery.ID == uuid.Nil {
		t.Error("no id")
	}
}
