package store

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
	"recall/plenigo"
)

// ListEventsByID returns the events of some ids as lists show them, newest first; those that are gone are left out. At most
// 10,000 ids count.
func (db *DB) ListEventsByID(ctx context.Context, ids []uuid.UUID) ([]EventSummary, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var events []EventSummary
	err := db.read(OnPrimary(ctx), func(tx pgx.Tx) (err error) {
		span := spanOf(ids)
		events, err = collectSummaries(tx.Query(ctx, eventSummary+`
			WHERE e.id = ANY(@ids) AND e.id BETWEEN @from AND @to -- for the partitions
			ORDER BY e.id DESC
			LIMIT @limit`, pgx.NamedArgs{"ids": ids, "from": span.from, "to": span.to, "limit": maxEvents}))
		if err != nil {
			return err
		}
		return addDetails(ctx, tx, events)
	})
	if err != nil {
		return nil, fmt.Errorf("reading %d events: %w", len(ids), err)
	}
	return events, nil
}

// spanOf is from the smallest to the largest of some ids.
func spanOf(ids []uuid.UUID) idRange {
	return idRange{from: slices.MinFunc(ids, compareIDs), to: slices.MaxFunc(ids, compareIDs)}
}

// EachSubject gives the events of some ids, oldest first, as filter.Match sees them; those that are gone are left out. What
// none of the filters looks at, such as the body, is left out too. One body is held at a time, unless each keeps it.
func (db *DB) EachSubject(ctx context.Context, ids []uuid.UUID, filters []filter.Filter, each func(*filter.Subject)) error {
	if len(ids) == 0 {
		return nil
	}
	needs := func(keys ...filter.Key) bool {
		return slices.ContainsFunc(filters, func(f filter.Filter) bool {
			return slices.ContainsFunc(f.Terms, func(t filter.Term) bool { return slices.Contains(keys, t.Key) })
		})
	}
	span := spanOf(ids)
	args := pgx.NamedArgs{
		"ids": ids, "from": span.from, "to": span.to,
		"body": needs(filter.KeyText, filter.KeyPayload), "header": needs(filter.KeyHeader), "deliveries": needs(filter.KeyDelivery, filter.KeyTrigger),
	}
	err := db.read(OnPrimary(ctx), func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT e.id, coalesce(s.slug, ''), e.verdict, e.reason, e.signature, e.answered, e.arrival, e.sender,
				e.entity_type, e.callback_type, e.entity_id, e.api_version, e.size, e.unexpected_type,
				CASE WHEN @body THEN e.body END, CASE WHEN @header OR @body THEN e.header END, -- it says whether the body is packed
				e.customers,
				array(SELECT t.name FROM deliveries d JOIN destinations t ON t.id = d.destination_id
					WHERE @deliveries AND d.event_id = e.id AND d.event_id BETWEEN @from AND @to ORDER BY d.id),
				array(SELECT d.trigger::text FROM deliveries d JOIN destinations t ON t.id = d.destination_id
					WHERE @deliveries AND d.event_id = e.id AND d.event_id BETWEEN @from AND @to ORDER BY d.id),
				array(SELECT d.state::text FROM deliveries d JOIN destinations t ON t.id = d.destination_id
					WHERE @deliveries AND d.event_id = e.id AND d.event_id BETWEEN @from AND @to ORDER BY d.id)
			FROM events e
			LEFT JOIN sources s ON s.id = e.source_id
			WHERE e.id = ANY(@ids) AND e.id BETWEEN @from AND @to
			ORDER BY e.id`, args)
		if err != nil {
			return err
		}
		var (
			id           uuid.UUID
			s            filter.Subject
			arrival      int
			sender       *netip.Addr
			body, header []byte
			to, states   []string
			triggers     []string
			customers    string
		)
		columns := []any{
			&id, &s.Source, &s.Verdict, &s.Reason, &s.Signature, &s.Answered, &arrival, &sender, &s.EntityType, &s.CallbackType, &s.Entity,
			&s.Version, &s.Size, &s.Unexpected, &body, &header, &customers, &to, &triggers, &states,
		}
		_, err = pgx.ForEachRow(rows, columns, func() error {
			one := s
			one.ID, one.ReceivedAt, one.Sender, one.Repeat = id.String(), receivedAt(id), orZero(sender), arrival > 1
			if header != nil {
				if one.Header, err = decodeHeader(header); err != nil {
					return err
				}
			}
			if body != nil {
				one.Payload = filter.NewPayload(plenigo.Clear(one.Header, body))
			}
			links, err := decodeCustomers(customers)
			if err != nil {
				return err
			}
			for _, l := range links {
				one.Customers = append(one.Customers, l.CustomerID)
			}
			for i, name := range to {
				one.Deliveries = append(one.Deliveries, filter.Delivery{Destination: name, State: states[i], Trigger: triggers[i]})
			}
			each(&one)
			body, header, to, triggers, states, sender = nil, nil, nil, nil, nil, nil
			return nil
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("reading %d events for filters: %w", len(ids), err)
	}
	return nil
}
