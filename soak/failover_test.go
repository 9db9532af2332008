package soak

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

// delivered counts what came to a destination, by event.
type delivered struct {
	*httptest.Server
	mu     sync.Mutex
	events map[uuid.UUID]int
}

func newDelivered(t testing.TB) *delivered {
	d := &delivered{events: map[uuid.UUID]int{}}
	d.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		id, err := uuid.Parse(r.Header.Get("Recall-Event"))
		if err != nil {
			t.Errorf("a delivery without an event: %v", r.Header)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.events[id]++
	}))
	t.Cleanup(d.Server.Close)
	return d
}

// add makes it a destination of everything.
func (d *delivered) add(w *world) {
	w.t.Helper()
	w.command("", "destination", "add", "--name", "crm", "--url", d.URL, "--match", "source:shop", "--signing", "none")
}

// missing counts those of some events that have not come.
func (d *delivered) missing(promised map[uuid.UUID][32]byte) (missing, again int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id := range promised {
		switch n := d.events[id]; {
		case n == 0:
			missing++
		case n > 1:
			again++
		}
	}
	return missing, again
}

// await waits until all of some events have come, as long as some do.
func (d *delivered) await(w *world, promised map[uuid.UUID][32]byte, server *postgres) {
	w.t.Helper()
	for before := -1; ; {
		missing, _ := d.missing(promised)
		switch {
		case missing == 0:
			return
		case missing == before:
			var states string
			err := server.ask("recall", `SELECT string_agg(state || ' ' || n, ', ') FROM (SELECT state::text, count(*)::text AS n FROM deliveries GROUP BY 1) s`, &states)
			w.t.Fatalf("%d events answered 2xx are not delivered, and nothing has come for a while; deliveries: %s, %v", missing, states, err)
		}
		before = missing
		for until := time.Now().Add(75 * time.Second); time.Now().Before(until) && missing == before; { // a lease may have to end first
			time.Sleep(100 * time.Millisecond)
			missing, _ = d.missing(promised)
		}
	}
}

// TestFailover has two instances receive and deliver while the primary of a pair that replicates synchronously is killed and
// its standby promoted. No instance is started anew, and receiving goes on throughout. The long form does it five times.
func TestFailover(t *testing.T) {
	rounds := 1
	if os.Getenv("RECALL_SOAK_FAULTS") != "" {
		rounds = 5
	}
	primary := newPrimary(t)
	standby := newStandby(t, primary)
	url := primary.url("recall", standby) + "&target_session_attrs=read-write"
	crm := newDelivered(t)
	instances := newInstances(t, 2, url, crm)
	each := func(do func(*world)) {
		for _, w := range instances {
			do(w)
		}
	}
	var longest time.Duration
	for round := range rounds {
		each(func(w *world) { w.waitProgress(200) })
		before := time.Now()
		primary.kill()
		each(func(w *world) { w.waitProgress(50) }) // into the spool
		standby.promote()
		each(func(w *world) {
			w.waitProgress(50)
			w.check()
		})
		longest = max(longest, time.Since(before))
		if round+1 < rounds { // the old one comes back as the new one's standby, on its old address
			port := primary.port
			primary, standby = standby, newStandbyAt(t, standby, port)
		}
	}
	answered, refused, failed, again := 0, int64(0), int64(0), 0
	each(func(w *world) {
		w.loader.end()
		w.check()
		promised := w.loader.promised()
		crm.await(w, promised, standby)
		_, more := crm.missing(promised)
		answered, again = answered+len(promised), again+more
		refused, failed = refused+w.loader.refused.Load(), failed+w.loader.failed.Load()
	})
	if refused > 0 {
		t.Errorf("%d callbacks were refused: receiving did not go on", refused)
	}
	t.Logf("%d failovers: %d callbacks answered 2xx by two instances, each stored once and delivered, %d of them more than once; %d refused, %d without an answer; "+
		"at most %s from the kill until everything answered was in the new primary", rounds, answered, again, refused, failed, longest.Round(100*time.Millisecond))
}

// TestInstancesShareTheWork has three instances on one database; one ends (in the long form by kill -9, and another
// stands still for long): the others do everything.
func TestInstancesShareTheWork(t *testing.T) {
	server := newPrimary(t)
	crm := newDelivered(t)
	instances := newInstances(t, 3, server.url("recall"), crm)
	first, second, third := instances[0], instances[1], instances[2]
	for _, w := range instances {
		w.waitProgress(100)
	}

	// A session of one is one of all, and its end, too.
	first.command("a password of the soak", "user", "add", "anna")
	anna := newBrowser(t)
	anna.logIn(first, "anna", "a password of the soak")
	for _, w := range instances {
		if status, _ := anna.get(w, "/events"); status != http.StatusOK {
			t.Errorf("a session made on another instance: %d", status)
		}
	}
	if status := anna.post(second, "/logout", nil); status != http.StatusSeeOther {
		t.Errorf("logging out: %d", status)
	}
	if status, _ := anna.get(third, "/events"); status == http.StatusOK {
		t.Error("a session that was ended on another instance is still good")
	}

	// A setting changed by one holds on all.
	changed := time.Now()
	first.command("", "source", "set", "shop", "--disable")
	for _, w := range instances {
		w.waitFor("a disabled source is refused by all", func() bool { return w.answer() == http.StatusForbidden })
	}
	t.Logf("a disabled source was refused by all three after %s", time.Since(changed).Round(10*time.Millisecond))
	first.command("", "source", "set", "shop", "--enable")

	follows := func(w *world) {
		w.t.Helper()
		var before string
		if err := server.ask("recall", progressSQL, &before); err != nil {
			t.Fatal(err)
		}
		w.waitFor("counts, index and partitions are brought up to date by somebody", func() bool {
			var now string
			return server.ask("recall", progressSQL, &now) == nil && moved(before, now)
		})
	}
	for _, w := range instances {
		w.waitProgress(50)
		w.check()
	}
	follows(first)
	long := os.Getenv("RECALL_SOAK_FAULTS") != ""
	if long {
		first.serve.Process.Kill() // what it was sending is sent again when its leases end
	} else {
		first.serve.Process.Signal(syscall.SIGTERM)
	}
	<-first.ended
	first.loader.end()
	follows(second)
	if long {
		second.serve.Process.Signal(syscall.SIGSTOP)
		time.Sleep(75 * time.Second) // longer than PostgreSQL lets a transaction stand still
		third.waitProgress(100)
		follows(third)
		third.check()
		second.serve.Process.Signal(syscall.SIGCONT)
		second.waitProgress(50)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	first.start(path)
	total := 0
	for _, w := range instances {
		w.loader.end()
		w.check()
		promised := w.loader.promised()
		crm.await(w, promised, server)
		total += len(promised)
	}
	var doubled int
	if err := server.ask("recall", `
		SELECT count(*) FROM (
			SELECT source_id, sum(events) AS counted FROM source_hours GROUP BY 1
		) c WHERE counted > (SELECT count(*) FROM events e WHERE e.source_id = c.source_id)`, &doubled); err != nil {
		t.Fatal(err)
	}
	if doubled > 0 {
		t.Error("events were counted twice")
	}
	t.Logf("three instances, one of them gone for a while: %d callbacks answered 2xx, each stored once and delivered", total)
}

// progressSQL is how far those have come who follow commits: as of when events were counted, and how many segments there are.
const progressSQL = `SELECT coalesce((SELECT max(hour)::text || sum(events) FROM source_hours), '')`

func moved(before, now string) bool { return strings.Compare(before, now) != 0 }
