package receive

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/cluster"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// postgres is a PostgreSQL of the test's own, which it may kill.
type postgres struct {
	t       *testing.T
	dir     string
	cluster *cluster.Cluster
	db      *store.DB
	live    *store.Live
}

func newPostgres(t *testing.T) *postgres {
	t.Helper()
	dir, err := os.MkdirTemp("", "recall-receive-")
	if err != nil {
		t.Fatal(err)
	}
	p := &postgres{t: t, dir: dir}
	t.Cleanup(func() {
		if p.db != nil {
			p.db.Close()
		}
		if p.cluster != nil {
			p.cluster.Close(context.Background())
		}
		os.RemoveAll(dir)
	})
	p.start()
	if p.db, err = store.Open(t.Context(), p.cluster.URL(), storetest.Key(), nil); err != nil {
		t.Fatal(err)
	}
	if err := p.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	source := shop()
	if err := p.db.CreateSource(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	p.live = store.NewLive([]*store.Source{source}, nil)
	return p
}

func (p *postgres) start() {
	p.t.Helper()
	c, err := cluster.Open(p.t.Context(), cluster.Options{DataDir: p.dir})
	if err != nil {
		p.t.Fatal(err)
	}
	p.cluster = c
}

// stop shuts it down as the program does.
func (p *postgres) stop() {
	p.t.Helper()
	if err := p.cluster.Close(context.Background()); err != nil {
		p.t.Fatal(err)
	}
	p.cluster = nil
}

// kill ends it without a warning. The next start replays its log.
func (p *postgres) kill() {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "postgres", "postmaster.pid"))
	if err != nil {
		p.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	p.stop()
}

// answered remembers what was answered 2xx, by the event's id.
type answered struct {
	mu     sync.Mutex
	bodies map[uuid.UUID]string
}

func (a *answered) add(id uuid.UUID, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bodies == nil {
		a.bodies = map[uuid.UUID]string{}
	}
	a.bodies[id] = body
}

// check finds each of them in the database once, byte for byte, and nothing besides.
func (a *answered) check(t *testing.T, db *store.DB) {
	t.Helper()
	for id, body := range a.bodies {
		e, err := db.FindEvent(t.Context(), id)
		if err != nil {
			t.Errorf("%s was answered 2xx: %v", body, err)
		} else if string(e.Body) != body {
			t.Errorf("%s is kept as %s", body, e.Body)
		}
	}
	page, err := db.ListEvents(t.Context(), store.EventQuery{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != len(a.bodies) {
		t.Errorf("%d events are kept, %d were answered 2xx", len(page.Events), len(a.bodies))
	}
}

// Without a spool: the database stops between a callback's arrival and its commit.
func TestADatabaseThatStopsInBetween(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	stop := false
	r := start(t, Options{Recorder: recorders{&memory{before: func(context.Context, []*store.Event) []error {
		if stop {
			p.stop()
		}
		return nil
	}}, p.db}, Sources: p.live})
	var all answered
	ask := func(body string) reply {
		got := send(t, r, callback(t, r, []byte(body)))
		if got.status == 200 {
			all.add(*got.Event, body)
		}
		return got
	}
	if got := ask(`{"n":1}`); got.status != 200 {
		t.Fatalf("answered %d %+v", got.status, got.answer)
	}
	stop = true
	if got := ask(`{"n":2}`); got.status != 503 || got.Error != "not_stored" || got.Event != nil || got.header.Get("Retry-After") != "30" {
		t.Errorf("answered %d %+v", got.status, got.answer)
	}
	stop = false
	p.start()
	if got := ask(`{"n":3}`); got.status != 200 {
		t.Errorf("answered %d %+v", got.status, got.answer)
	}
	all.check(t, p.db)
}

// With a spool: PostgreSQL is killed while callbacks come in, stays away, and comes back. All are answered 2xx, and all
// are there in the end, once, in order, with everything that follows from an arrival.
func TestAnOutage(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	s := openSpool(t, SpoolOptions{Recorder: p.db})
	r := start(t, Options{Recorder: p.db, Sources: p.live, Spool: s})
	var all answered
	var sent sync.WaitGroup
	under := make(chan struct{}) // closed when callbacks are under way
	var count atomic.Int32
	for sender := range 4 {
		sent.Go(func() {
			for i := range 50 {
				body := fmt.Sprintf(`{"entityType":"CUSTOMER","entityId":"%d","n":%d}`, sender+1, i)
				got := send(t, r, callback(t, r, []byte(body)))
				if got.status != 200 {
					t.Errorf("answered %d %+v", got.status, got.answer)
					return
				}
				all.add(*got.Event, body)
				if count.Add(1) == 20 {
					close(under)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { sent.Wait(); close(ended) }()
	select {
	case <-under:
	case <-ended: // some failed
	}
	p.kill()
	<-ended

	repeated := []byte(`{"entityType":"CUSTOMER","entityId":"99"}`)
	first := send(t, r, callback(t, r, repeated))
	forged := send(t, r, callback(t, r, []byte("{}"), func(req *http.Request) { req.Header.Set(verify.HeaderSignature, "t=1,s=00") }))
	if first.status != 200 || forged.status != 401 || !s.away() {
		t.Fatalf("answered %d and %d while the database is away: %t", first.status, forged.status, s.away())
	}
	all.add(*first.Event, string(repeated))
	all.add(*forged.Event, "{}")
	waiting := s.Stats()
	if waiting.Events < 2 {
		t.Fatalf("%+v", waiting)
	}
	s.Drain(t.Context()) // still away
	if got := s.Stats(); got.Events != waiting.Events {
		t.Errorf("%+v, before %+v", got, waiting)
	}

	p.start()
	s.Drain(t.Context())
	if got := s.Stats(); got.Events != 0 || !got.AwaySince.IsZero() || got.Refused != 0 || got.Damaged != 0 {
		t.Errorf("%+v", got)
	}
	again := send(t, r, callback(t, r, repeated))
	all.add(*again.Event, string(repeated))
	all.check(t, p.db)
	e, err := p.db.FindEvent(t.Context(), *again.Event)
	if err != nil {
		t.Fatal(err)
	}
	if e.Arrival != 2 || e.RepeatOf != *first.Event {
		t.Errorf("the repeat of a callback that was spooled is arrival %d of %s, want 2 of %s", e.Arrival, e.RepeatOf, first.Event)
	}
	if e, err = p.db.FindEvent(t.Context(), *first.Event); err != nil || e.Arrival != 1 || !e.ReceivedAt().Equal(signedNow) {
		t.Errorf("the spooled one is arrival %d of %s (%v)", e.Arrival, e.ReceivedAt(), err)
	}
}

// PostgreSQL takes longer than a callback may wait: the callback is answered from the spool, and is not doubled when the
// database takes it after all.
func TestASlowDatabase(t *testing.T) {
	t.Parallel()
	db, live := newStore(t)
	s := openSpool(t, SpoolOptions{Recorder: db})
	r := start(t, Options{Recorder: db, Sources: live, Spool: s, CommitTimeout: 200 * time.Millisecond})
	tx, err := db.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background()) // else the store would wait for it
	if _, err := tx.Exec(t.Context(), "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	var all answered
	for i := range 3 {
		body := fmt.Sprintf(`{"n":%d}`, i)
		got := send(t, r, callback(t, r, []byte(body)))
		if got.status != 200 {
			t.Fatalf("answered %d %+v: %s", got.status, got.answer, r.log)
		}
		all.add(*got.Event, body)
	}
	if s.Stats().Events != 3 {
		t.Errorf("%+v", s.Stats())
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Drain(t.Context())
	if s.Stats().Events != 0 {
		t.Errorf("%+v", s.Stats())
	}
	all.check(t, db)
}

// The commit has happened, and its answer was lost: what is drained later is there once.
func TestAnUnknownOutcomeIsNotDoubled(t *testing.T) {
	t.Parallel()
	db, live := newStore(t)
	lost := lostAnswers{db}
	s := openSpool(t, SpoolOptions{Recorder: db})
	r := start(t, Options{Recorder: lost, Sources: live, Spool: s})
	var all answered
	body := `{"entityType":"CUSTOMER","entityId":"7"}`
	for range 2 {
		got := send(t, r, callback(t, r, []byte(body)))
		if got.status != 200 {
			t.Fatalf("answered %d %+v", got.status, got.answer)
		}
		all.add(*got.Event, body)
	}
	// The folder as it was, as if the program had been killed after the commit and before the file was gone.
	before := filepath.Join(t.TempDir(), "spool")
	if err := os.CopyFS(before, os.DirFS(s.o.Dir)); err != nil {
		t.Fatal(err)
	}
	s.Drain(t.Context())
	again := openSpool(t, SpoolOptions{Dir: before, Recorder: db})
	if again.Stats().Events != 2 {
		t.Errorf("%+v", again.Stats())
	}
	again.Drain(t.Context())
	if s.Stats().Events != 0 || again.Stats().Events != 0 {
		t.Errorf("%+v and %+v", s.Stats(), again.Stats())
	}
	all.check(t, db)
	arrivals := map[int]bool{}
	for id := range all.bodies {
		e, err := db.FindEvent(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		arrivals[e.Arrival] = true
	}
	if !arrivals[1] || !arrivals[2] {
		t.Errorf("arrivals %v", arrivals)
	}
}

// lostAnswers is a database whose answers to a commit never come.
type lostAnswers struct{ db Recorder }

func (l lostAnswers) RecordEvents(ctx context.Context, events []*store.Event) []error {
	for _, err := range l.db.RecordEvents(ctx, events) {
		if err != nil {
			return failAll(events, err)
		}
	}
	return failAll(events, store.ErrOutcomeUnknown)
}

// What PostgreSQL itself refuses does not keep the rest of the spool from it.
func TestPostgresRefusesAnEvent(t *testing.T) {
	t.Parallel()
	db, _ := newStore(t)
	s := openSpool(t, SpoolOptions{Recorder: db})
	bad := at(after(1), "bad")
	bad.APIVersion = "a NUL \x00 that should have been taken out"
	good, also := at(after(0), "good"), at(after(2), "also good")
	for _, e := range []*store.Event{good, bad, also} {
		e.SourceID = 1
	}
	put(t, s, good, bad, also)
	s.Drain(t.Context())
	if stats := s.Stats(); stats.Events != 0 || stats.Refused != 1 {
		t.Errorf("%+v", stats)
	}
	for _, e := range []*store.Event{good, also} {
		got, err := db.FindEvent(t.Context(), e.ID)
		if err != nil || !bytes.Equal(got.Body, e.Body) {
			t.Errorf("%s: %v", e.Body, err)
		}
	}
}
