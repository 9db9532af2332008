package replay_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/dispatch"
	"recall/plenigo"
	"recall/replay"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// house is a real store with a real dispatcher that sends to a real receiver, and a clock that stands still by itself.
type house struct {
	*testing.T
	db       *store.DB
	replayer *replay.Replayer
	now      atomic.Pointer[time.Time]
	source   *store.Source
	to       *store.Destination
	events   []uuid.UUID

	mu     sync.Mutex
	got    map[string]int // requests by event
	status atomic.Int64   // that the receiver answers
}

func newHouse(t *testing.T, events int, retries ...time.Duration) *house {
	t.Helper()
	h := &house{T: t, db: storetest.New(t), got: map[string]int{}}
	start := time.Now().Truncate(time.Second)
	h.now.Store(&start)
	h.db.Now = func() time.Time { return *h.now.Load() }
	h.status.Store(http.StatusNoContent)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.got[r.Header.Get("Recall-Event")]++
		h.mu.Unlock()
		w.WriteHeader(int(h.status.Load()))
	}))
	t.Cleanup(receiver.Close)
	h.source = &store.Source{Slug: "shop", Name: "Shop", Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow}
	must(t, h.db.CreateSource(t.Context(), h.source))
	h.to = &store.Destination{Name: "crm", URL: receiver.URL + "/hook", Signing: store.SigningNone, Timeout: 5 * time.Second, State: store.DestinationActive, RetrySchedule: retries}
	must(t, h.db.CreateDestination(t.Context(), h.to))
	for i := range events {
		h.events = append(h.events, h.record(fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d"}`, i), start.Add(time.Duration(i-events-60)*time.Second)))
	}
	dispatcher := h.dispatcher(h.db, receiver.URL, 8)
	must(t, dispatcher.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		must(t, dispatcher.Stop(ctx))
	})
	h.replayer = replay.New(h.db, dispatcher, nil)
	return h
}

func (h *house) dispatcher(db *store.DB, to string, workers int) *dispatch.Dispatcher {
	h.Helper()
	live, err := db.Live(h.Context())
	must(h, err)
	addr := netip.MustParseAddrPort(strings.TrimPrefix(to, "http://"))
	d, err := dispatch.New(db, dispatch.Options{Live: live, AllowAddr: []netip.AddrPort{addr}, Workers: workers})
	must(h, err)
	return d
}

func (h *house) record(body string, at time.Time) uuid.UUID {
	h.Helper()
	id := uuid.Must(uuid.NewV7())
	prefix := store.IDAt(at)
	copy(id[:6], prefix[:6])
	e := &store.Event{
		ID: id, SourceID: h.source.ID, Answered: http.StatusOK, Sender: netip.MustParseAddr("203.0.113.7"),
		Verification: verify.Result{Verdict: verify.Verified, Signature: verify.Valid, SignedAt: at.Unix()},
		Header:       http.Header{"Content-Type": {"application/json"}}, Body: []byte(body), Size: int64(len(body)),
		BodySHA256: sha256.Sum256([]byte(body)), Envelope: plenigo.Read([]byte(body)),
	}
	must(h, errors.Join(h.db.RecordEvents(h.Context(), []*store.Event{e})...))
	return id
}

// plan plans a replay of everything.
func (h *house) plan(change ...func(*store.ReplayWish)) *store.Replay {
	h.Helper()
	w := store.ReplayWish{Destination: "crm", Rate: 20, Canary: 5, StopAbove: 0.2, By: "anna", Reason: "they were down"}
	for _, f := range change {
		f(&w)
	}
	r, err := h.db.CreateReplay(h.Context(), w)
	must(h, err)
	h.step(0)
	if r = h.find(r); r.State != store.ReplayPlanned {
		h.Fatalf("%+v", r)
	}
	return r
}

func (h *house) start(change ...func(*store.ReplayWish)) *store.Replay {
	h.Helper()
	r := h.plan(change...)
	must(h, h.db.StartReplay(h.Context(), r.ID, "anna", ""))
	return h.find(r)
}

func (h *house) find(r *store.Replay) *store.Replay {
	h.Helper()
	r, err := h.db.FindReplay(h.Context(), r.ID)
	must(h, err)
	return r
}

// step moves the clock on, has every step taken that is due then, and waits until what was sent has its answer.
func (h *house) step(d time.Duration) {
	h.Helper()
	h.tick(d)
	h.until("what was sent has its answer", func() bool {
		var open int
		must(h, h.db.Pool().QueryRow(h.Context(), `SELECT count(*) FROM deliveries WHERE trigger = 'replay' AND state IN ('pending', 'sending')`).Scan(&open))
		return open == 0
	})
}

// tick is step that waits for nothing.
func (h *house) tick(d time.Duration) {
	h.Helper()
	now := h.now.Load().Add(d)
	h.now.Store(&now)
	for worked := true; worked; {
		var err error
		worked, err = h.replayer.Step(h.Context())
		must(h, err)
	}
}

// reach steps until a replay is in a state.
func (h *house) reach(r *store.Replay, state store.ReplayState) *store.Replay {
	h.Helper()
	for range 200 {
		if r = h.find(r); r.State == state {
			return r
		}
		h.step(200 * time.Millisecond)
	}
	h.Fatalf("it is not %s: %+v", state, r)
	return nil
}

func (h *house) until(what string, is func() bool) {
	h.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.Fatalf("%s: it did not happen", what)
		}
	}
}

// requests are how many there were, and how many events got more than one.
func (h *house) requests() (n, twice int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, times := range h.got {
		n += times
		if times > 1 {
			twice++
		}
	}
	return n, twice
}

func (h *house) audit(r *store.Replay) (actions []string, entries []store.AuditEntry) {
	h.Helper()
	entries, err := h.db.ListAudit(h.Context(), fmt.Sprint("replay ", r.ID), 0)
	must(h, err)
	for i := len(entries) - 1; i >= 0; i-- {
		actions = append(actions, entries[i].Actor+" "+entries[i].Action)
	}
	return actions, entries
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 60)
	r := h.start()
	if r.State != store.ReplayCanary || r.Events != 60 || r.Left(*h.now.Load()) != 14*time.Second {
		t.Errorf("started: %+v, left %s", r, r.Left(*h.now.Load()))
	}
	h.step(time.Second)
	h.step(200 * time.Millisecond)
	if n, _ := h.requests(); n > 5 {
		t.Errorf("%d sent before the canary was awaited", n)
	}
	r = h.reach(r, store.ReplayRunning)
	begun := *h.now.Load()
	sent := r.Sent
	for range 10 { // it grows to its rate within half a minute
		h.step(200 * time.Millisecond)
	}
	r = h.find(r)
	if n := r.Sent - sent; n < 2 || n > 12 {
		t.Errorf("%d sent in the first two seconds of a rate that grows to 20", n)
	}
	// Whoever comes next goes on: nothing of where it stands is in a process.
	h.replayer = replay.New(h.db, h.dispatcher(h.db, strings.TrimSuffix(h.to.URL, "/hook"), 0), nil)
	r = h.reach(r, store.ReplayDone)
	if took := h.now.Load().Sub(begun); took < 50*time.Second/20 {
		t.Errorf("it took %s: faster than its rate", took)
	}
	if r.Sent != 60 || r.Succeeded != 60 || r.Failed+r.Retrying+r.NotSent()+r.UnderWay() != 0 || r.FinishedAt == nil {
		t.Errorf("done: %+v", r)
	}
	if n, twice := h.requests(); n != 60 || twice != 0 {
		t.Errorf("%d requests, %d events twice", n, twice)
	}
	list, err := h.db.ListDeliveries(t.Context(), h.events[7])
	must(t, err)
	if len(list) != 1 || list[0].Trigger != store.TriggerReplay || list[0].RequestedBy != "anna" || list[0].Reason != "they were down" || list[0].ReplayID != r.ID {
		t.Errorf("at the event: %+v", list)
	}
	actions, entries := h.audit(r)
	if got := strings.Join(actions, ", "); got != "anna replay.plan, anna replay.start, recall replay.done" {
		t.Errorf("audit: %s", got)
	}
	if last := entries[0]; last.Reason != "they were down" || last.Detail["succeeded"] != 60.0 || last.Detail["destination"] != "crm" {
		t.Errorf("audit: %+v", last)
	}
	if again := h.plan(); again.Events != 0 || again.Counts.LeftOut[store.LeftDelivered] != 60 {
		t.Errorf("planned once more: %+v", again)
	}
}

func TestCanaryThatFails(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 30)
	h.status.Store(http.StatusInternalServerError)
	r := h.reach(h.start(), store.ReplayStopped)
	if r.Sent > 5 || r.Failed != r.Sent || !strings.HasSuffix(r.Why, "first attempts failed") {
		t.Errorf("%+v", r)
	}
	h.step(time.Minute)
	few := r.Sent
	if r = h.find(r); r.Sent != few {
		t.Errorf("it goes on: %+v", r)
	}
	h.status.Store(http.StatusOK)
	must(t, h.db.ResumeReplay(t.Context(), r.ID, "bert", "mended"))
	r = h.reach(r, store.ReplayDone)
	if r.Sent != 30 || r.Succeeded != 30-few || r.Failed != few {
		t.Errorf("%+v", r)
	}
	if actions, _ := h.audit(r); strings.Join(actions, ", ") != "anna replay.plan, anna replay.start, recall replay.stop, bert replay.resume, recall replay.done" {
		t.Errorf("audit: %v", actions)
	}
}

// TestStopsByItself: also after the canary; what waits to be retried is counted when it has ended.
func TestStopsByItself(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 200, time.Hour)
	r := h.reach(h.start(func(w *store.ReplayWish) { w.Rate = 100 }), store.ReplayRunning)
	h.step(time.Second)
	h.status.Store(http.StatusServiceUnavailable)
	r = h.reach(r, store.ReplayStopped)
	if r.Sent >= 200 || r.Retrying < 5 || r.Failed != 0 || !strings.HasSuffix(r.Why, "first attempts failed") {
		t.Errorf("%+v", r)
	}
	if r.Succeeded+r.Retrying != r.Sent {
		t.Errorf("counts: %+v", r)
	}
	_, err := h.db.Pool().Exec(t.Context(), `UPDATE deliveries SET state = 'succeeded', finished_at = now() WHERE state = 'waiting'`)
	must(t, err)
	h.step(time.Minute)
	if r = h.find(r); r.Retrying != 0 || r.Succeeded != r.Sent || r.State != store.ReplayStopped {
		t.Errorf("after the retries: %+v", r)
	}
}

func TestPauseAndCancel(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 100)
	r := h.reach(h.start(), store.ReplayRunning)
	must(t, h.db.PauseReplay(t.Context(), r.ID, "bert", "lunch"))
	before := h.find(r).Sent
	h.step(time.Minute)
	if r = h.find(r); r.Sent != before || r.State != store.ReplayPaused {
		t.Errorf("paused: %+v", r)
	}
	must(t, h.db.ResumeReplay(t.Context(), r.ID, "bert", ""))
	h.step(time.Second)
	if r = h.find(r); r.Sent <= before {
		t.Errorf("resumed: %+v", r)
	}

	_, err := h.db.SetDestinationState(t.Context(), h.to.ID, store.DestinationPaused, "") // it waits with its destination
	must(t, err)
	h.tick(2 * time.Second)
	before = h.find(r).Sent
	h.tick(time.Minute)
	if r = h.find(r); r.Sent != before || r.Why != "the destination is paused" {
		t.Errorf("with a paused destination: %+v", r)
	}
	must(t, h.db.CancelReplay(t.Context(), r.ID, "anna", "enough"))
	h.tick(time.Minute)
	if r = h.find(r); r.State != store.ReplayCancelled || r.Sent > before || r.FinishedAt == nil || r.UnderWay() != 0 {
		t.Errorf("cancelled: %+v", r)
	}
	if actions, _ := h.audit(r); strings.Join(actions[2:], ", ") != "bert replay.pause, bert replay.resume, anna replay.cancel" {
		t.Errorf("audit: %v", actions)
	}
}

// TestWhatChangedSinceThePlan: an event that is gone, one that was delivered meanwhile, and one with a newer state by now.
func TestWhatChangedSinceThePlan(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 10)
	r := h.plan(func(w *store.ReplayWish) { w.Latest = true })
	dump, err := h.db.Pool().Begin(t.Context()) // as long as it runs, nothing that follows commits passes what comes now
	must(t, err)
	_, err = dump.Exec(t.Context(), `SELECT pg_current_xact_id()`)
	must(t, err)
	now := h.now.Load().Add(time.Minute)
	h.now.Store(&now)
	h.record(`{"entityType":"ORDER","callbackType":"UPDATE","entityId":"3","n":2}`, now)
	_, err = h.db.Pool().Exec(t.Context(), `DELETE FROM events WHERE id = $1`, h.events[4])
	must(t, err)
	_, err = h.db.Pool().Exec(t.Context(), `
		INSERT INTO deliveries (event_id, id, destination_id, trigger, state, created_at) VALUES ($1, $1, $2, 'manual', 'succeeded', now())`, h.events[5], h.to.ID)
	must(t, err)
	must(t, h.db.StartReplay(t.Context(), r.ID, "anna", ""))
	r = h.reach(r, store.ReplayDone)
	must(t, dump.Rollback(t.Context()))
	if r.Sent != 7 || r.Succeeded != 7 || r.Skipped[store.LeftStale] != 1 || r.Skipped[store.LeftErased] != 1 || r.Skipped[store.LeftDelivered] != 1 {
		t.Errorf("%+v", r)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range []int{3, 4, 5} {
		if h.got[h.events[i].String()] > 0 {
			t.Errorf("event %d was sent", i)
		}
	}
}

// TestSeveralInstances: two drive the same replays at once, one of them breaks down in the middle of its steps again and
// again, and each event is sent once.
func TestSeveralInstances(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 400)
	h.db.Now = time.Now
	r, err := h.db.CreateReplay(t.Context(), store.ReplayWish{Destination: "crm", Rate: 1000, StopAbove: 1, By: "anna"})
	must(t, err)
	work, end := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	running.Go(func() { h.replayer.Run(work) })
	running.Go(func() {
		for n := 1; work.Err() == nil; n++ { // a step that is broken off leaves nothing behind
			step, stop := context.WithTimeout(work, time.Duration(n%7)*3*time.Millisecond)
			h.replayer.Step(step)
			stop()
		}
	})
	h.until("the plan is made", func() bool { return h.find(r).State == store.ReplayPlanned })
	must(t, h.db.StartReplay(t.Context(), r.ID, "anna", ""))
	h.until("it is done", func() bool { return h.find(r).State == store.ReplayDone })
	if r = h.find(r); r.Sent != 400 || r.Succeeded != 400 {
		t.Errorf("%+v", r)
	}
	if n, twice := h.requests(); n != 400 || twice != 0 {
		t.Errorf("%d requests, %d events twice", n, twice)
	}
}

// A destination that takes less than the rate asked for: what is told is what was measured, and the time left follows it.
func TestReplayTellsItsRate(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 120)
	r := h.start(func(w *store.ReplayWish) { w.Rate, w.Canary = 40, 0 })
	if r.RateOfLate() != 0 || r.JSON().RateOfLate != 0 {
		t.Errorf("before anything was measured: %v", r.RateOfLate())
	}
	_, err := h.db.Pool().Exec(t.Context(), `UPDATE replays SET ramp_from = ramp_from - interval '1 hour' WHERE id = $1`, r.ID)
	must(t, err)
	for range 3 { // a step in five seconds, where it should be one in a fifth of a second
		h.step(5 * time.Second)
	}
	now := *h.now.Load()
	r = h.find(r)
	if sent := float64(r.Sent); r.Sent == 0 || r.Sent >= 120 || r.RateOfLate() <= 0 || r.RateOfLate() > sent/10+1 {
		t.Fatalf("%d sent in ten seconds, rate %v", r.Sent, r.RateOfLate())
	}
	if left, want := r.Left(now).Seconds(), float64(120-r.Sent)/r.RateOfLate(); left < want || left > want+1 {
		t.Errorf("%v s left of %d at %v a second", left, 120-r.Sent, r.RateOfLate())
	}
	now = now.Add(time.Second)
	h.now.Store(&now)
	must(t, h.db.PauseReplay(t.Context(), r.ID, "anna", ""))
	must(t, h.db.ResumeReplay(t.Context(), r.ID, "anna", ""))
	if r = h.find(r); r.State != store.ReplayRunning || r.RateOfLate() != 0 {
		t.Errorf("what was measured before a pause says nothing: %s, %v", r.State, r.RateOfLate())
	}
}
