package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	commitsKept  = 3 * 24 * time.Hour  // how long a follower of commits may sleep
	sessionsKept = 30 * 24 * time.Hour // since they were last used; most have ended long before
	replaysKept  = 30 * 24 * time.Hour // lists of replays that have ended; their counts stay
	viewsKept    = 3 * time.Hour       // a view is noted once an hour
	deleteAtOnce = 5000                // rows
	deleteRounds = 200                 // per kind and run; the rest waits for the next run
)

// Maintain does the bounded periodic work: partitions ahead, expired arrival groups, old commits, counts
// finer than is asked for any more, what is not to be kept any longer. One instance does it at a time; for the others it does nothing.
func (db *DB) Maintain(ctx context.Context) error {
	_, err := db.alone(ctx, lockMaintain, db.maintain)
	return err
}

func (db *DB) maintain(ctx context.Context) error {
	return errors.Join(
		db.makePartitionsAhead(ctx),
		db.deleteSome(ctx, "expired arrival groups", `
			DELETE FROM arrival_groups
			WHERE (source_id, body_sha256) IN (
				SELECT source_id, body_sha256 FROM arrival_groups WHERE expires_at < $1 LIMIT $2
				FOR UPDATE SKIP LOCKED)
			AND expires_at < $1`, db.Now()),
		db.deleteSome(ctx, "old commits", `
			DELETE FROM commits
			WHERE (xid, position) IN (
				SELECT xid, position FROM commits ORDER BY xid, position LIMIT $2) -- the oldest; no scan where none is old
			AND at < $1`, db.Now().Add(-commitsKept)),
		db.deleteSome(ctx, "what a plan has met", `
			DELETE FROM replay_seen
			WHERE (replay_id, entity) IN (
				SELECT s.replay_id, s.entity FROM replay_seen s JOIN replays r ON r.id = s.replay_id
				WHERE r.state <> 'planning' AND r.created_at <= $1 LIMIT $2)`, db.Now()),
		db.deleteSome(ctx, "what came after a plan", `
			DELETE FROM replay_newer
			WHERE (replay_id, entity) IN (
				SELECT n.replay_id, n.entity FROM replay_newer n JOIN replays r ON r.id = n.replay_id
				WHERE r.state IN ('done', 'cancelled') AND r.created_at <= $1 LIMIT $2)`, db.Now()),
		db.deleteSome(ctx, "lists of old replays", `
			DELETE FROM replay_items
			WHERE (replay_id, event_id) IN (
				SELECT i.replay_id, i.event_id FROM replay_items i JOIN replays r ON r.id = i.replay_id
				WHERE r.state IN ('done', 'cancelled') AND r.finished_at < $1 LIMIT $2)`, db.Now().Add(-replaysKept)),
		db.deleteSome(ctx, "ended sessions", `
			DELETE FROM user_sessions
			WHERE id IN (SELECT id FROM user_sessions WHERE seen_at < $1 LIMIT $2)`, db.Now().Add(-sessionsKept)),
		db.deleteSome(ctx, "reveals that have ended", `
			DELETE FROM reveals WHERE id IN (SELECT id FROM reveals WHERE until < $1 LIMIT $2)`, db.Now()),
		db.deleteSome(ctx, "views of earlier hours", `
			DELETE FROM payload_views
			WHERE (actor, subject, hour) IN (SELECT actor, subject, hour FROM payload_views WHERE hour < $1 LIMIT $2)`, db.Now().Add(-viewsKept)),
		db.thinVolume(ctx),
		db.thinAlerts(ctx),
		db.retain(ctx),
	)
}

// deleteSome deletes in small batches, each a transaction of its own.
func (db *DB) deleteSome(ctx context.Context, what, sql string, before time.Time) error {
	for range deleteRounds {
		tag, err := db.pool.Exec(ctx, sql, before, deleteAtOnce)
		if err != nil {
			return fmt.Errorf("deleting %s: %w", what, err)
		}
		if tag.RowsAffected() < deleteAtOnce {
			return nil
		}
	}
	return nil
}
