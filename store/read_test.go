package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"recall/store"
	"recall/store/storetest"
)

func TestQueriesOfAPageSeeOneMoment(t *testing.T) {
	db := storetest.New(t)
	record(t, db, arrived(noon, own))
	must(t, db.Read(t.Context(), func(tx pgx.Tx) error {
		for setting, want := range map[string]string{
			"statement_timeout": "10s", "transaction_read_only": "on", "transaction_isolation": "repeatable read", "plan_cache_mode": "force_custom_plan",
		} {
			var got string
			if err := tx.QueryRow(t.Context(), `SELECT current_setting($1)`, setting).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %s, want %s: %v", setting, got, want, err)
			}
		}
		for range 2 {
			var n int
			if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM events`).Scan(&n); err != nil || n != 1 {
				t.Errorf("%d events: %v", n, err)
			}
			record(t, db, arrived(noon, other)) // meanwhile, on another connection
		}
		return nil
	}))
	if n := count(t, db, "events"); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	// What holds in the transaction ends with it.
	var timeout string
	must(t, db.Pool().QueryRow(t.Context(), `SELECT current_setting('statement_timeout')`).Scan(&timeout))
	if timeout != "0" {
		t.Errorf("statement_timeout is %s afterwards", timeout)
	}
}

func TestOtherErrorsAreNotSlow(t *testing.T) {
	db := storetest.New(t)
	err := db.Read(t.Context(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `DELETE FROM events`)
		return err
	})
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "25006" || errors.Is(err, store.ErrTooSlow) { // read_only_sql_transaction
		t.Errorf("%v", err)
	}
}

// whileLocked runs a query that has to wait for a lock on the events, and calls do with its connection's process number
// once it waits.
func whileLocked(t *testing.T, db *store.DB, query func() error, do func(pid int)) error {
	t.Helper()
	tx, err := db.Pool().Begin(t.Context())
	must(t, err)
	defer tx.Rollback(context.Background())
	_, err = tx.Exec(t.Context(), `LOCK TABLE events IN ACCESS EXCLUSIVE MODE`)
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- query() }()
	for {
		var pid int
		err := db.Pool().QueryRow(t.Context(), `
			SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(&pid)
		if err == nil {
			do(pid)
			return <-done
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			t.Fatal(err)
		}
		select {
		case err := <-done:
			t.Fatalf("the query did not wait: %v", err)
		case <-time.After(time.Millisecond): // ask again
		}
	}
}

func TestSlowQueryIsStoppedAndSaidSo(t *testing.T) {
	db := storetest.New(t)
	err := whileLocked(t, db, func() error {
		_, err := db.ListEvents(t.Context(), store.EventQuery{})
		return err
	}, func(pid int) { // as statement_timeout does it, without waiting for it
		_, err := db.Pool().Exec(t.Context(), `SELECT pg_cancel_backend($1)`, pid)
		must(t, err)
	})
	if !errors.Is(err, store.ErrTooSlow) || !strings.Contains(err.Error(), "10s") {
		t.Errorf("%v", err)
	}
}

func TestCancelledQueryEndsInTheDatabaseToo(t *testing.T) {
	db := storetest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := whileLocked(t, db, func() error {
		_, err := db.ListEvents(ctx, store.EventQuery{})
		return err
	}, func(pid int) {
		cancel()
		for there := true; there; { // until it waits no more, though the lock is still held
			must(t, db.Pool().QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = $1)`, pid).Scan(&there))
		}
	})
	if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrTooSlow) {
		t.Errorf("%v", err)
	}
}
