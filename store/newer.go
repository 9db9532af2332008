package store

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
)

// MostNewer bounds what is counted of newer events.
const MostNewer = 1000

// Newer is what has been accepted of an event's entity since: to send the event again would put an old state over a new one.
type Newer struct {
	Count           int       // of callbacks, at most MostNewer; 0: the event is the newest, or equal to it
	Newest          uuid.UUID // of them
	NewestDelivered time.Time // when the newest was delivered to the destination; zero: it was not
	Delivered       int       // how many of them were delivered to it
}

// FindNewer looks for newer events of an event's entity from the same source, and whether a destination has them. Events that
// name no entity have none.
func (db *DB) FindNewer(ctx context.Context, e *Event, destinationID int64) (Newer, error) {
	var n Newer
	if e.Envelope.EntityID == "" {
		return n, nil
	}
	err := db.read(ctx, func(tx pgx.Tx) error {
		w, err := newEventFilter(ctx, tx, entityFilter(filter.Filter{}, EntityKey{e.Envelope.EntityType, e.Envelope.EntityID}))
		if err != nil {
			return err
		}
		w.conditions = append(w.conditions, "e.entity_type = "+w.arg(e.Envelope.EntityType), "e.source_id = "+w.arg(e.SourceID),
			"e.verdict <> 'rejected'", "e.repeat_of IS NULL")
		type state struct {
			ID   uuid.UUID
			Body []byte
		}
		newer, _, err := find(ctx, &search{eventFilter: w, q: tx}, "e.id, e.body_sha256", pgx.RowToStructByPos[state],
			idRange{from: nextID(e.ID), to: uuid.Max}, newestFirst, MostNewer)
		if err != nil || len(newer) == 0 || bytes.Equal(newer[0].Body, e.BodySHA256[:]) { // the entity is as the event says, again or still
			return err
		}
		n.Count, n.Newest = len(newer), newer[0].ID
		ids := make([]uuid.UUID, len(newer))
		for i, s := range newer {
			ids[i] = s.ID
		}
		var at *time.Time
		err = tx.QueryRow(ctx, `
			SELECT count(DISTINCT event_id), max(finished_at) FILTER (WHERE event_id = $2)
			FROM deliveries
			WHERE event_id = ANY($1) AND event_id BETWEEN $3 AND $2 AND destination_id = $4 AND state = 'succeeded'`,
			ids, ids[0], ids[len(ids)-1], destinationID).Scan(&n.Delivered, &at)
		n.NewestDelivered = orZero(at).UTC()
		return err
	})
	if err != nil {
		return Newer{}, fmt.Errorf("looking for newer events of the entity of %s: %w", e.ID, err)
	}
	return n, nil
}

// entityEvent is an event and what it is a state of.
type entityEvent struct {
	ID           uuid.UUID
	Type, Entity string
}

func scanEntityEvent(row pgx.CollectableRow) (e entityEvent, err error) {
	err = row.Scan(&e.ID, &e.Type, &e.Entity)
	return e, err
}

// newerOf names the events of some entities, each after an id of its own and all before another. It may name some of other
// sources. all is false where there are more than the limit.
func newerOf(ctx context.Context, tx pgx.Tx, after map[EntityKey]uuid.UUID, before uuid.UUID, limit int) (ids []uuid.UUID, all bool, err error) {
	for some := range slices.Chunk(slices.Collect(maps.Keys(after)), maxAlternatives) {
		w, err := newEventFilter(ctx, tx, entityFilter(filter.Filter{}, some...))
		if err != nil {
			return nil, false, err
		}
		within := idRange{from: after[some[0]], to: before}
		for _, key := range some {
			within.from = earlierID(within.from, after[key])
		}
		within.from = nextID(within.from)
		found, _, err := find(ctx, &search{eventFilter: w, q: tx}, "e.id, e.entity_type, e.entity_id", scanEntityEvent,
			within, newestFirst, limit+1)
		if err != nil {
			return nil, false, err
		}
		for _, e := range found {
			if from, ok := after[EntityKey{e.Type, e.Entity}]; ok && compareIDs(e.ID, from) > 0 {
				ids = append(ids, e.ID)
			}
		}
		if len(found) > limit {
			return nil, false, nil
		}
	}
	return ids, true, nil
}
