package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/verify"
)

// Reverification is an event's check on its raw bytes with later settings, kept beside its first result.
type Reverification struct {
	ID           uuid.UUID // UUIDv7
	EventID      uuid.UUID
	RunID        int64 // 0: of one event by hand
	At           time.Time
	RequestedBy  string
	Verification verify.Result
	Released     bool // sent on to its destinations by this
}

// Reverify keeps a new result of one event and, where asked and possible, releases it: a first accepted arrival is then
// sent on as if it had been accepted when it came, exactly once, whoever asks how often. An audit entry says who asked
// and why. ErrNotFound.
func (db *DB) Reverify(ctx context.Context, e *Event, result verify.Result, release bool, by, reason string) (*Reverification, error) {
	r := &Reverification{EventID: e.ID, RequestedBy: by, Verification: result}
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if err := db.reverifyTx(ctx, tx, e, r, release); err != nil {
			return err
		}
		return db.AddAuditTx(ctx, tx, AuditEntry{
			At: r.At, Actor: by, Action: "event.reverify", Subject: e.ID.String(), Reason: reason,
			Detail: map[string]any{"verdict": result.Verdict, "reason": result.Reason, "released": r.Released},
		})
	})
	if err != nil {
		return nil, fmt.Errorf("re-verifying event %s: %w", e.ID, err)
	}
	return r, nil
}

// reverifyTx inserts r, and sets Released.
func (db *DB) reverifyTx(ctx context.Context, tx pgx.Tx, e *Event, r *Reverification, release bool) error {
	var err error
	if r.ID, err = uuid.NewV7(); err != nil {
		return err
	}
	r.At = db.Now()
	if release && r.Verification.Accepted() {
		first, releasable, err := lockRelease(ctx, tx, e)
		if err != nil {
			return err
		}
		if releasable {
			r.Released = true
			accepted := *e // the hook sends on what is accepted; the event itself keeps its first result
			accepted.Verification = r.Verification
			if err := db.release(ctx, tx, &accepted, first); err != nil {
				return err
			}
		}
	}
	verification, err := json.Marshal(r.Verification)
	if err != nil {
		return fmt.Errorf("writing down the verification: %w", err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO reverifications (event_id, id, run_id, at, requested_by, verdict, reason, verification, released)
		VALUES ($1, $2, nullif($3::bigint, 0), $4, $5, $6, $7, $8, $9)`,
		e.ID, r.ID, r.RunID, r.At, r.RequestedBy, r.Verification.Verdict, r.Verification.Reason, verification, r.Released)
	return err
}

// lockRelease locks the callback that an event is an arrival of, and tells whether it may still be released: no arrival of
// it was accepted when it came, or released later.
func lockRelease(ctx context.Context, tx pgx.Tx, e *Event) (first uuid.UUID, releasable bool, err error) {
	first = e.ID
	if e.RepeatOf != uuid.Nil {
		first = e.RepeatOf
	}
	// A new arrival locks the group's row; so does a release, as long as the row is there.
	if _, err := tx.Exec(ctx, `SELECT FROM arrival_groups WHERE source_id = $1 AND body_sha256 = $2 FOR UPDATE`, e.SourceID, e.BodySHA256[:]); err != nil {
		return first, false, err
	}
	tag, err := tx.Exec(ctx, `SELECT FROM events WHERE id = $1 FOR UPDATE`, first) // two releases wait for each other
	if err != nil {
		return first, false, err
	}
	if tag.RowsAffected() == 0 { // the first is no longer kept
		if _, err := tx.Exec(ctx, `SELECT FROM events WHERE id = $1 FOR UPDATE`, e.ID); err != nil {
			return first, false, err
		}
	}
	releasable, err = isReleasable(ctx, tx, first)
	return first, releasable, err
}

// isReleasable tells whether no arrival of the callback was accepted or released.
func isReleasable(ctx context.Context, tx pgx.Tx, first uuid.UUID) (yes bool, err error) {
	err = tx.QueryRow(ctx, `
		SELECT NOT EXISTS (
			SELECT FROM events e
			WHERE (e.id = $1 OR e.repeat_of = $1)
			AND (e.verdict <> 'rejected' OR EXISTS (SELECT FROM reverifications r WHERE r.event_id = e.id AND r.released)))`,
		first).Scan(&yes)
	return yes, err
}

// release sends an event on, as its recording would have done, and tells its arrival group, so that later arrivals are
// only repeats.
func (db *DB) release(ctx context.Context, tx pgx.Tx, e *Event, first uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		UPDATE arrival_groups SET accepted_event_id = $4
		WHERE source_id = $1 AND body_sha256 = $2 AND first_event_id = $3 AND accepted_event_id IS NULL`,
		e.SourceID, e.BodySHA256[:], first, e.ID)
	if err != nil {
		return err
	}
	if db.hook == nil {
		return nil
	}
	return db.hook(ctx, tx, []*Event{e})
}

// ListReverifications returns an event's later results, newest first.
func (db *DB) ListReverifications(ctx context.Context, eventID uuid.UUID) ([]Reverification, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT id, event_id, coalesce(run_id, 0), at, requested_by, verification, released
		FROM reverifications WHERE event_id = $1 ORDER BY id DESC LIMIT 100`, eventID)
	if err != nil {
		return nil, fmt.Errorf("listing re-verifications: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Reverification, err error) {
		var verification []byte
		if err := row.Scan(&r.ID, &r.EventID, &r.RunID, &r.At, &r.RequestedBy, &verification, &r.Released); err != nil {
			return r, err
		}
		return r, json.Unmarshal(verification, &r.Verification)
	})
	if err != nil {
		return nil, fmt.Errorf("listing re-verifications: %w", err)
	}
	return list, nil
}

// AcceptedNow tells whether an event counts as genuine: accepted when it came, or by its latest re-verification.
func (db *DB) AcceptedNow(ctx context.Context, e *Event) (bool, error) {
	if e.Verification.Accepted() {
		return true, nil
	}
	var verdict verify.Verdict
	err := db.pool.QueryRow(ctx, `SELECT verdict FROM reverifications WHERE event_id = $1 ORDER BY id DESC LIMIT 1`, e.ID).Scan(&verdict)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for re-verifications of event %s: %w", e.ID, err)
	}
	return verdict.Accepted(), nil
}
