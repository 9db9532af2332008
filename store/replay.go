package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
)

// ReplayState is where a replay stands.
//
//	planning ─▶ planned ─▶ canary ─▶ running ─▶ done
//	                         │  ▲       │
//	                         ▼  │       ▼
//	                    paused · stopped (by itself)     each but done ─▶ cancelled
type ReplayState string

const (
	ReplayPlanning  ReplayState = "planning" // the list is being made; nothing is sent
	ReplayPlanned   ReplayState = "planned"  // waits for a person's word
	ReplayCanary    ReplayState = "canary"   // a few were sent, and what becomes of them is awaited
	ReplayRunning   ReplayState = "running"
	ReplayPaused    ReplayState = "paused"  // by a person
	ReplayStopped   ReplayState = "stopped" // by itself: too much failed, or the destination is broken
	ReplayDone      ReplayState = "done"
	ReplayCancelled ReplayState = "cancelled"
)

// ReplayStates are all of them.
var ReplayStates = []ReplayState{ReplayPlanning, ReplayPlanned, ReplayCanary, ReplayRunning, ReplayPaused, ReplayStopped, ReplayDone, ReplayCancelled}

// Why an event that the filter finds is not on a replay's list, or was not sent though it is.
const (
	LeftRejected  = "rejected"  // not proven genuine, neither when it came nor since
	LeftTest      = "test"      // a test callback of ours
	LeftRepeat    = "repeat"    // an earlier arrival of the same callback was accepted
	LeftUnderWay  = "under_way" // a delivery to this destination has not ended
	LeftDelivered = "delivered" // to this destination, already
	LeftStale     = "stale"     // a newer event of the entity is there (of all events: was sent to this destination)
	LeftErased    = "erased"    // no longer there
	LeftCancelled = "cancelled" // taken out of the queue: with the replay, or with its destination
)

// LeftInWords says why events are left out, to go on after their number.
func LeftInWords(why string) string {
	switch why {
	case LeftRejected:
		return "rejected, and not proven genuine since"
	case LeftTest:
		return "test callbacks of Recall's own"
	case LeftRepeat:
		return "repeats of a callback that was accepted before"
	case LeftUnderWay:
		return "on their way to this destination already"
	case LeftDelivered:
		return "delivered to this destination already"
	case LeftStale:
		return "stale: a newer state of the entity is there"
	case LeftErased:
		return "no longer there"
	case LeftCancelled:
		return "taken out of the queue"
	}
	return why
}

// ErrReasonNeeded: a replay of so many events asks for a reason (DB.ReasonAbove).
var ErrReasonNeeded = errors.New("a reason is needed to send so many events again")

// ReplayWish is what a person plans.
type ReplayWish struct {
	Filter      string
	Destination string  // name
	Latest      bool    // only the newest event of each entity; false: all, in the order of arrival
	Again       bool    // also what was delivered to it before
	Rate        float64 // events a second
	Canary      int     // events sent first, whose end is awaited; 0: none
	StopAbove   float64 // share of first attempts that failed, of the last 100, above which it stops by itself; 1: never
	By, Reason  string
}

// Bounds of a replay.
const (
	MinReplayRate   = 0.1
	MaxReplayRate   = 5000
	MaxReplayCanary = 1000
)

// Validate tells what of a wish cannot be; the filter is read when the plan is made.
func (w *ReplayWish) Validate() error {
	switch {
	case !(w.Rate >= MinReplayRate && w.Rate <= MaxReplayRate):
		return fmt.Errorf("the rate must be from %g to %d events a second, not %g", MinReplayRate, MaxReplayRate, w.Rate)
	case w.Canary < 0 || w.Canary > MaxReplayCanary:
		return fmt.Errorf("the canary must be from 0 to %d events, not %d", MaxReplayCanary, w.Canary)
	case !(w.StopAbove >= 0 && w.StopAbove <= 1):
		return fmt.Errorf("the share of failures to stop above must be from 0 to 100 %%, not %g", 100*w.StopAbove)
	}
	return nil
}

// Replay is many events sent again to one destination.
type Replay struct {
	ID            int64
	Filter        string
	Until         time.Time // later events are left out
	DestinationID int64
	Destination   string // name
	Latest        bool
	Again         bool
	Rate          float64
	Canary        int
	StopAbove     float64
	State         ReplayState
	Why           string // it is stopped, or waits, in words
	RequestedBy   string
	Reason        string
	CreatedAt     time.Time
	PlannedAt     *time.Time
	StartedAt     *time.Time
	FinishedAt    *time.Time
	Cursor        uuid.UUID
	Looked        int64 // events that the filter found
	Events        int64 // of them on the list
	Counts        ReplayCounts
	Sent          int64            // events of the list that became deliveries
	Skipped       map[string]int64 // those that did not, by reason
	Succeeded     int64
	Retrying      int64 // failed at first, and are tried again
	Failed        int64 // given up

	CanaryLeft  int
	Recent      string
	RampFrom    *time.Time
	SentUntil   *time.Time
	NewerCursor string
	Settled     *uuid.UUID

	MeasuredFrom   *time.Time // when the stretch began that is being measured
	MeasuredPassed int64      // Passed then
	MeasuredRate   float64    // see RateOfLate
}

// ReplayCounts are those of the plan.
type ReplayCounts struct {
	Types    map[string]int64 `json:"types,omitempty"`    // of what is on the list, "ORDER.UPDATE", the most frequent 200
	Verdicts map[string]int64 `json:"verdicts,omitempty"` // likewise
	LeftOut  map[string]int64 `json:"left_out,omitempty"` // of what the filter finds and is not on it, by reason
}

// NotSent is how many events of the list were passed over.
func (r *Replay) NotSent() (n int64) {
	for _, some := range r.Skipped {
		n += some
	}
	return n
}

// Passed is how many events of the list are behind it.
func (r *Replay) Passed() int64 { return r.Sent + r.NotSent() }

// UnderWay is how many are on their way, those that are retried left out.
func (r *Replay) UnderWay() int64 { return r.Sent - r.Succeeded - r.Retrying - r.Failed }

// FailedShare is that of the last first attempts that failed; of how many.
func (r *Replay) FailedShare() (share float64, of int) {
	for _, c := range r.Recent {
		if c == '1' {
			share++
		}
	}
	if of = len(r.Recent); of > 0 {
		share /= float64(of)
	}
	return share, of
}

// RateAt is how many events a second may be sent at a time: it grows to the wished rate within half a minute.
func (r *Replay) RateAt(now time.Time) float64 {
	if r.State == ReplayCanary || r.RampFrom == nil {
		return r.Rate
	}
	share := float64(now.Sub(*r.RampFrom)) / float64(rampTime)
	return r.Rate * min(1, max(share, min(1, max(0.1, 1/r.Rate))))
}

const rampTime = 30 * time.Second

// measureTime is how long a stretch is whose rate is measured.
const measureTime = 5 * time.Second

// measure keeps the rate of the last stretches, the last one as much as all before. A pause, or a new beginning, is not in it.
func (r *Replay) measure(now time.Time) {
	if !r.measuring() {
		r.MeasuredFrom, r.MeasuredPassed, r.MeasuredRate = &now, r.Passed(), 0
		return
	}
	took := now.Sub(*r.MeasuredFrom)
	if took < measureTime {
		return
	}
	rate := float64(r.Passed()-r.MeasuredPassed) / took.Seconds()
	if r.MeasuredRate > 0 {
		rate = (rate + r.MeasuredRate) / 2
	}
	r.MeasuredFrom, r.MeasuredPassed, r.MeasuredRate = &now, r.Passed(), rate
}

// measuring tells whether it sends, and has since the stretch began that is being measured.
func (r *Replay) measuring() bool {
	return r.State == ReplayRunning && r.Why == "" && r.RampFrom != nil && r.MeasuredFrom != nil && !r.MeasuredFrom.Before(*r.RampFrom)
}

// RateOfLate is how many events of the list a second it has put behind it lately; 0: it does not send, or not for long enough to tell.
func (r *Replay) RateOfLate() float64 {
	if !r.measuring() {
		return 0
	}
	return r.MeasuredRate
}

// Left is how long the rest takes: at the wished rate, which is reached by and by, and once it should have been, at the
// measured one where that is less, as with a destination that allows no more.
func (r *Replay) Left(now time.Time) time.Duration {
	rest, ramp, begun := float64(max(0, r.Events-r.Passed())), rampTime.Seconds(), 0.0
	if r.State == ReplayRunning && r.RampFrom != nil {
		begun = min(ramp, max(0, now.Sub(*r.RampFrom).Seconds()))
	}
	growing := r.Rate * (ramp*ramp - begun*begun) / (2 * ramp) // events until the rate is reached
	seconds := ramp - begun + (rest-growing)/r.Rate
	if rest < growing {
		seconds = math.Sqrt(begun*begun+2*ramp*rest/r.Rate) - begun
	}
	if rate := r.RateOfLate(); begun == ramp && rate > 0 {
		seconds = max(seconds, rest/rate)
	}
	return time.Duration(math.Ceil(min(seconds, maxLeft.Seconds()))) * time.Second
}

// maxLeft is as much as Left tells.
const maxLeft = 9999 * time.Hour

const replayColumns = `r.id, r.filter, r.until, r.destination_id, coalesce(d.name, '') AS destination, r.latest, r.again, r.rate, r.canary, r.stop_above,
	r.state, r.why, r.requested_by, r.reason, r.created_at, r.planned_at, r.started_at, r.finished_at, r.cursor, r.looked, r.events, r.counts,
	r.sent, r.skipped, r.succeeded, r.retrying, r.failed, r.canary_left, r.recent, r.ramp_from, r.sent_until, r.newer_cursor, r.settled,
	r.measured_from, r.measured_passed, r.measured_rate`

const replaySelect = `SELECT ` + replayColumns + ` FROM replays r LEFT JOIN destinations d ON d.id = r.destination_id `

func oneReplay(rows pgx.Rows, err error) (*Replay, error) {
	if err != nil {
		return nil, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Replay])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	return r, err
}

// CreateReplay begins to plan: the list of what the filter finds up to now is made step by step (StepReplays), and nothing is
// sent before StartReplay. Ages in the filter become times. The error of a filter is a *filter.Error, that of a destination
// that is not there ErrNotFound.
func (db *DB) CreateReplay(ctx context.Context, w ReplayWish) (*Replay, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	_, newer, err := db.CommittedSince(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	now := db.Now()
	f, err := filter.Parse(w.Filter, now)
	if err != nil {
		return nil, err
	}
	destination, err := db.FindDestination(ctx, w.Destination)
	if err != nil {
		return nil, err
	}
	var r *Replay
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			INSERT INTO replays (filter, until, destination_id, latest, again, rate, canary, stop_above, requested_by, reason, created_at, step_at, cursor, newer_cursor)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $2, $2, $11, $12)
			RETURNING id`,
			f.String(), now, destination.ID, w.Latest, w.Again, w.Rate, w.Canary, w.StopAbove, w.By, cleanReason(w.Reason), idFrom(now.Add(time.Millisecond)), newer).Scan(&id)
		if err != nil {
			return err
		}
		if r, err = oneReplay(tx.Query(ctx, replaySelect+`WHERE r.id = $1`, id)); err != nil {
			return err
		}
		return db.auditReplay(ctx, tx, r, w.By, "plan", w.Reason)
	})
	if err != nil {
		return nil, fmt.Errorf("planning a replay: %w", err)
	}
	return r, nil
}

// StartReplay begins to send what is on the list of a planned replay, a few first. A reason that was not given for the plan
// may be given now. ErrNotFound, ErrRunState, ErrReasonNeeded.
func (db *DB) StartReplay(ctx context.Context, id int64, by, reason string) error {
	if cleanReason(reason) == "" && db.ReasonAbove > 0 {
		r, err := db.FindReplay(ctx, id)
		if err != nil {
			return err
		}
		if r.Reason == "" && r.Events > int64(db.ReasonAbove) && r.State == ReplayPlanned {
			return fmt.Errorf("replay %d: %w: it has %d, and the limit is %d", id, ErrReasonNeeded, r.Events, db.ReasonAbove)
		}
	}
	return db.changeReplay(ctx, id, by, "start", reason, `
		UPDATE replays
		SET state = CASE WHEN canary > 0 THEN 'canary' ELSE 'running' END::replay_state, canary_left = canary, why = '', started_at = $2, step_at = $2,
			ramp_from = $2, cursor = $3, reason = CASE WHEN reason = '' THEN $4 ELSE reason END
		WHERE id = $1 AND state = 'planned'`, id, db.Now(), uuid.Nil, cleanReason(reason))
}

// PauseReplay sends no more until it is resumed; what is under way goes on. ErrNotFound, ErrRunState.
func (db *DB) PauseReplay(ctx context.Context, id int64, by, reason string) error {
	return db.changeReplay(ctx, id, by, "pause", reason, `
		UPDATE replays SET state = 'paused', why = '' WHERE id = $1 AND state IN ('canary', 'running')`, id)
}

// ResumeReplay goes on with a replay that was paused or has stopped, a few first. ErrNotFound, ErrRunState.
func (db *DB) ResumeReplay(ctx context.Context, id int64, by, reason string) error {
	return db.changeReplay(ctx, id, by, "resume", reason, `
		UPDATE replays
		SET state = CASE WHEN canary > 0 THEN 'canary' ELSE 'running' END::replay_state, canary_left = canary, why = '', recent = '', step_at = $2, ramp_from = $2
		WHERE id = $1 AND state IN ('paused', 'stopped')`, id, db.Now())
}

// changeReplay makes a change that its state allows, with an audit entry.
func (db *DB) changeReplay(ctx context.Context, id int64, by, verb, reason, sql string, args ...any) error {
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		r, err := oneReplay(tx.Query(ctx, replaySelect+`WHERE r.id = $1 FOR UPDATE OF r`, id))
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sql, args...)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("%w: it is %s", ErrRunState, r.State)
		}
		if verb == "cancel" {
			if err := db.cancelReplayDeliveries(ctx, tx, id); err != nil {
				return err
			}
		}
		if reason == "" {
			reason = r.Reason
		}
		return db.auditReplay(ctx, tx, r, by, verb, reason)
	})
	if err != nil {
		return fmt.Errorf("replay %d: %w", id, err)
	}
	return nil
}

func (db *DB) auditReplay(ctx context.Context, tx pgx.Tx, r *Replay, by, verb, reason string) error {
	return db.AddAuditTx(ctx, tx, AuditEntry{
		At: db.Now(), Actor: by, Action: "replay." + verb, Subject: fmt.Sprint("replay ", r.ID), Reason: reason,
		Detail: map[string]any{
			"filter": r.Filter, "destination": r.Destination, "latest": r.Latest, "again": r.Again, "rate": r.Rate, "events": r.Events,
			"sent": r.Sent, "succeeded": r.Succeeded, "retrying": r.Retrying, "failed": r.Failed, "not_sent": r.NotSent(), "why": r.Why,
		},
	})
}

// FindReplay returns a replay, or ErrNotFound.
func (db *DB) FindReplay(ctx context.Context, id int64) (*Replay, error) {
	r, err := oneReplay(db.pool.Query(ctx, replaySelect+`WHERE r.id = $1`, id))
	if err != nil {
		return nil, fmt.Errorf("replay %d: %w", id, err)
	}
	return r, nil
}

// ListReplays returns the newest replays.
func (db *DB) ListReplays(ctx context.Context, limit int) ([]*Replay, error) {
	rows, err := db.pool.Query(ctx, replaySelect+`ORDER BY r.id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("listing replays: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Replay])
	if err != nil {
		return nil, fmt.Errorf("listing replays: %w", err)
	}
	return list, nil
}

// ListReplayItems returns ids of a replay's list in the order in which they are sent, after an id, at most limit (50 when 0, at
// most 10,000).
func (db *DB) ListReplayItems(ctx context.Context, id int64, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT event_id FROM replay_items WHERE replay_id = $1 AND event_id > $2 ORDER BY event_id LIMIT $3`, id, after, clampLimit(limit))
	if err != nil {
		return nil, fmt.Errorf("listing the events of replay %d: %w", id, err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("listing the events of replay %d: %w", id, err)
	}
	return ids, nil
}
