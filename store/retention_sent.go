package store

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// What was sent and answered goes by rules of its own, apart from the events: attempts whole, or of an attempt the answer alone.
// It is removed row by row, since the deliveries beside it stay, and say how they ended.

// attempts removes those that are due.
func (r *retention) attempts(ctx context.Context, _ *pgxpool.Conn) error {
	return r.sent(ctx, RetainAttempts, r.sweepAttempts)
}

// answers removes what destinations answered; the attempts stay, with their statuses and with when their answers went.
func (r *retention) answers(ctx context.Context, _ *pgxpool.Conn) error {
	return r.sent(ctx, RetainAnswers, r.sweepAnswers)
}

type sweeper func(ctx context.Context, week time.Time, due map[sourceClass]bool) (removed, kept int64, err error)

func (r *retention) sent(ctx context.Context, class RetentionClass, sweeper sweeper) error {
	weeks, err := weeksOf(ctx, r.OwnerPool(), "events")
	if err != nil {
		return err
	}
	for _, week := range weeks {
		if due, _ := r.due(week, class); len(due) > 0 {
			if err := r.sweep(ctx, week, due, sweeper); err != nil {
				return err
			}
		}
	}
	return nil
}

// sentFree is what may go of table a: it is old enough itself, its event is not held, and nothing of the event is on its way.
const sentFree = `
	a.started_at < due.until
	AND NOT EXISTS (SELECT FROM retention_hold_events h WHERE h.event_id = a.event_id)
	AND NOT EXISTS (SELECT FROM deliveries d WHERE d.event_id = a.event_id AND d.event_id BETWEEN $1 AND $2 AND d.state IN ` + openDeliveries + `)`

// sentDue joins table a to the sources whose rule is due.
const sentDue = `
	JOIN events e ON e.id = a.event_id AND e.id BETWEEN $1 AND $2
	JOIN unnest($3::bigint[], $4::timestamptz[]) AS due (source_id, until) ON due.source_id = e.source_id
	WHERE a.event_id BETWEEN $1 AND $2`

// sentNoted ends a statement whose CTE gone has what went, and mine what there was.
const sentNoted = `
	noted AS (
		INSERT INTO retention_removed AS r (week, source_id, class, rows, first_at, last_at)
		SELECT $5::date, source_id, $7::text::retention_class, count(*), $6::timestamptz, $6 FROM gone GROUP BY source_id
		ON CONFLICT (week, source_id, class) DO UPDATE SET rows = r.rows + excluded.rows, last_at = excluded.last_at
	)
	SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM mine WHERE NOT free)`

func (r *retention) sweepAttempts(ctx context.Context, week time.Time, due map[sourceClass]bool) (removed, kept int64, err error) {
	return r.sweepSent(ctx, week, due, RetainAttempts, "attempts", `
		WITH mine AS (
			SELECT a.event_id, a.delivery_id, a.number, e.source_id, `+sentFree+` AS free
			FROM attempts a `+sentDue+`
		), gone AS (
			DELETE FROM attempts a USING mine m
			WHERE m.free AND (a.event_id, a.delivery_id, a.number) = (m.event_id, m.delivery_id, m.number) AND a.event_id BETWEEN $1 AND $2
			RETURNING m.source_id
		), `+sentNoted)
}

func (r *retention) sweepAnswers(ctx context.Context, week time.Time, due map[sourceClass]bool) (removed, kept int64, err error) {
	removed, kept, err = r.sweepSent(ctx, week, due, RetainAnswers, "attempts", `
		WITH mine AS (
			SELECT a.event_id, a.delivery_id, a.number, e.source_id, `+sentFree+` AS free
			FROM attempts a `+sentDue+` AND (a.response_header IS NOT NULL OR a.response_body IS NOT NULL)
		), gone AS (
			UPDATE attempts a SET response_header = NULL, response_body = NULL, response_truncated = false, answer_removed_at = $6
			FROM mine m
			WHERE m.free AND (a.event_id, a.delivery_id, a.number) = (m.event_id, m.delivery_id, m.number) AND a.event_id BETWEEN $1 AND $2
			RETURNING m.source_id
		), `+sentNoted)
	if err != nil {
		return removed, kept, err
	}
	tested, left, err := r.sweepSent(ctx, week, due, RetainAnswers, "edited_tests", `
		WITH mine AS (
			SELECT a.event_id, a.id, e.source_id, `+sentFree+` AS free
			FROM edited_tests a `+sentDue+` AND (a.response_header IS NOT NULL OR a.response_body IS NOT NULL)
		), gone AS (
			UPDATE edited_tests a SET response_header = NULL, response_body = NULL, response_truncated = false, answer_removed_at = $6
			FROM mine m
			WHERE m.free AND (a.event_id, a.id) = (m.event_id, m.id) AND a.event_id BETWEEN $1 AND $2
			RETURNING m.source_id
		), `+sentNoted)
	return removed + tested, kept + left, err
}

// sweepSent walks through the rows of a table that hang on events of a week, and calls the statement for each batch of events.
func (r *retention) sweepSent(ctx context.Context, week time.Time, due map[sourceClass]bool, class RetentionClass, table, sql string) (removed, kept int64, err error) {
	var sources []int64
	var untils []time.Time
	for d := range due {
		rule, _ := r.rules.Find(d.source, d.class)
		sources, untils = append(sources, d.source), append(untils, rule.Until(r.now))
	}
	from, to := IDAt(week), IDAt(week.AddDate(0, 0, 7))
	for {
		if err := r.over(ctx); err != nil {
			return removed, kept, err
		}
		rows, err := r.OwnerPool().Query(ctx, `SELECT event_id FROM `+table+` WHERE event_id >= $1 AND event_id < $2 ORDER BY event_id LIMIT $3`, from, to, retentionBatch)
		if err != nil {
			return removed, kept, err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil || len(ids) == 0 {
			return removed, kept, err
		}
		last := ids[len(ids)-1]
		var gone, left int64
		err = r.locked(ctx, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, sql, from, last, sources, untils, week, r.now, class).Scan(&gone, &left)
		})
		removed, kept = removed+gone, kept+left
		if err != nil || len(ids) < retentionBatch {
			return removed, kept, err
		}
		from = nextID(last)
	}
}

// queueLookAgain sees to it that a week which was swept of attempts or answers is swept once more, where an attempt at one of its
// events has just been written down: somebody sent it again. Those of the last days cannot have been swept, and cost nothing.
func queueLookAgain(batch *pgx.Batch, events uuids, now time.Time) {
	var weeks []time.Time
	for _, event := range events {
		week := weekOf(receivedAt(uuid.UUID(event.Bytes)))
		if week.AddDate(0, 0, 8).Before(now) && !slices.Contains(weeks, week) { // a rule says one day at least
			weeks = append(weeks, week)
		}
	}
	if len(weeks) > 0 {
		batch.Queue(`
			UPDATE retention_swept SET again_at = $2
			WHERE week = ANY($1::date[]) AND class IN ('attempts', 'answers') AND (again_at IS NULL OR again_at <= $3)`, weeks, now.Add(retentionAgain), now)
	}
}
