package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recall/store"
)

// after is a time so many milliseconds after the test's.
func after(ms int) time.Time { return signedNow.Add(time.Duration(ms) * time.Millisecond) }

// errAway is what a database says that is not there.
var errAway = errors.New("connection refused")

// refusal is what a database says of a content it does not take.
type refusal string

func (r refusal) Error() string    { return "refused, SQLSTATE " + string(r) }
func (r refusal) SQLState() string { return string(r) }

// picky is a Recorder's hook that answers some bodies with an error of their own, or panics.
func picky(answers map[string]any) func(context.Context, []*store.Event) []error {
	return func(_ context.Context, events []*store.Event) []error {
		errs := make([]error, len(events))
		for i, e := range events {
			switch answer := answers[string(e.Body)].(type) {
			case error:
				errs[i] = answer
			case string:
				panic(answer)
			}
		}
		return errs
	}
}

func TestDrainingKeepsTheOrder(t *testing.T) {
	m := &memory{}
	s := openSpool(t, SpoolOptions{Recorder: m})
	var want []string
	for i := range 700 {
		body := fmt.Sprint(i)
		want = append(want, body)
		if i < 400 { // put in the wrong order, as two writers may
			continue
		}
		put(t, s, at(after(i), body))
	}
	var early []*store.Event
	for i := 399; i >= 0; i-- {
		early = append(early, at(after(i), fmt.Sprint(i)))
	}
	put(t, s, early...)
	s.Drain(t.Context())
	if got := bodies(m.kept()); got != strings.Join(want, " ") {
		t.Errorf("drained %s", got)
	}
	if got := sizes(m); !slices.Equal(got, []int{200, 500}) {
		t.Errorf("in batches of %v", got)
	}
	if len(names(t, s.o.Dir)) != 0 || s.Stats().Events != 0 {
		t.Errorf("left: %v", names(t, s.o.Dir))
	}
}

// While the database is away nothing is lost, and each look at it costs little.
func TestDrainingWaitsForTheDatabase(t *testing.T) {
	m := &memory{before: failing(errAway)}
	s := openSpool(t, SpoolOptions{Recorder: m})
	for i := range 20 {
		put(t, s, at(after(i), fmt.Sprint(i)))
	}
	for range 3 {
		m.batches = nil
		s.Drain(t.Context())
		if len(m.batches) > 3 {
			t.Errorf("%d tries", len(m.batches))
		}
	}
	if stats := s.Stats(); stats.Events != 20 || stats.AwaySince != signedNow || stats.Refused != 0 || !s.away() {
		t.Errorf("%+v", stats)
	}
	m.before = nil
	s.Drain(t.Context())
	if len(m.kept()) != 20 || s.Stats().Events != 0 || s.away() {
		t.Errorf("%d kept, %+v", len(m.kept()), s.Stats())
	}
}

// What the database refuses for its content is set aside, and in nobody's way.
func TestARefusedEventIsSetAside(t *testing.T) {
	for name, c := range map[string]struct {
		answer any
		passes int // at most until it is set aside; other events are taken meanwhile
	}{
		"refused for its content":     {refusal("22021"), 1},
		"past a limit":                {refusal("54000"), 1},
		"an error that says nothing":  {errors.New("no way to write this down"), maxTries + 1},
		"a panic":                     {"out of order", maxTries + 1},
		"an unknown state of a table": {refusal("42P01"), maxTries + 1},
	} {
		for where, alone := range map[string]bool{"in a file of its own": true, "among others": false} {
			t.Run(name+" "+where, func(t *testing.T) {
				var log bytes.Buffer
				m := &memory{before: picky(map[string]any{"bad": c.answer})}
				s := openSpool(t, SpoolOptions{Recorder: m, Log: slog.New(slog.NewJSONHandler(&log, nil))})
				bad := at(after(1), "bad")
				put(t, s, at(after(0), "first"))
				if alone {
					put(t, s, bad)
				} else {
					put(t, s, at(after(2), "beside it"), bad, at(after(3), "behind it"))
				}
				put(t, s, at(after(4), "last"))
				for pass := 0; pass < c.passes && s.Stats().Refused == 0; pass++ {
					s.Drain(t.Context())
					if !strings.Contains(bodies(m.kept()), "last") {
						t.Fatalf("pass %d: what comes behind waits: %s", pass, bodies(m.kept()))
					}
					if s.Stats().Refused == 0 {
						put(t, s, at(after(10+pass), fmt.Sprint("more ", pass)))
					}
				}
				s.Drain(t.Context())
				stats := s.Stats()
				if stats.Events != 0 || stats.Refused != 1 || stats.Damaged != 0 || stats.Bytes != 4096 || s.away() {
					t.Errorf("%+v", stats)
				}
				want := []string{"first", "last"}
				if !alone {
					want = append(want, "beside it", "behind it")
				}
				for _, body := range want {
					if !strings.Contains(bodies(m.kept()), body) {
						t.Errorf("%s is lost", body)
					}
				}
				aside := names(t, filepath.Join(s.o.Dir, "refused"))
				if len(aside) != 1 || !strings.Contains(log.String(), aside[0]) || !strings.Contains(log.String(), bad.ID.String()) || strings.Contains(log.String(), `"bad"`) {
					t.Fatalf("set aside %v, and the log says %s", aside, &log)
				}
				// Moved back, it is tried again.
				if err := os.Rename(filepath.Join(s.o.Dir, "refused", aside[0]), filepath.Join(s.o.Dir, aside[0])); err != nil {
					t.Fatal(err)
				}
				s.Close()
				m.before = nil
				s = openSpool(t, SpoolOptions{Dir: s.o.Dir, Recorder: m})
				s.Drain(t.Context())
				if got := m.kept(); string(got[len(got)-1].Body) != "bad" || s.Stats().Refused != 0 {
					t.Errorf("moved back: %s, %+v", bodies(got), s.Stats())
				}
			})
		}
	}
}

// An event is only held to be bad when others are taken: a database that is away sets nothing aside, however long.
func TestNothingIsRefusedDuringAnOutage(t *testing.T) {
	m := &memory{before: failing(errAway)}
	s := openSpool(t, SpoolOptions{Recorder: m})
	put(t, s, at(after(0), "first"))
	put(t, s, at(after(1), "second"))
	for range 10 * maxTries {
		s.Drain(t.Context())
	}
	if stats := s.Stats(); stats.Events != 2 || stats.Refused != 0 {
		t.Errorf("%+v", stats)
	}
	m.before = nil
	s.Drain(t.Context())
	if got := bodies(m.kept()); got != "first second" {
		t.Errorf("drained %s", got)
	}
}

// An event that can neither be recorded nor set aside stays where it is.
func TestAFullDiskKeepsARefusedEvent(t *testing.T) {
	full := false
	m := &memory{before: picky(map[string]any{"bad": refusal("22P05")})}
	s := openSpool(t, SpoolOptions{Recorder: m, sync: func(f *os.File) error {
		if full {
			return errors.New("no space left on device")
		}
		return f.Sync()
	}})
	put(t, s, at(after(0), "good"), at(after(1), "bad"))
	full = true
	s.Drain(t.Context())
	if stats := s.Stats(); stats.Events != 2 || stats.Refused != 0 {
		t.Errorf("%+v", stats)
	}
	full = false
	s.Drain(t.Context())
	if stats := s.Stats(); stats.Events != 0 || stats.Refused != 1 {
		t.Errorf("%+v", stats)
	}
}

func TestAFileThatBreaksWhileItWaitsIsSetAside(t *testing.T) {
	var log bytes.Buffer
	m := &memory{}
	s := openSpool(t, SpoolOptions{Recorder: m, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	put(t, s, at(after(0), "removed"))
	put(t, s, at(after(1), "cut"))
	put(t, s, at(after(2), "good"))
	dir := s.o.Dir
	if err := os.Remove(filepath.Join(dir, s.files[0].name())); err != nil {
		t.Fatal(err)
	}
	cut := s.files[1].name()
	if err := os.Truncate(filepath.Join(dir, cut), 100); err != nil {
		t.Fatal(err)
	}
	s.Drain(t.Context())
	if stats := s.Stats(); stats.Events != 0 || stats.Damaged != 1 {
		t.Errorf("%+v", stats)
	}
	if got := bodies(m.kept()); got != "good" {
		t.Errorf("drained %s", got)
	}
	if got := names(t, filepath.Join(dir, "damaged")); !slices.Equal(got, []string{cut}) || strings.Count(log.String(), `"level":"ERROR"`) != 2 {
		t.Errorf("set aside %v, and the log says %s", got, &log)
	}
}

func TestDrainingStopsWithTheProgram(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &memory{before: func(ctx context.Context, events []*store.Event) []error {
		cancel()
		return failAll(events, ctx.Err())
	}}
	s := openSpool(t, SpoolOptions{Recorder: m})
	put(t, s, at(after(0), "x"))
	s.Drain(ctx)
	if stats := s.Stats(); stats.Events != 1 || s.away() || len(m.batches) != 1 {
		t.Errorf("%+v after %d tries", stats, len(m.batches))
	}
}

// newBatcher is a Batcher on a fake database with a spool.
func newBatcher(t testing.TB, m *memory, o SpoolOptions) (*Batcher, *Spool) {
	t.Helper()
	o.Recorder = m
	s := openSpool(t, o)
	return NewBatcher(m, s, time.Minute), s
}

func TestTheSpoolTakesWhatTheDatabaseDoesNot(t *testing.T) {
	for name, answer := range map[string]error{
		"away":            errAway,
		"too slow":        context.DeadlineExceeded,
		"full":            refusal("53100"),
		"shutting down":   refusal("57P01"),
		"unknown outcome": fmt.Errorf("committing: %w", store.ErrOutcomeUnknown),
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{before: func(_ context.Context, events []*store.Event) []error {
				events[0].Arrival, events[0].RepeatOf = 7, events[0].ID // found out in vain
				return failAll(events, answer)
			}}
			b, s := newBatcher(t, m, SpoolOptions{})
			for i := range 3 {
				e := at(after(i), fmt.Sprint(i))
				if spooled, err := b.Record(t.Context(), e); !spooled || err != nil {
					t.Fatalf("spooled %t, %v", spooled, err)
				}
				if e.Arrival != 0 || e.RepeatOf != [16]byte{} {
					t.Errorf("spooled as arrival %d of %s", e.Arrival, e.RepeatOf)
				}
			}
			if len(m.batches) != 1 {
				t.Errorf("the database was asked %d times: nobody should wait for it twice", len(m.batches))
			}
			if stats := s.Stats(); stats.Events != 3 || stats.AwaySince.IsZero() {
				t.Errorf("%+v", stats)
			}
			m.before = nil
			s.Drain(t.Context())
			if spooled, err := b.Record(t.Context(), at(after(3), "3")); spooled || err != nil {
				t.Errorf("back again: spooled %t, %v", spooled, err)
			}
			if got := bodies(m.kept()); got != "0 1 2 3" {
				t.Errorf("kept %s", got)
			}
		})
	}
}

// One event that is not taken goes to the spool alone, and the database is not held to be away.
func TestABadEventAloneGoesToTheSpool(t *testing.T) {
	for name, answer := range map[string]any{"refused": refusal("22021"), "unclear": errors.New("unclear")} {
		t.Run(name, func(t *testing.T) {
			m := &memory{before: picky(map[string]any{"bad": answer})}
			b, s := newBatcher(t, m, SpoolOptions{})
			results := b.commit([]*store.Event{at(after(0), "good"), at(after(1), "bad"), at(after(2), "good")})
			for i, r := range results {
				if r.err != nil || r.spooled != (i == 1) {
					t.Errorf("%d: %+v", i, r)
				}
			}
			if s.away() || s.Stats().Events != 1 {
				t.Errorf("%+v", s.Stats())
			}
		})
	}
}

func TestAFullSpoolLeavesTheDatabase(t *testing.T) {
	m := &memory{before: failing(errAway)}
	b, s := newBatcher(t, m, SpoolOptions{MaxBytes: 4096})
	if spooled, err := b.Record(t.Context(), at(after(0), "fits")); !spooled || err != nil {
		t.Fatalf("spooled %t, %v", spooled, err)
	}
	if _, err := b.Record(t.Context(), at(after(1), "too much")); !errors.Is(err, errSpoolFull) || !errors.Is(err, errAway) {
		t.Errorf("%v", err)
	}
	m.before = nil // nobody has drained yet
	if spooled, err := b.Record(t.Context(), at(after(2), "to the database")); spooled || err != nil {
		t.Errorf("spooled %t, %v", spooled, err)
	}
	if s.away() {
		t.Error("the database is there")
	}
	s.Drain(t.Context())
	if got := bodies(m.kept()); got != "to the database fits" {
		t.Errorf("kept %s", got)
	}
}

// A spool that cannot be written must not be what keeps callbacks from a database that is back.
func TestAnUnwritableSpoolIsNoTrap(t *testing.T) {
	broken := false
	m := &memory{before: failing(errAway)}
	b, s := newBatcher(t, m, SpoolOptions{sync: func(f *os.File) error {
		if broken {
			return errors.New("input/output error")
		}
		return f.Sync()
	}})
	broken = true
	if _, err := b.Record(t.Context(), at(after(0), "x")); err == nil || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("%v", err)
	}
	if s.Stats().AwaySince.IsZero() {
		t.Error("the database is away")
	}
	s.Drain(t.Context()) // nothing to find out with: the next callback does
	if s.away() {
		t.Error("still held to be away")
	}
	m.before = nil
	if spooled, err := b.Record(t.Context(), at(after(1), "x")); spooled || err != nil {
		t.Errorf("spooled %t, %v", spooled, err)
	}
}

func TestRunDrainsUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		m := &memory{before: func(_ context.Context, events []*store.Event) []error {
			if down.Load() {
				return failAll(events, errAway)
			}
			return nil
		}}
		b, s := newBatcher(t, m, SpoolOptions{Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.Run(ctx); close(ended) }()
		began := time.Now()
		for range 60 {
			if spooled, err := b.Record(t.Context(), at(time.Now(), "x")); !spooled || err != nil {
				t.Fatalf("spooled %t, %v", spooled, err)
			}
			time.Sleep(time.Second)
		}
		if stats := s.Stats(); stats.Events != 60 || !stats.AwaySince.Equal(began) || !stats.Oldest.Equal(began.Truncate(time.Millisecond)) {
			t.Errorf("%+v, want away since %s", stats, began)
		}
		down.Store(false)
		time.Sleep(2 * lookAfter)
		if stats := s.Stats(); stats.Events != 0 || !stats.AwaySince.IsZero() || len(m.kept()) != 60 {
			t.Errorf("%+v, %d kept", stats, len(m.kept()))
		}
		cancel()
		<-ended
	})
}

// The handler answers 2xx for what is in the spool, says so in its log, and 503 when nothing takes it.
func TestAnswersWithASpool(t *testing.T) {
	t.Parallel()
	m := &memory{before: failing(errAway)}
	broken := atomic.Bool{}
	var answered atomic.Bool
	s := openSpool(t, SpoolOptions{Recorder: m, sync: func(f *os.File) error {
		if answered.Load() {
			t.Error("answered before it was on disk")
		}
		if broken.Load() {
			return errors.New("input/output error")
		}
		return f.Sync()
	}})
	r := start(t, Options{Recorder: m, Spool: s}, func(server *http.Server) {
		inner := server.Handler
		server.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			inner.ServeHTTP(watched{w, &answered}, req)
		})
	})
	genuine := callback(t, r, []byte("{}"))
	got := send(t, r, genuine)
	if got.status != 200 || got.Event == nil || !answered.Load() {
		t.Fatalf("answered %d %+v", got.status, got.answer)
	}
	answered.Store(false)
	if got := send(t, r, callback(t, r, []byte("{}"), func(req *http.Request) { req.Header.Del("Plenigo-Signature") })); got.status != 401 || got.Event == nil {
		t.Errorf("a forged one: answered %d %+v", got.status, got.answer)
	}
	if stats := s.Stats(); stats.Events != 2 {
		t.Errorf("%+v", stats)
	}
	broken.Store(true)
	answered.Store(false)
	if got := send(t, r, callback(t, r, []byte("{}"))); got.status != 503 || got.Error != "not_stored" || got.Event != nil {
		t.Errorf("answered %d %+v", got.status, got.answer)
	}
	r.close()
	if n := strings.Count(r.log.String(), `"spooled":true`); n != 2 || !strings.Contains(r.log.String(), "input/output error") {
		t.Errorf("the log says %s", r.log)
	}
}
