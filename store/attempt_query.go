package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgtype/zeronull"
)

// EndedAttempt is an attempt of a claimed delivery that has ended, and where the delivery stands now.
type EndedAttempt struct {
	*Delivery
	Attempt *Attempt      // nil: none was made, the delivery is given back
	State   DeliveryState // waiting, succeeded, exhausted or cancelled; without an attempt it is what it was before
	Next    time.Time     // when it is due again, while it is waiting or where it is given back; zero: at once
	Counts  bool          // as one of its tries
	Health  bool          // counts for its destination's health
}

func (e *EndedAttempt) open() bool { return e.Attempt == nil || e.State == DeliveryWaiting }

// ErrRefused: the database does not take it, however often it is asked.
var ErrRefused = errors.New("the database does not take it")

// EndAttempts records in one transaction how attempts ended and where their deliveries stand now. It returns, of the
// destinations that one failed at, how they have done of late, and one error per attempt, nil where it is recorded.
// One bad attempt, with ErrRefused, never fails the others. Said twice it is said once.
//
// An attempt is always recorded. Its delivery keeps its state where it was cancelled or finished meanwhile, and where a
// later attempt has begun, which then decides, unless this one succeeded.
func (db *DB) EndAttempts(ctx context.Context, ended []*EndedAttempt) (failures map[int64]LaneFailures, errs []error) {
	errs = make([]error, len(ended))
	failures, err := db.endAttempts(ctx, ended)
	switch {
	case err == nil:
	case len(ended) > 1 && refused(err):
		half := len(ended) / 2
		var second map[int64]LaneFailures
		failures, errs = db.EndAttempts(ctx, ended[:half])
		second, more := db.EndAttempts(ctx, ended[half:])
		maps.Copy(failures, second)
		return failures, append(errs, more...)
	case refused(err):
		errs[0] = fmt.Errorf("ending an attempt of delivery %s: %w: %w", ended[0].ID, ErrRefused, err)
	default:
		for i, e := range ended {
			errs[i] = fmt.Errorf("ending an attempt of delivery %s: %w", e.ID, err)
		}
	}
	return failures, errs
}

func (db *DB) endAttempts(ctx context.Context, ended []*EndedAttempt) (failures map[int64]LaneFailures, err error) {
	now := db.Now()
	failures = map[int64]LaneFailures{}
	var attempts attemptColumns
	var back backColumns
	var ordered orderColumns
	health := map[int64]*laneHealth{}
	for _, e := range ended {
		if !e.open() && e.Entity != "" {
			ordered.add(e)
		}
		if e.Attempt == nil {
			back.add(e, now)
			continue
		}
		switch e.State {
		case DeliveryWaiting, DeliverySucceeded, DeliveryExhausted, DeliveryCancelled:
		default:
			return failures, fmt.Errorf("delivery %s cannot be %q afterwards", e.ID, e.State)
		}
		attempts.add(e, now)
		if e.Health {
			h := health[e.DestinationID]
			if h == nil {
				h = &laneHealth{}
				health[e.DestinationID] = h
			}
			h.add(e.State == DeliverySucceeded)
		}
	}
	batch := &pgx.Batch{}
	ordered.lock(batch) // before all others, as claims do
	attempts.queue(batch)
	back.queue(batch)
	queueLookAgain(batch, attempts.event, now)
	ordered.release(batch, now)
	queueHealth(batch, health, failures, now)
	return failures, db.sending.SendBatch(ctx, batch).Close() // one transaction
}

// attemptColumns are attempts column by column, as unnest takes them.
type attemptColumns struct {
	event, delivery                             uuids
	number, duration, counts                    []int32
	url, failure, state                         []string
	requestHeader, responseHeader, responseBody byteas
	status                                      pgtype.FlatArray[pgtype.Int2]
	truncated                                   []bool
	startedAt, next, finished                   timestamps
}

func (c *attemptColumns) add(e *EndedAttempt, now time.Time) {
	a := e.Attempt
	var responseHeader []byte // NULL where there was no answer
	if a.ResponseHeader != nil {
		responseHeader = encodeHeader(a.ResponseHeader)
	}
	var next, finished pgtype.Timestamptz
	switch {
	case !e.open():
		finished = pgtype.Timestamptz{Time: now, Valid: true}
	case e.Next.IsZero():
		next = pgtype.Timestamptz{Time: now, Valid: true}
	default:
		next = pgtype.Timestamptz{Time: e.Next, Valid: true}
	}
	var counts int32
	if e.Counts {
		counts = 1
	}
	c.event, c.delivery = append(c.event, nullID(e.EventID)), append(c.delivery, nullID(e.ID))
	c.number, c.counts = append(c.number, int32(a.Number)), append(c.counts, counts)
	c.duration = append(c.duration, int32(min(max(a.Duration.Milliseconds(), 0), math.MaxInt32)))
	c.startedAt = append(c.startedAt, pgtype.Timestamptz{Time: a.StartedAt, Valid: true})
	c.url, c.failure, c.state = append(c.url, validText(a.RequestURL)), append(c.failure, validText(a.Error)), append(c.state, string(e.State))
	c.requestHeader = append(c.requestHeader, encodeHeader(a.RequestHeader))
	c.responseHeader, c.responseBody = append(c.responseHeader, responseHeader), append(c.responseBody, a.ResponseBody)
	c.status = append(c.status, pgtype.Int2{Int16: smallint(a.Status), Valid: a.Status != 0})
	c.truncated = append(c.truncated, a.ResponseTruncated)
	c.next, c.finished = append(c.next, next), append(c.finished, finished)
}

// queue writes the attempts, each once and whole, and then the deliveries.
func (c *attemptColumns) queue(batch *pgx.Batch) {
	if len(c.event) == 0 {
		return
	}
	batch.Queue(`
		INSERT INTO attempts (event_id, delivery_id, number, started_at, duration_ms, request_url, request_header, status,
			response_header, response_body, response_truncated, error)
		SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::timestamptz[], $5::integer[], $6::text[], $7::bytea[], $8::smallint[],
			$9::bytea[], $10::bytea[], $11::boolean[], $12::text[])
			AS a (event_id, delivery_id, number, started_at, duration_ms, request_url, request_header, status, response_header, response_body, response_truncated, error)
		WHERE NOT EXISTS (SELECT FROM erased_events x WHERE x.event_id = a.event_id) -- it was erased while it was sent
		ON CONFLICT (event_id, delivery_id, number) DO UPDATE -- it was taken for lost meanwhile
		SET started_at = EXCLUDED.started_at, duration_ms = EXCLUDED.duration_ms, request_url = EXCLUDED.request_url,
			request_header = EXCLUDED.request_header, status = EXCLUDED.status, response_header = EXCLUDED.response_header,
			response_body = EXCLUDED.response_body, response_truncated = EXCLUDED.response_truncated, error = EXCLUDED.error`,
		c.event, c.delivery, c.number, c.startedAt, c.duration, c.url, c.requestHeader, c.status,
		c.responseHeader, c.responseBody, c.truncated, c.failure)
	batch.Queue(`
		UPDATE deliveries d
		SET state = e.state::delivery_state, tries = d.tries + e.counts, last_status = coalesce(e.status, d.last_status),
			last_error = e.error, next_attempt_at = e.next, finished_at = e.finished
		FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[], $5::integer[], $6::smallint[], $7::text[], $8::timestamptz[],
			$9::timestamptz[])
		AS e (event_id, id, number, state, counts, status, error, next, finished)
		WHERE d.event_id = e.event_id AND d.id = e.id AND d.event_id = ANY($1) -- by its key in any plan
		AND (d.state = 'sending' AND d.attempts = e.number OR e.state = 'succeeded' AND d.state IN ('pending', 'sending', 'waiting'))`,
		c.event, c.delivery, c.number, c.state, c.counts, c.status, c.failure, c.next, c.finished)
}

// backColumns are deliveries that are given back unsent, as if they had never been claimed.
type backColumns struct {
	event, delivery uuids
	number          []int32
	next            timestamps
}

func (c *backColumns) add(e *EndedAttempt, now time.Time) {
	next := e.Next
	if next.IsZero() {
		next = now
	}
	c.event, c.delivery = append(c.event, nullID(e.EventID)), append(c.delivery, nullID(e.ID))
	c.number, c.next = append(c.number, int32(e.Attempts)), append(c.next, pgtype.Timestamptz{Time: next, Valid: true})
}

func (c *backColumns) queue(batch *pgx.Batch) {
	if len(c.event) == 0 {
		return
	}
	batch.Queue(`
		UPDATE deliveries d
		SET state = (CASE WHEN d.attempts > 1 THEN 'waiting' ELSE 'pending' END)::delivery_state, attempts = d.attempts - 1,
			next_attempt_at = e.next
		FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::timestamptz[]) AS e (event_id, id, number, next)
		WHERE d.event_id = e.event_id AND d.id = e.id AND d.event_id = ANY($1) AND d.state = 'sending' AND d.attempts = e.number`,
		c.event, c.delivery, c.number, c.next)
}

// smallint keeps a status within its column: a destination may answer anything.
func smallint(status int) int16 { return int16(min(max(status, 0), math.MaxInt16)) }

// addHistory fills in the attempts of an event's deliveries, oldest first. An attempt is written down when it has ended, so
// the one under way is made of what its delivery says of it.
func addHistory(ctx context.Context, tx pgx.Tx, eventID uuid.UUID, deliveries []*Delivery) error {
	at := make(map[uuid.UUID]*Delivery, len(deliveries))
	ids := make([]uuid.UUID, len(deliveries))
	for i, d := range deliveries {
		at[d.ID], ids[i] = d, d.ID
	}
	rows, err := tx.Query(ctx, `
		SELECT delivery_id, number, started_at, coalesce(duration_ms, -1), request_url, request_header, coalesce(status, 0),
			response_header, response_body, response_truncated, answer_removed_at, error
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
		&responseHeader, &a.ResponseBody, &a.ResponseTruncated, (*zeronull.Timestamptz)(&a.AnswerRemovedAt), &a.Error}
	_, err = pgx.ForEachRow(rows, columns, func() (err error) {
		a.StartedAt, a.AnswerRemovedAt = a.StartedAt.UTC(), a.AnswerRemovedAt.UTC()
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
	for _, d := range deliveries {
		if n := len(d.History); d.Attempts > 0 && (n == 0 || d.History[n-1].Number < d.Attempts) { // it is under way, or lost
			d.History = append(d.History, Attempt{Number: d.Attempts, StartedAt: d.AttemptAt, Duration: -time.Millisecond, RequestHeader: http.Header{}})
		}
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
