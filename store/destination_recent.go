package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// recentDeliveries is among how many deliveries, of the newest events, those of one destination are looked for.
const recentDeliveries = 5000

// LastAttempt is the last try of a delivery.
type LastAttempt struct {
	EventID    uuid.UUID
	DeliveryID uuid.UUID
	State      DeliveryState // of the delivery
	Trigger    Trigger
	EntityType string
	Callback   string
	Number     int
	StartedAt  time.Time
	Duration   time.Duration // negative: begun and never ended
	Status     int           // 0: no answer
	Error      string
}

// LastAttempts returns the last attempts to a destination, newest first, one of each delivery: of what is open or
// exhausted, and of what was delivered of the newest events.
func (db *DB) LastAttempts(ctx context.Context, destinationID int64, limit int) ([]LastAttempt, error) {
	var list []LastAttempt
	err := db.read(ctx, func(tx pgx.Tx) error {
		// Each part is bounded by itself: whatever waits, or was ever delivered, costs no more.
		rows, err := tx.Query(ctx, `
			WITH newest AS (
				SELECT event_id, id, destination_id FROM deliveries ORDER BY event_id DESC LIMIT @look
			), found AS (
				(SELECT event_id, id FROM newest WHERE destination_id = @destination ORDER BY event_id DESC LIMIT @limit)
				UNION (SELECT event_id, id FROM deliveries WHERE destination_id = @destination AND state = 'exhausted' ORDER BY id DESC LIMIT @limit)
				UNION (SELECT event_id, id FROM deliveries WHERE destination_id = @destination AND state = 'waiting' LIMIT @limit)
				UNION (SELECT event_id, id FROM deliveries WHERE destination_id = @destination AND state = 'sending' LIMIT @limit)
			)
			SELECT d.event_id, d.id, d.state, d.trigger, coalesce(e.entity_type, ''), coalesce(e.callback_type, ''),
				a.number, a.started_at, coalesce(a.duration_ms, -1), coalesce(a.status, 0), a.error
			FROM found f
			JOIN deliveries d ON d.event_id = f.event_id AND d.id = f.id
			LEFT JOIN events e ON e.id = f.event_id
			CROSS JOIN LATERAL (
				SELECT * FROM attempts
				WHERE event_id = f.event_id AND delivery_id = f.id
				ORDER BY number DESC LIMIT 1
			) a
			ORDER BY a.started_at DESC, d.id DESC
			LIMIT @limit`, pgx.NamedArgs{"destination": destinationID, "look": recentDeliveries, "limit": limit})
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a LastAttempt, err error) {
			var millis int64
			err = row.Scan(&a.EventID, &a.DeliveryID, &a.State, &a.Trigger, &a.EntityType, &a.Callback,
				&a.Number, &a.StartedAt, &millis, &a.Status, &a.Error)
			a.StartedAt, a.Duration = a.StartedAt.UTC(), time.Duration(millis)*time.Millisecond
			return a, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("last attempts to destination %d: %w", destinationID, err)
	}
	return list, nil
}

// RulePreview is what a matching rule would have sent.
type RulePreview struct {
	Events  int // accepted ones that were looked at
	Matched int
	Newest  []PreviewEvent // a few of those that matched
}

// PreviewEvent is one of them.
type PreviewEvent struct {
	ID                       uuid.UUID
	Source                   string // slug
	EntityType, CallbackType string
}

// Trial is a test request to a destination, marked as one, and what came of it. It is no delivery of an event.
type Trial struct {
	Attempt
	Method string
	Body   []byte
}

// Succeeded tells whether a delivery would have.
func (t *Trial) Succeeded() bool { return t.Error == "" && t.Status >= 200 && t.Status < 300 }

const (
	recentLook  = 50_000 // events that are looked at for accepted ones
	recentBatch = 50     // events that are held in memory at once
)

// EachAccepted visits the last accepted events, newest first, at most n: whole ones, as a matching rule sees them, with the
// slug of their source. It stops at the visitor's error, and returns how many there were.
func (db *DB) EachAccepted(ctx context.Context, n int, visit func(e *Event, source string) error) (seen int, err error) {
	err = db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT id FROM (SELECT id, verdict FROM events ORDER BY id DESC LIMIT $1) e
			WHERE verdict IN ('verified', 'late') LIMIT $2`, recentLook, n)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return err
		}
		for len(ids) > 0 {
			batch := ids[:min(recentBatch, len(ids))]
			ids = ids[len(batch):]
			if err := eachOf(ctx, tx, batch, visit); err != nil {
				return err
			}
			seen += len(batch)
		}
		return nil
	})
	if err != nil {
		return seen, fmt.Errorf("looking at the last events: %w", err)
	}
	return seen, nil
}

func eachOf(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, visit func(*Event, string) error) error {
	rows, err := tx.Query(ctx, `
		SELECT e.id, e.source_id, coalesce(s.slug, ''), e.verification, e.answered, e.repeat_of, e.sender, e.header, e.body, e.size,
			e.is_json, e.entity_type, e.callback_type, e.entity_id, e.api_version, e.unexpected_type,
			e.customers
		FROM events e LEFT JOIN sources s ON s.id = e.source_id
		WHERE e.id = ANY($1)
		ORDER BY e.id DESC`, ids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		e := &Event{}
		var (
			source               string
			verification, header []byte
			repeatOf             *uuid.UUID
			sender               *netip.Addr
			customers            string
		)
		err := rows.Scan(&e.ID, &e.SourceID, &source, &verification, &e.Answered, &repeatOf, &sender, &header, &e.Body, &e.Size,
			&e.Envelope.IsJSON, &e.Envelope.EntityType, &e.Envelope.CallbackType, &e.Envelope.EntityID, &e.APIVersion, &e.UnexpectedType,
			&customers)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(verification, &e.Verification); err != nil {
			return fmt.Errorf("reading the verification of event %s: %w", e.ID, err)
		}
		if e.Header, err = decodeHeader(header); err != nil {
			return err
		}
		e.RepeatOf, e.Sender = orZero(repeatOf), orZero(sender)
		if e.Envelope.Customers, err = decodeCustomers(customers); err != nil {
			return err
		}
		if err := visit(e, source); err != nil {
			return err
		}
	}
	return rows.Err()
}
