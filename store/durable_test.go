package store_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/cluster"
	"recall/store"
	"recall/store/storetest"
)

// A primary that waits for a standby which is not there commits an event, and shows it, without its being anywhere else: that
// is no promise, however often it is asked for, until a standby has it.
func TestWhatNoStandbyHasIsNotSafe(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "recall-") // a short path, for its socket
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	c, err := cluster.Open(t.Context(), cluster.Options{DataDir: dir, BinDir: os.Getenv("RECALL_POSTGRES_BIN")})
	must(t, err)
	t.Cleanup(func() { c.Close(context.Background()) })
	db, err := store.Open(t.Context(), c.URL(), storetest.Key(), nil)
	must(t, err)
	t.Cleanup(db.Close)
	must(t, db.Migrate(t.Context()))
	shop := newSource(t, db, "shop")
	e := arrived(noon, "once", of(shop))
	record(t, db, arrived(noon, "before", of(shop))) // makes the partitions

	set := func(standbys string) {
		conn, err := pgx.Connect(t.Context(), c.URL())
		must(t, err)
		defer conn.Close(context.Background())
		_, err = conn.Exec(t.Context(), `ALTER SYSTEM SET synchronous_standby_names = '`+standbys+`'`)
		must(t, err)
		_, err = conn.Exec(t.Context(), `SELECT pg_reload_conf()`)
		must(t, err)
		for have := "?"; have != standbys; {
			must(t, conn.QueryRow(t.Context(), `SELECT current_setting('synchronous_standby_names')`).Scan(&have))
		}
	}
	set("nobody")
	for waits := false; !waits; { // the server takes a moment to mean it
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		_, err := db.Pool().Exec(ctx, `SELECT pg_logical_emit_message(true, 'test', '')`)
		waits = err != nil
		cancel()
	}
	tryFor := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return db.RecordEvents(ctx, []*store.Event{e})[0]
	}
	var seen int
	for range 2 { // the second time it is there already, as the spool finds it
		if err := tryFor(time.Second); err == nil {
			t.Fatal("it was said to be safe while no standby had it")
		}
		must(t, db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM events`).Scan(&seen))
	}
	if seen != 2 {
		t.Fatalf("%d events are seen; the test wants a second one that is committed and not replicated", seen)
	}
	set("")
	if err := tryFor(time.Minute); err != nil {
		t.Fatalf("once no standby is asked for: %v", err)
	}
}
