package dispatch

import (
	"errors"
	"strings"
	"testing"

	"recall/store"
)

// TestStale: an event is not sent over a newer state of its entity unless somebody says so, and why.
func TestStale(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("crm", to.URL, match("entity:a"))
	w.destination("erp", to.URL)
	d := w.automatic(w.options(to.URL))
	var events []*store.Event
	for _, delivery := range w.arrive("a", "a", "a", "a") {
		w.reach(delivery, store.DeliverySucceeded)
		e, err := w.db.FindEvent(t.Context(), delivery.EventID)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	w.arrive("b")
	ask := func(event *store.Event, to string, anyway bool, reason string) error {
		_, err := d.Redispatch(t.Context(), store.Redispatch{EventID: event.ID, Destination: to, By: "anna", Anyway: anyway, Reason: reason})
		return err
	}
	var stale *StaleError
	for _, c := range []struct {
		name      string
		event     *store.Event
		to        string
		count     int
		delivered bool
		words     string
	}{
		{"three newer", events[0], "crm", 3, true, "3 newer events of its entity exist, and the newest was delivered there"},
		{"one newer", events[2], "crm", 1, true, "a newer event of its entity exists, and it was delivered there"},
		{"not delivered", events[1], "erp", 2, false, "2 newer events of its entity exist, and the newest was not delivered there"},
	} {
		err := ask(c.event, c.to, false, "")
		if !errors.As(err, &stale) || stale.Count != c.count || stale.Newest != events[3].ID || stale.NewestDelivered.IsZero() == c.delivered ||
			!strings.HasSuffix(err.Error(), c.words) {
			t.Errorf("%s: %v, %+v", c.name, err, stale)
		}
	}
	if err := ask(events[0], "crm", true, "  "); !errors.Is(err, ErrNoReason) {
		t.Errorf("anyway, without a reason: %v", err)
	}
	if err := ask(events[3], "crm", false, ""); err != nil {
		t.Errorf("the newest: %v", err)
	}
	if err := ask(events[0], "crm", true, "the CRM lost it"); err != nil {
		t.Errorf("anyway: %v", err)
	}
	if n := one[int](w, `SELECT (detail->>'newer')::int FROM audit_entries WHERE subject = $1`, events[0].ID.String()); n != 3 {
		t.Errorf("the audit list counts %d newer ones", n)
	}

	// The way back to an earlier state: the event says what the entity is now.
	again := w.event(string(events[0].Body), func(e *store.Event) { e.Verification.SignedAt++; e.ID[6] = 0x7f })
	w.record(again)
	if err := ask(events[0], "crm", false, ""); again.Arrival == 1 && err != nil {
		t.Errorf("equal to the newest: %v", err)
	}
}
