package dispatch

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"recall/store"
)

// automatic is a dispatcher that works, whose destinations get what is recorded.
func (w *world) automatic(o Options) *Dispatcher {
	w.Helper()
	o.Live = w.live()
	d := w.start(o)
	w.db.OnRecord(d.EnqueueTx)
	return d
}

// arrive records events of one entity each.
func (w *world) arrive(entities ...string) []*store.Delivery {
	w.Helper()
	var list []*store.Delivery
	for _, entity := range entities {
		w.bodies++ // each is a callback of its own
		e := w.event(fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CHANGE","entityId":%q,"entity":{"number":%d}}`, entity, w.bodies))
		e.ID[6], e.ID[7] = 0x70|byte(w.bodies>>8), byte(w.bodies) // ids rise as with a real clock
		w.record(e)
		list = append(list, w.deliveries(e.ID)...)
	}
	return list
}

func (w *world) stateOf(name string) store.DestinationState {
	w.Helper()
	d, err := w.db.FindDestination(w.Context(), name)
	if err != nil {
		w.Fatal(err)
	}
	return d.State
}

func asTheScheduleSays(wait time.Duration) time.Duration { return wait }

// TestBroken: a destination that keeps failing is broken. What is for it waits without using up its tries, one at a time probes
// it, and when it is back all goes out.
func TestBroken(t *testing.T) {
	w := newWorld(t)
	answers := make([]http.HandlerFunc, breakAfter+1, breakAfter+2) // and the first probe
	for i := range answers {
		answers[i] = status(503)
	}
	to := newReceiver(t, append(answers, status(200))...)
	w.destination("crm", to.URL, match(""))
	o := w.options(to.URL)
	o.Jitter = asTheScheduleSays
	d := w.automatic(o)
	all := w.arrive("1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
	w.until("broken", func() bool { return w.stateOf("crm") == store.DestinationBroken })
	crm, _ := w.db.FindDestination(t.Context(), "crm")
	if crm.StateReason != "10 attempts in a row failed, the last with: 503 Service Unavailable" || !crm.StateSince.Equal(noon) {
		t.Errorf("%q since %s", crm.StateReason, crm.StateSince)
	}
	all = append(all, w.arrive("11")...)

	probe := func(at time.Time, requests int) {
		w.clock.set(at.Add(-time.Millisecond))
		d.wake(crm.ID)
		w.clock.set(at)
		w.until("a probe", func() bool { return len(to.requests()) >= requests })
	}
	probe(noon.Add(30*time.Second), breakAfter+1)
	w.until("it failed", func() bool { return one[int](w, `SELECT probes FROM lanes`) == 1 })
	if n := len(to.requests()); n != breakAfter+1 {
		t.Errorf("%d requests while it is broken", n)
	}
	for _, delivery := range all {
		if got := w.find(delivery); got.Tries > 1 || got.State != store.DeliveryWaiting && got.State != store.DeliveryPending {
			t.Errorf("%+v", got)
		}
	}
	back := noon.Add(90 * time.Second) // twice the wait before
	probe(back, breakAfter+2)
	attempts := 0
	for _, delivery := range all {
		got := w.reach(delivery, store.DeliverySucceeded)
		attempts += len(got.History)
		if last := got.History[len(got.History)-1]; !last.StartedAt.Equal(back) || got.Tries > 2 {
			t.Errorf("%d tries, the last at %s", got.Tries, last.StartedAt)
		}
	}
	if want := breakAfter + 1 + len(all); attempts != want || len(to.requests()) != want {
		t.Errorf("%d attempts and %d requests, want %d", attempts, len(to.requests()), want)
	}
	if state := w.stateOf("crm"); state != store.DestinationActive {
		t.Errorf("it is %s", state)
	}
	audit := one[string](w, `SELECT string_agg(actor || ' ' || action, ', ' ORDER BY id) FROM audit_entries WHERE subject = 'crm'`)
	if audit != "recall destination.break, recall destination.recover" {
		t.Errorf("the audit list: %s", audit)
	}
}

// TestFailuresThatDoNotBreak: those made by hand, and those that are not in a row.
func TestFailuresThatDoNotBreak(t *testing.T) {
	w := newWorld(t)
	bad := newReceiver(t, status(500))
	w.destination("by-hand", bad.URL, once)
	var answers []http.HandlerFunc
	for range breakAfter - 1 {
		answers = append(answers, status(500))
	}
	mixed := newReceiver(t, append(append(append(answers, status(200)), answers...), status(200))...)
	w.destination("mixed", mixed.URL, match(""), once)
	d := w.automatic(w.options(bad.URL, mixed.URL))
	for range breakAfter + 1 {
		w.reach(w.redispatch(d, "by-hand"), store.DeliveryExhausted)
	}
	w.until("all at the other", func() bool { return one[int](w, `SELECT count(*) FROM deliveries WHERE finished_at IS NULL`) == 0 })
	for range 2 * breakAfter {
		for _, delivery := range w.arrive("1") {
			w.until("an end", func() bool { return !w.find(delivery).FinishedAt.IsZero() })
		}
	}
	for _, name := range []string{"by-hand", "mixed"} {
		if state := w.stateOf(name); state != store.DestinationActive {
			t.Errorf("%s is %s", name, state)
		}
	}
}

// TestFailsTooOften: one that succeeds now and then, and fails more than four times in five within a minute, is broken; not one
// that fails as often in a row of minutes.
func TestFailsTooOften(t *testing.T) {
	w := newWorld(t)
	var answers []http.HandlerFunc
	for n := range 200 {
		answers = append(answers, status(map[bool]int{true: 200, false: 500}[n%8 == 7]))
	}
	often, slowly := newReceiver(t, answers...), newReceiver(t, answers...)
	w.destination("often", often.URL, match("type:ORDER.CHANGE"), once)
	w.destination("slowly", slowly.URL, match("type:CUSTOMER.CREATION"), once)
	w.automatic(w.options(often.URL, slowly.URL))
	for n := range breakLeast {
		if state := w.stateOf("often"); state != store.DestinationActive {
			t.Fatalf("%s after %d", state, n)
		}
		delivery := w.arrive("1")[0]
		w.until("an end", func() bool { return !w.find(delivery).FinishedAt.IsZero() })
	}
	w.until("broken", func() bool { return w.stateOf("often") == store.DestinationBroken })
	d, err := w.db.FindDestination(t.Context(), "often")
	must(t, err)
	if d.StateReason != "44 of 50 attempts within a minute failed, the last with: 500 Internal Server Error" {
		t.Error(d.StateReason)
	}
	for range 2 * breakLeast {
		w.clock.set(w.clock.now().Add(store.LaneWindow / 20))
		w.bodies++
		e := w.event(fmt.Sprintf(`{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"1","entity":{"number":%d}}`, w.bodies))
		w.record(e)
		delivery := w.deliveries(e.ID)[0]
		w.until("an end", func() bool { return !w.find(delivery).FinishedAt.IsZero() })
	}
	if state := w.stateOf("slowly"); state != store.DestinationActive {
		t.Errorf("the other is %s", state)
	}
}

// TestOneProbe: when a probe is due, one is made, however many instances look at the same moment.
func TestOneProbe(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(503))
	crm := w.destination("crm", to.URL, match(""))
	o := w.options(to.URL)
	o.Jitter = asTheScheduleSays
	first := w.automatic(o)
	o.Live = w.live()
	second := w.start(o)
	_, err := w.db.BreakDestination(t.Context(), crm.ID, "down", noon.Add(time.Minute), store.AuditEntry{Actor: "recall", Action: "destination.break", Subject: "crm"})
	must(t, err)
	for _, d := range []*Dispatcher{first, second} {
		must(t, d.live.Renew(t.Context()))
	}
	w.arrive("1", "2", "3", "4", "5", "6")
	due := noon.Add(time.Minute)
	for n := range 3 {
		w.clock.set(due)
		first.wake(crm.ID)
		second.wake(crm.ID)
		w.until("a probe failed", func() bool { return one[int](w, `SELECT probes FROM lanes`) == n+1 })
		broken := *crm
		broken.State = store.DestinationBroken
		var looks sync.WaitGroup
		for range 8 { // as more instances would
			looks.Go(func() {
				claimed, _, err := w.db.ClaimDeliveries(t.Context(), store.Claim{Destination: &broken, Limit: 10, Lease: time.Minute, ProbeAfter: first.probeAfter})
				if err != nil || len(claimed) > 0 {
					t.Errorf("%d claimed beside the probe: %v", len(claimed), err)
				}
			})
		}
		looks.Wait()
		if got := len(to.requests()); got != n+1 {
			t.Errorf("%d requests after %d probes", got, n+1)
		}
		due = due.Add(time.Minute << n)
	}
}

// TestGone: 410 pauses a destination, says so, and costs the delivery nothing.
func TestGone(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(http.StatusGone), status(200))
	w.destination("crm", to.URL, match(""), once)
	d := w.automatic(w.options(to.URL))
	delivery := w.arrive("1")[0]
	w.until("paused", func() bool { return w.stateOf("crm") == store.DestinationPaused })
	crm, _ := w.db.FindDestination(t.Context(), "crm")
	got := w.find(delivery)
	if !strings.HasPrefix(crm.StateReason, "It answered 410 Gone") || got.State != store.DeliveryWaiting || got.Tries != 0 || got.LastStatus != 410 {
		t.Errorf("%q, %+v", crm.StateReason, got)
	}
	if action := one[string](w, `SELECT action FROM audit_entries WHERE actor = 'recall' AND subject = 'crm'`); action != "destination.pause" {
		t.Errorf("the audit list has %s", action)
	}
	w.clock.set(noon.Add(goneWait))
	d.wake(crm.ID)
	if _, err := w.db.SetDestinationState(t.Context(), crm.ID, store.DestinationActive, ""); err != nil {
		t.Fatal(err)
	}
	if got := w.reach(delivery, store.DeliverySucceeded); len(got.History) != 2 || len(to.requests()) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestProbeAfter(t *testing.T) {
	d := &Dispatcher{now: func() time.Time { return noon }, jitter: asTheScheduleSays}
	for failed, want := range map[int]time.Duration{0: 30 * time.Second, 1: time.Minute, 3: 4 * time.Minute, 5: 10 * time.Minute, 1000: 10 * time.Minute} {
		if got := d.probeAfter(failed).Sub(noon); got != want {
			t.Errorf("after %d: %s, want %s", failed, got, want)
		}
	}
}

// TestBrokenByHand: what a person sends to a broken destination is tried at once, once each, does not count against it, and
// mends it when it succeeds.
func TestBrokenByHand(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(503), status(200))
	crm := w.destination("crm", to.URL, match(""))
	o := w.options(to.URL)
	o.Jitter = asTheScheduleSays
	d := w.automatic(o)
	if _, err := w.db.BreakDestination(t.Context(), crm.ID, "down", noon.Add(time.Hour), store.AuditEntry{Actor: "recall", Action: "destination.break", Subject: "crm"}); err != nil {
		t.Fatal(err)
	}
	must(t, d.live.Renew(t.Context()))
	waiting := w.arrive("1", "2")
	if n := len(to.requests()); n != 0 {
		t.Fatalf("%d requests before anybody sent one", n)
	}
	byHand := w.redispatch(d, "crm")
	first := w.reach(byHand, store.DeliveryWaiting)
	if first.Tries != 0 || len(first.History) != 1 || first.History[0].Status != 503 {
		t.Errorf("it used up %d tries: %+v", first.Tries, first.History)
	}
	if n := one[int](w, `SELECT probes FROM lanes`); n != 0 || w.stateOf("crm") != store.DestinationBroken {
		t.Errorf("%d probes counted, and it is %s", n, w.stateOf("crm"))
	}
	again, err := d.Redispatch(t.Context(), store.Redispatch{EventID: byHand.EventID, Destination: "crm", By: "anna"})
	must(t, err)
	w.reach(again, store.DeliverySucceeded)
	for _, delivery := range waiting {
		w.reach(delivery, store.DeliverySucceeded)
	}
	if w.stateOf("crm") != store.DestinationActive {
		t.Errorf("it is %s", w.stateOf("crm"))
	}
}

// TestPausedByHand: what a person sends to a paused destination waits until it is resumed.
func TestPausedByHand(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	crm := w.destination("crm", to.URL, func(d *store.Destination) { d.State = store.DestinationPaused })
	d := w.automatic(w.options(to.URL))
	delivery := w.redispatch(d, "crm")
	if StandstillWords(crm) == "" {
		t.Error("nobody says that it waits")
	}
	d.wake(crm.ID)
	if got := w.find(delivery); got.State != store.DeliveryPending || got.Attempts != 0 || len(to.requests()) != 0 {
		t.Errorf("%+v", got)
	}
	_, err := w.db.SetDestinationState(t.Context(), crm.ID, store.DestinationActive, "")
	must(t, err)
	must(t, d.live.Renew(t.Context()))
	w.reach(delivery, store.DeliverySucceeded)
}
