package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"recall/seal"
)

const erasureColumns = `id, person_sealed, person_hash, source_ids, event_id, state, coalesce(state_since, opened_at), step, why, reason, opened_by, opened_at, automatic_at, confirmed_by,
	confirmed_at, finished_at, found, done, leftover, steps, tables, horizon, certificate`

func (db *DB) collectErasures(rows pgx.Rows, err error) ([]*ErasureCase, error) {
	var cases []*ErasureCase
	if err == nil {
		cases, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*ErasureCase, error) {
			c := &ErasureCase{}
			var sealed []byte
			var event *uuid.UUID
			var automatic, confirmed, finished zeronull.Timestamptz
			err := row.Scan(&c.ID, &sealed, &c.PersonHash, &c.Sources, &event, &c.State, &c.Since, &c.Step, &c.Why, &c.Reason, &c.OpenedBy, &c.OpenedAt, &automatic,
				&c.ConfirmedBy, &confirmed, &finished, &c.Found, &c.Done, &c.Leftover, &c.Steps, &c.Tables, &c.Horizon, &c.Certificate)
			if err != nil {
				return nil, err
			}
			if sealed != nil {
				if plain, err := db.key.Open(sealed, personContext); err == nil { // with another key it is shown by its hash, and does not run
					c.Person = string(plain)
				}
			}
			c.EventID, c.OpenedAt, c.Since = orZero(event), c.OpenedAt.UTC(), c.Since.UTC()
			c.AutomaticAt, c.ConfirmedAt, c.FinishedAt = utc(automatic), utc(confirmed), utc(finished)
			return c, nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("reading cases of erasure: %w", err)
	}
	return cases, nil
}

// FindErasure returns a case, or ErrNotFound.
func (db *DB) FindErasure(ctx context.Context, id int64) (*ErasureCase, error) {
	found, err := db.collectErasures(db.pool.Query(ctx, `SELECT `+erasureColumns+` FROM erasure_cases WHERE id = $1`, id))
	if err != nil {
		return nil, err
	}
	return only(found, fmt.Sprintf("case %d", id))
}

// ListErasures returns cases, at most limit: those that are not over first, then those that are, each newest first. Before an id: only those
// that are over; 0: from the beginning.
func (db *DB) ListErasures(ctx context.Context, before int64, limit int) ([]*ErasureCase, error) {
	return db.collectErasures(db.pool.Query(ctx, `
		SELECT `+erasureColumns+` FROM erasure_cases
		WHERE $1 = 0 OR state IN ('closed', 'cancelled') AND id < $1
		ORDER BY state IN ('closed', 'cancelled'), id DESC LIMIT $2`, before, limit))
}

// FindErasureOf returns the case about a person that is not over, or ErrNotFound.
func (db *DB) FindErasureOf(ctx context.Context, person string) (*ErasureCase, error) {
	key, err := db.personKey(ctx, db.pool, false)
	if errors.Is(err, seal.ErrWrongKey) { // ours does not tell whom cases are about
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	found, err := db.collectErasures(db.pool.Query(ctx, `
		SELECT `+erasureColumns+` FROM erasure_cases WHERE person_hash = $1 AND state NOT IN ('closed', 'cancelled')`, personHash(key, person)))
	if err != nil {
		return nil, err
	}
	return only(found, "a case about this person")
}

// ErasureTally counts what stands in the way of a case, and what not.
type ErasureTally struct {
	Certain   int64 // events that are theirs
	Undecided int64 // doubtful ones
	Erase     int64 // doubtful ones that are to be erased
	Left      int64
	Held      int64 // of what is to be erased, by legal holds
}

// TallyErasure counts it at this moment.
func (db *DB) TallyErasure(ctx context.Context, id int64) (t ErasureTally, err error) {
	err = db.pool.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE doubt = ''), count(*) FILTER (WHERE erase IS NULL), count(*) FILTER (WHERE erase AND doubt <> ''), count(*) FILTER (WHERE NOT erase),
			count(*) FILTER (WHERE erase AND EXISTS (SELECT FROM retention_hold_events h WHERE h.event_id = e.event_id))
		FROM erasure_events e WHERE case_id = $1`, id).Scan(&t.Certain, &t.Undecided, &t.Erase, &t.Left, &t.Held)
	return t, wrapCase(id, "counting what was found", err)
}

// CountErasuresWaiting counts cases that people have to look at.
func (db *DB) CountErasuresWaiting(ctx context.Context) (n int, err error) {
	if err = db.pool.QueryRow(ctx, `SELECT count(*) FROM erasure_cases WHERE state = 'open'`).Scan(&n); err != nil {
		return 0, fmt.Errorf("counting cases of erasure: %w", err)
	}
	return n, nil
}

// OpenErasure opens a case about a person, or about one event and its equal arrivals. ErrErasurePending where there is one that is not
// over: it is returned then.
func (db *DB) OpenErasure(ctx context.Context, wish ErasureWish, note AuditEntry) (*ErasureCase, error) {
	var err error
	if wish.Reason, err = needReason(wish.Reason); err != nil {
		return nil, err
	}
	return db.openErasure(ctx, wish, time.Time{}, note)
}

func (db *DB) openErasure(ctx context.Context, wish ErasureWish, automatic time.Time, note AuditEntry) (*ErasureCase, error) {
	var id int64
	person, event := wish.Person, wish.Event
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if err := db.checkKey(ctx, tx, "FOR UPDATE"); err != nil {
			return err
		}
		var sealed, hash []byte
		if person != "" {
			if err := ValidPerson(person); err != nil {
				return err
			}
			key, err := db.personKey(ctx, tx, true)
			if err != nil {
				return err
			}
			sealed, hash = db.sealer().Seal([]byte(person), personContext), personHash(key, person)
		}
		// Two that open the same case wait for each other.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockErasureOpen); err != nil {
			return err
		}
		err := tx.QueryRow(ctx, `
			SELECT id FROM erasure_cases
			WHERE state NOT IN ('closed', 'cancelled') AND (person_hash = $1 OR $1 IS NULL AND person_hash IS NULL AND event_id = $2)`, hash, event).Scan(&id)
		if err == nil {
			return ErrErasurePending
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if person == "" {
			var there bool
			if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM events WHERE id = $1)`, event).Scan(&there); err != nil || !there {
				return errors.Join(err, fmt.Errorf("event %s: %w", event, ErrNotFound))
			}
		}
		err = tx.QueryRow(ctx, `
			INSERT INTO erasure_cases (person_sealed, person_hash, event_id, reason, opened_by, opened_at, automatic_at, step_at, state_since, source_ids)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $6, $8) RETURNING id`,
			sealed, hash, nullID(event), wish.Reason, note.Actor, db.Now(), orTime(automatic), orNone(wish.Sources)).Scan(&id)
		if err != nil {
			return err
		}
		note.Action, note.Subject, note.Reason = "erasure.open", caseSubject(id), wish.Reason
		note.Detail = withDetail(note.Detail, "person", person != "")
		if event != uuid.Nil {
			note.Detail["event"] = event
		}
		return db.addAudit(ctx, tx, note)
	})
	if err != nil && !errors.Is(err, ErrErasurePending) {
		return nil, fmt.Errorf("opening a case of erasure: %w", err)
	}
	c, found := db.FindErasure(ctx, id)
	if found != nil {
		return nil, found
	}
	return c, err
}

// ErasureEvent is what a case has found.
type ErasureEvent struct {
	EventID      uuid.UUID
	Doubt        string // why it may not be the person's; "": it is
	Erase        *bool  // nil: to be decided
	DecidedBy    string
	Reason       string // of the decision
	Held         bool   // by a legal hold
	SourceID     int64  // 0, as the types: it is not there any more
	EntityType   string
	CallbackType string
}

// ReceivedAt is when the event arrived.
func (e ErasureEvent) ReceivedAt() time.Time { return receivedAt(e.EventID).UTC() }

// ErasureEvents returns what a case has found: what is to be decided first, then what else is doubtful, each newest first; at most limit.
func (db *DB) ErasureEvents(ctx context.Context, id int64, limit int) ([]ErasureEvent, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT e.event_id, e.doubt, e.erase, e.decided_by, e.reason, EXISTS (SELECT FROM retention_hold_events h WHERE h.event_id = e.event_id) AS held,
			coalesce(v.source_id, 0) AS source_id, coalesce(v.entity_type, '') AS entity_type, coalesce(v.callback_type, '') AS callback_type
		FROM (
			SELECT * FROM erasure_events WHERE case_id = $1 ORDER BY doubt = '', erase IS NOT NULL, event_id DESC LIMIT $2
		) e LEFT JOIN events v ON v.id = e.event_id
		ORDER BY e.doubt = '', e.erase IS NOT NULL, e.event_id DESC`, id, limit)
	if err == nil {
		var found []ErasureEvent
		if found, err = pgx.CollectRows(rows, pgx.RowToStructByName[ErasureEvent]); err == nil {
			return found, nil
		}
	}
	return nil, fmt.Errorf("reading what case %d has found: %w", id, err)
}

// ErasureChoice names doubtful events of a case: some, all of some doubts, or, where neither is said, all that are not decided yet.
type ErasureChoice struct {
	Events []uuid.UUID
	Doubts []string // as the case tells them
}

// DecideErasure decides on doubtful events of a case. Leaving them takes a reason.
func (db *DB) DecideErasure(ctx context.Context, id int64, of ErasureChoice, erase bool, reason string, note AuditEntry) error {
	reason = cleanReason(reason)
	if !erase && reason == "" {
		return ErrErasureReason
	}
	return db.changeErasure(ctx, id, func(tx pgx.Tx, c *ErasureCase) error {
		if c.State != ErasureOpen && c.State != ErasureWaiting {
			return ErrErasureState
		}
		tag, err := tx.Exec(ctx, `
			UPDATE erasure_events SET erase = $2, decided_by = $3, reason = $4
			WHERE case_id = $1 AND doubt <> '' AND (event_id = ANY($5) OR doubt = ANY($6) OR cardinality($5::uuid[]) + cardinality($6::text[]) = 0 AND erase IS NULL)`,
			id, erase, note.Actor, reason, orNone(of.Events), orNone(of.Doubts))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("a doubtful event of this case: %w", ErrNotFound)
		}
		note.Action, note.Subject, note.Reason = "erasure.decide", caseSubject(id), reason
		note.Detail = withDetail(withDetail(note.Detail, "events", tag.RowsAffected()), "erase", erase)
		return db.addAudit(ctx, tx, note)
	})
}

// orNone is a list that is not null.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// ConfirmErasure has a case run. ErrErasureDoubts, ErrErasureHeld, ErrErasureState.
func (db *DB) ConfirmErasure(ctx context.Context, id int64, reason string, note AuditEntry) error {
	return db.changeErasure(ctx, id, func(tx pgx.Tx, c *ErasureCase) error {
		if c.State != ErasureOpen && c.State != ErasureWaiting {
			return ErrErasureState
		}
		return db.startErasure(ctx, tx, c, reason, note)
	})
}

// startErasure begins to run a case whose doubts are decided and that nothing holds.
func (db *DB) startErasure(ctx context.Context, tx pgx.Tx, c *ErasureCase, reason string, note AuditEntry) error {
	var undecided, held int
	err := tx.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE erase IS NULL), count(*) FILTER (WHERE erase AND EXISTS (SELECT FROM retention_hold_events h WHERE h.event_id = e.event_id))
		FROM erasure_events e WHERE case_id = $1`, c.ID).Scan(&undecided, &held)
	switch {
	case err != nil:
		return err
	case undecided > 0:
		return ErrErasureDoubts
	case held > 0:
		return ErrErasureHeld
	}
	_, err = tx.Exec(ctx, `
		UPDATE erasure_cases SET state = 'running', step = $2, why = '', confirmed_by = $3, confirmed_at = $4, step_at = $4, state_since = $4,
			reason = CASE WHEN $5 = '' THEN reason ELSE reason || '; ' || $5 END
		WHERE id = $1`, c.ID, StepFind, note.Actor, db.Now(), cleanReason(reason))
	if err != nil {
		return err
	}
	note.Action, note.Subject, note.Reason = "erasure.confirm", caseSubject(c.ID), cleanReason(reason)
	note.Detail = withDetail(withDetail(note.Detail, "events", c.Found["events"]), "doubtful", c.Found["doubtful"])
	return db.addAudit(ctx, tx, note)
}

// CancelErasure ends a case of which nothing was destroyed yet. It forgets who it was about.
func (db *DB) CancelErasure(ctx context.Context, id int64, reason string, note AuditEntry) error {
	reason, err := needReason(reason)
	if err != nil {
		return err
	}
	return db.changeErasure(ctx, id, func(tx pgx.Tx, c *ErasureCase) error {
		if c.State != ErasureFinding && c.State != ErasureOpen && c.State != ErasureWaiting {
			return ErrErasureState
		}
		_, err := tx.Exec(ctx, `
			UPDATE erasure_cases SET state = 'cancelled', why = $3, person_sealed = NULL, finished_at = $2, state_since = $2, step_at = NULL WHERE id = $1`, id, db.Now(), reason)
		if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM erasure_events WHERE case_id = $1`, id)
		}
		if err != nil {
			return err
		}
		note.Action, note.Subject, note.Reason = "erasure.cancel", caseSubject(id), reason
		return db.addAudit(ctx, tx, note)
	})
}

// SearchErasure has a case look again.
func (db *DB) SearchErasure(ctx context.Context, id int64, note AuditEntry) error {
	return db.changeErasure(ctx, id, func(tx pgx.Tx, c *ErasureCase) error {
		if c.State != ErasureOpen && c.State != ErasureWaiting {
			return ErrErasureState
		}
		if _, err := tx.Exec(ctx, `UPDATE erasure_cases SET state = 'finding', step_at = $2, state_since = $2, why = '' WHERE id = $1`, id, db.Now()); err != nil {
			return err
		}
		note.Action, note.Subject = "erasure.search", caseSubject(id)
		return db.addAudit(ctx, tx, note)
	})
}

// changeErasure changes a case that nobody else changes meanwhile.
func (db *DB) changeErasure(ctx context.Context, id int64, change func(tx pgx.Tx, c *ErasureCase) error) error {
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		found, err := db.collectErasures(tx.Query(ctx, `SELECT `+erasureColumns+` FROM erasure_cases WHERE id = $1 FOR UPDATE`, id))
		if err != nil {
			return err
		}
		c, err := only(found, "the case")
		if err != nil {
			return err
		}
		return change(tx, c)
	})
	if err != nil {
		return fmt.Errorf("case %d: %w", id, err)
	}
	return nil
}
