package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	lockRetentionRun     = lockRetention + 1
	retentionBatch       = 2000            // rows looked at, or deleted, in one transaction
	retentionAgain       = 24 * time.Hour  // when weeks are looked at again in which something was kept back, or came late
	retentionLate        = 8 * day         // after its end a week is looked at again for what comes out of a spool
	retentionPatience    = 5 * time.Minute // of one run by itself; the next goes on
	openDeliveries       = `('pending', 'sending', 'waiting')`
	retentionTransaction = `SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '30s'`
)

// ErrRetentionRuns: another instance, or a command, removes at this moment.
var ErrRetentionRuns = errors.New("something is being removed by another instance at this moment")

// errPatience: the time of a run is over; the next one goes on.
var errPatience = errors.New("the time of this run is over")

// RunRetention removes what is due by the rules, until nothing is: whole weeks by dropping their partitions, where
// everything in them is due and nothing keeps an event; otherwise row by row in small transactions. It can be stopped
// at any moment, and the next run goes on. ErrRetentionRuns where another one is under way.
func (db *DB) RunRetention(ctx context.Context, actor string) error {
	if owns, err := db.owns(ctx); err != nil || !owns {
		return cmp.Or(err, ErrNotOwner)
	}
	return db.runRetention(ctx, actor, time.Time{})
}

// retain is the run that happens by itself.
func (db *DB) retain(ctx context.Context) error {
	if owns, err := db.owns(ctx); err != nil || !owns { // then it is the work of another instance, or of a command
		return err
	}
	err := db.runRetention(ctx, "recall", time.Now().Add(retentionPatience))
	if errors.Is(err, ErrRetentionRuns) || errors.Is(err, errPatience) {
		return nil
	}
	return err
}

// retention is one run.
type retention struct {
	*DB
	actor   string
	until   time.Time // when to stop; zero: not before the end
	rules   RetentionRules
	sources []int64
	now     time.Time
}

func (db *DB) runRetention(ctx context.Context, actor string, until time.Time) error {
	r := &retention{DB: db, actor: actor, until: until, now: db.Now().UTC().Truncate(time.Microsecond)}
	mine, err := db.alone(ctx, lockRetentionRun, func(ctx context.Context) error { return r.remember(ctx, r.run(ctx)) })
	if err == nil && !mine {
		return ErrRetentionRuns
	}
	return err
}

func (r *retention) run(ctx context.Context) error {
	conn, err := r.ownerSession().Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer conn.Release()
	for _, step := range []func(context.Context, *pgxpool.Conn) error{r.finish, r.read, r.weeks, r.attempts, r.answers, r.audit, r.search} {
		if err := step(ctx, conn); err != nil {
			return fmt.Errorf("removing what is not to be kept any longer: %w", err)
		}
	}
	return nil
}

func (r *retention) read(ctx context.Context, _ *pgxpool.Conn) (err error) {
	if r.rules, err = r.RetentionRules(ctx); err != nil {
		return err
	}
	rows, err := r.OwnerPool().Query(ctx, `SELECT id FROM sources ORDER BY id`) // removed ones too: their events are there
	if err == nil {
		r.sources, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	return err
}

func (r *retention) over(ctx context.Context) error {
	if ctx.Err() == nil && !r.until.IsZero() && time.Now().After(r.until) {
		return errPatience
	}
	return ctx.Err()
}

// sourceClass is what a rule is about.
type sourceClass struct {
	source int64
	class  RetentionClass
}

// due are those whose rows of a week are due, and whether that is all that can be in it.
func (r *retention) due(week time.Time, classes ...RetentionClass) (due []sourceClass, all bool) {
	all = true
	for _, source := range append([]int64{0}, r.sources...) { // 0: those that no source is left of
		for _, class := range classes {
			rule, _ := r.rules.Find(source, class)
			if until := rule.Until(r.now); week.AddDate(0, 0, 7).After(until) {
				all = all && source == 0 && len(r.sources) > 0
			} else {
				due = append(due, sourceClass{source, class})
			}
		}
	}
	return due, all
}

// weeksOf are the weeks that have a partition of a table, or had one that is not dropped yet, oldest first.
func weeksOf(ctx context.Context, q querier, table string) ([]time.Time, error) {
	rows, err := q.Query(ctx, `
		SELECT relname FROM pg_class
		WHERE relkind = 'r' AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = $1::text::regclass) AND relname ~ ('^' || $1 || '_[0-9]{4}w[0-9]{2}$')
		ORDER BY relname`, table)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	var weeks []time.Time
	for _, name := range names {
		var year, number int
		if _, err := fmt.Sscanf(strings.TrimPrefix(name, table+"_"), "%4dw%2d", &year, &number); err != nil {
			return nil, fmt.Errorf("reading the name of %s: %w", name, err)
		}
		weeks = append(weeks, weekOf(time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC)).AddDate(0, 0, 7*(number-1)))
	}
	return weeks, nil
}

// weeks removes the events that are due.
func (r *retention) weeks(ctx context.Context, conn *pgxpool.Conn) error {
	weeks, err := weeksOf(ctx, r.OwnerPool(), "events")
	if err != nil {
		return err
	}
	for _, week := range weeks {
		due, all := r.due(week, RetainAccepted, RetainRejected)
		if len(due) == 0 {
			continue
		}
		if all {
			decided, err := r.decide(ctx, week)
			if err != nil {
				return err
			}
			if decided {
				if err := r.drop(ctx, conn, week); err != nil {
					return err
				}
				continue
			}
		}
		if err := r.sweep(ctx, week, due, r.sweepEvents); err != nil {
			return err
		}
	}
	return nil
}

// sweep calls a sweeper for what is due in a week and was not swept yet, and remembers that it was.
func (r *retention) sweep(ctx context.Context, week time.Time, due []sourceClass, sweeper func(context.Context, time.Time, map[sourceClass]bool) (removed, kept int64, err error)) error {
	rows, err := r.OwnerPool().Query(ctx, `SELECT source_id, class FROM retention_swept WHERE week = $1 AND (again_at IS NULL OR again_at > $2)`, week, r.now)
	if err != nil {
		return err
	}
	todo := map[sourceClass]bool{}
	for _, d := range due {
		todo[d] = true
	}
	var swept sourceClass
	if _, err = pgx.ForEachRow(rows, []any{&swept.source, &swept.class}, func() error {
		delete(todo, swept)
		return nil
	}); err != nil || len(todo) == 0 {
		return err
	}
	// Until the end of the sweep it stands there as to be looked at now, so that what comes meanwhile can say "once more" (queueLookAgain).
	for d := range todo {
		if _, err := r.OwnerPool().Exec(ctx, `
			INSERT INTO retention_swept (week, source_id, class, again_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (week, source_id, class) DO UPDATE SET again_at = excluded.again_at`, week, d.source, d.class, r.now); err != nil {
			return err
		}
	}
	removed, kept, err := sweeper(ctx, week, todo)
	if removed > 0 {
		class := "events"
		for d := range todo {
			if d.class == RetainAttempts || d.class == RetainAnswers {
				class = string(d.class)
			}
		}
		note := AuditEntry{Actor: r.actor, Action: "retention.remove", Subject: "week of " + week.Format(time.DateOnly), Detail: map[string]any{class: removed, "kept back": kept}}
		if noted := r.addAudit(context.WithoutCancel(ctx), r.OwnerPool(), note); err == nil {
			err = noted
		}
	}
	if err != nil {
		return err
	}
	again := timeOrNull(time.Time{})
	if kept > 0 || r.now.Before(week.AddDate(0, 0, 7).Add(retentionLate)) {
		at := r.now.Add(retentionAgain)
		again = &at
	}
	for d := range todo {
		if _, err := r.OwnerPool().Exec(ctx, `
			UPDATE retention_swept SET again_at = $4 WHERE week = $1 AND source_id = $2 AND class = $3 AND again_at = $5`, week, d.source, d.class, again, r.now); err != nil {
			return err
		}
	}
	return nil
}

// sweepEvents walks through the events of a week, a batch at a time.
func (r *retention) sweepEvents(ctx context.Context, week time.Time, due map[sourceClass]bool) (removed, kept int64, err error) {
	known := map[int64]bool{}
	for _, source := range r.sources {
		known[source] = true
	}
	from, to := IDAt(week), IDAt(week.AddDate(0, 0, 7))
	for {
		if err := r.over(ctx); err != nil {
			return removed, kept, err
		}
		rows, err := r.OwnerPool().Query(ctx, `SELECT id, source_id, verdict = 'rejected' FROM events WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3`, from, to, retentionBatch)
		if err != nil {
			return removed, kept, err
		}
		var ids []uuid.UUID
		var id uuid.UUID
		var source int64
		var rejected bool
		looked := 0
		if _, err = pgx.ForEachRow(rows, []any{&id, &source, &rejected}, func() error {
			looked++
			if !known[source] {
				source = 0
			}
			class := RetainAccepted
			if rejected {
				class = RetainRejected
			}
			if due[sourceClass{source, class}] {
				ids = append(ids, id)
			}
			return nil
		}); err != nil {
			return removed, kept, err
		}
		if len(ids) > 0 {
			n, err := r.removeSome(ctx, week, ids)
			removed += n
			if err != nil {
				return removed, kept, err
			}
			kept += int64(len(ids)) - n
		}
		if looked < retentionBatch {
			return removed, kept, nil
		}
		from = nextID(id)
	}
}

// removeSome removes events with all that hangs on them, except those that a hold or an open delivery keeps.
func (r *retention) removeSome(ctx context.Context, week time.Time, ids []uuid.UUID) (removed int64, err error) {
	err = r.locked(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT due.event FROM unnest($1::uuid[]) AS due (event)
			WHERE NOT EXISTS (SELECT FROM retention_hold_events h WHERE h.event_id = due.event)
			AND NOT EXISTS (SELECT FROM deliveries d WHERE d.event_id = due.event AND d.event_id BETWEEN $2 AND $3 AND d.state IN `+openDeliveries+`)`,
			ids, ids[0], ids[len(ids)-1])
		if err != nil {
			return err
		}
		free, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil || len(free) == 0 {
			return err
		}
		for _, table := range []string{"attempts", "deliveries", "reverifications", "edited_tests"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE event_id = ANY($1) AND event_id BETWEEN $2 AND $3`, free, ids[0], ids[len(ids)-1]); err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, `
			WITH gone AS (
				DELETE FROM events WHERE id = ANY($1) AND id BETWEEN $2 AND $3 RETURNING source_id, verdict
			), noted AS (
				INSERT INTO retention_removed AS r (week, source_id, class, rows, first_at, last_at)
				SELECT $4::date, source_id, CASE WHEN verdict = 'rejected' THEN 'rejected' ELSE 'accepted' END::retention_class AS class, count(*), $5::timestamptz, $5
				FROM gone GROUP BY source_id, class
				ON CONFLICT (week, source_id, class) DO UPDATE SET rows = r.rows + excluded.rows, last_at = excluded.last_at
			)
			SELECT count(*) FROM gone`, free, ids[0], ids[len(ids)-1], week, r.now).Scan(&removed)
	})
	return removed, err
}

// locked runs one small transaction that no hold can come between.
func (r *retention) locked(ctx context.Context, do func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, r.OwnerPool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, retentionTransaction); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockRetention); err != nil {
			return err
		}
		return do(tx)
	})
}
