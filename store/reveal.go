package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/plenigo"
)

// RevealScope says of what the hidden values are shown.
type RevealScope string

const (
	RevealEvent    RevealScope = "event"    // Subject is its id
	RevealEntity   RevealScope = "entity"   // TYPE/id, the type in capitals
	RevealCustomer RevealScope = "customer" // the customer's id: every event that names them
)

// Reveal shows what masking hides of something to who is logged in by one session, until a time.
type Reveal struct {
	ID      int64
	Scope   RevealScope
	Subject string
	Secrets bool // what is secret too
	Until   time.Time
}

// ActionReveal is how the audit list calls a reveal: of an event, an entity or a customer.
func (s RevealScope) ActionReveal() string { return string(s) + ".reveal" }

// CreateReveal begins a reveal, and notes in the same transaction who sees what, why, and until when. One of the same thing
// that is under way is replaced.
func (db *DB) CreateReveal(ctx context.Context, session int64, r Reveal, note AuditEntry) error {
	r.Subject = plenigo.Clean(r.Subject)
	note.Action, note.Subject = r.Scope.ActionReveal(), r.Subject
	detail := map[string]any{"until": r.Until.UTC().Format(time.RFC3339), "secrets": r.Secrets}
	for name, value := range note.Detail {
		detail[name] = value
	}
	note.Detail = detail
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM reveals WHERE session_id = $1 AND scope = $2 AND subject = $3`, session, r.Scope, r.Subject); err != nil {
			return fmt.Errorf("revealing what is hidden: %w", err)
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO reveals (session_id, scope, subject, secrets, until) VALUES ($1, $2, $3, $4, $5)`,
			session, r.Scope, r.Subject, r.Secrets, r.Until)
		if err != nil {
			return fmt.Errorf("revealing what is hidden: %w", err)
		}
		return db.addAudit(ctx, tx, note)
	})
}

// ListReveals returns what is revealed to a session now, the one that lasts longest first.
func (db *DB) ListReveals(ctx context.Context, session int64) ([]Reveal, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT id, scope, subject, secrets, until FROM reveals
		WHERE session_id = $1 AND until > $2
		ORDER BY until DESC, id DESC`, session, db.Now())
	if err != nil {
		return nil, fmt.Errorf("asking what is revealed: %w", err)
	}
	reveals, err := pgx.CollectRows(rows, pgx.RowToStructByName[Reveal])
	if err != nil {
		return nil, fmt.Errorf("asking what is revealed: %w", err)
	}
	for i := range reveals {
		reveals[i].Until = reveals[i].Until.UTC()
	}
	return reveals, nil
}

// EndReveal hides again what a session has revealed, and notes in the same transaction since when it cannot be seen any more;
// one that has ended already is no error.
func (db *DB) EndReveal(ctx context.Context, session, id int64, note AuditEntry) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var scope RevealScope
		err := tx.QueryRow(ctx, `DELETE FROM reveals WHERE session_id = $1 AND id = $2 AND until > $3 RETURNING scope, subject`, session, id, db.Now()).Scan(&scope, &note.Subject)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("hiding again: %w", err)
		}
		note.Action = string(scope) + ".hide"
		return db.addAudit(ctx, tx, note)
	})
}

// Covers tells whether a reveal is of an event, by its id, its entity or a customer whom it names.
func (r Reveal) Covers(e *Event) bool {
	switch r.Scope {
	case RevealEvent:
		return e.ID != uuid.Nil && r.Subject == e.ID.String()
	case RevealEntity:
		return e.Envelope.EntityID != "" && r.Subject == EntitySubject(e.Envelope.EntityType, e.Envelope.EntityID)
	case RevealCustomer:
		for _, c := range e.Envelope.Customers {
			if c.CustomerID == r.Subject {
				return true
			}
		}
	}
	return false
}

// EntitySubject names an entity in a reveal and in the audit list.
func EntitySubject(entityType, id string) string { return asciiUpper(entityType) + "/" + id }

// NoteView notes in the audit list that somebody saw what a note says: once per actor, action, subject and hour, so that the list is not
// flooded by who reads. It is to be called before anything is shown.
func (db *DB) NoteView(ctx context.Context, note AuditEntry) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO payload_views (actor, subject, hour) VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING`, plenigo.Clean(note.Actor), plenigo.Clean(note.Action+" "+note.Subject), db.Now().UTC().Truncate(time.Hour))
		if err != nil {
			return fmt.Errorf("noting a view: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return nil
		}
		return db.addAudit(ctx, tx, note)
	})
}
