package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/seal"
)

// lateAfter is how old an event is when it is recorded that comes out of a spool and not from a request.
const lateAfter = 30 * time.Second

// withoutErased takes out of a batch what must not be kept any more, and leaves tombstones instead, in the transaction of the
// batch: events with the body of an erased one, which their group tells (so it costs other batches nothing), and among those that
// come late, out of a spool, events that are erased themselves or tell of nobody but a person who was erased since they arrived.
func (db *DB) withoutErased(ctx context.Context, conn *pgx.Conn, events, sendOn []*Event, erased map[uuid.UUID]int64) (kept, sent []*Event, err error) {
	if err := db.markErased(ctx, conn, events, erased); err != nil {
		return nil, nil, fmt.Errorf("looking for erased events: %w", err)
	}
	batch := &pgx.Batch{}
	for _, e := range events {
		if erased[e.ID] == 0 {
			continue
		}
		batch.Queue(`
			INSERT INTO erased_events (event_id, case_id, source_id, verdict, reason, signature, answered, arrival, entity_type, callback_type, api_version,
				body_sha256, size, deliveries, erased_at, recorded)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, `+plainName("$9::text")+`, `+plainName("$10::text")+`, `+plainName("$11::text")+`, $12, $13, '[]', $14, false
			ON CONFLICT (event_id) DO NOTHING`,
			e.ID, erased[e.ID], e.SourceID, string(e.Verification.Verdict), string(e.Verification.Reason), string(e.Verification.Signature), smallint(e.Answered), e.Arrival,
			e.Envelope.EntityType, e.Envelope.CallbackType, e.APIVersion, e.BodySHA256[:], e.Size, db.Now())
	}
	if batch.Len() == 0 {
		return events, sendOn, nil
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return nil, nil, fmt.Errorf("leaving tombstones: %w", err)
	}
	gone := func(e *Event) bool { return erased[e.ID] != 0 }
	return slices.DeleteFunc(slices.Clone(events), gone), slices.DeleteFunc(slices.Clone(sendOn), gone), nil
}

// markErased finds, among events that come late, those that are erased.
func (db *DB) markErased(ctx context.Context, conn *pgx.Conn, events []*Event, erased map[uuid.UUID]int64) error {
	var ids []uuid.UUID
	var hashes [][]byte
	var key []byte
	keyed := false
	persons := map[string][]*Event{}
	for _, e := range events {
		if erased[e.ID] != 0 || db.Now().Sub(e.ReceivedAt()) < lateAfter {
			continue
		}
		ids = append(ids, e.ID)
		if person := e.onlyCustomer(); person != "" {
			if !keyed {
				keyed = true
				var err error
				if key, err = db.personKey(ctx, conn, false); err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, seal.ErrWrongKey) {
					return err
				}
			}
			if key == nil { // nobody was erased, or our key does not tell whom
				continue
			}
			hash := personHash(key, person)
			if persons[string(hash)] == nil {
				hashes = append(hashes, hash)
			}
			persons[string(hash)] = append(persons[string(hash)], e)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := conn.Query(ctx, `
		SELECT event_id, NULL::bytea, case_id, NULL::timestamptz, '{}'::bigint[] FROM erased_events WHERE event_id = ANY($1)
		UNION ALL
		SELECT NULL, person_hash, id, confirmed_at, source_ids FROM erasure_cases WHERE state = 'closed' AND person_hash = ANY($2)`, ids, hashes)
	if err != nil {
		return err
	}
	var id *uuid.UUID
	var hash []byte
	var of int64
	var at *time.Time
	var sources []int64
	_, err = pgx.ForEachRow(rows, []any{&id, &hash, &of, &at, &sources}, func() error {
		if id != nil {
			erased[*id] = of
			return nil
		}
		for _, e := range persons[string(hash)] {
			if at != nil && e.ReceivedAt().Before(*at) && (len(sources) == 0 || slices.Contains(sources, e.SourceID)) {
				erased[e.ID] = of
			}
		}
		return nil
	})
	return err
}

// onlyCustomer is the one customer that a body names; "" where there is none, or more.
func (e *Event) onlyCustomer() string {
	person := ""
	for _, l := range e.Envelope.Customers {
		if person != "" && l.CustomerID != person {
			return ""
		}
		person = l.CustomerID
	}
	return person
}
