package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/migrations"
	"recall/store"
	"recall/store/storetest"
)

// What was counted before there was a volume is counted by the migration, and what waits for the follower by that: once.
func TestVolumeOfAnOlderDatabase(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	s := newSource(t, db, "shop")
	add := func(from, n int) {
		var batch []*store.Event
		for i := range n {
			batch = append(batch, arrived(noon.Add(-time.Duration(i)*time.Hour), fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d"}`, from+i), func(e *store.Event) { e.SourceID = s.ID }))
		}
		record(t, db, batch...)
	}
	add(0, 40)
	rollup(t, db, "")
	var want string
	rows := `SELECT coalesce(string_agg(v::text, ' ' ORDER BY v::text), '') FROM (
		SELECT grain, coalesce(entity_type, '*') AS type, start, source_id, verdict, answered, events FROM volume LEFT JOIN volume_types ON id = type_id WHERE grain <> 'minute') v`
	add(100, 30)

	migration, err := migrations.FS.ReadFile("00008_volume.sql")
	must(t, err)
	up, down, found := strings.Cut(string(migration), "-- +goose Down")
	if !found {
		t.Fatal("the migration has no way back")
	}
	_, err = db.Pool().Exec(t.Context(), "BEGIN;"+down+up+"COMMIT", pgx.QueryExecModeSimpleProtocol)
	must(t, err)
	rollup(t, db, "")
	var got string
	must(t, db.Pool().QueryRow(t.Context(), rows).Scan(&got))

	// The same counted by the follower alone.
	_, err = db.Pool().Exec(t.Context(), "TRUNCATE volume, source_hours; UPDATE followers SET cursor = '0.0.0'", pgx.QueryExecModeSimpleProtocol)
	must(t, err)
	rollup(t, db, "")
	must(t, db.Pool().QueryRow(t.Context(), rows).Scan(&want))
	if got != want || !strings.Contains(got, "ORDER") {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
