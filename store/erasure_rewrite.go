package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// rewriteWait is how long the rewriting of a table waits for who uses it. Everybody who comes after waits behind it.
	rewriteWait = 2 * time.Second
	// MaxRewriteBusy bounds a table that callbacks are written to while it is rewritten: for the seconds that takes, they go into
	// the spool. A larger one of the current week is rewritten when the week is over.
	MaxRewriteBusy = 1 << 30
	// logRounds bounds the files of the write-ahead log that are written over in one step.
	logRounds = 8
)

// PlanRewrite writes down which tables hold what a case destroyed, in dead rows: the partitions of the weeks of its events, and
// others named.
func (db *DB) PlanRewrite(ctx context.Context, id int64, others []string) error {
	var from, to *uuid.UUID
	weeks := map[time.Time]bool{}
	err := db.OwnerPool().QueryRow(ctx, `
		SELECT (min(event_id::text))::uuid, (max(event_id::text))::uuid FROM erased_events WHERE case_id = $1 AND recorded`, id).Scan(&from, &to)
	if err != nil {
		return wrapCase(id, "planning what is rewritten", err)
	}
	tables := slices.Clone(others)
	if from != nil {
		for week, last := weekOf(receivedAt(*from)), weekOf(receivedAt(*to)); !week.After(last); week = week.AddDate(0, 0, 7) {
			var some bool
			err := db.OwnerPool().QueryRow(ctx, `SELECT EXISTS (SELECT FROM erased_events WHERE case_id = $1 AND recorded AND event_id >= $2 AND event_id < $3)`,
				id, IDAt(week), IDAt(week.AddDate(0, 0, 7))).Scan(&some)
			if err != nil {
				return wrapCase(id, "planning what is rewritten", err)
			}
			weeks[week] = some
		}
	}
	for _, p := range partitioned {
		partitions, err := weeksOf(ctx, db.OwnerPool(), p.table)
		if err != nil {
			return wrapCase(id, "planning what is rewritten", err)
		}
		for _, week := range partitions {
			// A segment stands in the week of its last event, and may hold events of the week before.
			search := p.column != "event_id" && p.table != "events"
			if weeks[week] || search && from != nil && !week.Before(weekOf(receivedAt(*from))) {
				tables = append(tables, partitionName(p.table, week))
			}
		}
	}
	tables = append(tables, "erasure_cases", "replay_seen", "replay_newer")
	slices.Sort(tables)
	return db.PlanTables(ctx, id, slices.Compact(tables)) // planning twice changes nothing
}

// PlanTables sets which tables are to be rewritten.
func (db *DB) PlanTables(ctx context.Context, id int64, tables []string) error {
	if tables == nil {
		tables = []string{}
	}
	_, err := db.OwnerPool().Exec(ctx, `UPDATE erasure_cases SET tables = $2 WHERE id = $1`, id, tables)
	return wrapCase(id, "planning what is rewritten", err)
}

// ForgetValues has PostgreSQL forget values that it learned of tables as wholes; what it learned of their partitions it forgets
// with their rewriting.
func (db *DB) ForgetValues(ctx context.Context) error {
	for _, p := range partitioned {
		var learned bool
		err := db.OwnerPool().QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stats WHERE tablename = $1 AND inherited AND schemaname = current_schema())`, p.table).Scan(&learned)
		if err == nil && learned {
			_, err = db.OwnerPool().Exec(ctx, "ANALYZE "+p.table)
		}
		if err != nil {
			return fmt.Errorf("analysing %s: %w", p.table, err)
		}
	}
	return nil
}

// RewriteNext rewrites the next table of a case, with its indexes and what PostgreSQL has learned of its values, and returns how
// many are left. wait tells for how long it cannot go on, and why: somebody uses the table, or it is too large while callbacks are
// written to it.
func (db *DB) RewriteNext(ctx context.Context, c *ErasureCase) (left int, wait time.Duration, why string, err error) {
	now := db.Now().UTC()
	for i, table := range c.Tables {
		var size *int64
		if err := db.OwnerPool().QueryRow(ctx, `SELECT pg_total_relation_size(to_regclass($1))`, table).Scan(&size); err != nil {
			return 0, 0, "", wrapCase(c.ID, "measuring "+table, err)
		}
		current := slices.ContainsFunc(partitioned, func(p struct{ table, column string }) bool { return partitionName(p.table, weekOf(now)) == table })
		if size != nil && current && *size > MaxRewriteBusy {
			wait, why = time.Hour, fmt.Sprintf("%s has %d MB and callbacks are written to it: it is rewritten when its week is over", table, *size>>20)
			continue
		}
		if size != nil { // else it was dropped
			err := db.rewrite(ctx, table)
			var pg *pgconn.PgError
			switch {
			case errors.As(err, &pg) && (pg.Code == "55P03" || pg.Code == "40P01"): // lock_not_available
				return len(c.Tables), 5 * time.Second, "others use " + table + " at this moment; it is tried again", nil
			case errors.As(err, &pg) && pg.Code == "42501": // insufficient_privilege
				err = db.LeaveOver(ctx, c.ID, "This database role may not rewrite the table "+table+": have its owner run VACUUM (FULL, ANALYZE) "+table+".")
			}
			if err != nil {
				return 0, 0, "", wrapCase(c.ID, "rewriting "+table, err)
			}
		}
		c.Tables = slices.Delete(c.Tables, i, i+1)
		_, err := db.OwnerPool().Exec(ctx, `UPDATE erasure_cases SET tables = array_remove(tables, $2) WHERE id = $1`, c.ID, table)
		return len(c.Tables), 0, "", wrapCase(c.ID, "rewriting", err)
	}
	return len(c.Tables), wait, why, nil
}

// rewrite makes a table anew from its living rows. Nobody can use it meanwhile.
func (db *DB) rewrite(ctx context.Context, table string) error {
	conn, err := db.OwnerPool().Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveWait)
		defer cancel()
		if _, err := conn.Exec(ctx, "RESET lock_timeout"); err != nil {
			conn.Conn().Close(ctx)
		}
	}()
	if _, err := conn.Exec(ctx, fmt.Sprintf("SET lock_timeout = %d", rewriteWait.Milliseconds())); err != nil {
		return err
	}
	// pgx quotes the name; VACUUM takes no parameters and stands alone.
	_, err = conn.Exec(ctx, "VACUUM (FULL, ANALYZE) "+pgx.Identifier{table}.Sanitize())
	return err
}

// RecycleLog has the database write over, or remove, what its write-ahead log and its catalogue of statistics still hold. It is
// called until done; what it may not do, or cannot, it returns as words for the database's keeper.
func (db *DB) RecycleLog(ctx context.Context, c *ErasureCase) (done bool, leftover []string, err error) {
	var super, may bool
	err = db.OwnerPool().QueryRow(ctx, `SELECT rolsuper, rolsuper OR pg_has_role(current_user, 'pg_checkpoint', 'MEMBER') FROM pg_roles WHERE rolname = current_user`).Scan(&super, &may)
	if err != nil {
		return false, nil, wrapCase(c.ID, "asking for its rights", err)
	}
	if !super {
		words := []string{
			"This database role is no superuser, so Recall cannot clear the write-ahead log and the statistics of the database. Its keeper can: " +
				"delete the rows of empty tables from pg_statistic, then VACUUM FULL pg_statistic; set wal_recycle = off, reload; then SELECT pg_switch_wal() and CHECKPOINT until no old file is left in pg_wal; set wal_recycle back.",
		}
		if may {
			_, err = db.OwnerPool().Exec(ctx, "CHECKPOINT")
		}
		return err == nil, words, wrapCase(c.ID, "writing a checkpoint", err)
	}
	words, err := db.logKept(ctx)
	if err != nil {
		return false, nil, wrapCase(c.ID, "asking for the write-ahead log", err)
	}
	old, err := db.recycle(ctx, c)
	if err != nil {
		return false, nil, wrapCase(c.ID, "recycling the write-ahead log", err)
	}
	if old > 0 && len(words) == 0 {
		return false, nil, nil
	}
	_, err = db.OwnerPool().Exec(ctx, "ALTER SYSTEM RESET wal_recycle")
	if err == nil {
		_, err = db.OwnerPool().Exec(ctx, "SELECT pg_reload_conf()")
	}
	return err == nil, words, wrapCase(c.ID, "recycling the write-ahead log", err)
}

// logKept says who keeps files of the log that Recall cannot reach.
func (db *DB) logKept(ctx context.Context) (words []string, err error) {
	var slots, standbys int
	var archive string
	var keep int64
	err = db.OwnerPool().QueryRow(ctx, `
		SELECT (SELECT count(*) FROM pg_replication_slots), (SELECT count(*) FROM pg_stat_replication), current_setting('archive_mode'),
			pg_size_bytes(current_setting('wal_keep_size'))`).Scan(&slots, &standbys, &archive, &keep)
	if err != nil {
		return nil, err
	}
	if slots > 0 || keep > 0 {
		words = append(words, fmt.Sprintf("The server keeps old files of its write-ahead log (%d replication slots, wal_keep_size %d MB). They hold what was erased until they are let go.", slots, keep>>20))
	}
	if standbys > 0 {
		words = append(words, fmt.Sprintf("%d standby servers follow this one. They have erased what this one has; their own write-ahead log is cleared by a checkpoint of theirs (restartpoint) with wal_recycle = off.", standbys))
	}
	if archive != "off" {
		words = append(words, "The write-ahead log is archived. The archive holds what was erased for as long as it is kept, like a backup.")
	}
	return words, nil
}

// recycle writes over some files of the log and removes old ones. It returns how many there are beside the one in use. A file that
// was recycled earlier is renamed for later use, and holds old bytes: switching to it fills it.
func (db *DB) recycle(ctx context.Context, c *ErasureCase) (old int, err error) {
	conn, err := db.OwnerPool().Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	for _, sql := range []string{
		"SET lock_timeout = 2000",
		// What was learned of a table that is empty now is not learned anew by ANALYZE.
		"DELETE FROM pg_statistic s USING pg_class c WHERE c.oid = s.starelid AND c.reltuples <= 0 AND c.relnamespace = current_schema()::regnamespace",
		"VACUUM FULL pg_statistic", // with values as they were before the tables were analysed anew
		"RESET lock_timeout",
		"ALTER SYSTEM SET wal_recycle = off",
		"SELECT pg_reload_conf()",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return 0, err
		}
	}
	for {
		for range logRounds {
			var future int
			err := conn.QueryRow(ctx, `
				SELECT count(*) FILTER (WHERE name > pg_walfile_name(pg_current_wal_lsn())) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'`).Scan(&future)
			if err != nil {
				return 0, err
			}
			if _, err := conn.Exec(ctx, `SELECT pg_logical_emit_message(false, 'recall', 'erasure'), pg_switch_wal()`); err != nil {
				return 0, err
			}
			if future == 0 {
				break
			}
		}
		if _, err := conn.Exec(ctx, "CHECKPOINT"); err != nil {
			return 0, err
		}
		was := old
		err := conn.QueryRow(ctx, `
			SELECT count(*) FROM pg_ls_waldir(), (SELECT pg_walfile_name(pg_current_wal_lsn()) AS now) w
			WHERE name ~ '^[0-9A-F]{24}$' AND name <> now`).Scan(&old)
		if err != nil || old == 0 || old == was {
			return old, err
		}
	}
}
