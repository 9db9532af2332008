package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/verify"
)

// destroyAtOnce is how many events one small transaction destroys.
const destroyAtOnce = 100

// groupBlocks is until when an equal body is not kept any more: for as long as there is the tombstone.
var groupBlocks = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// DestroyErasure destroys some events of a running case, with all that hangs on them, and leaves their tombstones, in one
// transaction. It returns how many are left, and of those how many are being sent at this moment, which are waited for.
// ErrErasureHeld where a hold has been placed.
func (db *DB) DestroyErasure(ctx context.Context, c *ErasureCase) (left, busy int64, err error) {
	err = pgx.BeginFunc(ctx, db.OwnerPool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, retentionTransaction); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockRetention); err != nil { // no hold comes between
			return err
		}
		now := db.Now()
		err := tx.QueryRow(ctx, `
			SELECT count(*), count(*) FILTER (WHERE `+busySQL+`) FROM erasure_events f WHERE case_id = $1 AND erase`, c.ID, now).Scan(&left, &busy)
		if err != nil || left == 0 {
			return err
		}
		rows, err := tx.Query(ctx, `
			SELECT event_id FROM erasure_events f WHERE case_id = $1 AND erase AND NOT `+busySQL+` ORDER BY event_id LIMIT $3`, c.ID, now, destroyAtOnce)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil || len(ids) == 0 {
			return err
		}
		var held bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM retention_hold_events WHERE event_id = ANY($1))`, ids).Scan(&held); err != nil || held {
			if held {
				return ErrErasureHeld
			}
			return err
		}
		left -= int64(len(ids))
		counts, err := db.destroy(ctx, tx, c.ID, ids)
		if err != nil {
			return err
		}
		if err := addDone(ctx, tx, c.ID, counts); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM erasure_events WHERE case_id = $1 AND event_id = ANY($2)`, c.ID, ids)
		return err
	})
	if err != nil {
		return left, busy, fmt.Errorf("case %d: destroying events: %w", c.ID, err)
	}
	return left, busy, nil
}

// busySQL: an attempt is under way; what its end says of an event that is gone is not written down.
const busySQL = `EXISTS (SELECT FROM deliveries d WHERE d.event_id = f.event_id AND d.state = 'sending' AND d.next_attempt_at > $2)`

// plainName keeps a type or a version only where it is a name as plenigo makes them, and not something a body made up.
func plainName(column string) string {
	return `CASE WHEN ` + column + ` ~ '^[A-Z0-9_]{1,40}$' THEN ` + column + ` ELSE '' END`
}

func (db *DB) destroy(ctx context.Context, tx pgx.Tx, id int64, ids []uuid.UUID) (map[string]int64, error) {
	counts := map[string]int64{}
	first, last := ids[0], ids[len(ids)-1]
	// Replays first: their steps lock the replay before its deliveries.
	_, err := tx.Exec(ctx, `
		WITH gone AS (
			DELETE FROM replay_open o WHERE o.replay_id = ANY(ARRAY(SELECT id FROM replays WHERE state NOT IN ('planning', 'planned') ORDER BY id FOR UPDATE)) AND o.event_id = ANY($1)
			RETURNING replay_id, retrying
		), n AS (SELECT replay_id, count(*) AS n, count(*) FILTER (WHERE retrying) AS retrying FROM gone GROUP BY replay_id)
		UPDATE replays r SET sent = r.sent - n.n, retrying = r.retrying - n.retrying,
			skipped = jsonb_set(r.skipped, '{`+LeftErased+`}', to_jsonb(coalesce((r.skipped->>'`+LeftErased+`')::bigint, 0) + n.n))
		FROM n WHERE r.id = n.replay_id`, ids)
	if err != nil {
		return nil, err
	}
	for _, sql := range []string{
		`DELETE FROM replay_seen WHERE entity = ANY(ARRAY(SELECT ` + entityKey + ` FROM events e WHERE e.id = ANY($1)))`,
		`DELETE FROM replay_newer WHERE event_id = ANY($1)`,
	} {
		if _, err := tx.Exec(ctx, sql, ids); err != nil {
			return nil, err
		}
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO erased_events (event_id, case_id, source_id, verdict, reason, signature, answered, arrival, entity_type, callback_type, api_version,
			body_sha256, size, deliveries, erased_at)
		SELECT id, $2, source_id, verdict, reason, signature, answered, arrival, `+plainName("entity_type")+`, `+plainName("callback_type")+`, `+plainName("api_version")+`,
			body_sha256, size, coalesce((
				SELECT jsonb_agg(jsonb_build_object('destination', t.name, 'trigger', d.trigger, 'state', d.state, 'attempts', d.attempts,
					'status', d.last_status, 'at', coalesce(d.finished_at, d.attempt_at)) ORDER BY d.id)
				FROM deliveries d JOIN destinations t ON t.id = d.destination_id WHERE d.event_id = e.id), '[]'), $3
		FROM events e WHERE id = ANY($1) AND id BETWEEN $4 AND $5
		ON CONFLICT (event_id) DO NOTHING`, ids, id, db.Now(), first, last)
	if err != nil {
		return nil, err
	}
	// Equal bodies that come later find their group, and are not kept.
	_, err = tx.Exec(ctx, `
		INSERT INTO arrival_groups AS g (source_id, body_sha256, first_event_id, last_event_id, accepted_event_id, arrivals, signed_at, expires_at, erased_case)
		SELECT DISTINCT ON (source_id, body_sha256) source_id, body_sha256, id, id, id, 1, '{}'::bigint[], $3::timestamptz, $2
		FROM events WHERE id = ANY($1) AND id BETWEEN $4 AND $5 AND reason <> $6
		ORDER BY source_id, body_sha256, id
		ON CONFLICT (source_id, body_sha256) DO UPDATE SET erased_case = excluded.erased_case, expires_at = excluded.expires_at`,
		ids, id, groupBlocks, first, last, verify.ReasonBodyTooLarge)
	if err != nil {
		return nil, err
	}
	var bytes int64
	if err := tx.QueryRow(ctx, `SELECT coalesce(sum(octet_length(body) + octet_length(header)), 0)::bigint FROM events WHERE id = ANY($1) AND id BETWEEN $2 AND $3`, ids, first, last).
		Scan(&bytes); err != nil {
		return nil, err
	}
	counts["bytes"] = bytes
	if err := deleteOf(ctx, tx, ids, counts); err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `UPDATE erasure_cases SET horizon = pg_current_xact_id()::text WHERE id = $1`, id)
	return counts, err
}

// deleteOf deletes events, in the order of their ids, and all that hangs on them.
func deleteOf(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, counts map[string]int64) error {
	for _, t := range []struct{ table, column, name string }{
		{"attempts", "event_id", "attempts"}, {"deliveries", "event_id", "deliveries"}, {"reverifications", "event_id", "verifications"}, {"edited_tests", "event_id", "edited tests"}, {"events", "id", "events"},
	} {
		// Names of ours.
		tag, err := tx.Exec(ctx, `DELETE FROM `+t.table+` WHERE `+t.column+` = ANY($1) AND `+t.column+` BETWEEN $2 AND $3`, ids, ids[0], ids[len(ids)-1])
		if err != nil {
			return err
		}
		counts[t.name] += tag.RowsAffected()
	}
	return nil
}

// SettleErasure tells whether every transaction is over that may still see what was destroyed, or have written to it, and then
// destroys what such a one left. why says who is waited for.
func (db *DB) SettleErasure(ctx context.Context, c *ErasureCase) (settled bool, why string, err error) {
	var oldest, who string
	err = db.OwnerPool().QueryRow(ctx, `
		SELECT coalesce(o.xid::text, ''), coalesce(o.who, '') FROM (SELECT) one LEFT JOIN LATERAL (
			SELECT xid, who FROM (
				SELECT backend_xid AS xid, 'a transaction of ' || coalesce(nullif(application_name, ''), backend_type) || ' (process ' || pid || ')' AS who FROM pg_stat_activity WHERE pid <> pg_backend_pid()
				UNION ALL SELECT backend_xmin, 'a query of ' || coalesce(nullif(application_name, ''), backend_type) || ' (process ' || pid || ')' FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (datname = current_database() OR datname IS NULL)
				UNION ALL SELECT xmin, 'the replication slot ' || slot_name FROM pg_replication_slots
				UNION ALL SELECT transaction, 'a prepared transaction' FROM pg_prepared_xacts
			) all_of_them
			WHERE xid IS NOT NULL AND age(xid) >= age($1::text::xid8::xid) -- as old as the last destruction, or older
			ORDER BY age(xid) DESC LIMIT 1
		) o ON true`, or0(c.Horizon)).Scan(&oldest, &who)
	if err != nil {
		return false, "", fmt.Errorf("case %d: asking for old transactions: %w", c.ID, err)
	}
	if oldest != "" {
		return false, who + " may still see what was destroyed; it is waited for", nil
	}
	again := false
	err = pgx.BeginFunc(ctx, db.OwnerPool(), func(tx pgx.Tx) error {
		counts := map[string]int64{}
		for after := uuid.Nil; ; {
			rows, err := tx.Query(ctx, `SELECT event_id FROM erased_events WHERE case_id = $1 AND event_id > $2 ORDER BY event_id LIMIT $3`, c.ID, after, retentionBatch)
			if err != nil {
				return err
			}
			ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				break
			}
			after = ids[len(ids)-1]
			if err := deleteOf(ctx, tx, ids, counts); err != nil {
				return err
			}
		}
		for _, n := range counts {
			again = again || n > 0
		}
		if !again {
			return nil
		}
		_, err := tx.Exec(ctx, `UPDATE erasure_cases SET horizon = pg_current_xact_id()::text WHERE id = $1`, c.ID)
		if err != nil {
			return err
		}
		return addDone(ctx, tx, c.ID, counts)
	})
	if err != nil {
		return false, "", fmt.Errorf("case %d: destroying what came late: %w", c.ID, err)
	}
	return !again, "something was written down at the last moment and destroyed too", nil
}

func or0(xid string) string {
	if xid == "" {
		return "1"
	}
	return xid
}
