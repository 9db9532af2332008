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

// SourceDay is what a source got and how it was answered on one day, UTC.
type SourceDay struct {
	Day                      time.Time
	Verified, Late, Rejected int64
	Failures                 int64 // answered other than 2xx, requests that became no event included: what plenigo counts
}

// SourceDays lists the last days of a source, newest first, days without anything left out.
func (db *DB) SourceDays(ctx context.Context, sourceID int64, days int) ([]SourceDay, error) {
	since := db.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-days)
	rows, err := db.pool.Query(ctx, `
		SELECT date_trunc('day', hour, 'UTC') AS day,
			coalesce(sum(n) FILTER (WHERE verdict = 'verified'), 0)::bigint AS verified,
			coalesce(sum(n) FILTER (WHERE verdict = 'late'), 0)::bigint AS late,
			coalesce(sum(n) FILTER (WHERE verdict = 'rejected'), 0)::bigint AS rejected,
			coalesce(sum(n) FILTER (WHERE answered NOT BETWEEN 200 AND 299), 0)::bigint AS failures
		FROM (
			SELECT hour, verdict, answered, events AS n FROM source_hours WHERE source_id = $1 AND hour >= $2
			UNION ALL
			SELECT hour, NULL, answered, requests FROM unstored_hours WHERE source_id = $1 AND hour >= $2
		) AS hours
		GROUP BY day ORDER BY day DESC`, sourceID, since)
	if err != nil {
		return nil, fmt.Errorf("counting a source's days: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[SourceDay])
	if err != nil {
		return nil, fmt.Errorf("counting a source's days: %w", err)
	}
	return list, nil
}
