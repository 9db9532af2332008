package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// A lane is the way to one destination: its limits, its order and its health, over all instances. Its row is locked before
// any delivery, and lanes in the order of their ids, so that nobody waits in a circle.

// orderColumns are the ends of deliveries that others of their entity may be held behind.
type orderColumns struct {
	destination []int64
	entity      []string
}

func (c *orderColumns) add(e *EndedAttempt) {
	c.destination, c.entity = append(c.destination, e.DestinationID), append(c.entity, e.Entity)
}

func (c *orderColumns) lock(batch *pgx.Batch) {
	if len(c.destination) > 0 {
		batch.Queue(`SELECT FROM lanes WHERE destination_id = ANY($1) ORDER BY destination_id FOR UPDATE`, c.destination)
	}
}

// release lets the first open delivery of each entity go on, where it was held.
func (c *orderColumns) release(batch *pgx.Batch, now time.Time) {
	for i := range c.destination {
		batch.Queue(`
			UPDATE deliveries SET next_attempt_at = $3
			WHERE (event_id, id) = (
				SELECT event_id, id FROM deliveries
				WHERE destination_id = $1 AND entity = $2 AND state IN ('pending', 'sending', 'waiting')
				ORDER BY event_id LIMIT 1)
			AND next_attempt_at IS NULL AND state IN ('pending', 'waiting')`, c.destination[i], c.entity[i], now)
	}
}

// laneHealth is what attempts that ended one after the other say of their destination.
type laneHealth struct {
	failures      int  // since the last that succeeded
	succeeded     bool // one did
	ended, failed int
}

func (h *laneHealth) add(succeeded bool) {
	h.ended++
	if succeeded {
		h.succeeded, h.failures = true, 0
	} else {
		h.failures++
		h.failed++
	}
}

// LaneFailures is how a destination that an attempt failed at has done of late.
type LaneFailures struct {
	InARow        int // that failed since the last that succeeded
	Ended, Failed int // attempts within the window, which begins with a failure
}

// LaneWindow is how long attempts are counted for the share of those that fail.
const LaneWindow = time.Minute

// queueHealth counts failures, and tells those that there are. Attempts that succeed at a destination without any write nothing.
func queueHealth(batch *pgx.Batch, health map[int64]*laneHealth, failures map[int64]LaneFailures, now time.Time) {
	for _, id := range slices.Sorted(maps.Keys(health)) {
		h := health[id]
		if h.failed == 0 {
			batch.Queue(`
				UPDATE lanes SET failures = 0, window_ended = window_ended + $2
				WHERE destination_id = $1 AND (failures > 0 OR window_failed > 0 AND window_at > $3)`, id, h.ended, now.Add(-LaneWindow))
			continue
		}
		batch.Queue(`
			INSERT INTO lanes AS l (destination_id, failures, window_at, window_ended, window_failed) VALUES ($1, $2, $4, $5, $6)
			ON CONFLICT (destination_id) DO UPDATE SET
				failures = CASE WHEN $3 THEN 0 ELSE l.failures END + EXCLUDED.failures,
				window_at = CASE WHEN l.window_at > $7 THEN l.window_at ELSE EXCLUDED.window_at END,
				window_ended = CASE WHEN l.window_at > $7 THEN l.window_ended ELSE 0 END + EXCLUDED.window_ended,
				window_failed = CASE WHEN l.window_at > $7 THEN l.window_failed ELSE 0 END + EXCLUDED.window_failed
			RETURNING failures, window_ended, window_failed`, id, h.failures, h.succeeded, now, h.ended, h.failed, now.Add(-LaneWindow)).
			QueryRow(func(row pgx.Row) error {
				var f LaneFailures
				err := row.Scan(&f.InARow, &f.Ended, &f.Failed)
				failures[id] = f
				return err
			})
	}
}

// BreakDestination finds a destination broken: from now on it is only probed. It tells whether it was active until now.
func (db *DB) BreakDestination(ctx context.Context, id int64, reason string, probeAt time.Time, note AuditEntry) (changed bool, err error) {
	return db.changeLane(ctx, id, DestinationActive, DestinationBroken, reason, probeAt, note)
}

// MendDestination makes a broken destination active again. It tells whether it was broken until now.
func (db *DB) MendDestination(ctx context.Context, id int64, note AuditEntry) (changed bool, err error) {
	return db.changeLane(ctx, id, DestinationBroken, DestinationActive, "", time.Time{}, note)
}

// errUnchanged rolls back what was not so.
var errUnchanged = errors.New("unchanged")

func (db *DB) changeLane(ctx context.Context, id int64, from, to DestinationState, reason string, probeAt time.Time, note AuditEntry) (changed bool, err error) {
	err = pgx.BeginFunc(ctx, db.sending, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO lanes (destination_id, probe_at) VALUES ($1, $2)
			ON CONFLICT (destination_id) DO UPDATE SET failures = 0, probes = 0, probe_at = EXCLUDED.probe_at, window_at = NULL, window_ended = 0, window_failed = 0`,
			id, orNull(probeAt, time.Time{}))
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE destinations SET state = $3, state_reason = $4, state_since = $5
			WHERE id = $1 AND state = $2 AND removed_at IS NULL`, id, from, to, validText(reason), db.Now())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errUnchanged
		}
		return db.AddAuditTx(ctx, tx, note)
	})
	if errors.Is(err, errUnchanged) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("making destination %d %s: %w", id, to, err)
	}
	return true, nil
}

// ProbeFailed counts a probe that failed and sets when the next is due.
func (db *DB) ProbeFailed(ctx context.Context, id int64) error {
	_, err := db.sending.Exec(ctx, `UPDATE lanes SET probes = probes + 1 WHERE destination_id = $1`, id)
	if err != nil {
		return fmt.Errorf("counting a probe of destination %d: %w", id, err)
	}
	return nil
}

// DueLanes returns the destinations, removed ones too, that have a delivery due.
func (db *DB) DueLanes(ctx context.Context) ([]int64, error) {
	rows, err := db.sending.Query(ctx, `
		SELECT t.id FROM destinations t
		WHERE EXISTS (SELECT FROM deliveries WHERE destination_id = t.id AND state = 'pending' AND next_attempt_at <= $1)
		OR EXISTS (SELECT FROM deliveries WHERE destination_id = t.id AND state = 'waiting' AND next_attempt_at <= $1)
		OR EXISTS (SELECT FROM deliveries WHERE destination_id = t.id AND state = 'sending' AND next_attempt_at <= $1)`, db.Now())
	if err != nil {
		return nil, fmt.Errorf("looking for destinations with something due: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("looking for destinations with something due: %w", err)
	}
	return ids, nil
}

// MostOverdue bounds what is counted of a destination's overdue deliveries.
const MostOverdue = 1000

// Overdue is what should have been sent to an active destination a while ago and was not.
type Overdue struct {
	DestinationID int64
	Destination   string
	Deliveries    int           // at most MostOverdue
	Late          time.Duration // the latest
}

// ListOverdue returns, of each active destination without a limit of its own, what has been due for longer than after. There
// is none where instances work and can keep up.
func (db *DB) ListOverdue(ctx context.Context, after time.Duration) ([]Overdue, error) {
	now := db.Now()
	rows, err := db.sending.Query(ctx, `
		SELECT t.id, t.name, o.n, o.oldest FROM destinations t CROSS JOIN LATERAL (
			SELECT count(*), min(next_attempt_at) FROM (
				(SELECT next_attempt_at FROM deliveries WHERE destination_id = t.id AND state = 'pending' AND next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT $2)
				UNION ALL
				(SELECT next_attempt_at FROM deliveries WHERE destination_id = t.id AND state = 'waiting' AND next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT $2)
				UNION ALL
				(SELECT next_attempt_at FROM deliveries WHERE destination_id = t.id AND state = 'sending' AND next_attempt_at <= $1 ORDER BY next_attempt_at LIMIT $2)
			) due
		) o (n, oldest)
		WHERE t.removed_at IS NULL AND t.state = 'active' AND t.max_rate IS NULL AND t.max_concurrency IS NULL AND o.n > 0
		ORDER BY t.name`, now.Add(-after), MostOverdue)
	if err != nil {
		return nil, fmt.Errorf("looking for overdue deliveries: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o Overdue, err error) {
		var oldest time.Time
		err = row.Scan(&o.DestinationID, &o.Destination, &o.Deliveries, &oldest)
		o.Deliveries, o.Late = min(o.Deliveries, MostOverdue), now.Sub(oldest)
		return o, err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for overdue deliveries: %w", err)
	}
	return list, nil
}

// FreeHeld lets deliveries go on that are held behind nothing any more, and returns how many there were. There is none unless
// rows were changed by hand or dropped with their partition.
func (db *DB) FreeHeld(ctx context.Context) (int64, error) {
	tag, err := db.sending.Exec(ctx, `
		UPDATE deliveries d SET next_attempt_at = $1
		WHERE d.destination_id IN (SELECT destination_id FROM lanes) AND d.state IN ('pending', 'waiting') AND d.next_attempt_at IS NULL
		AND (d.entity IS NULL OR NOT EXISTS (`+earlierSQL+`))`, db.Now())
	if err != nil {
		return 0, fmt.Errorf("freeing held deliveries: %w", err)
	}
	return tag.RowsAffected(), nil
}
