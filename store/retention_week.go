package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// weekTables go with a week. The events are the first, so that nothing new hangs itself on them meanwhile. The search index is
// not among them: a segment may hold events of earlier weeks, which may be kept.
var weekTables = []string{"events", "deliveries", "attempts", "reverifications", "edited_tests"}

// detachWait is how long a partition's removal waits for who reads it: longer than a page may take. New queries do not wait for it.
const detachWait = readTime + 2*time.Second

// decide writes down that a week is removed whole, with what is in it by the counts, unless a hold or an open delivery keeps
// something of it. From then on no hold can be placed on it, and the next run goes on should this one not come to the end.
func (r *retention) decide(ctx context.Context, week time.Time) (decided bool, err error) {
	if err := r.over(ctx); err != nil {
		return false, err
	}
	from, to := IDAt(week), IDAt(week.AddDate(0, 0, 7))
	err = r.locked(ctx, func(tx pgx.Tx) error {
		var kept bool
		err := tx.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM retention_hold_events WHERE event_id >= $1 AND event_id < $2)
				OR EXISTS (SELECT FROM deliveries WHERE event_id >= $1 AND event_id < $2 AND state IN `+openDeliveries+`)`, from, to).Scan(&kept)
		if err != nil || kept {
			return err
		}
		decided = true
		_, err = tx.Exec(ctx, `
			INSERT INTO retention_weeks (week, decided_at) VALUES ($1, $2)
			ON CONFLICT (week) DO UPDATE SET decided_at = excluded.decided_at, done_at = NULL -- events that came late made it anew`, week, r.now)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO retention_removed AS r (week, source_id, class, rows, first_at, last_at)
			SELECT $1::date, source_id, class, events, $2::timestamptz, $2 FROM (`+stillThereSQL+`) v
			WHERE week = $1 AND events > 0
			ON CONFLICT (week, source_id, class) DO UPDATE SET rows = r.rows + excluded.rows, last_at = excluded.last_at`, week, r.now)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM retention_swept WHERE week = $1`, week); err != nil {
			return err
		}
		var rows int64
		if err := tx.QueryRow(ctx, `SELECT coalesce(sum(rows), 0)::bigint FROM retention_removed WHERE week = $1 AND class IN ('accepted', 'rejected')`, week).Scan(&rows); err != nil {
			return err
		}
		return r.addAudit(ctx, tx, AuditEntry{
			Actor: r.actor, Action: "retention.remove", Subject: "week of " + week.Format(time.DateOnly), Detail: map[string]any{"whole": true, "events in all": rows},
		})
	})
	return decided && err == nil, err
}

// stillThereSQL counts the events of each week by source and class that were counted and neither removed nor erased.
const stillThereSQL = `
	SELECT v.week, v.source_id, v.class, v.events - coalesce(gone.rows, 0) - coalesce(erased.rows, 0) AS events
	FROM (
		SELECT date_trunc('week', start AT TIME ZONE 'UTC')::date AS week, source_id,
			CASE WHEN verdict = 'rejected' THEN 'rejected' ELSE 'accepted' END::retention_class AS class, sum(events)::bigint AS events
		FROM volume WHERE grain = 'day' AND type_id = 0
		GROUP BY 1, 2, 3
	) v
	LEFT JOIN retention_removed gone USING (week, source_id, class)
	LEFT JOIN (
		SELECT date_trunc('week', to_timestamp(('x' || left(replace(event_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AT TIME ZONE 'UTC')::date AS week, source_id,
			CASE WHEN verdict = 'rejected' THEN 'rejected' ELSE 'accepted' END::retention_class AS class, count(*) AS rows
		FROM erased_events WHERE recorded
		GROUP BY 1, 2, 3
	) erased USING (week, source_id, class)`

// finish goes on with weeks whose removal was begun.
func (r *retention) finish(ctx context.Context, conn *pgxpool.Conn) error {
	rows, err := r.OwnerPool().Query(ctx, `SELECT week FROM retention_weeks WHERE done_at IS NULL ORDER BY week`)
	if err != nil {
		return err
	}
	weeks, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return err
	}
	for _, week := range weeks {
		if err := r.drop(ctx, conn, week); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the partitions of a week that was decided on.
func (r *retention) drop(ctx context.Context, conn *pgxpool.Conn, week time.Time) error {
	for _, table := range weekTables {
		if err := r.dropPartition(ctx, conn, table, week); err != nil {
			return err
		}
	}
	r.parts.forget()
	_, err := r.OwnerPool().Exec(ctx, `UPDATE retention_weeks SET done_at = $2 WHERE week = $1`, week, r.Now())
	return err
}

// search drops what the search index has of weeks before the oldest that has events. What it has of single removed events
// goes then too; until then it names events that are no longer there, and searches pass over them.
func (r *retention) search(ctx context.Context, conn *pgxpool.Conn) error {
	events, err := weeksOf(ctx, r.OwnerPool(), "events")
	if err != nil || len(events) == 0 {
		return err
	}
	for _, table := range []string{"search_postings", "search_segments"} {
		weeks, err := weeksOf(ctx, r.OwnerPool(), table)
		if err != nil {
			return err
		}
		for _, week := range weeks {
			if !week.Before(events[0]) {
				break
			}
			if err := r.over(ctx); err != nil {
				return err
			}
			if err := r.dropPartition(ctx, conn, table, week); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropPartition takes a partition out of its table without stopping who writes to it, and drops it. Whatever a run before came
// to, it goes on from there.
func (r *retention) dropPartition(ctx context.Context, conn *pgxpool.Conn, table string, week time.Time) error {
	name := partitionName(table, week)
	var pending *bool
	err := conn.QueryRow(ctx, `
		SELECT i.inhdetachpending FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND i.inhparent = $2::text::regclass
		WHERE c.oid = to_regclass($1::text)`, name, table).Scan(&pending)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // dropped already
	}
	if err != nil {
		return fmt.Errorf("looking for %s: %w", name, err)
	}
	// Names are made of our own constants and numbers. DETACH … CONCURRENTLY must stand alone, outside of a transaction.
	var statements []string
	if r.pooler != pooledOnly { // there it would be set on whichever connection; DETACH … CONCURRENTLY stops nobody while it waits
		statements = append(statements, fmt.Sprintf("SET lock_timeout = %d", detachWait.Milliseconds()))
		defer resetLockTimeout(ctx, conn)
	}
	switch {
	case pending == nil: // detached already
	case *pending:
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s FINALIZE", table, name))
	default:
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s CONCURRENTLY", table, name))
	}
	statements = append(statements, "DROP TABLE "+name)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("dropping %s (%s): %w", name, sql, err)
		}
	}
	return nil
}

func resetLockTimeout(ctx context.Context, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveWait)
	defer cancel()
	if _, err := conn.Exec(ctx, "RESET lock_timeout"); err != nil {
		conn.Conn().Close(ctx)
	}
}
