package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// MostLag is how far a standby may be behind to be read from.
	MostLag         = 10 * time.Second
	measureEvery    = time.Second
	measureMost     = 2 * time.Second  // a server that takes longer is as good as away
	distrustFor     = 10 * time.Second // after it broke a page off
	measurementsMax = 600              // of the primary, one a second
)

// ErrStandby: the standby broke a page's queries off. Ask again with OnPrimary.
var ErrStandby = errors.New("the standby of RECALL_DATABASE_READ_URL broke off what was read from it")

// StandbyState is what is known of the standby.
type StandbyState struct {
	Lag   time.Duration // how far it is behind, as last measured; at least so far where Known is false
	Known bool
	Away  error // why it is not read from; nil: it is
}

// standby is a server that pages may be read from.
type standby struct {
	pool *pgxpool.Pool

	mu       sync.Mutex
	state    StandbyState
	measured bool
	until    time.Time // not read from before
	history  []measurement
}

// measurement is how far the primary's log was at a moment.
type measurement struct {
	at  time.Time
	lsn int64
}

// reader is what a context knows of where its page is read.
type reader struct {
	standby bool
	lag     atomic.Int64 // ns of what was read from the standby, and 1; 0: nothing was
}

type readerKey struct{}

// OnStandby lets the reads of a page go to the standby, if there is one: for what may be a moment old.
func OnStandby(ctx context.Context) context.Context {
	return context.WithValue(ctx, readerKey{}, &reader{standby: true})
}

// OnPrimary takes that back: for what must be of now.
func OnPrimary(ctx context.Context) context.Context {
	if r, _ := ctx.Value(readerKey{}).(*reader); r == nil || !r.standby {
		return ctx
	}
	return context.WithValue(ctx, readerKey{}, &reader{})
}

// ReadOnStandby tells whether anything was read from the standby in this context, and how far that was behind.
func ReadOnStandby(ctx context.Context) (lag time.Duration, was bool) {
	r, _ := ctx.Value(readerKey{}).(*reader)
	if r == nil || r.lag.Load() == 0 {
		return 0, false
	}
	return time.Duration(r.lag.Load() - 1), true
}

// Standby tells of the standby; false: there is none.
func (db *DB) Standby() (StandbyState, bool) {
	if db.standby == nil {
		return StandbyState{}, false
	}
	return db.standby.now(db.Now()), true
}

func (s *standby) now(now time.Time) StandbyState {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state
	switch {
	case !s.measured:
		state.Away = errors.New("it has not been looked at yet")
	case state.Away != nil:
	case now.Before(s.until):
		state.Away = errors.New("it broke off what was read from it a moment ago")
	case !state.Known:
		state.Away = errors.New("how far it is behind is not known yet")
	case state.Lag > MostLag:
		state.Away = fmt.Errorf("it is more than %s behind", MostLag)
	}
	return state
}

// standbyFor returns the standby if this context allows it and it is fit to be read from.
func (db *DB) standbyFor(ctx context.Context) *standby {
	r, _ := ctx.Value(readerKey{}).(*reader)
	if r == nil || !r.standby || db.standby == nil {
		return nil
	}
	if db.standby.now(db.Now()).Away != nil {
		return nil
	}
	return db.standby
}

// wasRead notes in a context that something was read from the standby.
func (s *standby) wasRead(ctx context.Context, now time.Time) {
	if r, _ := ctx.Value(readerKey{}).(*reader); r != nil {
		r.lag.Store(max(r.lag.Load(), int64(s.now(now).Lag)+1))
	}
}

func (s *standby) distrust(now time.Time, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = now.Add(distrustFor)
}

// isFault tells an error of the server read from, or of the way to it, from one about what was asked. A standby breaks
// queries off (class 40) when what they read is removed on the primary.
func isFault(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return gone(err)
	}
	switch pg.Code[:2] {
	case "08", "40", "53", "57", "58":
		return !errors.Is(err, ErrTooSlow)
	}
	return false
}

// WatchStandby measures how far the standby is behind, until ctx ends. It says once when it is not fit to be read from, and
// once when it is again.
func (db *DB) WatchStandby(ctx context.Context) {
	if db.standby == nil {
		return
	}
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	away := false
	for ctx.Err() == nil {
		db.MeasureStandby(ctx)
		state := db.standby.now(db.Now())
		switch {
		case ctx.Err() != nil:
		case state.Away != nil && !away && state.Known:
			db.Log.Warn("pages are read from the primary, not from the standby", "error", state.Away)
			away = true
		case state.Away == nil && away:
			db.Log.Info("pages are read from the standby again")
			away = false
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// MeasureStandby measures once how far the standby is behind: how long ago the primary's log was where the standby's is now.
// That asks neither for clocks that agree nor for rights.
func (db *DB) MeasureStandby(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, measureMost)
	defer cancel()
	s := db.standby
	if s == nil {
		return
	}
	var primary, behind logPlace
	errPrimary := primary.ask(ctx, db.pool)
	now := db.Now()
	errStandby := behind.ask(ctx, s.pool)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.measured = true
	if errStandby != nil {
		s.state = StandbyState{Known: true, Away: fmt.Errorf("it does not answer: %w", errStandby)}
		return
	}
	same := errPrimary == nil && primary.started.Equal(behind.started) // a standby that was promoted, perhaps
	if !behind.recovers && !same && errPrimary == nil {
		s.state = StandbyState{Known: true, Away: errors.New("it is no standby")}
		return
	}
	if errPrimary == nil {
		s.history = append(s.history, measurement{now, primary.lsn})
		s.history = s.history[max(0, len(s.history)-measurementsMax):]
	}
	s.state = lagOf(s.history, behind.lsn, db.Now())
	if same {
		s.state = StandbyState{Known: true}
	}
}

// lagOf looks for the last moment at which the primary was no further than the standby is now.
func lagOf(history []measurement, lsn int64, now time.Time) StandbyState {
	for i := len(history) - 1; i >= 0; i-- {
		if history[i].lsn <= lsn {
			if i == len(history)-1 {
				return StandbyState{Known: true, Lag: max(0, now.Sub(history[i].at)-measureMost).Truncate(time.Millisecond)}
			}
			return StandbyState{Known: true, Lag: now.Sub(history[i].at).Truncate(time.Millisecond)}
		}
	}
	if len(history) == 0 {
		return StandbyState{}
	}
	return StandbyState{Lag: now.Sub(history[0].at)}
}

// logPlace is how far a server's log is.
type logPlace struct {
	lsn      int64
	recovers bool // it is a standby
	started  time.Time
}

func (p *logPlace) ask(ctx context.Context, pool *pgxpool.Pool) error {
	return pool.QueryRow(ctx, `
		SELECT pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_lsn() END, '0/0')::bigint,
			pg_is_in_recovery(), pg_postmaster_start_time()`).Scan(&p.lsn, &p.recovers, &p.started)
}
