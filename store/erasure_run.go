package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// lockErasure is held by the one instance that works on cases; lockErasureOpen while a case is opened.
const (
	lockErasure int64 = 0x72656361_40 + iota
	lockErasureOpen
)

// AloneErasing calls work where this program is the one that works on cases; false: another one is it.
func (db *DB) AloneErasing(ctx context.Context, work func(context.Context) error) (mine bool, err error) {
	return db.alone(ctx, lockErasure, work)
}

// DueErasure returns the case that has waited longest for its next step, or ErrNotFound.
func (db *DB) DueErasure(ctx context.Context) (*ErasureCase, error) {
	found, err := db.collectErasures(db.pool.Query(ctx, `
		SELECT `+erasureColumns+` FROM erasure_cases WHERE step_at <= $1 ORDER BY step_at LIMIT 1`, db.Now()))
	if err != nil {
		return nil, err
	}
	return only(found, "a case that is due")
}

// PutOffErasure says when the next step is, and what a case waits for.
func (db *DB) PutOffErasure(ctx context.Context, id int64, until time.Time, why string) error {
	_, err := db.pool.Exec(ctx, `UPDATE erasure_cases SET step_at = $2, why = $3 WHERE id = $1 AND state IN ('finding', 'waiting', 'running')`, id, until, why)
	if err != nil {
		return fmt.Errorf("case %d: %w", id, err)
	}
	return nil
}

// FoundErasure ends the search of a case: it is shown to people, waits for its time, or, where it runs already, goes on.
func (db *DB) FoundErasure(ctx context.Context, id int64, found map[string]int64, note AuditEntry) error {
	return db.changeErasure(ctx, id, func(tx pgx.Tx, c *ErasureCase) error {
		var undecided int64
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM erasure_events WHERE case_id = $1 AND erase IS NULL`, id).Scan(&undecided); err != nil {
			return err
		}
		state, why, step := ErasureOpen, "", (*time.Time)(nil)
		switch {
		case c.State == ErasureCancelled || c.State == ErasureClosed:
			return nil
		case c.State == ErasureRunning && undecided > 0:
			why = "something doubtful came since it was confirmed: decide on it, and confirm again"
		case c.State == ErasureRunning:
			now := db.Now()
			state, step = ErasureRunning, &now
		case !c.AutomaticAt.IsZero() && undecided > 0:
			why = "it does not run by itself, because some of what was found is doubtful"
		case !c.AutomaticAt.IsZero():
			state, step = ErasureWaiting, &c.AutomaticAt
		}
		_, err := tx.Exec(ctx, `
			UPDATE erasure_cases SET state = $2, why = $3, step_at = $4, found = $5, state_since = CASE WHEN state = $2 THEN state_since ELSE $6 END
			WHERE id = $1`, id, state, why, step, found, db.Now())
		if err != nil {
			return err
		}
		if c.State == ErasureFinding {
			note.Action, note.Subject, note.Detail = "erasure.found", caseSubject(id), map[string]any{"found": counted(found)}
			return db.addAudit(ctx, tx, note)
		}
		return nil
	})
}

// StartWaiting has a case run whose grace time is over. Where a hold or a doubt stands in its way, it waits for people, and
// says so.
func (db *DB) StartWaiting(ctx context.Context, id int64, note AuditEntry) error {
	return db.changeErasure(ctx, id, func(tx pgx.Tx, c *ErasureCase) error {
		if c.State != ErasureWaiting {
			return nil
		}
		err := db.startErasure(ctx, tx, c, "", note)
		if errors.Is(err, ErrErasureDoubts) || errors.Is(err, ErrErasureHeld) {
			_, err = tx.Exec(ctx, `UPDATE erasure_cases SET state = 'open', why = $2, step_at = NULL, state_since = $3 WHERE id = $1`, id, "it does not run by itself: "+err.Error(), db.Now())
		}
		return err
	})
}

// StepErasure writes down that a step of a running case is done, adds its counts, and goes on to the next one.
func (db *DB) StepErasure(ctx context.Context, c *ErasureCase, says string, counts map[string]int64) error {
	next := ErasureStep("")
	for i, step := range ErasureSteps {
		if step == c.Step && i+1 < len(ErasureSteps) {
			next = ErasureSteps[i+1]
		}
	}
	return db.changeErasure(ctx, c.ID, func(tx pgx.Tx, now *ErasureCase) error {
		if now.State != ErasureRunning || now.Step != c.Step {
			return ErrErasureState
		}
		done, err := json.Marshal([]ErasureDone{{Step: c.Step, At: db.Now().UTC(), Says: says}})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE erasure_cases SET step = $2, why = '', step_at = $3, steps = steps || $4::jsonb WHERE id = $1`, c.ID, next, db.Now(), done)
		if err != nil {
			return err
		}
		return addDone(ctx, tx, c.ID, counts)
	})
}

// addDone adds counts to what a case has destroyed.
func addDone(ctx context.Context, q querier, id int64, counts map[string]int64) error {
	for name, n := range counts {
		_, err := q.Exec(ctx, `UPDATE erasure_cases SET done = jsonb_set(done, ARRAY[$2], to_jsonb(coalesce((done->>$2)::bigint, 0) + $3)) WHERE id = $1`, id, name, n)
		if err != nil {
			return err
		}
	}
	return nil
}

// LeaveOver adds what is left to people.
func (db *DB) LeaveOver(ctx context.Context, id int64, words ...string) error {
	for _, w := range words {
		text, err := json.Marshal([]string{w})
		if err == nil {
			_, err = db.pool.Exec(ctx, `UPDATE erasure_cases SET leftover = leftover || $2::jsonb WHERE id = $1 AND NOT leftover @> $2::jsonb`, id, text)
		}
		if err != nil {
			return fmt.Errorf("case %d: %w", id, err)
		}
	}
	return nil
}

// CloseErasure ends a case with its certificate. From now on nothing tells who it was about.
func (db *DB) CloseErasure(ctx context.Context, c *ErasureCase, certificate []byte, note AuditEntry) error {
	return db.changeErasure(ctx, c.ID, func(tx pgx.Tx, now *ErasureCase) error {
		if now.State != ErasureRunning || now.Step != "" {
			return ErrErasureState
		}
		_, err := tx.Exec(ctx, `
			UPDATE erasure_cases SET state = 'closed', why = '', person_sealed = NULL, finished_at = $2, state_since = $2, step_at = NULL, certificate = $3 WHERE id = $1`,
			c.ID, db.Now(), certificate)
		if err != nil {
			return err
		}
		note.Action, note.Subject, note.Detail = "erasure.close", caseSubject(c.ID), map[string]any{"destroyed": counted(now.Done), "left to people": len(now.Leftover)}
		return db.addAudit(ctx, tx, note)
	})
}

// AddErasureEvents adds what a search has found; what is there already keeps its decision.
func (db *DB) AddErasureEvents(ctx context.Context, id int64, events []ErasureEvent) error {
	ids, doubts := make([]uuid.UUID, len(events)), make([]string, len(events))
	for i, e := range events {
		ids[i], doubts[i] = e.EventID, e.Doubt
	}
	_, err := db.pool.Exec(ctx, `
		INSERT INTO erasure_events (case_id, event_id, doubt, erase)
		SELECT $1, f.id, f.doubt, CASE WHEN f.doubt = '' THEN true END FROM unnest($2::uuid[], $3::text[]) AS f (id, doubt)
		ON CONFLICT (case_id, event_id) DO NOTHING`, id, ids, doubts)
	if err != nil {
		return fmt.Errorf("case %d: writing down what was found: %w", id, err)
	}
	return nil
}

// ErasureIDs returns ids of events of a case that are to be destroyed and still there, after an id, at most limit.
func (db *DB) ErasureIDs(ctx context.Context, id int64, after uuid.UUID, limit int) ([]uuid.UUID, error) {
	rows, err := db.pool.Query(ctx, `SELECT event_id FROM erasure_events WHERE case_id = $1 AND erase AND event_id > $2 ORDER BY event_id LIMIT $3`, id, after, limit)
	if err == nil {
		var ids []uuid.UUID
		if ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err == nil {
			return ids, nil
		}
	}
	return nil, fmt.Errorf("case %d: reading what is to be erased: %w", id, err)
}

// EqualArrivals returns the ids of all events with the body of one, from the same source, itself among them.
func (db *DB) EqualArrivals(ctx context.Context, event uuid.UUID) ([]uuid.UUID, error) {
	rows, err := db.pool.Query(ctx, `
		WITH one AS (SELECT id, source_id, body_sha256, coalesce(repeat_of, id) AS first FROM events WHERE id = $1)
		SELECT one.id FROM one
		UNION SELECT e.id FROM one JOIN events e ON e.repeat_of = one.first AND e.body_sha256 = one.body_sha256
		UNION SELECT e.id FROM one JOIN events e ON e.id = one.first AND e.body_sha256 = one.body_sha256`, event)
	if err == nil {
		var ids []uuid.UUID
		if ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err == nil {
			return ids, nil
		}
	}
	return nil, fmt.Errorf("finding equal arrivals of event %s: %w", event, err)
}

// CountErasure counts what hangs on the events that a case has found, and what of it is where.
func (db *DB) CountErasure(ctx context.Context, id int64) (map[string]int64, error) {
	counts := map[string]int64{}
	for name, sql := range map[string]string{
		"events":     `SELECT count(*) FROM erasure_events WHERE case_id = $1 AND doubt = ''`,
		"doubtful":   `SELECT count(*) FROM erasure_events WHERE case_id = $1 AND doubt <> ''`,
		"deliveries": `SELECT count(*) FROM erasure_events f JOIN deliveries d ON d.event_id = f.event_id WHERE case_id = $1`,
		"open deliveries": `SELECT count(*) FROM erasure_events f JOIN deliveries d ON d.event_id = f.event_id
			WHERE case_id = $1 AND d.state IN ` + openDeliveries,
		"attempts":        `SELECT count(*) FROM erasure_events f JOIN attempts a ON a.event_id = f.event_id WHERE case_id = $1`,
		"answers":         `SELECT count(*) FROM erasure_events f JOIN attempts a ON a.event_id = f.event_id WHERE case_id = $1 AND octet_length(a.response_body) > 0`,
		"verifications":   `SELECT count(*) FROM erasure_events f JOIN reverifications r ON r.event_id = f.event_id WHERE case_id = $1`,
		"edited tests":    `SELECT count(*) FROM erasure_events f JOIN edited_tests t ON t.event_id = f.event_id WHERE case_id = $1`,
		"held":            `SELECT count(*) FROM erasure_events f WHERE case_id = $1 AND EXISTS (SELECT FROM retention_hold_events h WHERE h.event_id = f.event_id)`,
		"replay lists":    `SELECT count(DISTINCT i.replay_id) FROM replays r JOIN replay_items i ON i.replay_id = r.id WHERE i.event_id IN (SELECT event_id FROM erasure_events WHERE case_id = $1)`,
		"failure samples": `SELECT count(*) FROM failure_groups WHERE first_event_id IN (SELECT event_id FROM erasure_events WHERE case_id = $1) OR last_event_id IN (SELECT event_id FROM erasure_events WHERE case_id = $1)`,
	} {
		var n int64
		if err := db.pool.QueryRow(ctx, sql, id).Scan(&n); err != nil {
			return nil, fmt.Errorf("case %d: counting %s: %w", id, name, err)
		}
		counts[name] = n
	}
	return counts, nil
}
