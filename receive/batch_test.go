package receive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// an is an accepted event with a body.
func an(body string) *store.Event {
	return &store.Event{ID: uuid.Must(uuid.NewV7()), Body: []byte(body), Verification: verify.Result{Verdict: verify.Verified}}
}

// gate is a Recorder's hook that lets a batch through when the test says so.
type gate struct{ entered, leave chan struct{} }

func newGate() gate { return gate{make(chan struct{}), make(chan struct{})} }

func (g gate) wait(context.Context, []*store.Event) []error {
	g.entered <- struct{}{}
	<-g.leave
	return nil
}

// sizes of the batches, in order of size.
func sizes(m *memory) []int {
	var all []int
	for _, batch := range m.batches {
		all = append(all, len(batch))
	}
	slices.Sort(all)
	return all
}

func TestWhatWaitsSharesATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		m := &memory{before: g.wait}
		b := NewBatcher(m, nil, time.Minute)
		var done sync.WaitGroup
		for i := range 1202 { // one for each writer at once; the others wait for them
			done.Go(func() {
				if _, err := b.Record(t.Context(), an(fmt.Sprint(i))); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			if i < maxWriters {
				<-g.entered
			}
		}
		close(g.leave)
		for range 3 {
			<-g.entered
		}
		done.Wait()
		if got, want := sizes(m), []int{1, 1, 200, 500, 500}; !slices.Equal(got, want) {
			t.Errorf("batches of %v, want %v", got, want)
		}
	})
}

func TestABatchIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		m := &memory{before: g.wait}
		b := NewBatcher(m, nil, time.Minute)
		var done sync.WaitGroup
		for i := range maxWriters + 9 {
			done.Go(func() {
				e := an(strings.Repeat("a", 1<<20))
				e.Header = http.Header{"X-Large": {strings.Repeat("b", 1<<20)}}
				if _, err := b.Record(t.Context(), e); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
			if i < maxWriters {
				<-g.entered
			}
		}
		close(g.leave)
		for range 3 {
			<-g.entered
		}
		done.Wait()
		if got, want := sizes(m), []int{1, 1, 1, 4, 4}; !slices.Equal(got, want) { // 2 MiB each, no more than 8
			t.Errorf("batches of %v, want %v", got, want)
		}
	})
}

func TestEachEventHasItsOwnResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("bad")
		g := newGate()
		m := &memory{before: func(ctx context.Context, events []*store.Event) []error {
			g.wait(ctx, events)
			errs := make([]error, len(events))
			for i, e := range events {
				if string(e.Body) == "bad" {
					errs[i] = bad
				}
			}
			return errs
		}}
		b := NewBatcher(m, nil, time.Minute)
		var done sync.WaitGroup
		for i, body := range []string{"first", "second", "good", "bad", "good"} {
			done.Go(func() {
				if _, err := b.Record(t.Context(), an(body)); (err != nil) != (body == "bad") {
					t.Errorf("%s: %v", body, err)
				}
			})
			synctest.Wait()
			if i < maxWriters {
				<-g.entered
			}
		}
		close(g.leave)
		<-g.entered
		done.Wait()
		if len(m.kept()) != 4 || len(m.batches) != 3 {
			t.Errorf("%d kept in %d batches", len(m.kept()), len(m.batches))
		}
	})
}

func TestWhoIsNotTakenInTimeIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		m := &memory{before: g.wait}
		b := NewBatcher(m, nil, time.Minute)
		var taken sync.WaitGroup
		for range maxWriters {
			taken.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := b.Record(ctx, an("taken")); !errors.Is(err, store.ErrOutcomeUnknown) {
					t.Errorf("one that is just being written: %v", err)
				}
			})
			<-g.entered
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := b.Record(ctx, an("withdrawn")); !errors.Is(err, errBusy) {
			t.Errorf("one that waits: %v", err)
		}
		taken.Wait()
		close(g.leave)
		synctest.Wait()
		for _, e := range m.kept() {
			if string(e.Body) == "withdrawn" {
				t.Error("it was written all the same")
			}
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestACommitHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{before: func(ctx context.Context, _ []*store.Event) []error {
			<-ctx.Done()
			return []error{ctx.Err()}
		}}
		b := NewBatcher(m, nil, 3*time.Second)
		began := time.Now()
		if _, err := b.Record(t.Context(), an("slow")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("ended after %s", took)
		}
	})
}

func TestABrokenRecorderEndsNothing(t *testing.T) {
	for name, broken := range map[string]func(context.Context, []*store.Event) []error{
		"it panics":        func(context.Context, []*store.Event) []error { panic("out of order") },
		"too few results":  func(context.Context, []*store.Event) []error { return []error{} },
		"too many results": func(context.Context, []*store.Event) []error { return make([]error, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			m := &memory{before: func(ctx context.Context, events []*store.Event) []error {
				if calls.Add(1) == 1 {
					return broken(ctx, events)
				}
				return nil
			}}
			b := NewBatcher(m, nil, time.Minute)
			if _, err := b.Record(t.Context(), an("first")); err == nil {
				t.Error("no error")
			}
			if _, err := b.Record(t.Context(), an("second")); err != nil {
				t.Error(err)
			}
			if err := b.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCloseWaitsForTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		m := &memory{before: g.wait}
		b := NewBatcher(m, nil, time.Minute)
		var done sync.WaitGroup
		for range maxWriters {
			done.Go(func() { b.Record(t.Context(), an("first")) })
			<-g.entered
		}
		done.Go(func() { b.Record(t.Context(), an("last")) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("closed with callbacks under way: %v", err)
		}
		if _, err := b.Record(t.Context(), an("late")); !errors.Is(err, errStopping) {
			t.Errorf("taken after Close: %v", err)
		}
		close(g.leave)
		<-g.entered
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		done.Wait()
		if len(m.kept()) != maxWriters+1 {
			t.Errorf("%d kept", len(m.kept()))
		}
	})
}

// However many forgeries wait, the next batch begins with what is genuine.
func TestForgeriesWaitBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		m := &memory{before: g.wait}
		b := NewBatcher(m, nil, time.Minute)
		var done sync.WaitGroup
		var busy atomic.Int32
		send := func(e *store.Event) {
			done.Go(func() {
				if _, err := b.Record(t.Context(), e); errors.Is(err, errBusy) {
					busy.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		for range maxWriters {
			send(forged(an("forged")))
			<-g.entered
		}
		for range 2 * maxBatchEvents {
			send(forged(an("forged")))
		}
		for range 3 {
			send(an("genuine"))
		}
		if got := busy.Load(); got != maxBatchEvents {
			t.Errorf("%d forgeries are sent away, want %d", got, maxBatchEvents)
		}
		g.leave <- struct{}{}
		<-g.entered
		close(g.leave)
		<-g.entered
		done.Wait()
		batch := slices.IndexFunc(m.batches, func(ids []uuid.UUID) bool { return len(ids) == maxBatchEvents })
		first := m.batches[batch][:3]
		for _, e := range m.kept() {
			if genuine := string(e.Body) == "genuine"; genuine != slices.Contains(first, e.ID) {
				t.Errorf("%s: among the first of the next batch: %t", e.Body, !genuine)
			}
		}
	})
}

func TestForgeriesThatWaitAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := NewBatcher(&memory{before: g.wait}, nil, time.Minute)
		var done sync.WaitGroup
		var busy atomic.Int32
		for i := range maxWriters + 20 {
			done.Go(func() {
				if _, err := b.Record(t.Context(), forged(an(strings.Repeat("a", 1<<20)))); err != nil {
					busy.Add(1)
				}
			})
			synctest.Wait()
			if i < maxWriters {
				<-g.entered
			}
		}
		if got := busy.Load(); got != 11 { // nine pass 8 MiB
			t.Errorf("%d are sent away", got)
		}
		close(g.leave)
		<-g.entered
		done.Wait()
	})
}

// The answer of 2xx never precedes the commit: nothing is written before the recorder has returned.
func TestTheAnswerFollowsTheCommit(t *testing.T) {
	t.Parallel()
	var answered atomic.Bool
	m := &memory{before: func(context.Context, []*store.Event) []error {
		if answered.Load() {
			t.Error("answered before the commit")
		}
		return nil
	}}
	r := start(t, Options{Recorder: m}, func(s *http.Server) {
		inner := s.Handler
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			inner.ServeHTTP(watched{w, &answered}, req)
		})
	})
	if got := send(t, r, callback(t, r, []byte("{}"))); got.status != 200 {
		t.Errorf("answered %d %+v", got.status, got.answer)
	}
	if !answered.Load() {
		t.Error("nobody watched")
	}
}

type watched struct {
	http.ResponseWriter
	written *atomic.Bool
}

func (w watched) WriteHeader(status int) { w.written.Store(true); w.ResponseWriter.WriteHeader(status) }
func (w watched) Write(p []byte) (int, error) {
	w.written.Store(true)
	return w.ResponseWriter.Write(p)
}

// What the handler answers while nobody writes, on the test's clock.
func TestAnswersWhileTheDatabaseHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		m := &memory{before: func(context.Context, []*store.Event) []error { <-release; return nil }}
		h, err := NewHandler(Options{Recorder: m, Sources: store.NewLive([]*store.Source{shop()}, nil), MaxBody: 1 << 20, MaxInFlight: 6 << 20})
		if err != nil {
			t.Fatal(err)
		}
		serve := func(sender string, size int) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/callbacks/shop", strings.NewReader(strings.Repeat("a", size)))
			r.RemoteAddr = sender
			h.ServeHTTP(w, r)
			return w
		}
		var all sync.WaitGroup
		answer := func(sender string, size, status int, code string) {
			all.Go(func() {
				if w := serve(sender, size); w.Code != status || !strings.Contains(w.Body.String(), code) || w.Header().Get("Retry-After") != "30" {
					t.Errorf("%d bytes of %s answered %d %s", size, sender, w.Code, w.Body)
				}
			})
			synctest.Wait()
		}
		const one, other, third = "[2001:db8::1]:1", "[2001:db8:0:1::1]:1", "203.0.113.7:1"
		answer(one, 1<<20, 503, "not_stored") // being written
		answer(one, 1<<20, 503, "not_stored") // being written
		answer(one, 900<<10, 503, "not_stored")
		answer(one, 1<<20, 503, "overloaded")               // half of the room is its
		answer("[2001:db8::2]:1", 1<<20, 503, "overloaded") // and its neighbour's
		answer(other, 1<<20, 503, "not_stored")             // the other half is not
		answer(other, 1<<20, 503, "not_stored")
		answer(other, 900<<10, 503, "not_stored")
		answer(third, 1<<20, 503, "overloaded") // no room at all
		all.Wait()
		if !h.rooms.all.TryAcquire(6<<20) || len(h.rooms.networks) != 0 {
			t.Error("room was not given back")
		}
		close(release)
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(m.kept()) != 2 {
			t.Errorf("%d kept", len(m.kept()))
		}
		if w := serve(one, 1); w.Code != 503 {
			t.Errorf("after Close: %d %s", w.Code, w.Body)
		}
	})
}
