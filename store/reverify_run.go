package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
	"recall/verify"
)

// ReverifyState is where a run stands.
type ReverifyState string

const (
	ReverifyCounting  ReverifyState = "counting" // looks, and changes nothing
	ReverifyCounted   ReverifyState = "counted"  // waits for a person's word
	ReverifyRunning   ReverifyState = "running"
	ReverifyDone      ReverifyState = "done"
	ReverifyCancelled ReverifyState = "cancelled"
)

// ReverifyRun re-verifies everything a filter finds that was not verified when it came.
type ReverifyRun struct {
	ID          int64
	Filter      string
	Until       time.Time // later events are left out
	Release     bool
	State       ReverifyState
	RequestedBy string
	Reason      string
	CreatedAt   time.Time
	FinishedAt  *time.Time // nil: not finished
	Cursor      uuid.UUID
	Checked     int64 // events of the pass under way, or of the last one
	Accepted    int64
	Rejected    int64
	Releasable  int64
	Released    int64
	Counted     int64 // events of the counting pass
}

// reverifyAtOnce bounds the events of one step, which is one transaction.
const reverifyAtOnce = 100

// firstID is before every event's.
var firstID = uuid.UUID{15: 1}

// ErrRunState: the run is not in a state in which this can be done.
var ErrRunState = errors.New("the run is not in a state in which that can be done")

const runColumns = `id, filter, until, release, state, requested_by, reason, created_at, finished_at, cursor,
	checked, accepted, rejected, releasable, released, counted`

// CreateReverifyRun begins to count what a filter finds up to now. Ages in the filter become times, so that the list stays
// what it is. The error of a filter is a *filter.Error.
func (db *DB) CreateReverifyRun(ctx context.Context, text, by, reason string) (*ReverifyRun, error) {
	now := db.Now()
	f, err := filter.Parse(text, now)
	if err != nil {
		return nil, err
	}
	var run *ReverifyRun
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		run, err = oneRun(tx.Query(ctx, `
			INSERT INTO reverify_runs (filter, until, requested_by, reason, created_at, cursor)
			VALUES ($1, $2, $3, $4, $2, $5)
			RETURNING `+runColumns, f.String(), now, by, reason, firstID))
		if err != nil {
			return err
		}
		return db.auditRun(ctx, tx, run, by, "plan", reason)
	})
	if err != nil {
		return nil, fmt.Errorf("planning a re-verification: %w", err)
	}
	return run, nil
}

// StartReverifyRun carries a counted run out, releasing what is authentic now where asked. ErrNotFound, ErrRunState.
func (db *DB) StartReverifyRun(ctx context.Context, id int64, release bool, by string) error {
	return db.changeRun(ctx, id, by, "start", `
		UPDATE reverify_runs
		SET state = 'running', release = $2, cursor = $3, checked = 0, accepted = 0, rejected = 0, releasable = 0
		WHERE id = $1 AND state = 'counted'
		RETURNING `+runColumns, id, release, firstID)
}

// CancelReverifyRun stops a run; what it has done stays. ErrNotFound, ErrRunState.
func (db *DB) CancelReverifyRun(ctx context.Context, id int64, by string) error {
	return db.changeRun(ctx, id, by, "cancel", `
		UPDATE reverify_runs SET state = 'cancelled', finished_at = $2
		WHERE id = $1 AND state IN ('counting', 'counted', 'running')
		RETURNING `+runColumns, id, db.Now())
}

func (db *DB) changeRun(ctx context.Context, id int64, by, verb, sql string, args ...any) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		run, err := oneRun(tx.Query(ctx, sql, args...))
		if errors.Is(err, pgx.ErrNoRows) {
			var state ReverifyState
			err := tx.QueryRow(ctx, `SELECT state FROM reverify_runs WHERE id = $1`, id).Scan(&state)
			if errors.Is(err, pgx.ErrNoRows) {
				return ErrNotFound
			}
			if err != nil {
				return fmt.Errorf("finding a re-verification: %w", err)
			}
			return fmt.Errorf("%w: it is %s", ErrRunState, state)
		}
		if err != nil {
			return fmt.Errorf("changing a re-verification: %w", err)
		}
		return db.auditRun(ctx, tx, run, by, verb, run.Reason)
	})
}

func (db *DB) auditRun(ctx context.Context, tx pgx.Tx, run *ReverifyRun, by, verb, reason string) error {
	return db.AddAuditTx(ctx, tx, AuditEntry{
		At: db.Now(), Actor: by, Action: "reverify." + verb, Subject: fmt.Sprint("run ", run.ID), Reason: reason,
		Detail: map[string]any{"filter": run.Filter, "release": run.Release, "checked": run.Checked},
	})
}

// FindReverifyRun returns a run, or ErrNotFound.
func (db *DB) FindReverifyRun(ctx context.Context, id int64) (*ReverifyRun, error) {
	run, err := oneRun(db.pool.Query(ctx, `SELECT `+runColumns+` FROM reverify_runs WHERE id = $1`, id))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("finding a re-verification: %w", err)
	}
	return run, nil
}

// ListReverifyRuns returns the newest runs.
func (db *DB) ListReverifyRuns(ctx context.Context, limit int) ([]ReverifyRun, error) {
	rows, err := db.pool.Query(ctx, `SELECT `+runColumns+` FROM reverify_runs ORDER BY id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("listing re-verifications: %w", err)
	}
	runs, err := pgx.CollectRows(rows, pgx.RowToStructByName[ReverifyRun])
	if err != nil {
		return nil, fmt.Errorf("listing re-verifications: %w", err)
	}
	return runs, nil
}

func oneRun(rows pgx.Rows, err error) (*ReverifyRun, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[ReverifyRun])
}

// StepReverifyRuns takes one step of some run that is under way, and tells whether there was one. A step is one
// transaction that holds the run: a killed one leaves nothing half done, and several instances share the runs. Events go
// oldest first, so that what is released follows the order of arrival.
func (db *DB) StepReverifyRuns(ctx context.Context, check func(*Event) verify.Result) (worked bool, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		run, err := oneRun(tx.Query(ctx, `
			SELECT `+runColumns+` FROM reverify_runs WHERE state IN ('counting', 'running')
			ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED`))
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		worked = true
		return db.stepRun(ctx, tx, run, check)
	})
	if err != nil {
		return false, fmt.Errorf("re-verifying: %w", err)
	}
	return worked, nil
}

func (db *DB) stepRun(ctx context.Context, tx pgx.Tx, run *ReverifyRun, check func(*Event) verify.Result) error {
	f, err := filter.Parse(run.Filter, run.CreatedAt)
	if err != nil {
		return err
	}
	f.Terms = append(f.Terms,
		filter.Term{Key: filter.KeyVerdict, Values: []filter.Value{{Text: string(verify.Rejected)}, {Text: string(verify.Late)}}},
		filter.Term{Key: filter.KeyBefore, Values: []filter.Value{{Time: run.Until}}})
	page, err := db.ListEvents(ctx, EventQuery{Filter: f, After: run.Cursor, Limit: reverifyAtOnce})
	if err != nil {
		return err
	}
	for i := len(page.Events) - 1; i >= 0; i-- { // oldest first
		run.Cursor = page.Events[i].ID
		e, err := db.FindEvent(ctx, run.Cursor)
		if errors.Is(err, ErrNotFound) { // erased since
			continue
		}
		if err != nil {
			return err
		}
		if err := db.stepEvent(ctx, tx, run, e, check(e)); err != nil {
			return err
		}
	}
	if !page.Newer {
		if run.State == ReverifyCounting {
			run.State, run.Counted = ReverifyCounted, run.Checked
		} else {
			now := db.Now()
			run.State, run.FinishedAt = ReverifyDone, &now
		}
	}
	_, err = tx.Exec(ctx, `
		UPDATE reverify_runs SET state = $2, cursor = $3, checked = $4, accepted = $5, rejected = $6, releasable = $7, released = $8,
			counted = $9, finished_at = $10
		WHERE id = $1`,
		run.ID, run.State, run.Cursor, run.Checked, run.Accepted, run.Rejected, run.Releasable, run.Released, run.Counted, run.FinishedAt)
	return err
}

// stepEvent counts one event and, in the running pass, keeps its new result.
func (db *DB) stepEvent(ctx context.Context, tx pgx.Tx, run *ReverifyRun, e *Event, result verify.Result) error {
	run.Checked++
	if !result.Accepted() {
		run.Rejected++
	} else {
		run.Accepted++
		first := e.ID
		if e.RepeatOf != uuid.Nil {
			first = e.RepeatOf
		}
		releasable, err := isReleasable(ctx, tx, first)
		if err != nil {
			return err
		}
		if releasable {
			run.Releasable++
		}
	}
	if run.State == ReverifyCounting {
		return nil
	}
	r := &Reverification{EventID: e.ID, RunID: run.ID, RequestedBy: run.RequestedBy, Verification: result}
	if err := db.reverifyTx(ctx, tx, e, r, run.Release); err != nil {
		return err
	}
	if r.Released {
		run.Released++
	}
	return nil
}
