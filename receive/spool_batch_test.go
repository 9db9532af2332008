package receive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"recall/store"
)

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
	broken, now := false, signedNow
	m := &memory{before: failing(errAway)}
	b, s := newBatcher(t, m, SpoolOptions{Now: func() time.Time { return now }, sync: func(f *os.File) error {
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
	s.Drain(t.Context()) // it may be about to come into the spool
	if !s.away() {
		t.Error("held to be there at once")
	}
	now = now.Add(2 * lookAfter)
	s.Drain(t.Context()) // nothing to find out with: the next callback does
	if s.away() {
		t.Error("still held to be away")
	}
	m.before = nil
	if spooled, err := b.Record(t.Context(), at(after(1), "x")); spooled || err != nil {
		t.Errorf("spooled %t, %v", spooled, err)
	}
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
