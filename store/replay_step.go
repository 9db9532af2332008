package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// How often a replay takes a step: while it sends, while it only waits for what is under way, and while there are only
// deliveries that are retried, which may take a day.
const (
	replayTick  = 200 * time.Millisecond
	replayWait  = 2 * time.Second
	replaySleep = 15 * time.Second
)

// Bounds of what is under way at a time, and of what a step looks at.
const (
	leastOpen    = 20
	mostOpen     = 2000
	openTime     = 5 * time.Second // of the rate, that may be under way
	settleAtOnce = 500             // retried ones looked at in a step
	recentMost   = 100             // first attempts that the share of failures is of
	recentLeast  = 20              // fewer tell too little
)

// EnqueueReplay makes deliveries, and has them sent.
type EnqueueReplay func(ctx context.Context, tx pgx.Tx, deliveries []*Delivery) error

// StepReplays takes one step of the replay that has waited longest for one, and tells whether there was any. A step is one
// transaction that holds the replay: a killed one leaves nothing half done, and of several instances one at a time drives it.
func (db *DB) StepReplays(ctx context.Context, enqueue EnqueueReplay) (worked bool, err error) {
	var id int64
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		r, err := oneReplay(tx.Query(ctx, replaySelect+`
			WHERE r.step_at <= $1 ORDER BY r.step_at LIMIT 1 FOR UPDATE OF r SKIP LOCKED`, db.Now()))
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		worked, id = true, r.ID
		if r.State == ReplayPlanning {
			return db.planStep(ctx, tx, r)
		}
		return db.sendStep(ctx, tx, r, enqueue)
	})
	if err != nil {
		return false, fmt.Errorf("replay %d: %w", id, err)
	}
	return worked, nil
}

// sendStep counts what has ended, decides whether to go on, and sends some more.
func (db *DB) sendStep(ctx context.Context, tx pgx.Tx, r *Replay, enqueue EnqueueReplay) error {
	now := db.Now()
	open, err := db.settleReplay(ctx, tx, r)
	if err != nil {
		return err
	}
	was := r.State
	ended := false
	if r.State == ReplayCanary || r.State == ReplayRunning {
		destination, err := db.replayDestination(ctx, tx, r.DestinationID)
		if err != nil {
			return err
		}
		r.Why = ""
		share, of := r.FailedShare()
		complete := r.State == ReplayCanary && open == 0 && (r.CanaryLeft == 0 || r.Passed() >= r.Events)
		switch {
		case destination == "":
			r.stop("the destination was removed")
		case destination == DestinationBroken:
			r.stop("the destination is broken")
		case complete && share <= r.StopAbove:
			r.State, r.RampFrom, r.Recent = ReplayRunning, &now, ""
		case share > r.StopAbove && (of >= recentLeast || complete), r.State == ReplayCanary && share*float64(of) > r.StopAbove*float64(r.Canary):
			r.stop(fmt.Sprintf("%d of the last %d first attempts failed", strings.Count(r.Recent, "1"), of))
		case destination == DestinationPaused:
			r.Why = "the destination is paused"
		}
		if (r.State == ReplayCanary || r.State == ReplayRunning) && r.Why == "" {
			sent, end, err := db.feedReplay(ctx, tx, r, open, now, enqueue)
			if err != nil {
				return err
			}
			open, ended = open+sent, end
		}
		if ended && open == 0 {
			r.State, r.FinishedAt = ReplayDone, &now
		}
	}
	if r.State != was {
		switch r.State {
		case ReplayStopped:
			err = db.auditReplay(ctx, tx, r, "recall", "stop", r.Why)
		case ReplayDone:
			err = db.auditReplay(ctx, tx, r, "recall", "done", r.Reason)
		}
		if err != nil {
			return err
		}
	}
	r.measure(now)
	next := now.Add(replayTick)
	switch sends := r.State == ReplayCanary || r.State == ReplayRunning; {
	case sends && r.Why == "":
	case sends || open > 0:
		next = now.Add(replayWait)
	case r.Retrying > 0:
		next = now.Add(replaySleep)
	default:
		next = time.Time{}
	}
	return db.keepReplay(ctx, tx, r, next)
}

func (r *Replay) stop(why string) { r.State, r.Why = ReplayStopped, why }

// replayDestination is the state of a replay's destination; "": it was removed.
func (db *DB) replayDestination(ctx context.Context, tx pgx.Tx, id int64) (state DestinationState, err error) {
	err = tx.QueryRow(ctx, `SELECT state FROM destinations WHERE id = $1 AND removed_at IS NULL`, id).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return state, err
}

// settleReplay counts how deliveries under way have ended, and some of those that are retried. It returns how many are still
// under way for the first time.
func (db *DB) settleReplay(ctx context.Context, tx pgx.Tx, r *Replay) (open int, err error) {
	rows, err := tx.Query(ctx, `
		WITH looked AS (
			(SELECT event_id, delivery_id, retrying FROM replay_open WHERE replay_id = $1 AND NOT retrying)
			UNION ALL
			(SELECT event_id, delivery_id, retrying FROM replay_open WHERE replay_id = $1 AND retrying AND event_id > $2 ORDER BY event_id LIMIT $3)
		)
		SELECT o.event_id, o.retrying, coalesce(d.state::text, ''), coalesce(d.attempts, 0), d.state = 'pending' AND d.entity IS NOT NULL AND EXISTS (
			SELECT FROM deliveries b
			WHERE b.destination_id = d.destination_id AND b.entity = d.entity AND b.event_id < d.event_id AND b.state = 'waiting')
		FROM looked o LEFT JOIN deliveries d ON d.event_id = o.event_id AND d.id = o.delivery_id
		ORDER BY d.finished_at, o.event_id`, r.ID, orZero(r.Settled), settleAtOnce)
	if err != nil {
		return 0, err
	}
	var event, lastRetrying uuid.UUID
	var retrying bool
	var behind *bool // an earlier event of its entity that is retried
	var state DeliveryState
	var attempts, looked int
	var ended, failing []uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&event, &retrying, &state, &attempts, &behind}, func() error {
		if retrying {
			looked++
			if compareIDs(event, lastRetrying) > 0 {
				lastRetrying = event
			}
		}
		switch {
		case state == DeliverySucceeded:
			r.Succeeded++
			r.heard(retrying, false)
			ended = append(ended, event)
		case state == DeliveryCancelled:
			r.Sent--
			r.skip(LeftCancelled)
			if retrying {
				r.Retrying--
			}
			ended = append(ended, event)
		case state == DeliveryExhausted, state == "": // "": dropped with its event
			r.Failed++
			r.heard(retrying, true)
			ended = append(ended, event)
		case retrying:
		case orZero(behind):
			r.Retrying++
			failing = append(failing, event)
		case state == DeliveryWaiting && attempts > 0, attempts > 1:
			r.Retrying++
			r.heard(false, true)
			failing = append(failing, event)
		default:
			open++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if r.Settled = nil; looked == settleAtOnce {
		r.Settled = &lastRetrying
	}
	if len(ended) > 0 {
		if _, err := tx.Exec(ctx, `DELETE FROM replay_open WHERE replay_id = $1 AND event_id = ANY($2)`, r.ID, ended); err != nil {
			return 0, err
		}
	}
	if len(failing) > 0 {
		_, err = tx.Exec(ctx, `UPDATE replay_open SET retrying = true WHERE replay_id = $1 AND event_id = ANY($2)`, r.ID, failing)
	}
	return open, err
}

func (r *Replay) skip(why string) {
	if r.Skipped == nil {
		r.Skipped = map[string]int64{}
	}
	r.Skipped[why]++
}

// heard notes how a first attempt ended, or that a delivery which was retried has.
func (r *Replay) heard(wasRetrying, failed bool) {
	if wasRetrying {
		r.Retrying--
		return
	}
	sign := "0"
	if failed {
		sign = "1"
	}
	r.Recent += sign
	r.Recent = r.Recent[max(0, len(r.Recent)-recentMost):]
}

// keepReplay writes down where a replay stands, and when it needs its next step; zero: never.
func (db *DB) keepReplay(ctx context.Context, tx pgx.Tx, r *Replay, next time.Time) error {
	if r.Skipped == nil {
		r.Skipped = map[string]int64{}
	}
	_, err := tx.Exec(ctx, `
		UPDATE replays
		SET state = @state, why = @why, planned_at = @planned_at, finished_at = @finished_at, step_at = @step_at, cursor = @cursor,
			looked = @looked, events = @events, counts = @counts, sent = @sent, skipped = @skipped,
			succeeded = @succeeded, retrying = @retrying, failed = @failed, canary_left = @canary_left, recent = @recent,
			ramp_from = @ramp_from, sent_until = @sent_until, newer_cursor = @newer, settled = @settled,
			measured_from = @measured_from, measured_passed = @measured_passed, measured_rate = @measured_rate
		WHERE id = @id`, pgx.NamedArgs{
		"id": r.ID, "state": r.State, "why": r.Why, "planned_at": r.PlannedAt, "finished_at": r.FinishedAt, "step_at": orNull(next, time.Time{}),
		"cursor": r.Cursor, "looked": r.Looked, "events": r.Events, "counts": r.Counts, "sent": r.Sent, "skipped": r.Skipped,
		"succeeded": r.Succeeded, "retrying": r.Retrying, "failed": r.Failed, "canary_left": r.CanaryLeft, "recent": r.Recent,
		"ramp_from": r.RampFrom, "sent_until": r.SentUntil, "newer": r.NewerCursor, "settled": r.Settled,
		"measured_from": r.MeasuredFrom, "measured_passed": r.MeasuredPassed, "measured_rate": r.MeasuredRate,
	})
	return err
}

// ReplayTally is what all replays have done, and how many stand where.
type ReplayTally struct {
	States                map[ReplayState]int64
	Sent, Delivered       int64 // events, of all replays that are kept
	Retrying, GivenUp     int64
	PassedOver, Remaining int64 // of the lists; remaining: of those that are under way
}

// CountReplays tells how replays stand.
func (db *DB) CountReplays(ctx context.Context) (ReplayTally, error) {
	t := ReplayTally{States: map[ReplayState]int64{}}
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT state, count(*), sum(sent)::bigint, sum(succeeded)::bigint, sum(retrying)::bigint, sum(failed)::bigint, sum(passed_over)::bigint,
				sum(CASE WHEN state IN ('canary', 'running', 'paused', 'stopped') THEN events - sent - passed_over ELSE 0 END)::bigint
			FROM (
				SELECT r.*, (SELECT coalesce(sum(n.value::bigint), 0) FROM jsonb_each_text(r.skipped) n)::bigint AS passed_over
				FROM replays r
			) r
			GROUP BY state`)
		if err != nil {
			return err
		}
		var state ReplayState
		var n, sent, delivered, retrying, failed, passed, rest int64
		_, err = pgx.ForEachRow(rows, []any{&state, &n, &sent, &delivered, &retrying, &failed, &passed, &rest}, func() error {
			t.States[state] = n
			t.Sent, t.Delivered, t.Retrying = t.Sent+sent, t.Delivered+delivered, t.Retrying+retrying
			t.GivenUp, t.PassedOver, t.Remaining = t.GivenUp+failed, t.PassedOver+passed, t.Remaining+rest
			return nil
		})
		return err
	})
	if err != nil {
		return t, fmt.Errorf("counting replays: %w", err)
	}
	return t, nil
}

// CancelReplay ends a replay: nothing more is sent, and what is still in the queue is cancelled. ErrNotFound, ErrRunState.
func (db *DB) CancelReplay(ctx context.Context, id int64, by, reason string) error {
	return db.changeReplay(ctx, id, by, "cancel", reason, `
		UPDATE replays SET state = 'cancelled', why = '', finished_at = $2, step_at = $2
		WHERE id = $1 AND state IN ('planning', 'planned', 'canary', 'running', 'paused', 'stopped')`,
		id, db.Now())
}

// cancelReplayDeliveries cancels what a replay has in the queue and what is to be retried. An attempt under way is still
// recorded when it ends.
func (db *DB) cancelReplayDeliveries(ctx context.Context, tx pgx.Tx, id int64) error {
	_, err := tx.Exec(ctx, `
		UPDATE deliveries d
		SET state = 'cancelled', next_attempt_at = NULL, finished_at = $2
		FROM replay_open o
		WHERE o.replay_id = $1 AND d.event_id = o.event_id AND d.id = o.delivery_id AND d.state IN ('pending', 'waiting')`, id, db.Now())
	return err
}
