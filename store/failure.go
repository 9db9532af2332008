package store

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/plenigo"
	"recall/verify"
)

// FailureState is what people have said of a failure group.
type FailureState string

const (
	FailureOpen         FailureState = "open"         // nobody has looked at it, or it came back after it was resolved
	FailureAcknowledged FailureState = "acknowledged" // somebody is at it
	FailureResolved     FailureState = "resolved"     // it should not come again; the next event opens it
)

// Failure is a group of rejected events that are one trouble: of one source, with one reason and likely cause, from one
// address.
type Failure struct {
	ID           int64
	SourceID     int64
	Source       string // slug
	Reason       verify.Reason
	Cause        verify.Cause // "" where none fits or none was looked for
	Sender       netip.Addr   // invalid: many addresses, or unknown
	State        FailureState
	ChangedBy    string
	ChangedAt    time.Time // zero: never
	Events       int64
	FirstEventID uuid.UUID
	LastEventID  uuid.UUID
	Hours        []FailureHour // the last day's, oldest first, hours without any left out
}

// FailureHour is one hour of a group.
type FailureHour struct {
	Hour   time.Time
	Events int64
}

// FirstSeen and LastSeen are when the first and the last event of the group arrived.
func (f *Failure) FirstSeen() time.Time { return (&Event{ID: f.FirstEventID}).ReceivedAt() }
func (f *Failure) LastSeen() time.Time  { return (&Event{ID: f.LastEventID}).ReceivedAt() }

// FailureQuery chooses failure groups.
type FailureQuery struct {
	States []FailureState // none: all
	Source string         // slug; "": all
	ID     int64          // 0: all
	Limit  int            // 100 when 0
}

// ListFailures returns groups, those with the newest event first.
func (db *DB) ListFailures(ctx context.Context, q FailureQuery) ([]Failure, error) {
	if q.Limit == 0 {
		q.Limit = 100
	}
	states := make([]string, len(q.States))
	for i, s := range q.States {
		states[i] = string(s)
	}
	rows, err := db.pool.Query(ctx, `
		SELECT g.id, g.source_id, coalesce(s.slug, '') AS source, g.reason, g.cause, g.sender, g.state, g.changed_by, g.changed_at, g.events,
			g.first_event_id, g.last_event_id, h.hours, h.counts
		FROM failure_groups g
		LEFT JOIN sources s ON s.id = g.source_id
		CROSS JOIN LATERAL (
			SELECT array_agg(hour ORDER BY hour) AS hours, array_agg(events ORDER BY hour) AS counts
			FROM failure_hours WHERE group_id = g.id AND hour > $5) AS h
		WHERE (cardinality($1::text[]) = 0 OR g.state::text = ANY($1)) AND ($2 = '' OR s.slug = $2) AND ($3 = 0 OR g.id = $3)
		ORDER BY g.last_event_id DESC
		LIMIT $4`, states, plenigo.Clean(q.Source), q.ID, q.Limit, db.Now().Add(-24*time.Hour))
	if err != nil {
		return nil, fmt.Errorf("listing failures: %w", err)
	}
	failures, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Failure, error) {
		var f Failure
		var sender *netip.Addr
		var changedAt *time.Time
		var hours []time.Time
		var counts []int64
		err := row.Scan(&f.ID, &f.SourceID, &f.Source, &f.Reason, &f.Cause, &sender, &f.State, &f.ChangedBy, &changedAt, &f.Events,
			&f.FirstEventID, &f.LastEventID, &hours, &counts)
		if sender != nil {
			f.Sender = *sender
		}
		if changedAt != nil {
			f.ChangedAt = *changedAt
		}
		for i, hour := range hours {
			f.Hours = append(f.Hours, FailureHour{hour, counts[i]})
		}
		return f, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing failures: %w", err)
	}
	return failures, nil
}

// FindFailure returns one group, or ErrNotFound.
func (db *DB) FindFailure(ctx context.Context, id int64) (*Failure, error) {
	found, err := db.ListFailures(ctx, FailureQuery{ID: id, Limit: 1})
	if err != nil {
		return nil, err
	}
	if id == 0 || len(found) == 0 {
		return nil, ErrNotFound
	}
	return &found[0], nil
}

// CountOpenFailures is for the mark in the navigation; it counts to 100 at most.
func (db *DB) CountOpenFailures(ctx context.Context) (n int, err error) {
	err = db.pool.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM failure_groups WHERE state = 'open' LIMIT 100) AS open`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting open failures: %w", err)
	}
	return n, nil
}

// SetFailureState records what a person says of a group, with an audit entry. ErrNotFound.
func (db *DB) SetFailureState(ctx context.Context, id int64, state FailureState, by, reason string) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var was FailureState
		err := tx.QueryRow(ctx, `
			UPDATE failure_groups AS g SET state = $2, changed_by = $3, changed_at = $4
			FROM (SELECT id, state FROM failure_groups WHERE id = $1 FOR UPDATE) AS old
			WHERE g.id = old.id
			RETURNING old.state`, id, state, by, db.Now()).Scan(&was)
		if err == pgx.ErrNoRows {
			return ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("changing a failure's state: %w", err)
		}
		return db.AddAuditTx(ctx, tx, AuditEntry{
			At: db.Now(), Actor: by, Action: "failure." + string(state), Subject: fmt.Sprint(id), Reason: reason,
			Detail: map[string]any{"before": was, "after": state},
		})
	})
}
