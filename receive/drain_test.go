package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// A file that was passed by for a while tells as well as any other that the database is back.
func TestASuspectProvesTheDatabase(t *testing.T) {
	answers := map[string]any{"suspect": errors.New("unclear")}
	m := &memory{before: picky(answers)}
	s := openSpool(t, SpoolOptions{Recorder: m})
	put(t, s, at(after(0), "suspect"))
	for i := range 2 {
		put(t, s, at(after(1+i), "good"))
		s.Drain(t.Context())
	}
	if len(s.failures) != 1 || s.away() {
		t.Fatalf("%d suspects, away %t", len(s.failures), s.away())
	}
	s.heard([]error{errAway})
	clear(answers)
	s.Drain(t.Context())
	if s.away() || s.Stats().Events != 0 || len(s.failures) != 0 {
		t.Errorf("away %t, %+v", s.away(), s.Stats())
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
