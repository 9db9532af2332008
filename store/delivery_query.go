package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// ErrFinished: the delivery succeeded, is exhausted or was cancelled already.
var ErrFinished = errors.New("delivery is finished")

// CreateDeliveriesTx inserts deliveries in the caller's transaction, and returns those that were new: an automatic one
// that is there already is left out. Where they are not set, ID, CreatedAt and State (pending) are filled in. What is
// pending is due at once.
func (db *DB) CreateDeliveriesTx(ctx context.Context, tx pgx.Tx, ds []*Delivery) ([]*Delivery, error) {
	if len(ds) == 0 {
		return nil, nil
	}
	n := len(ds)
	eventIDs, deliveryIDs, destinationIDs, replays, created := make(uuids, n), make(uuids, n), make(bigints, n), make(bigints, n), make(timestamps, n)
	triggers, states, requestedBy, reasons, entities := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, d := range ds {
		if d.CreatedAt.IsZero() {
			d.CreatedAt = db.Now().UTC().Truncate(time.Microsecond) // as precise as PostgreSQL keeps it
		}
		switch {
		case d.ID != uuid.Nil:
		case d.Trigger == TriggerAutomatic:
			d.ID = automaticID(d.EventID, d.DestinationID)
		default:
			d.ID = newIDAt(d.CreatedAt)
		}
		if d.State == "" {
			d.State = DeliveryPending
		}
		eventIDs[i], deliveryIDs[i] = nullID(d.EventID), nullID(d.ID)
		destinationIDs[i] = pgtype.Int8{Int64: d.DestinationID, Valid: true}
		replays[i] = pgtype.Int8{Int64: d.ReplayID, Valid: true}
		created[i] = pgtype.Timestamptz{Time: d.CreatedAt, Valid: true}
		triggers[i], states[i], entities[i] = string(d.Trigger), string(d.State), validText(d.Entity)
		requestedBy[i], reasons[i] = validText(d.RequestedBy), validText(d.Reason)
	}
	rows, err := tx.Query(ctx, `
		INSERT INTO deliveries (event_id, id, destination_id, trigger, state, requested_by, reason, created_at, entity, next_attempt_at, replay_id)
		SELECT event_id, id, destination_id, trigger::delivery_trigger, state::delivery_state, requested_by, reason, created_at,
			nullif(entity, ''), CASE WHEN state IN ('pending', 'sending', 'waiting') THEN created_at END, nullif(replay_id, 0)
		FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::text[], $10::bigint[])
		AS t (event_id, id, destination_id, trigger, state, requested_by, reason, created_at, entity, replay_id)
		ON CONFLICT (event_id, id) DO NOTHING
		RETURNING id`,
		eventIDs, deliveryIDs, destinationIDs, triggers, states, requestedBy, reasons, created, entities, replays)
	if err != nil {
		return nil, fmt.Errorf("creating deliveries: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("creating deliveries: %w", err)
	}
	if len(ids) == n {
		return ds, nil
	}
	isNew := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		isNew[id] = true
	}
	var fresh []*Delivery
	for _, d := range ds {
		switch {
		case isNew[d.ID]:
			fresh = append(fresh, d)
			delete(isNew, d.ID)
		case d.Trigger != TriggerAutomatic:
			return nil, fmt.Errorf("creating delivery %s: %w", d.ID, ErrExists)
		}
	}
	return fresh, nil
}

// automaticID makes the id of an automatic delivery of its event's and its destination's: there is one, however often its
// batch is tried. It is a UUIDv7 of the event's time.
func automaticID(event uuid.UUID, destination int64) uuid.UUID {
	id := uuid.NewSHA1(event, strconv.AppendInt([]byte("automatic delivery to "), destination, 10))
	copy(id[:6], event[:6])
	id[6] = id[6]&0x0f | 0x70
	return id
}

// newIDAt makes a UUIDv7 of a time.
func newIDAt(t time.Time) uuid.UUID {
	id := IDAt(t)
	rand.Read(id[6:]) // never fails
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// validText makes a text fit for a column: a destination may answer anything.
func validText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// FindDelivery returns a delivery without its attempts, or ErrNotFound.
func (db *DB) FindDelivery(ctx context.Context, eventID, deliveryID uuid.UUID) (*Delivery, error) {
	rows, err := db.pool.Query(ctx, deliverySelect+`
		WHERE d.event_id = $1 AND d.id = $2`, eventID, deliveryID)
	if err != nil {
		return nil, fmt.Errorf("delivery %s: %w", deliveryID, err)
	}
	d, err := pgx.CollectExactlyOneRow(rows, scanDelivery)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("delivery %s: %w", deliveryID, err)
	}
	return d, nil
}

// maxDeliveries bounds what is shown of an event that is sent again and again.
const maxDeliveries = 200

// ListDeliveries returns an event's deliveries with their attempts, newest delivery first; of more than 200 the newest.
func (db *DB) ListDeliveries(ctx context.Context, eventID uuid.UUID) ([]*Delivery, error) {
	var deliveries []*Delivery
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, deliverySelect+`
			WHERE d.event_id = $1
			ORDER BY d.created_at DESC, d.id DESC
			LIMIT $2`, eventID, maxDeliveries)
		if err != nil {
			return err
		}
		if deliveries, err = pgx.CollectRows(rows, scanDelivery); err != nil || len(deliveries) == 0 {
			return err
		}
		return addHistory(ctx, tx, eventID, deliveries)
	})
	if err != nil {
		return nil, fmt.Errorf("deliveries of event %s: %w", eventID, err)
	}
	return deliveries, nil
}

// deliverySelect is the one SELECT of deliveries, up to its WHERE. A removed destination still has its name.
const deliverySelect = `
	SELECT d.event_id, d.id, d.destination_id, coalesce(t.name, ''), d.trigger, d.state, d.attempts, d.requested_by, d.reason,
		d.created_at, d.next_attempt_at, d.finished_at, coalesce(d.last_status, 0), d.last_error, d.tries, d.attempt_at, coalesce(d.entity, ''), coalesce(d.replay_id, 0)
	FROM deliveries d
	LEFT JOIN destinations t ON t.id = d.destination_id`

func scanDelivery(row pgx.CollectableRow) (*Delivery, error) {
	var d Delivery
	var next, finished, attempt *time.Time
	err := row.Scan(&d.EventID, &d.ID, &d.DestinationID, &d.Destination, &d.Trigger, &d.State, &d.Attempts, &d.RequestedBy, &d.Reason,
		&d.CreatedAt, &next, &finished, &d.LastStatus, &d.LastError, &d.Tries, &attempt, &d.Entity, &d.ReplayID)
	d.CreatedAt = d.CreatedAt.UTC()
	d.FinishedAt, d.AttemptAt = orZero(finished).UTC(), orZero(attempt).UTC()
	switch d.State {
	case DeliveryWaiting:
		d.NextAttemptAt = orZero(next).UTC()
		d.Held = next == nil
	case DeliveryPending:
		d.Held = next == nil
	}
	return &d, err
}

// cancelAtOnce is for how many events deliveries are cancelled in one statement.
const cancelAtOnce = 1000

// CancelDeliveries ends the open deliveries to a destination that was removed, in small batches, and returns how many
// there were. A try that is under way is still recorded when it ends. Calling it again goes on where it was stopped.
func (db *DB) CancelDeliveries(ctx context.Context, destinationID int64) (int64, error) {
	var cancelled int64
	for {
		n, more, err := db.cancelSome(ctx, destinationID)
		if err != nil {
			return cancelled, fmt.Errorf("cancelling the deliveries to destination %d: %w", destinationID, err)
		}
		cancelled += n
		if !more {
			return cancelled, nil
		}
	}
}

// cancelSome looks first and writes then: joined in one statement, PostgreSQL reads the whole table for each batch.
func (db *DB) cancelSome(ctx context.Context, destinationID int64) (cancelled int64, more bool, err error) {
	rows, err := db.pool.Query(ctx, `
		SELECT event_id FROM deliveries
		WHERE destination_id = $1 AND state IN ('pending', 'sending', 'waiting')
		LIMIT $2`, destinationID, cancelAtOnce)
	if err != nil {
		return 0, false, err
	}
	events, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil || len(events) == 0 {
		return 0, false, err
	}
	done, err := db.pool.Exec(ctx, `
		UPDATE deliveries
		SET state = 'cancelled', next_attempt_at = NULL, finished_at = $3
		WHERE event_id = ANY($2) AND destination_id = $1 AND state IN ('pending', 'sending', 'waiting')`,
		destinationID, events, db.Now())
	return done.RowsAffected(), err == nil, err
}
