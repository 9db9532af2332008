package store

import (
	"cmp"
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
		customers                    string
	)
	err := tx.QueryRow(ctx, `
		SELECT source_id, verification, answered, repeat_of, arrival, sender, header, body, body_sha256, size,
			is_json, entity_type, callback_type, entity_id, api_version, changed_at, unexpected_type, customers
		FROM events
		WHERE id = $1`, id,
	).Scan(&e.SourceID, &verification, &e.Answered, &repeatOf, &e.Arrival, &sender, &header, &e.Body, &sha256, &e.Size,
		&e.Envelope.IsJSON, &e.Envelope.EntityType, &e.Envelope.CallbackType, &e.Envelope.EntityID, &e.APIVersion, &changedAt,
		&e.UnexpectedType, &customers)
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

	if e.Envelope.Customers, err = decodeCustomers(customers); err != nil {
		return nil, err
	}
	slices.SortFunc(e.Envelope.Customers, func(a, b plenigo.CustomerLink) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.CustomerID, b.CustomerID))
	})
	return e, nil
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

	// Patience is how long to search before the page is returned with what was found so far (EventPage.Further). 0: the page
	// is complete, or ErrTooSlow.
	Patience time.Duration
}

// EventPage is one page, newest first, and whether there are events on either side of it.
type EventPage struct {
	Events       []EventSummary
	Newer, Older bool

	// Further is where the search stopped when its time was over before the page was full: to search on, ask with it as
	// Before, or as After where that was asked. Zero: everything was searched. Then Older (or Newer) says that there may be.
	Further uuid.UUID

	// Index is how far the search index was that helped to find these; nil: none was needed, or none can help.
	Index *IndexState

	// Scanned says that bodies were looked through one by one, within the time asked for, since no index can tell any of them
	// from the others.
	Scanned bool
}

// SearchedTo is up to when the search came; zero: it was not cut short.
func (p EventPage) SearchedTo() time.Time {
	if p.Further == uuid.Nil {
		return time.Time{}
	}
	return receivedAt(p.Further)
}

// ListEvents returns a page of the events that fulfil the filter, as of one moment. ErrTooSlow when they are too hard
// to find.
func (db *DB) ListEvents(ctx context.Context, q EventQuery) (EventPage, error) {
	var page EventPage
	began := time.Now()
	err := db.read(ctx, func(tx pgx.Tx) error {
		w, err := newEventFilter(ctx, tx, q.Filter)
		if err != nil {
			return err
		}
		patience := q.Patience
		if patience == 0 {
			patience = readTime
		}
		s := &search{eventFilter: w, q: tx, until: began.Add(patience), now: time.Now}
		page, err = listEvents(ctx, s, q)
		page.Index, page.Scanned = s.index, len(w.rest.Terms) > 0 && !w.plan.narrows()
		if err == nil && page.Further != uuid.Nil && q.Patience == 0 {
			err = ErrTooSlow
		}
		if err != nil {
			return err
		}
		return addDetails(ctx, tx, page.Events)
	})
	if err != nil {
		return EventPage{}, fmt.Errorf("listing events: %w", err)
	}
	return page, nil
}

func listEvents(ctx context.Context, s *search, q EventQuery) (EventPage, error) {
	ids, newer, older := s.ids, s.ids, s.ids // of the page, and what lies beside it
	order := newestFirst
	if q.Before != uuid.Nil {
		ids.below(q.Before)
		newer.atLeast(q.Before)
	}
	if q.After != uuid.Nil {
		order = oldestFirst
		ids.atLeast(nextID(q.After))
		older.below(nextID(q.After))
	}

	// One event more than asked for tells whether the page ends before the events do.
	limit := clampLimit(q.Limit)
	events, stopped, err := s.list(ctx, ids, order, limit+1)
	if err != nil && !errors.Is(err, errSearching) {
		return EventPage{}, err
	}
	page := EventPage{Events: events[:min(limit, len(events))]}
	more := len(events) > limit
	if stopped != uuid.Nil && !more {
		page.Further, more = stopped, true
	}
	if order == oldestFirst {
		slices.Reverse(page.Events)
		page.Newer = more
	} else {
		page.Older = more
	}
	if q.Before != uuid.Nil && !page.Newer {
		if page.Newer, err = s.exists(ctx, newer, oldestFirst); err != nil {
			return EventPage{}, err
		}
	}
	if q.After != uuid.Nil {
		if page.Older, err = s.exists(ctx, older, newestFirst); err != nil {
			return EventPage{}, err
		}
	}
	return page, nil
}

func clampLimit(n int) int {
	if n <= 0 {
		return defaultEvents
	}
	return min(n, maxEvents)
}
