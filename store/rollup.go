package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/verify"
)

const (
	rollupName  = "rollup"
	rollupBatch = 1000 // events
	firstCursor = "0.0.0"
)

// Rollup counts what was committed since the last time into hours, the volume and failure groups, until nothing is new. Several
// instances may call it at once: the row of its cursor is locked, so each event is counted once. likely names the cause of
// a rejection, and is asked for a few events of a kind only.
func (db *DB) Rollup(ctx context.Context, likely func(*Event) verify.Cause) error {
	for {
		n, err := db.rollupSome(ctx, likely)
		if err != nil {
			return fmt.Errorf("counting events: %w", err)
		}
		if n < rollupBatch {
			return nil
		}
	}
}

func (db *DB) rollupSome(ctx context.Context, likely func(*Event) verify.Cause) (counted int, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var cursor string
		err := tx.QueryRow(ctx, `
			INSERT INTO followers (name, cursor, at) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO UPDATE SET cursor = followers.cursor -- locks it
			RETURNING cursor`, rollupName, firstCursor, db.Now()).Scan(&cursor)
		if err != nil {
			return err
		}
		ids, next, err := db.CommittedSince(ctx, cursor, rollupBatch)
		if errors.Is(err, ErrCursor) { // the database was restored: what is there now counts
			ids, next, err = db.CommittedSince(ctx, firstCursor, rollupBatch)
		}
		if err != nil {
			return err
		}
		counted = len(ids)
		if counted > 0 {
			if err := countHours(ctx, tx, ids); err != nil {
				return err
			}
			if err := countVolume(ctx, tx, ids); err != nil {
				return err
			}
			if err := db.countFailures(ctx, tx, ids, likely); err != nil {
				return err
			}
		}
		if counted == rollupBatch { // there is more: it comes next
			_, err = tx.Exec(ctx, `UPDATE followers SET cursor = $2 WHERE name = $1`, rollupName, next)
			return err
		}
		whole, err := wholeUntil(ctx, tx, next, db.Now())
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE followers SET cursor = $2, at = greatest(at, $3) WHERE name = $1`, rollupName, next, whole)
		return err
	})
	return counted, err
}

// wholeUntil is until when everything that arrived has been returned to who goes on from a cursor: now, or the arrival of the
// first event committed behind it. Such a one is held up while a transaction that began to write before it goes on, in
// whatever database of the server, and that may take long.
func wholeUntil(ctx context.Context, tx pgx.Tx, cursor string, now time.Time) (time.Time, error) {
	c, err := parseCommitCursor(cursor)
	if err != nil {
		return time.Time{}, err
	}
	var first uuid.UUID
	err = tx.QueryRow(ctx, `
		SELECT event_ids[1] FROM commits
		WHERE (xid, position) > ($1, $2) AND event_ids[1] IS NOT NULL
		ORDER BY xid, position LIMIT 1`, c.xid, c.position).Scan(&first)
	if errors.Is(err, pgx.ErrNoRows) {
		return now, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	if arrived := (&Event{ID: first}).ReceivedAt(); arrived.Before(now) {
		return arrived, nil
	}
	return now, nil
}

// CountedAt is when the counts last held everything there was; zero: never.
func (db *DB) CountedAt(ctx context.Context) (time.Time, error) { return countedAt(ctx, db.pool) }

func countedAt(ctx context.Context, q querier) (time.Time, error) {
	var at time.Time
	err := q.QueryRow(ctx, `SELECT at FROM followers WHERE name = $1`, rollupName).Scan(&at)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, fmt.Errorf("asking how far the counts are: %w", err)
	}
	return at, nil
}

// arrivedOf is SQL for the time an event arrived, from the first 48 bits of the id in a column.
func arrivedOf(id string) string {
	return "to_timestamp(('x' || substr(" + id + "::text, 1, 8) || substr(" + id + "::text, 10, 4))::bit(48)::bigint / 1000.0)"
}

// hourOf is SQL for the hour of it.
func hourOf(id string) string { return "date_trunc('hour', " + arrivedOf(id) + ", 'UTC')" }

func countHours(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO source_hours AS h (source_id, hour, verdict, answered, secret, events, last_event_id)
		SELECT source_id, `+hourOf("id")+`, verdict, answered, coalesce(verification->>'secret', ''), count(*), (max(id::text))::uuid
		FROM events
		WHERE id = ANY($1) AND entity_type <> $2 -- a test of ours tells nothing of what plenigo sends, or saw of us
		GROUP BY 1, 2, 3, 4, 5
		ON CONFLICT (source_id, hour, verdict, answered, secret) DO UPDATE
		SET events = h.events + excluded.events, last_event_id = greatest(h.last_event_id, excluded.last_event_id)`, ids, TestEntityType)
	return err
}
