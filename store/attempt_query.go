package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// BeginAttempt records that a try begins, before anything is sent, and gives it its number; a zero StartedAt becomes
// now. A delivery that is finished gives ErrFinished, one that does not exist ErrNotFound.
//
// A delivery that is being sent may begin another try: the one before may have died with its process.
func (db *DB) BeginAttempt(ctx context.Context, eventID, deliveryID uuid.UUID, a *Attempt) error {
	if a.StartedAt.IsZero() {
		a.StartedAt = db.Now().UTC()
	}
	err := db.pool.QueryRow(ctx, `
		WITH delivery AS (
			UPDATE deliveries
			SET state = 'sending', attempts = attempts + 1, next_attempt_at = NULL
			WHERE event_id = @event AND id = @delivery AND state IN ('pending', 'sending', 'waiting')
			RETURNING attempts
		)
		INSERT INTO attempts (event_id, delivery_id, number, started_at, request_url, request_header)
		SELECT @event, @delivery, attempts, @started_at, @url, @header FROM delivery
		RETURNING number`,
		pgx.NamedArgs{
			"event": eventID, "delivery": deliveryID, "started_at": a.StartedAt,
			"url": validText(a.RequestURL), "header": encodeHeader(a.RequestHeader),
		}).Scan(&a.Number)
	if errors.Is(err, pgx.ErrNoRows) {
		if _, err = db.FindDelivery(ctx, eventID, deliveryID); err == nil {
			err = ErrFinished
		}
	}
	if err != nil {
		return fmt.Errorf("beginning an attempt of delivery %s: %w", deliveryID, err)
	}
	return nil
}

// EndAttempt records how a try ended and where the delivery stands now; next is set when it is waiting. An attempt that
// was never begun gives ErrNotFound.
//
// The attempt is always recorded. The delivery keeps its state where it was cancelled or finished meanwhile, and where a
// later try has begun, which then decides, unless this one succeeded.
func (db *DB) EndAttempt(ctx context.Context, eventID, deliveryID uuid.UUID, a *Attempt, state DeliveryState, next time.Time) error {
	var nextAt, finishedAt *time.Time
	switch state {
	case DeliveryWaiting:
		nextAt = orNull(next, time.Time{})
	case DeliverySucceeded, DeliveryExhausted, DeliveryCancelled:
		now := db.Now()
		finishedAt = &now
	default:
		return fmt.Errorf("ending an attempt of delivery %s: it cannot be %q afterwards", deliveryID, state)
	}
	var responseHeader []byte // NULL where there was no answer
	if a.ResponseHeader != nil {
		responseHeader = encodeHeader(a.ResponseHeader)
	}
	var recorded int
	err := db.pool.QueryRow(ctx, `
		WITH attempt AS (
			UPDATE attempts
			SET duration_ms = @duration, status = @status, response_header = @header, response_body = @body,
				response_truncated = @truncated, error = @error
			WHERE event_id = @event AND delivery_id = @delivery AND number = @number
			RETURNING number
		), delivery AS (
			UPDATE deliveries
			SET state = @state, last_status = coalesce(@status, last_status), last_error = @error,
				next_attempt_at = @next, finished_at = @finished
			WHERE event_id = @event AND id = @delivery AND state IN ('pending', 'sending', 'waiting')
			AND (attempts = @number OR @succeeded)
			AND EXISTS (SELECT FROM attempt)
		)
		SELECT count(*) FROM attempt`,
		pgx.NamedArgs{
			"event": eventID, "delivery": deliveryID, "number": a.Number,
			"duration": min(max(a.Duration.Milliseconds(), 0), math.MaxInt32), "status": orNull(smallint(a.Status), 0),
			"header": responseHeader, "body": a.ResponseBody, "truncated": a.ResponseTruncated, "error": validText(a.Error),
			"state": state, "succeeded": state == DeliverySucceeded, "next": nextAt, "finished": finishedAt,
		}).Scan(&recorded)
	if err == nil && recorded == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("ending attempt %d of delivery %s: %w", a.Number, deliveryID, err)
	}
	return nil
}

// smallint keeps a status within its column: a destination may answer anything.
func smallint(status int) int16 { return int16(min(max(status, 0), math.MaxInt16)) }

// addHistory fills in the attempts of an event's deliveries, oldest first.
func addHistory(ctx context.Context, tx pgx.Tx, eventID uuid.UUID, deliveries []*Delivery) error {
	at := make(map[uuid.UUID]*Delivery, len(deliveries))
	ids := make([]uuid.UUID, len(deliveries))
	for i, d := range deliveries {
		at[d.ID], ids[i] = d, d.ID
	}
	rows, err := tx.Query(ctx, `
		SELECT delivery_id, number, started_at, coalesce(duration_ms, -1), request_url, request_header, coalesce(status, 0),
			response_header, response_body, response_truncated, error
		FROM attempts
		WHERE event_id = $1 AND delivery_id = ANY($2)
		ORDER BY delivery_id, number`, eventID, ids)
	if err != nil {
		return fmt.Errorf("attempts: %w", err)
	}
	var (
		id                            uuid.UUID
		a                             Attempt
		millis                        int64
		requestHeader, responseHeader []byte
	)
	columns := []any{&id, &a.Number, &a.StartedAt, &millis, &a.RequestURL, &requestHeader, &a.Status,
		&responseHeader, &a.ResponseBody, &a.ResponseTruncated, &a.Error}
	_, err = pgx.ForEachRow(rows, columns, func() (err error) {
		a.StartedAt = a.StartedAt.UTC()
		a.Duration = time.Duration(millis) * time.Millisecond
		if a.RequestHeader, err = decodeHeader(requestHeader); err != nil {
			return err
		}
		a.ResponseHeader = nil
		if responseHeader != nil {
			if a.ResponseHeader, err = decodeHeader(responseHeader); err != nil {
				return err
			}
		}
		at[id].History = append(at[id].History, a)
		return nil
	})
	if err != nil {
		return fmt.Errorf("attempts: %w", err)
	}
	return nil
}

// orNull is a column's value, NULL for the zero one.
func orNull[T comparable](v, zero T) *T {
	if v == zero {
		return nil
	}
	return &v
}
