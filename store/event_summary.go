package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
	"recall/verify"
)

// FindEventSummary returns one event as lists show it, or ErrNotFound.
func (db *DB) FindEventSummary(ctx context.Context, id uuid.UUID) (*EventSummary, error) {
	f := filter.Filter{Terms: []filter.Term{{Key: filter.KeyID, Values: []filter.Value{{ID: id.String()}}}}}
	page, err := db.ListEvents(ctx, EventQuery{Filter: f, Limit: 1})
	if err == nil && len(page.Events) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", id, err)
	}
	return &page.Events[0], nil
}

const (
	maxArrivals = 1000
	// clockSkew is more than the clocks of two instances differ: a later arrival may have a smaller id than the first.
	clockSkew = 24 * time.Hour
)

// Arrivals lists the events of the arrival group that an event belongs to, oldest first: all of them, or the first 1,000
// where a sender does not stop. ErrNotFound when there is no such event.
func (db *DB) Arrivals(ctx context.Context, id uuid.UUID) ([]EventSummary, error) {
	var events []EventSummary
	err := db.read(ctx, func(tx pgx.Tx) error {
		var first uuid.UUID
		err := tx.QueryRow(ctx, `SELECT coalesce(repeat_of, id) FROM events WHERE id = $1`, id).Scan(&first)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		events, err = collectSummaries(tx.Query(ctx, eventSummary+`
			WHERE (e.id = @first OR e.repeat_of = @first)
			AND e.id >= @from -- partitions before it need not be looked into
			ORDER BY e.id
			LIMIT @limit`,
			pgx.NamedArgs{"first": first, "from": IDAt(receivedAt(first).Add(-clockSkew)), "limit": maxArrivals}))
		if err != nil {
			return err
		}
		return addDetails(ctx, tx, events)
	})
	if err != nil {
		return nil, fmt.Errorf("arrivals of event %s: %w", id, err)
	}
	return events, nil
}

func receivedAt(id uuid.UUID) time.Time { return (&Event{ID: id}).ReceivedAt() }

// eventSummary is the one SELECT of events as lists show them, up to its WHERE.
const (
	eventSummary        = "SELECT " + eventSummaryColumns + " " + fromEvents
	eventSummaryColumns = `e.id, e.source_id, coalesce(s.slug, ''), e.verdict, e.signature, e.reason, e.answered, e.repeat_of, e.arrival,
		e.entity_type, e.callback_type, e.entity_id, e.api_version, e.size, e.body_sha256, e.unexpected_type,
		e.customers`
)

func collectSummaries(rows pgx.Rows, err error) ([]EventSummary, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanSummary)
}

func scanSummary(row pgx.CollectableRow) (EventSummary, error) {
	var e EventSummary
	var repeatOf *uuid.UUID
	var sha256 []byte
	var customers string
	err := row.Scan(&e.ID, &e.SourceID, &e.Source, &e.Verdict, &e.Signature, &e.Reason, &e.Answered, &repeatOf, &e.Arrival,
		&e.EntityType, &e.CallbackType, &e.EntityID, &e.APIVersion, &e.Size, &sha256,
		&e.UnexpectedType, &customers)
	if err != nil {
		return e, err
	}
	e.ReceivedAt = receivedAt(e.ID)
	e.RepeatOf = orZero(repeatOf)
	copy(e.BodySHA256[:], sha256)
	links, err := decodeCustomers(customers)
	for _, l := range links {
		e.Customers = append(e.Customers, l.CustomerID)
	}
	slices.Sort(e.Customers)
	e.Customers = slices.Compact(e.Customers)
	return e, err
}

// addDetails fills in what hangs on the events of a page: two queries, whatever its length.
func addDetails(ctx context.Context, tx pgx.Tx, events []EventSummary) error {
	if len(events) == 0 {
		return nil
	}
	at := make(map[uuid.UUID]*EventSummary, len(events))
	ids := make([]uuid.UUID, len(events))
	span := idRange{from: events[0].ID, to: events[0].ID} // for the partitions; here to is one of the ids
	for i := range events {
		e := &events[i]
		at[e.ID], ids[i] = e, e.ID
		if compareIDs(e.ID, span.from) < 0 {
			span.from = e.ID
		}
		if compareIDs(e.ID, span.to) > 0 {
			span.to = e.ID
		}
	}
	args := pgx.NamedArgs{"ids": ids, "from": span.from, "to": span.to}

	var id uuid.UUID
	rows, err := tx.Query(ctx, `
		SELECT event_id, state, count(*)
		FROM deliveries
		WHERE event_id = ANY(@ids) AND event_id BETWEEN @from AND @to
		GROUP BY event_id, state
		ORDER BY event_id, state`, args)
	if err != nil {
		return fmt.Errorf("deliveries: %w", err)
	}
	var d DeliveryCount
	_, err = pgx.ForEachRow(rows, []any{&id, &d.State, &d.Count}, func() error {
		at[id].Deliveries = append(at[id].Deliveries, d)
		return nil
	})
	if err != nil {
		return fmt.Errorf("deliveries: %w", err)
	}

	rows, err = tx.Query(ctx, `
		SELECT DISTINCT ON (event_id) event_id, verdict
		FROM reverifications
		WHERE event_id = ANY(@ids) AND event_id BETWEEN @from AND @to
		ORDER BY event_id, id DESC`, args)
	if err != nil {
		return fmt.Errorf("re-verifications: %w", err)
	}
	var verdict verify.Verdict
	_, err = pgx.ForEachRow(rows, []any{&id, &verdict}, func() error {
		at[id].Reverified = verdict
		return nil
	})
	if err != nil {
		return fmt.Errorf("re-verifications: %w", err)
	}
	return nil
}
