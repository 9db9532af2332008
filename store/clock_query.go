package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/verify"
)

const (
	nearbyTime   = 10 * time.Minute // on either side of the event
	nearbyEvents = 500              // looked at on either side, whatever their source
)

// Nearby tells how far off the signed times of authentic callbacks of other sources were that arrived around an event: one
// callback says nothing of our clock, several sources that are off by the same do. It looks at the events next to it, of
// ten minutes and a bounded number on either side.
func (db *DB) Nearby(ctx context.Context, id uuid.UUID, sourceID int64) ([]verify.Skew, error) {
	at := receivedAt(id)
	var skews []verify.Skew
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT s.slug, (e.verification->>'skew_seconds')::bigint
			FROM (
				(SELECT id, source_id, signature, verification FROM events WHERE id >= @from AND id < @id ORDER BY id DESC LIMIT @limit)
				UNION ALL
				(SELECT id, source_id, signature, verification FROM events WHERE id > @id AND id < @to ORDER BY id LIMIT @limit)
			) e
			JOIN sources s ON s.id = e.source_id
			WHERE e.source_id <> @source AND e.signature IN ('valid', 'expired', 'future') -- authentic, fresh or not
			ORDER BY e.id`,
			pgx.NamedArgs{
				"id": id, "from": IDAt(at.Add(-nearbyTime)), "to": IDAt(at.Add(nearbyTime)), "limit": nearbyEvents, "source": sourceID,
			})
		if err != nil {
			return err
		}
		skews, err = pgx.CollectRows(rows, pgx.RowToStructByPos[verify.Skew])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking at the clock around event %s: %w", id, err)
	}
	return skews, nil
}
