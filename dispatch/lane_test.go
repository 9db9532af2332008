package dispatch

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"recall/store"
)

// TestRateOverInstances: two instances begin as many attempts as one may, at the times at which one may.
func TestRateOverInstances(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("crm", to.URL, match(""), func(d *store.Destination) { d.MaxRate = 2 })
	o := w.options(to.URL)
	w.automatic(o)
	o.Live = w.live()
	w.start(o)
	all := w.arrive("1", "2", "3", "4", "5")
	var want []time.Duration
	for i := range all {
		at := time.Duration(i) * 500 * time.Millisecond
		w.clock.set(noon.Add(at))
		want = append(want, at)
		w.until("one more", func() bool { return len(to.requests()) == i+1 })
	}
	var got []time.Duration
	for _, delivery := range all {
		got = append(got, w.reach(delivery, store.DeliverySucceeded).History[0].StartedAt.Sub(noon))
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("begun after %v, want %v", got, want)
	}
}

// TestConcurrencyOverInstances: two instances have no more under way than one may.
func TestConcurrencyOverInstances(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	now, most := 0, 0
	full := make(chan struct{})
	to := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		if now == 2 && most == 2 {
			select {
			case <-full:
			default:
				close(full)
			}
		}
		mu.Unlock()
		<-full // the first two wait for each other
		mu.Lock()
		now--
		mu.Unlock()
	})
	w.destination("crm", to.URL, match(""), func(d *store.Destination) { d.MaxConcurrency = 2 })
	o := w.options(to.URL)
	w.automatic(o)
	o.Live = w.live()
	w.start(o)
	for _, delivery := range w.arrive("1", "2", "3", "4", "5", "6", "7", "8") {
		w.reach(delivery, store.DeliverySucceeded)
	}
	if most != 2 {
		t.Errorf("%d at once", most)
	}
}

// TestOrderOverInstances: an entity's events go out in their order, a failing one holds up its own entity alone, and who waits
// for it can be asked.
func TestOrderOverInstances(t *testing.T) {
	w := newWorld(t)
	failed := false
	var mu sync.Mutex
	to := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !failed { // the first of all
			failed = true
			rw.WriteHeader(500)
		}
	})
	crm := w.destination("crm", to.URL, match(""), func(d *store.Destination) { d.Ordering = store.OrderEntity })
	o := w.options(to.URL)
	o.Jitter = asTheScheduleSays
	w.automatic(o)
	o.Live = w.live()
	w.start(o)
	a := w.arrive("a")
	w.reach(a[0], store.DeliveryWaiting)
	rest := w.arrive("a", "b", "a", "b", "a")
	for _, i := range []int{1, 3} {
		w.reach(rest[i], store.DeliverySucceeded)
	}
	a = append(a, rest[0], rest[2], rest[4])
	for _, delivery := range a[1:] {
		w.until("held", func() bool { return w.find(delivery).Held })
	}
	held, err := w.db.ListHeld(t.Context(), crm.ID, "", 10)
	if err != nil || len(held) != len(a) {
		t.Fatalf("%d held, %v", len(held), err)
	}
	for i, delivery := range held {
		if delivery.ID != a[i].ID || delivery.Held != (i > 0) {
			t.Errorf("%d: %+v", i, delivery)
		}
	}
	w.clock.set(noon.Add(30 * time.Second))
	for _, delivery := range a {
		w.reach(delivery, store.DeliverySucceeded)
	}
	var order []string
	for _, r := range to.requests() {
		if strings.Contains(r.body, `"a"`) {
			order = append(order, r.header.Get("Recall-Event"))
		}
	}
	want := []string{a[0].EventID.String(), a[0].EventID.String(), a[1].EventID.String(), a[2].EventID.String(), a[3].EventID.String()}
	if !slices.Equal(order, want) {
		t.Errorf("the order of a:\n%v, want\n%v", order, want)
	}
}

// TestHeldBehindNothing: a delivery whose forerunner was dropped goes on with the next sweep.
func TestHeldBehindNothing(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(500), status(200))
	w.destination("crm", to.URL, match(""), func(d *store.Destination) { d.Ordering = store.OrderEntity })
	o := w.options(to.URL)
	o.Jitter = asTheScheduleSays
	d := w.automatic(o)
	first := w.arrive("a")[0]
	w.reach(first, store.DeliveryWaiting)
	second := w.arrive("b", "a")[1]
	w.until("held", func() bool { return w.find(second).Held })
	w.exec(`DELETE FROM deliveries WHERE id = $1`, first.ID)
	if err := d.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.reach(second, store.DeliverySucceeded)
}

// TestSweep: what should have gone out long ago is said, and sent by whoever works.
func TestSweep(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	w.destination("crm", to.URL)
	o := w.options(to.URL)
	o.Workers = 0
	idle := w.dispatcher(o)
	delivery := w.redispatch(idle, "crm")
	if list, err := w.db.ListOverdue(t.Context(), overdueFor); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	w.clock.set(noon.Add(3 * time.Minute))
	list, err := w.db.ListOverdue(t.Context(), overdueFor)
	if err != nil || len(list) != 1 || list[0].Destination != "crm" || list[0].Deliveries != 1 || list[0].Late != 3*time.Minute {
		t.Errorf("%+v, %v", list, err)
	}
	if err := idle.sweep(t.Context()); err != nil || !strings.Contains(w.log.String(), "deliveries are overdue") {
		t.Errorf("%v; the log:\n%s", err, w.log)
	}
	o.Workers = 1
	w.start(o)
	w.reach(delivery, store.DeliverySucceeded)
}

// TestOneThatHangs: a destination that does not answer keeps none of the others from going on.
func TestOneThatHangs(t *testing.T) {
	w := newWorld(t)
	hang := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	well := newReceiver(t, status(200))
	w.destination("hang", hang.URL, match("entity:h1,h2,h3,h4,h5,h6,h7,h8"))
	w.destination("well", well.URL, match("entity:w1,w2,w3,w4"))
	o := w.options(hang.URL, well.URL)
	o.Workers = 4
	d := w.automatic(o)
	w.arrive("h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8")
	w.until("it hangs", func() bool { return len(hang.requests()) >= 3 })
	for _, delivery := range w.arrive("w1", "w2", "w3", "w4") {
		w.reach(delivery, store.DeliverySucceeded)
	}
	d.breakOff()
}
