package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// RemoveDemo removes the demo's sources and destinations with everything that came through them: events, deliveries,
// attempts, counts, failures. The audit list stays. It can be stopped at any moment, and called again. It returns how
// many events were removed, and how many a hold keeps. ErrNotFound where there never was a demo, or nothing is left of it;
// ErrRetentionRuns where something else is being removed at this moment.
func (db *DB) RemoveDemo(ctx context.Context, actor string) (removed, kept int64, err error) {
	if owns, err := db.owns(ctx); err != nil {
		return 0, 0, err
	} else if !owns {
		return 0, 0, ErrNotOwner
	}
	r := &retention{DB: db, actor: actor, now: db.Now().UTC()}
	mine, err := db.alone(ctx, lockRetentionRun, func(ctx context.Context) error {
		rows, err := r.OwnerPool().Query(ctx, `SELECT id FROM sources WHERE demo ORDER BY id`) // removed ones too
		if err == nil {
			r.sources, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		}
		if err == nil {
			removed, kept, err = r.removeDemo(ctx)
		}
		return err
	})
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		err = fmt.Errorf("removing the demo: %w", err)
	case err == nil && !mine:
		err = ErrRetentionRuns
	}
	return removed, kept, err
}

func (r *retention) removeDemo(ctx context.Context) (removed, kept int64, err error) {
	var found bool
	err = pgx.BeginFunc(ctx, r.OwnerPool(), func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			WITH destinations AS (
				UPDATE destinations SET removed_at = $1 WHERE demo AND removed_at IS NULL RETURNING 1
			), sources AS (
				UPDATE sources SET removed_at = $1, revision = revision + 1 WHERE demo AND removed_at IS NULL RETURNING 1
			)
			SELECT exists(SELECT FROM destinations) OR exists(SELECT FROM sources) OR exists(SELECT FROM events WHERE source_id = ANY($2))`,
			r.now, r.sources).Scan(&found)
		if err != nil || !found {
			return err
		}
		_, err = tx.Exec(ctx, `
			WITH its AS (
				UPDATE erasure_cases c
				SET state = 'cancelled', why = 'the demo was removed', person_sealed = NULL, finished_at = $1, state_since = $1, step_at = NULL
				WHERE state IN ('finding', 'open', 'waiting') AND event_id IS NOT NULL
					AND (source_ids && $2 OR EXISTS (SELECT FROM events e WHERE e.id = c.event_id AND e.source_id = ANY($2)))
				RETURNING id
			)
			DELETE FROM erasure_events WHERE case_id IN (SELECT id FROM its)`, r.now, r.sources)
		if err != nil {
			return fmt.Errorf("cancelling cases that its callbacks opened: %w", err)
		}
		return r.addAudit(ctx, tx, AuditEntry{Actor: r.actor, Action: "demo.remove", Subject: "demo"})
	})
	if err != nil {
		return 0, 0, err
	}
	if !found {
		return 0, 0, ErrNotFound
	}
	weeks, err := weeksOf(ctx, r.OwnerPool(), "events")
	if err != nil {
		return 0, 0, err
	}
	due := map[sourceClass]bool{}
	for _, source := range r.sources {
		due[sourceClass{source, RetainAccepted}], due[sourceClass{source, RetainRejected}] = true, true
	}
	for _, week := range weeks {
		if _, err := r.OwnerPool().Exec(ctx, `
			UPDATE deliveries d SET state = 'cancelled', next_attempt_at = NULL, finished_at = coalesce(finished_at, $4)
			FROM events e
			WHERE e.id = d.event_id AND e.source_id = ANY($1) AND e.id >= $2 AND e.id < $3 AND d.event_id >= $2 AND d.event_id < $3
				AND d.state IN `+openDeliveries, r.sources, IDAt(week), IDAt(week.AddDate(0, 0, 7)), r.now); err != nil {
			return removed, kept, err
		}
		gone, left, err := r.sweepEvents(ctx, week, due)
		removed, kept = removed+gone, kept+left
		if err != nil {
			return removed, kept, err
		}
	}
	// The follower that counts has counted these events, or will find none: it is waited for.
	err = pgx.BeginFunc(ctx, r.OwnerPool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM followers WHERE name = $1 FOR UPDATE`, rollupName); err != nil {
			return err
		}
		for _, table := range []string{"arrival_groups", "source_hours", "unstored_hours", "failure_groups", "volume", "answer_latencies", "retention_rules", "retention_removed"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE source_id = ANY($1)`, r.sources); err != nil {
				return err
			}
		}
		return nil
	})
	return removed, kept, err
}
