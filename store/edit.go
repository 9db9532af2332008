package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"recall/verify"
)

// Edit is a person's wish to send a destination something that was made of an event, to see what it says to it.
type Edit struct {
	EventID     uuid.UUID
	Destination string      // name
	Body        []byte      // nil: the event's
	Header      http.Header // besides what Recall sets: those that say how the body is to be read, and others; nil: the event's
	By, Reason  string
}

// Bounds of an edit.
const (
	MaxEditBody    = 1 << 20
	MaxEditHeaders = 30
)

// Validate tells what of an edit cannot be.
func (e *Edit) Validate() error {
	if strings.TrimSpace(cleanReason(e.Reason)) == "" {
		return errors.New("an edited test takes a reason, which stands in the audit list")
	}
	if len(e.Body) > MaxEditBody {
		return fmt.Errorf("the body is longer than %d KiB", MaxEditBody>>10)
	}
	n := 0
	for name, values := range e.Header {
		for _, value := range values {
			n++
			if err := checkEditHeader(verify.Header{Name: name, Value: value}); err != nil {
				return err
			}
		}
	}
	if n > MaxEditHeaders {
		return fmt.Errorf("there are more than %d headers", MaxEditHeaders)
	}
	return nil
}

// checkEditHeader is checkSentHeader, but lets what says how the body is to be read be chosen: that is edited with it.
func checkEditHeader(h verify.Header) error {
	switch http.CanonicalHeaderKey(h.Name) {
	case "Content-Type", "Content-Encoding", "X-Plenigo-Api-Version":
		h.Name = "X-Checked"
	}
	return checkSentHeader(h)
}

// EditedTest is what was sent for an Edit, and what came of it. Wherever it is seen it is marked as a test: it is neither an
// event nor a delivery, and counts for nothing.
type EditedTest struct {
	ID            uuid.UUID // UUIDv7
	EventID       uuid.UUID // it was made from
	DestinationID int64
	Destination   string // name
	By, Reason    string
	Method        string
	Edited        bool // the body is not the event's
	Body          []byte
	Attempt
}

// Succeeded tells whether a delivery would have.
func (t *EditedTest) Succeeded() bool { return t.Error == "" && t.Status >= 200 && t.Status < 300 }

// BeginEditedTest writes down that a test is sent, with its audit entry, before it is.
func (db *DB) BeginEditedTest(ctx context.Context, t *EditedTest) error {
	from := Event{ID: t.EventID}
	err := db.makePartitions(ctx, weekOf(from.ReceivedAt())) // of weeks before the table was made there are none
	if err == nil {
		err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `
				INSERT INTO edited_tests (event_id, id, destination_id, requested_by, reason, method, edited, body, started_at, request_url, request_header)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
				t.EventID, t.ID, t.DestinationID, validText(t.By), cleanReason(t.Reason), t.Method, t.Edited, append([]byte{}, t.Body...), t.StartedAt, validText(t.RequestURL), encodeHeader(t.RequestHeader))
			if err != nil {
				return err
			}
			return db.AddAuditTx(ctx, tx, AuditEntry{
				Actor: t.By, Action: "event.edited_test", Subject: t.EventID.String(), Reason: t.Reason,
				Detail: map[string]any{"destination": t.Destination, "test": t.ID, "edited": t.Edited, "bytes": len(t.Body)},
			})
		})
	}
	if err != nil {
		return fmt.Errorf("writing down a test made of event %s: %w", t.EventID, err)
	}
	return nil
}

// EndEditedTest writes down what came of it.
func (db *DB) EndEditedTest(ctx context.Context, t *EditedTest) error {
	_, err := db.pool.Exec(ctx, `
		UPDATE edited_tests
		SET duration_ms = $3, status = nullif($4, 0), response_header = $5, response_body = $6, response_truncated = $7, error = $8
		WHERE event_id = $1 AND id = $2`,
		t.EventID, t.ID, max(0, t.Duration).Milliseconds(), t.Status, encodeHeader(t.ResponseHeader), t.ResponseBody, t.ResponseTruncated, validText(t.Error))
	if err != nil {
		return fmt.Errorf("writing down what came of test %s: %w", t.ID, err)
	}
	return nil
}

// mostEditedTests bounds what is shown of an event or a destination.
const mostEditedTests = 20

// editedSelect leaves out the bodies, which a list does not show.
const editedSelect = `
	SELECT t.event_id, t.id, t.destination_id, coalesce(d.name, ''), t.requested_by, t.reason, t.method, t.edited, ` + "%s" + `, t.started_at,
		coalesce(t.duration_ms, -1), t.request_url, t.request_header, coalesce(t.status, 0), t.response_header, ` + "%s" + `, t.response_truncated, t.answer_removed_at, t.error
	FROM edited_tests t
	LEFT JOIN destinations d ON d.id = t.destination_id `

func scanEditedTest(row pgx.CollectableRow) (*EditedTest, error) {
	t := &EditedTest{Attempt: Attempt{Number: 1}}
	var millis int64
	var request, response []byte
	err := row.Scan(&t.EventID, &t.ID, &t.DestinationID, &t.Destination, &t.By, &t.Reason, &t.Method, &t.Edited, &t.Body, &t.StartedAt,
		&millis, &t.RequestURL, &request, &t.Status, &response, &t.ResponseBody, &t.ResponseTruncated, (*zeronull.Timestamptz)(&t.AnswerRemovedAt), &t.Error)
	if err != nil {
		return nil, err
	}
	t.StartedAt, t.Duration, t.AnswerRemovedAt = t.StartedAt.UTC(), time.Duration(millis)*time.Millisecond, t.AnswerRemovedAt.UTC()
	if t.RequestHeader, err = decodeHeader(request); err != nil {
		return nil, err
	}
	t.ResponseHeader, err = decodeHeader(response)
	return t, err
}

// FindEditedTest returns a test whole, or ErrNotFound.
func (db *DB) FindEditedTest(ctx context.Context, eventID, id uuid.UUID) (*EditedTest, error) {
	rows, err := db.pool.Query(ctx, fmt.Sprintf(editedSelect, "t.body", "t.response_body")+`WHERE t.event_id = $1 AND t.id = $2`, eventID, id)
	if err != nil {
		return nil, fmt.Errorf("test %s: %w", id, err)
	}
	t, err := pgx.CollectExactlyOneRow(rows, scanEditedTest)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("test %s: %w", id, err)
	}
	return t, nil
}

// ListEditedTests returns the newest tests that were made of an event, without bodies.
func (db *DB) ListEditedTests(ctx context.Context, eventID uuid.UUID) ([]*EditedTest, error) {
	return db.listEditedTests(ctx, `WHERE t.event_id = $1`, eventID)
}

// ListDestinationTests returns the newest edited tests that a destination got, without bodies.
func (db *DB) ListDestinationTests(ctx context.Context, destinationID int64) ([]*EditedTest, error) {
	return db.listEditedTests(ctx, `WHERE t.destination_id = $1`, destinationID)
}

func (db *DB) listEditedTests(ctx context.Context, where string, arg any) ([]*EditedTest, error) {
	var list []*EditedTest
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, fmt.Sprintf(editedSelect, "NULL::bytea", "NULL::bytea")+where+` ORDER BY t.id DESC LIMIT $2`, arg, mostEditedTests)
		if err == nil {
			list, err = pgx.CollectRows(rows, scanEditedTest)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing edited tests: %w", err)
	}
	return list, nil
}
