package dispatch

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"recall/store"
)

// TestRemovedDestination: what was waiting for it is cancelled, all at once, and nothing is sent.
func TestRemovedDestination(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("crm", to.URL)
	o := w.options(to.URL)
	o.Workers = 0
	idle := w.dispatcher(o)
	first, second := w.redispatch(idle, "crm"), w.redispatch(idle, "crm")
	if err := w.db.RemoveDestination(t.Context(), "crm"); err != nil {
		t.Fatal(err)
	}
	o.Workers = 2
	o.Live = w.live()
	w.start(o)
	for _, delivery := range []*store.Delivery{first, second} {
		if got := w.reach(delivery, store.DeliveryCancelled); len(got.History) != 0 || got.FinishedAt.IsZero() {
			t.Errorf("%+v", got)
		}
	}
	if n := len(to.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// TestEventIsGone: a delivery whose event was erased is cancelled, and says why.
func TestEventIsGone(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("crm", to.URL)
	o := w.options(to.URL)
	o.Workers = 0
	delivery := w.redispatch(w.dispatcher(o), "crm")
	w.exec(`DELETE FROM events`)
	o.Workers = 1
	w.start(o)
	if got := w.reach(delivery, store.DeliveryCancelled); got.LastError != "not sent: the event is no longer there" || len(to.requests()) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestDeliveryIsGone: one that was dropped with its event, or is finished, is not sent.
func TestDeliveryIsGone(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("crm", to.URL)
	o := w.options(to.URL)
	o.Workers = 0
	idle := w.dispatcher(o)
	dropped, finished := w.redispatch(idle, "crm"), w.redispatch(idle, "crm")
	w.exec(`DELETE FROM deliveries WHERE id = $1`, dropped.ID)
	w.exec(`UPDATE deliveries SET state = 'succeeded', next_attempt_at = NULL, finished_at = now() WHERE id = $1`, finished.ID)
	o.Workers = 1
	w.reach(w.redispatch(w.start(o), "crm"), store.DeliverySucceeded)
	if n := len(to.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestKilledInMidSend: the process died between sending and writing down. The attempt stays as never ended, the lease ends, and
// the event is sent again with the next number and the same key.
func TestKilledInMidSend(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	crm := w.destination("crm", to.URL)
	o := w.options(to.URL)
	o.Workers = 0
	delivery := w.redispatch(w.dispatcher(o), "crm")
	claimed, _, err := w.db.ClaimDeliveries(t.Context(), store.Claim{Destination: crm, Limit: 10, Lease: time.Minute})
	if err != nil || len(claimed) != 1 {
		t.Fatal(claimed, err)
	}

	w.clock.set(noon.Add(time.Minute - time.Millisecond))
	o.Workers, o.Live = 2, w.live()
	d := w.start(o)
	other := w.reach(w.redispatch(d, "crm"), store.DeliverySucceeded) // the lane looks, and
	if got := w.find(delivery); got.State != store.DeliverySending || other.Attempts != 1 {
		t.Errorf("one that may still be under way was taken: %+v", got)
	}

	w.clock.set(noon.Add(time.Minute))
	got := w.reach(delivery, store.DeliverySucceeded)
	if len(got.History) != 2 || got.History[0].Duration >= 0 || !got.History[0].StartedAt.Equal(noon) || got.History[0].RequestURL != to.URL ||
		got.History[1].Number != 2 || got.History[1].Status != 200 {
		t.Errorf("%+v", got.History)
	}
	requests := to.requests()
	if r := requests[len(requests)-1]; r.header.Get("Recall-Attempt") != "2" || r.header.Get("Recall-Delivery") != delivery.ID.String() {
		t.Errorf("%v", r.header)
	}
}

// TestOutcomeCannotBeRecorded: what the database does not take is let go, and the event is sent again when the lease ends.
func TestOutcomeCannotBeRecorded(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		w.exec(`ALTER TABLE attempts RENAME TO attempts_away`)
		rw.WriteHeader(200)
	}, status(200))
	w.destination("crm", to.URL)
	delivery := w.redispatch(w.start(w.options(to.URL)), "crm")
	w.until("the log says so", func() bool {
		return strings.Contains(w.log.String(), "the outcome of an attempt could not be recorded: the event is sent again")
	})
	w.exec(`ALTER TABLE attempts_away RENAME TO attempts`)
	w.clock.set(noon.Add(time.Minute))
	got := w.reach(delivery, store.DeliverySucceeded)
	if len(got.History) != 2 || got.History[0].Duration >= 0 || got.History[1].Status != 200 || len(to.requests()) != 2 {
		t.Errorf("%+v", got.History)
	}
}

// TestOwnTroubleCostsNoAttempt: while our own rows cannot be read or written nothing is sent, and the job comes again.
func TestOwnTroubleCostsNoAttempt(t *testing.T) {
	for table, words := range map[string]string{
		"deliveries":     "due deliveries cannot be looked for",
		"events":         "deliveries could not be claimed",
		"source_secrets": "a delivery could not be loaded",
		"attempts":       "deliveries could not be claimed",
	} {
		t.Run(table, func(t *testing.T) {
			w := newWorld(t)
			to := newReceiver(t, status(200))
			w.destination("crm", to.URL)
			o := w.options(to.URL)
			o.Workers = 0
			delivery := w.redispatch(w.dispatcher(o), "crm")
			w.exec(`ALTER TABLE ` + table + ` RENAME TO gone`)
			o.Workers = 1
			w.start(o)
			w.until("the log says so", func() bool { return strings.Contains(w.log.String(), words) })
			if n := len(to.requests()); n != 0 {
				t.Errorf("%d requests", n)
			}
			w.exec(`ALTER TABLE gone RENAME TO ` + table)
			w.clock.set(noon.Add(2 * claimAgain))
			if got := w.reach(delivery, store.DeliverySucceeded); len(got.History) != 1 || got.Attempts != 1 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestStopLetsAttemptsEnd: a stop waits for what is under way and takes up nothing more.
func TestStopLetsAttemptsEnd(t *testing.T) {
	w := newWorld(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	to := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
	}, status(200))
	w.destination("crm", to.URL)
	d := w.dispatcher(w.options(to.URL))
	starting, started := context.WithCancel(t.Context())
	if err := d.Start(starting); err != nil {
		t.Fatal(err)
	}
	started() // ends nothing
	delivery := w.redispatch(d, "crm")
	<-arrived
	stopped := make(chan error)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() { stopped <- d.Stop(ctx) }()
	close(release)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if got := w.find(delivery); got.State != store.DeliverySucceeded {
		t.Errorf("%+v", got)
	}
	late := w.redispatch(d, "crm")
	if got := w.find(late); got.State != store.DeliveryPending || len(to.requests()) != 1 {
		t.Errorf("%+v", got)
	}
	if err := d.Stop(ctx); err != nil {
		t.Errorf("stopping again: %v", err)
	}
}

// TestStopBreaksOff: when the time for stopping is over, what is under way is broken off, says so, costs the destination
// none of its schedule's end, and is sent by the next one at once.
func TestStopBreaksOff(t *testing.T) {
	w := newWorld(t)
	arrived := make(chan struct{})
	to := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}, status(200))
	w.destination("crm", to.URL, once)
	o := w.options(to.URL)
	d := w.dispatcher(o)
	if err := d.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	delivery := w.redispatch(d, "crm")
	<-arrived
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Stop(over); err != nil {
		t.Fatal(err)
	}
	got := w.find(delivery)
	if got.State != store.DeliveryWaiting || got.LastError != interrupted || !got.NextAttemptAt.Equal(noon) {
		t.Errorf("%+v", got)
	}
	w.start(o)
	if got := w.reach(delivery, store.DeliverySucceeded); len(got.History) != 2 || got.Tries != 1 {
		t.Errorf("%+v", got)
	}
	if strings.Contains(w.log.String(), `"ERROR"`) {
		t.Errorf("a stop is no fault:\n%s", w.log)
	}
}

// TestTwoInstances share the work: each delivery is sent once.
func TestTwoInstances(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("crm", to.URL, match(""))
	o := w.options(to.URL)
	o.Live = w.live()
	w.db.OnRecord(w.start(o).EnqueueTx)
	w.start(o)
	const events = 60
	for i := range events {
		w.record(w.event(strings.Repeat(" ", i) + creation)) // each a body of its own
	}
	w.until("all sent", func() bool { return one[int](w, `SELECT count(*) FROM deliveries WHERE state = 'succeeded'`) == events })
	seen := map[string]bool{}
	for _, r := range to.requests() {
		seen[r.header.Get("Recall-Delivery")] = true
	}
	if len(seen) != events || len(to.requests()) != events {
		t.Errorf("%d deliveries in %d requests, want %d", len(seen), len(to.requests()), events)
	}
}

func TestNew(t *testing.T) {
	w := newWorld(t)
	if _, err := New(nil, Options{}); err == nil {
		t.Error("made without a store")
	}
	for _, workers := range []int{-1, 10_001} {
		if _, err := New(w.db, Options{Workers: workers}); err == nil || !strings.Contains(err.Error(), "RECALL_WORKERS") {
			t.Errorf("%d workers: %v", workers, err)
		}
	}
	d := w.dispatcher(Options{}) // only enqueues
	if err := d.Start(t.Context()); err != nil {
		t.Error(err)
	}
	if err := d.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if d.userAgent != "Recall/dev" {
		t.Error(d.userAgent)
	}
}
