package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
)

func TestOneInstanceIsAloneAtItsWork(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	open := func() *store.DB {
		db, err := store.Open(t.Context(), url, storetest.Key(), nil)
		must(t, err)
		t.Cleanup(db.Close)
		return db
	}
	first, second := open(), open()
	try := func(db *store.DB) bool {
		mine, err := db.Alone(t.Context(), time.Hour, func(context.Context) error { return nil })
		must(t, err)
		return mine
	}
	mine, err := first.Alone(t.Context(), time.Hour, func(context.Context) error {
		if try(second) {
			t.Error("two instances were at it")
		}
		// It waits for nobody, and holds nothing back: neither those who follow commits nor those who wait for old snapshots.
		var xmin, xid *string
		err := first.Pool().QueryRow(t.Context(), `
			SELECT backend_xmin::text, backend_xid::text FROM pg_stat_activity
			WHERE state = 'idle in transaction' AND datname = current_database()`).Scan(&xmin, &xid)
		must(t, err)
		if xmin != nil || xid != nil {
			t.Errorf("the lock holds a snapshot %v or a transaction %v", xmin, xid)
		}
		return nil
	})
	must(t, err)
	if !mine || !try(second) || !try(first) {
		t.Error("the lock was not to be had, or not given back")
	}

	// PostgreSQL takes the lock back, as from a program that stands still; the work is told, and another one gets it.
	asked := errors.New("asked to end")
	_, err = first.Alone(t.Context(), time.Millisecond, func(ctx context.Context) error {
		_, err := second.Pool().Exec(t.Context(), `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()`)
		must(t, err)
		<-ctx.Done()
		return asked
	})
	if !errors.Is(err, store.ErrLockLost) || !errors.Is(err, asked) {
		t.Errorf("got %v", err)
	}
	for !try(second) { // PostgreSQL says so before it lets go
	}
}

func TestLagOfAStandby(t *testing.T) {
	for name, test := range map[string]struct {
		lsn   int64
		lag   time.Duration
		known bool
	}{
		"as far as the primary":     {50, 0, true},
		"further than was measured": {70, 0, true},
		"one measurement behind":    {49, time.Second, true},
		"on the oldest":             {10, 4 * time.Second, true},
		"behind all measurements":   {9, 4 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := store.LagOf(5, test.lsn)
			if got.Known != test.known || got.Lag != test.lag {
				t.Errorf("got %+v, want %v, known %v", got, test.lag, test.known)
			}
		})
	}
	if got := store.LagOf(0, 5); got.Known || got.Lag != 0 {
		t.Errorf("without a measurement: %+v", got)
	}
}
