package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// SecretUse is how often a secret verified a callback, and when it last did.
type SecretUse struct {
	Secret      string // its name
	Events      int64
	LastEventID uuid.UUID
	LastUsed    time.Time
}

// SecretUses tells which secrets of a source verified how many callbacks, by name.
func (db *DB) SecretUses(ctx context.Context, sourceID int64) ([]SecretUse, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT secret, sum(events)::bigint AS events, (max(last_event_id::text))::uuid AS last_event_id
		FROM source_hours WHERE source_id = $1 AND secret <> '' AND verdict <> 'rejected'
		GROUP BY secret ORDER BY secret`, sourceID)
	if err != nil {
		return nil, fmt.Errorf("counting the uses of secrets: %w", err)
	}
	uses, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (u SecretUse, err error) {
		err = row.Scan(&u.Secret, &u.Events, &u.LastEventID)
		u.LastUsed = (&Event{ID: u.LastEventID}).ReceivedAt()
		return u, err
	})
	if err != nil {
		return nil, fmt.Errorf("counting the uses of secrets: %w", err)
	}
	return uses, nil
}
