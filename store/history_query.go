package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
)

const (
	// maxHistoryBody bounds a body that comes along with a page of a history, in bytes. Larger ones are left out.
	maxHistoryBody = 64 << 10
	// maxStates bounds how far one looks for the newest of states that arrived out of order.
	maxStates = 1000
	// maxAhead is how far a changedDate may lie past its arrival; further on it is not believed.
	maxAhead = time.Hour
)

// EntityKey names an entity: what callbacks call entityType and entityId. An id alone names nothing (REFERENCE §7).
type EntityKey struct{ Type, ID string }

// HistoryQuery chooses a page of a history, newest arrival first.
type HistoryQuery struct {
	Filter filter.Filter // by entity or customer, and what else narrows it
	Limit  int
	Before uuid.UUID // as in EventQuery
	After  uuid.UUID
}

// HistoryEvent is a callback as histories show it.
type HistoryEvent struct {
	EventSummary
	ChangedAt time.Time // the entity's own changedDate; zero: the body has none
	Held      uuid.UUID // event with the newest accepted state of the same entity when this one came; zero: none
	HeldAt    time.Time // of which time that state was
	Stale     bool      // its state is older than the one held: it would overwrite newer with older
}

// HistoryPage is one page of a history.
type HistoryPage struct {
	Events       []HistoryEvent
	Newer, Older bool
	Bodies       map[uuid.UUID]*Event // Header and Body of these events and the held ones, where not too large
}

// History returns a page of callbacks, each with the state it met.
//
// Which of two states is newer is told by the entity's own time, since retries alone put arrivals out of order by a day
// (REFERENCE §4): its changedDate, or else the arrival, of the first one where it is a repeat. Accepted events make
// states, also those that only a re-verification accepted; they count from their arrival.
func (db *DB) History(ctx context.Context, q HistoryQuery) (HistoryPage, error) {
	var page HistoryPage
	err := db.read(ctx, func(tx pgx.Tx) error {
		w, err := newEventFilter(ctx, tx, q.Filter)
		if err != nil {
			return err
		}
		events, err := listEvents(ctx, &search{eventFilter: w, q: tx}, EventQuery{Limit: q.Limit, Before: q.Before, After: q.After})
		if err != nil {
			return err
		}
		if err := addDetails(ctx, tx, events.Events); err != nil {
			return err
		}
		page.Newer, page.Older = events.Newer, events.Older
		byEntity := map[EntityKey][]int{}
		for i, e := range events.Events {
			page.Events = append(page.Events, HistoryEvent{EventSummary: e})
			if e.EntityType != "" && e.EntityID != "" {
				key := EntityKey{asciiUpper(e.EntityType), e.EntityID}
				byEntity[key] = append(byEntity[key], i)
			}
		}
		if err := page.follow(ctx, tx, byEntity, q.Filter); err != nil {
			return fmt.Errorf("states of the entities: %w", err)
		}
		page.Bodies, err = findBodies(ctx, tx, page.Events)
		return err
	})
	if err != nil {
		return HistoryPage{}, fmt.Errorf("history: %w", err)
	}
	return page, nil
}

// follow finds the state that each event met. byEntity has their places on the page, newest first.
func (p *HistoryPage) follow(ctx context.Context, tx pgx.Tx, byEntity map[EntityKey][]int, f filter.Filter) error {
	// What a customer's callbacks are about has a few hundred callbacks at most, as a rule: one look then finds all.
	together := map[EntityKey][]state{}
	if len(byEntity) > 1 {
		w, err := newEventFilter(ctx, tx, entityFilter(f, slices.Collect(maps.Keys(byEntity))...))
		if err != nil {
			return err
		}
		ids := w.ids
		ids.below(nextID(p.Events[0].ID))
		states, err := w.states(ctx, tx, ids, maxStates)
		if err != nil {
			return err
		}
		for _, s := range states {
			together[s.of] = append(together[s.of], s)
		}
		if len(states) == maxStates {
			together = nil
		}
	}
	for key, at := range byEntity {
		states := together[key]
		if len(byEntity) == 1 || together == nil {
			w, err := newEventFilter(ctx, tx, entityFilter(f, key))
			if err != nil {
				return err
			}
			newest, oldest := p.Events[at[0]].ID, p.Events[at[len(at)-1]].ID
			if states, err = w.statesFor(ctx, tx, oldest, nextID(newest)); err != nil {
				return err
			}
		}
		slices.Reverse(states) // oldest arrival first
		p.meet(at, states)
	}
	return nil
}

// meet goes through the events of one entity, and the states of it, in the order of their arrival.
func (p *HistoryPage) meet(at []int, states []state) {
	held, next := (*state)(nil), 0
	for _, i := range slices.Backward(at) {
		e := &p.Events[i]
		for ; next < len(states) && compareIDs(states[next].id, e.ID) < 0; next++ {
			held = newer(held, &states[next])
		}
		if held != nil {
			e.Held, e.HeldAt = held.id, held.at()
		}
		if next < len(states) && states[next].id == e.ID {
			e.ChangedAt = states[next].changedAt
			e.Stale = held != nil && states[next].at().Before(held.at())
		}
	}
}

// entityFilter narrows a history to entities, with the sources and nothing else of the filter: what an event says of an
// entity does not depend on how it was searched for.
func entityFilter(f filter.Filter, keys ...EntityKey) filter.Filter {
	term := filter.Term{Key: filter.KeyEntity}
	for _, key := range keys {
		term.Values = append(term.Values, filter.Value{Text: key.ID, EntityType: asciiUpper(key.Type), ID: key.ID})
	}
	one := filter.Filter{Terms: []filter.Term{term}}
	for _, t := range f.Terms {
		if t.Key == filter.KeySource {
			one.Terms = append(one.Terms, t)
		}
	}
	return one
}

// FindState returns the event with the newest accepted state of an entity among those that arrived before an id
// (uuid.Max: all), and of which time the state is. ErrNotFound when there is none. sources narrows to some, by slug.
func (db *DB) FindState(ctx context.Context, key EntityKey, before uuid.UUID, sources ...string) (*Event, time.Time, error) {
	var f filter.Filter
	if len(sources) > 0 {
		f.Terms = []filter.Term{{Key: filter.KeySource}}
		for _, slug := range sources {
			f.Terms[0].Values = append(f.Terms[0].Values, filter.Value{Text: slug})
		}
	}
	var found *Event
	var at time.Time
	err := db.read(ctx, func(tx pgx.Tx) error {
		w, err := newEventFilter(ctx, tx, entityFilter(f, key))
		if err != nil {
			return err
		}
		states, err := w.statesFor(ctx, tx, before, before)
		if err != nil {
			return err
		}
		var held *state
		for i := range slices.Backward(states) {
			held = newer(held, &states[i])
		}
		if held == nil {
			return ErrNotFound
		}
		at = held.at()
		found, err = findEvent(ctx, tx, held.id)
		return err
	})
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("state of %s %s: %w", key.Type, key.ID, err)
	}
	return found, at, nil
}

// state is what an accepted event says of its entity.
type state struct {
	of           EntityKey
	id, repeatOf uuid.UUID
	changedAt    time.Time
}

// at is the time the state is of.
func (s *state) at() time.Time {
	received := receivedAt(s.id)
	if !s.changedAt.IsZero() && s.changedAt.Before(received.Add(maxAhead)) {
		return s.changedAt
	}
	if s.repeatOf != uuid.Nil {
		return receivedAt(s.repeatOf)
	}
	return received
}

// newer is the one of two states that holds; of one time it is the later arrival, which must be the second.
func newer(held, s *state) *state {
	if held != nil && s.at().Before(held.at()) {
		return held
	}
	return s
}

// statesFor lists the accepted events below an id, newest arrival first, as far back as is needed to know the state that
// held at an earlier one. A state that is newer than the last arrival before it cannot have arrived before its own time,
// so no more is read than arrived since then.
func (w *eventFilter) statesFor(ctx context.Context, tx pgx.Tx, earlier, below uuid.UUID) ([]state, error) {
	ids := w.ids
	ids.below(earlier)
	last, err := w.states(ctx, tx, ids, 1)
	if err != nil {
		return nil, err
	}
	ids = w.ids
	ids.below(below)
	switch {
	case len(last) > 0:
		ids.atLeast(earlierID(last[0].id, IDAt(last[0].at().Add(-maxAhead))))
	default:
		ids.atLeast(earlier)
	}
	states, err := w.states(ctx, tx, ids, maxStates)
	if len(states) == maxStates && len(last) > 0 && compareIDs(states[maxStates-1].id, last[0].id) > 0 {
		states = append(states, last[0])
	}
	return states, err
}

func earlierID(a, b uuid.UUID) uuid.UUID {
	if compareIDs(a, b) < 0 {
		return a
	}
	return b
}

func (w *eventFilter) states(ctx context.Context, tx pgx.Tx, ids idRange, limit int) ([]state, error) {
	accepted := *w
	accepted.conditions = append(slices.Clone(w.conditions), `(e.verdict <> 'rejected' OR (
			SELECT r.verdict
			FROM reverifications r
			WHERE r.event_id = e.id AND r.event_id >= @from AND r.event_id < @to
			ORDER BY r.id DESC
			LIMIT 1) <> 'rejected')`)
	states, _, err := find(ctx, &search{eventFilter: &accepted, q: tx}, `e.id, e.repeat_of, e.changed_at, e.entity_type, e.entity_id`,
		func(row pgx.CollectableRow) (state, error) {
			var s state
			var repeatOf *uuid.UUID
			var changedAt *time.Time
			err := row.Scan(&s.id, &repeatOf, &changedAt, &s.of.Type, &s.of.ID)
			s.of.Type = asciiUpper(s.of.Type)
			s.repeatOf, s.changedAt = orZero(repeatOf), orZero(changedAt).UTC()
			return s, err
		}, ids, newestFirst, limit)
	return states, err
}

// findBodies reads the bodies of a page's events and of the states they met.
func findBodies(ctx context.Context, tx pgx.Tx, events []HistoryEvent) (map[uuid.UUID]*Event, error) {
	var ids []uuid.UUID
	for _, e := range events {
		ids = append(ids, e.ID)
		if e.Held != uuid.Nil {
			ids = append(ids, e.Held)
		}
	}
	slices.SortFunc(ids, compareIDs)
	ids = slices.Compact(ids)
	found := make(map[uuid.UUID]*Event, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	rows, err := tx.Query(ctx, `
		SELECT id, header, body
		FROM events
		WHERE id = ANY($1) AND id BETWEEN $2 AND $3 AND octet_length(body) <= $4`, ids, ids[0], ids[len(ids)-1], maxHistoryBody)
	if err != nil {
		return nil, err
	}
	var id uuid.UUID
	var header, body []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &header, &body}, func() error {
		decoded, err := decodeHeader(header)
		found[id] = &Event{ID: id, Header: decoded, Body: slices.Clone(body)}
		return err
	})
	return found, err
}

// EntitySummary is an entity that a customer's callbacks are about.
type EntitySummary struct {
	EntityKey
	Events int       // callbacks that name the customer, among those looked at
	First  time.Time // arrival of the oldest of them
	Last   time.Time
	LastID uuid.UUID
}

// CustomerEntities lists the entities of the newest callbacks that name a customer and arrived before an id, the one with
// the newest callback first. It looks at 1,000; all is false where there are more.
func (db *DB) CustomerEntities(ctx context.Context, customer string, before uuid.UUID) (entities []EntitySummary, all bool, err error) {
	f := filter.Filter{Terms: []filter.Term{{Key: filter.KeyCustomer, Values: []filter.Value{{Text: customer, ID: customer}}}}}
	err = db.read(ctx, func(tx pgx.Tx) error {
		w, err := newEventFilter(ctx, tx, f)
		if err != nil {
			return err
		}
		ids := w.ids
		ids.below(before)
		type named struct {
			ID       uuid.UUID
			Type, Of string
		}
		names, _, err := find(ctx, &search{eventFilter: w, q: tx}, `e.id, e.entity_type, e.entity_id`,
			pgx.RowToStructByPos[named], ids, newestFirst, maxStates+1)
		if err != nil {
			return err
		}
		found := map[EntityKey]*EntitySummary{}
		for _, n := range names[:min(len(names), maxStates)] {
			key := EntityKey{n.Type, n.Of}
			if key.ID == "" {
				continue
			}
			if found[key] == nil {
				found[key] = &EntitySummary{EntityKey: key, Last: receivedAt(n.ID), LastID: n.ID}
			}
			found[key].Events++
			found[key].First = receivedAt(n.ID)
		}
		all = len(names) <= maxStates
		for _, e := range found {
			entities = append(entities, *e)
		}
		slices.SortFunc(entities, func(a, b EntitySummary) int {
			return cmp.Or(compareIDs(b.LastID, a.LastID), cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
		})
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("entities of a customer: %w", err)
	}
	return entities, all, nil
}

// asciiUpper changes ASCII letters only, as filters compare types.
func asciiUpper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}
