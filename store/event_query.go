package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
	"recall/plenigo"
)

// FindEvent returns the event whole, or ErrNotFound. Its customers come by path and id.
func (db *DB) FindEvent(ctx context.Context, id uuid.UUID) (*Event, error) {
	var e *Event
	err := db.read(ctx, func(tx pgx.Tx) (err error) {
		e, err = findEvent(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", id, err)
	}
	return e, nil
}

func findEvent(ctx context.Context, tx pgx.Tx, id uuid.UUID) (*Event, error) {
	e := &Event{ID: id}
	var (
		verification, header, sha256 []byte
		repeatOf                     *uuid.UUID
		sender                       *netip.Addr
		changedAt                    *time.Time
	)
	err := tx.QueryRow(ctx, `
		SELECT source_id, verification, answered, repeat_of, arrival, sender, header, body, body_sha256, size,
			is_json, entity_type, callback_type, entity_id, api_version, changed_at, unexpected_type
		FROM events
		WHERE id = $1`, id,
	).Scan(&e.SourceID, &verification, &e.Answered, &repeatOf, &e.Arrival, &sender, &header, &e.Body, &sha256, &e.Size,
		&e.Envelope.IsJSON, &e.Envelope.EntityType, &e.Envelope.CallbackType, &e.Envelope.EntityID, &e.APIVersion, &changedAt,
		&e.UnexpectedType)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(verification, &e.Verification); err != nil {
		return nil, fmt.Errorf("reading the verification: %w", err)
	}
	if e.Header, err = decodeHeader(header); err != nil {
		return nil, err
	}
	copy(e.BodySHA256[:], sha256)
	e.RepeatOf = orZero(repeatOf)
	e.Sender = orZero(sender)
	e.Envelope.ChangedAt = orZero(changedAt).UTC()

	rows, err := tx.Query(ctx, `SELECT customer_id, path FROM event_customers WHERE event_id = $1 ORDER BY path, customer_id`, id)
	if err != nil {
		return nil, err
	}
	e.Envelope.Customers, err = pgx.AppendRows(e.Envelope.Customers, rows, pgx.RowToStructByPos[plenigo.CustomerLink])
	return e, err
}

// orZero is a column's value, the zero one for NULL.
func orZero[T any](v *T) T {
	if v == nil {
		var zero T
		return zero
	}
	return *v
}

const (
	defaultEvents = 50
	maxEvents     = 10_000
)

// EventQuery chooses a page of events, newest first.
type EventQuery struct {
	Filter filter.Filter
	Limit  int       // 50 when 0, at most 10,000
	Before uuid.UUID // only events older than this id
	After  uuid.UUID // only events newer than this id; the page nearest to it
}

// EventPage is one page, newest first, and whether there are events on either side of it.
type EventPage struct {
	Events       []EventSummary
	Newer, Older bool
}

// ListEvents returns a page of the events that fulfil the filter, as of one moment. ErrTooSlow when they are too hard
// to find.
func (db *DB) ListEvents(ctx context.Context, q EventQuery) (EventPage, error) {
	var page EventPage
	err := db.read(ctx, func(tx pgx.Tx) (err error) {
		page, err = listEvents(ctx, tx, q)
		return err
	})
	if err != nil {
		return EventPage{}, fmt.Errorf("listing events: %w", err)
	}
	return page, nil
}

func listEvents(ctx context.Context, tx pgx.Tx, q EventQuery) (EventPage, error) {
	w, err := newEventFilter(ctx, tx, q.Filter)
	if err != nil {
		return EventPage{}, err
	}
	newer, older := w.ids, w.ids // what lies beside the page
	ids := w.ids
	if q.Before != uuid.Nil {
		ids.below(q.Before)
		newer.atLeast(q.Before)
	}
	if q.After != uuid.Nil {
		ids.atLeast(nextID(q.After))
		older.below(nextID(q.After))
	}

	// One event more than asked for tells whether the page ends before the events do.
	limit := clampLimit(q.Limit)
	order := "DESC"
	if q.After != uuid.Nil {
		order = "ASC"
	}
	events, err := w.list(ctx, tx, ids, order, limit+1)
	if err != nil {
		return EventPage{}, err
	}
	more := len(events) > limit
	page := EventPage{Events: events[:min(limit, len(events))]}
	if q.After != uuid.Nil {
		slices.Reverse(page.Events)
		page.Newer = more
	} else {
		page.Older = more
	}
	if q.Before != uuid.Nil && !page.Newer {
		if page.Newer, err = w.exists(ctx, tx, newer, "ASC"); err != nil {
			return EventPage{}, err
		}
	}
	if q.After != uuid.Nil {
		if page.Older, err = w.exists(ctx, tx, older, "DESC"); err != nil {
			return EventPage{}, err
		}
	}
	return page, addDetails(ctx, tx, page.Events)
}

func clampLimit(n int) int {
	if n <= 0 {
		return defaultEvents
	}
	return min(n, maxEvents)
}

// list returns the summaries of the first events within a range, in the order of ids.
func (w *eventFilter) list(ctx context.Context, tx pgx.Tx, ids idRange, order string, limit int) ([]EventSummary, error) {
	sql, args := w.query(eventSummary, ids, order, limit)
	return collectSummaries(tx.Query(ctx, sql, args))
}

// exists tells whether there is an event within a range. It looks from the page outwards: the page's neighbour is
// usually the first one there.
func (w *eventFilter) exists(ctx context.Context, tx pgx.Tx, ids idRange, order string) (bool, error) {
	sql, args := w.query(`SELECT true FROM events e`, ids, order, 1)
	var found bool
	err := tx.QueryRow(ctx, sql, args).Scan(&found)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return found, err
}

func (w *eventFilter) query(selected string, ids idRange, order string, limit int) (string, pgx.NamedArgs) {
	args := pgx.NamedArgs{"from": ids.from, "to": ids.to, "limit": limit}
	for name, v := range w.args {
		args[name] = v
	}
	conditions := append([]string{"e.id >= @from AND e.id < @to"}, w.conditions...)
	return selected + `
		WHERE ` + strings.Join(conditions, `
		AND `) + `
		ORDER BY e.id ` + order + `
		LIMIT @limit`, args
}
