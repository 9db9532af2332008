package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Bounds of what is kept of the volume. Days are few and stay.
const (
	minutesKept = 7 * 24 * time.Hour
	hoursKept   = 400 * 24 * time.Hour

	maxTypes         = 500
	maxTypesRejected = maxTypes / 2 // beyond these, only an accepted event makes a type known: a forger cannot use them up
)

// Numbers in the table volume that are no types.
const (
	allTypes   = 0
	otherTypes = 1
)

// grain is how finely time is counted, as PostgreSQL names it.
type grain string

const (
	minutes grain = "minute"
	hours   grain = "hour"
	days    grain = "day"
)

// countVolume counts events into their minutes, hours and days.
func countVolume(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO volume_types (entity_type, callback_type)
		SELECT entity_type, callback_type
		FROM (
			SELECT *, row_number() OVER (ORDER BY accepted DESC, entity_type, callback_type) + (SELECT count(*) FROM volume_types) AS number
			FROM (
				SELECT entity_type, callback_type, bool_or(verdict <> 'rejected') AS accepted
				FROM events WHERE id = ANY($1) GROUP BY 1, 2
			) types
			WHERE NOT EXISTS (SELECT FROM volume_types t WHERE (t.entity_type, t.callback_type) = (types.entity_type, types.callback_type))
		) new
		WHERE number <= CASE WHEN accepted THEN $2::int ELSE $3::int END`, ids, maxTypes, maxTypesRejected)
	if err != nil {
		return fmt.Errorf("types: %w", err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO volume AS v (grain, type_id, start, source_id, verdict, answered, events)
		SELECT grain, type.id, date_trunc(grain::text, arrived, 'UTC'), source_id, verdict, answered, count(*)
		FROM (
			SELECT `+arrivedOf("e.id")+` AS arrived, source_id, verdict, answered, coalesce(t.id, $2::int) AS type_id
			FROM events e LEFT JOIN volume_types t USING (entity_type, callback_type)
			WHERE e.id = ANY($1)
		) e
		CROSS JOIN LATERAL (VALUES ($3::int), (type_id)) AS type (id)
		CROSS JOIN unnest(enum_range(NULL::volume_grain)) AS grain
		GROUP BY 1, 2, 3, 4, 5, 6
		ON CONFLICT (grain, type_id, start, source_id, verdict, answered) DO UPDATE SET events = v.events + excluded.events`,
		ids, otherTypes, allTypes)
	if err != nil {
		return fmt.Errorf("volume: %w", err)
	}
	return nil
}

// thinVolume deletes what is counted more finely than it is asked for any more.
func (db *DB) thinVolume(ctx context.Context) error {
	for _, old := range []struct {
		what, table string
		grain       grain
		kept        time.Duration
	}{
		{"the volume of old minutes", "volume", minutes, minutesKept},
		{"the volume of old hours", "volume", hours, hoursKept},
		{"latencies of old minutes", "answer_latencies", minutes, minutesKept},
		{"latencies of old hours", "answer_latencies", hours, hoursKept},
	} {
		err := db.deleteSome(ctx, old.what, `
			DELETE FROM `+old.table+` WHERE ctid = ANY(ARRAY(
				SELECT ctid FROM `+old.table+` WHERE grain = '`+string(old.grain)+`' AND start < $1 ORDER BY start LIMIT $2))`, db.Now().Add(-old.kept))
		if err != nil {
			return err
		}
	}
	return nil
}
