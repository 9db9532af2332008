package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MostBacklog bounds what is counted of a destination's deliveries.
const MostBacklog = 10_000

// Backlog is what has not been delivered to a destination.
type Backlog struct {
	Destination string
	State       DestinationState      // of the destination
	Deliveries  map[DeliveryState]int // pending, sending, waiting and exhausted ones, at most MostBacklog of each
	Oldest      time.Time             // when the oldest of those counted was made that is not exhausted; zero: there is none
}

// Waiting is how many are still to be delivered.
func (b *Backlog) Waiting() int {
	return b.Deliveries[DeliveryPending] + b.Deliveries[DeliverySending] + b.Deliveries[DeliveryWaiting]
}

// ListBacklogs tells of each destination what waits for it, by name. It costs no more however much waits, or was ever
// delivered. It may return ErrTooSlow.
func (db *DB) ListBacklogs(ctx context.Context) ([]Backlog, error) {
	var list []Backlog
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT d.name, d.state, b.state, coalesce(b.n, 0), b.oldest
			FROM destinations d LEFT JOIN LATERAL (
				SELECT state, count(*) AS n, min(created_at) AS oldest
				FROM (
					(SELECT state, created_at FROM deliveries WHERE destination_id = d.id AND state = 'pending' ORDER BY next_attempt_at LIMIT $1)
					UNION ALL
					(SELECT state, created_at FROM deliveries WHERE destination_id = d.id AND state = 'sending' ORDER BY next_attempt_at LIMIT $1)
					UNION ALL
					(SELECT state, created_at FROM deliveries WHERE destination_id = d.id AND state = 'waiting' ORDER BY next_attempt_at LIMIT $1)
					UNION ALL
					(SELECT state, created_at FROM deliveries WHERE destination_id = d.id AND state = 'exhausted' ORDER BY id LIMIT $1)
				) first
				GROUP BY state
			) b ON true
			WHERE d.removed_at IS NULL
			ORDER BY d.name`, MostBacklog)
		if err != nil {
			return err
		}
		var b Backlog
		var state *DeliveryState
		var n int
		var oldest *time.Time
		_, err = pgx.ForEachRow(rows, []any{&b.Destination, &b.State, &state, &n, &oldest}, func() error {
			if len(list) == 0 || list[len(list)-1].Destination != b.Destination {
				b.Deliveries = map[DeliveryState]int{}
				list = append(list, b)
			}
			if state == nil {
				return nil
			}
			last := &list[len(list)-1]
			last.Deliveries[*state] = n
			if *state != DeliveryExhausted && (last.Oldest.IsZero() || oldest.Before(last.Oldest)) {
				last.Oldest = oldest.UTC()
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting what waits for destinations: %w", err)
	}
	return list, nil
}

// PoolStats tells how the connections are used: those for everything, those for recording alone, and those for sending.
func (db *DB) PoolStats() map[string]*pgxpool.Stat {
	return map[string]*pgxpool.Stat{"main": db.pool.Stat(), "recording": db.writers.Stat(), "sending": db.sending.Stat()}
}
