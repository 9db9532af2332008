package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Sent is how an event stands at one destination.
type Sent struct {
	Delivered time.Time // when it was delivered last; zero: never
	Open      bool      // a delivery of it has not ended
}

// FindSent tells how events stand at a destination. Those that were never sent there are not among them.
func (db *DB) FindSent(ctx context.Context, destinationID int64, events []uuid.UUID) (map[uuid.UUID]Sent, error) {
	sent := map[uuid.UUID]Sent{}
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT event_id, max(finished_at) FILTER (WHERE state = 'succeeded'), bool_or(state IN ('pending', 'sending', 'waiting'))
			FROM deliveries
			WHERE event_id = ANY($2) AND destination_id = $1
			GROUP BY event_id`, destinationID, events)
		if err != nil {
			return err
		}
		var event uuid.UUID
		var at *time.Time
		var open bool
		_, err = pgx.ForEachRow(rows, []any{&event, &at, &open}, func() error {
			sent[event] = Sent{orZero(at).UTC(), open}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for what was sent to destination %d: %w", destinationID, err)
	}
	return sent, nil
}
