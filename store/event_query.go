package store

import (
	"context"

	"github.com/google/uuid"

	"recall/filter"
)

// FindEvent returns the event whole, or ErrNotFound.
func (db *DB) FindEvent(ctx context.Context, id uuid.UUID) (*Event, error) { panic("contract") }

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

func (db *DB) ListEvents(ctx context.Context, q EventQuery) (EventPage, error) { panic("contract") }

// Summary of one event, or ErrNotFound.
func (db *DB) FindEventSummary(ctx context.Context, id uuid.UUID) (*EventSummary, error) {
	panic("contract")
}

// Arrivals lists all events of the arrival group that an event belongs to, oldest first.
func (db *DB) Arrivals(ctx context.Context, id uuid.UUID) ([]EventSummary, error) { panic("contract") }

// CommittedSince returns ids of events in the order they became visible, after a cursor ("" starts at the end), at most
// limit, and the cursor to go on from.
func (db *DB) CommittedSince(ctx context.Context, cursor string, limit int) (ids []uuid.UUID, next string, err error) {
	panic("contract")
}
