package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// walk is the direction in which ids are visited.
type walk string

const (
	newestFirst walk = "DESC"
	oldestFirst walk = "ASC"
)

// compare orders ids as they are visited.
func (w walk) compare(a, b uuid.UUID) int {
	if w == newestFirst {
		a, b = b, a
	}
	return compareIDs(a, b)
}

// walker names the events that the index has for a plan, in order, a few segments at a time. It may name an event
// twice, and one that does not fulfil the filter.
type walker struct {
	plan    searchPlan
	chosen  []bool // of the plan's classes, by number; nil: any
	ids     idRange
	order   walk
	waiting []segment // not opened yet, in the order of walking
	opened  []*segment
	atOnce  int // segments opened next
}

const (
	maxAtOnce   = 512 // segments
	resolvedOne = 200 // ids of a segment resolved at a time
)

// segment is one of search_segments as it is walked through.
type segment struct {
	id, first, last uuid.UUID
	events          int
	classes         bool // not every class of it is chosen
	overfull        []int32

	places []place     // still to be resolved, in the order of walking
	ready  []uuid.UUID // resolved, likewise
}

func newWalker(ctx context.Context, q querier, plan searchPlan, ids idRange, order walk) (*walker, error) {
	w := &walker{plan: plan, ids: ids, order: order, atOnce: 1}
	if len(plan.groups) > 0 { // most segments will have none
		w.atOnce = 16
	}
	if compareIDs(ids.from, ids.to) >= 0 {
		return w, nil
	}
	rows, err := q.Query(ctx, `
		SELECT id, first_event_id, last_event_id, octet_length(event_ids) / 16, NOT classes <@ $4, overfull
		FROM search_segments
		WHERE id >= $1 AND last_event_id >= $2 AND first_event_id < $3 AND ($4::smallint[] IS NULL OR classes && $4)`,
		IDAt(receivedAt(ids.from)), ids.from, ids.to, plan.classes)
	if err != nil {
		return nil, fmt.Errorf("finding segments: %w", err)
	}
	w.waiting, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s segment, err error) {
		var classes *bool
		err = row.Scan(&s.id, &s.first, &s.last, &s.events, &classes, &s.overfull)
		s.classes = orZero(classes)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("finding segments: %w", err)
	}
	if plan.classes != nil {
		w.chosen = make([]bool, 1<<15)
		for _, c := range plan.classes {
			w.chosen[c] = true
		}
	}
	slices.SortFunc(w.waiting, func(a, b segment) int { return order.compare(w.begin(&a), w.begin(&b)) })
	return w, nil
}

// begin is the first event of a segment in the order of walking.
func (w *walker) begin(s *segment) uuid.UUID {
	if w.order == newestFirst {
		return s.last
	}
	return s.first
}

// next names some more events, in order; none at the end.
func (w *walker) next(ctx context.Context, q querier) ([]uuid.UUID, error) {
	for len(w.waiting) > 0 || len(w.opened) > 0 {
		if len(w.opened) == 0 {
			if err := w.open(ctx, q); err != nil {
				return nil, err
			}
		}
		if err := w.resolve(ctx, q); err != nil {
			return nil, err
		}
		if ids := w.take(); len(ids) > 0 {
			return ids, nil
		}
		if len(w.waiting) > 0 { // what is ready lies behind the beginning of another segment
			if err := w.open(ctx, q); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// take returns what is ready and comes before everything that is not, and forgets the segments that have no more.
func (w *walker) take() []uuid.UUID {
	var bound *uuid.UUID
	before := func(id uuid.UUID) {
		if bound == nil || w.order.compare(id, *bound) < 0 {
			bound = &id
		}
	}
	if len(w.waiting) > 0 {
		before(w.begin(&w.waiting[0]))
	}
	for _, s := range w.opened {
		if len(s.ready) == 0 { // the segment was dropped meanwhile, and its events
			s.places = nil
		}
		if len(s.places) > 0 {
			before(s.ready[len(s.ready)-1])
		}
	}
	var ids []uuid.UUID
	for _, s := range w.opened {
		n := len(s.ready)
		if bound != nil {
			n, _ = slices.BinarySearchFunc(s.ready, *bound, func(id, bound uuid.UUID) int {
				if w.order.compare(id, bound) <= 0 {
					return -1
				}
				return 1
			})
		}
		for _, id := range s.ready[:n] {
			if compareIDs(id, w.ids.from) >= 0 && compareIDs(id, w.ids.to) < 0 {
				ids = append(ids, id)
			}
		}
		s.ready = s.ready[n:]
	}
	w.opened = slices.DeleteFunc(w.opened, func(s *segment) bool { return len(s.ready)+len(s.places) == 0 })
	slices.SortFunc(ids, w.order.compare)
	return slices.Compact(ids)
}

// open evaluates the plan on the next segments.
func (w *walker) open(ctx context.Context, q querier) error {
	n := min(w.atOnce, len(w.waiting))
	w.atOnce = min(8*w.atOnce, maxAtOnce)
	var ids []uuid.UUID
	begin := len(w.opened)
	for i := range w.waiting[:n] {
		s := w.waiting[i]
		w.opened = append(w.opened, &s)
		ids = append(ids, s.id)
	}
	w.waiting = w.waiting[n:]
	rows, err := w.postings(ctx, q, ids)
	if err != nil {
		return err
	}
	var mixed, edges []uuid.UUID
	for _, s := range w.opened[begin:] {
		if err := s.evaluate(w.plan.groups, rows[s.id]); err != nil {
			return err
		}
		if s.classes && len(s.places) > 0 {
			mixed = append(mixed, s.id)
		}
		if len(s.places) > 0 && (compareIDs(s.first, w.ids.from) < 0 || compareIDs(s.last, w.ids.to) >= 0) {
			edges = append(edges, s.id)
		}
	}
	classes, err := segmentBytes(ctx, q, "event_classes", mixed)
	if err != nil {
		return err
	}
	eventIDs, err := segmentBytes(ctx, q, "event_ids", edges[:min(len(edges), maxEdges)])
	if err != nil {
		return err
	}
	for _, s := range w.opened[begin:] {
		if of := classes[s.id]; s.classes {
			s.places = slices.DeleteFunc(s.places, func(at place) bool {
				return len(of) < 2*int(at)+2 || !w.chosen[binary.BigEndian.Uint16(of[2*int(at):])]
			})
		}
		if of := eventIDs[s.id]; of != nil {
			s.places = slices.DeleteFunc(s.places, func(at place) bool {
				id := uuid.UUID(of[16*int(at) : 16*int(at)+16])
				return compareIDs(id, w.ids.from) < 0 || compareIDs(id, w.ids.to) >= 0
			})
		}
		if w.order == newestFirst {
			slices.Reverse(s.places)
		}
	}
	w.opened = slices.DeleteFunc(w.opened, func(s *segment) bool { return len(s.ready)+len(s.places) == 0 })
	return nil
}

// evaluate fills in the places of the events that hold a term of each group, ascending.
func (s *segment) evaluate(groups [][][]term, rows map[int16][]byte) error {
	var places []place
	for i, group := range groups {
		lists := [][]place{s.overfullPlaces()}
		for _, alternative := range group {
			var of []place
			for j, t := range alternative {
				list, err := placesOf(t, rows[t.bucket()])
				if err != nil {
					return err
				}
				if j > 0 {
					list = both(of, list)
				}
				of = list
			}
			lists = append(lists, of)
		}
		if in := either(lists...); i == 0 {
			places = in
		} else {
			places = both(places, in)
		}
	}
	if len(groups) == 0 {
		places = make([]place, s.events)
		for i := range places {
			places[i] = place(i)
		}
	}
	s.places = places
	return nil
}

func (s *segment) overfullPlaces() []place {
	list := make([]place, len(s.overfull))
	for i, at := range s.overfull {
		list[i] = place(at)
	}
	return list
}

// postings reads the rows of the plan's terms.
func (w *walker) postings(ctx context.Context, q querier, segments []uuid.UUID) (map[uuid.UUID]map[int16][]byte, error) {
	var buckets []int16
	for _, group := range w.plan.groups {
		for _, alternative := range group {
			for _, t := range alternative {
				buckets = append(buckets, t.bucket())
			}
		}
	}
	if len(buckets) == 0 {
		return nil, nil
	}
	slices.Sort(buckets)
	rows, err := q.Query(ctx, `
		SELECT s.id, p.bucket, p.postings
		FROM unnest($1::uuid[]) AS s (id), LATERAL ( -- one by one, each in its partition
			SELECT bucket, postings FROM search_postings WHERE segment_id = s.id AND bucket = ANY($2) OFFSET 0
		) p`, segments, slices.Compact(buckets))
	if err != nil {
		return nil, fmt.Errorf("reading postings: %w", err)
	}
	found := map[uuid.UUID]map[int16][]byte{}
	var id uuid.UUID
	var bucket int16
	var postings []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &bucket, &postings}, func() error {
		if found[id] == nil {
			found[id] = map[int16][]byte{}
		}
		found[id][bucket] = postings
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading postings: %w", err)
	}
	return found, nil
}

// maxEdges is how many segments that lie over the range's ends are cut at them: there are one or two, but for old ids that
// came late. What is not cut is left out later.
const maxEdges = 8

// segmentBytes reads a column of some segments.
func segmentBytes(ctx context.Context, q querier, column string, segments []uuid.UUID) (map[uuid.UUID][]byte, error) {
	if len(segments) == 0 {
		return nil, nil
	}
	rows, err := q.Query(ctx, `
		SELECT s.id, of.bytes
		FROM unnest($1::uuid[]) AS s (id), LATERAL (SELECT `+column+` AS bytes FROM search_segments WHERE id = s.id OFFSET 0) of`, segments)
	if err != nil {
		return nil, fmt.Errorf("reading segments: %w", err)
	}
	found := map[uuid.UUID][]byte{}
	var id uuid.UUID
	var classes []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &classes}, func() error {
		found[id] = classes
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading segments: %w", err)
	}
	return found, nil
}

// maxGap is how many ids that are not asked for are read rather than asking once more: what is read at a time anyway.
const maxGap = 60

// resolve turns the next places of the opened segments that have nothing ready into ids.
func (w *walker) resolve(ctx context.Context, q querier) error {
	var ids []uuid.UUID
	var from, length []int32
	type run struct {
		*segment
		from   int
		places []place
	}
	var runs []run
	for _, s := range w.opened {
		if len(s.ready) > 0 || len(s.places) == 0 {
			continue
		}
		now := s.places[:min(resolvedOne, len(s.places))]
		s.places = s.places[len(now):]
		for len(now) > 0 {
			n := 1
			for n < len(now) && gap(now[n-1], now[n]) <= maxGap {
				n++
			}
			low, high := min(now[0], now[n-1]), max(now[0], now[n-1])
			ids, from, length = append(ids, s.id), append(from, 16*int32(low)+1), append(length, 16*(int32(high)-int32(low)+1))
			runs = append(runs, run{s, int(low), now[:n]})
			now = now[n:]
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := q.Query(ctx, `
		SELECT run.number, s.part
		FROM unnest($1::uuid[], $2::integer[], $3::integer[]) WITH ORDINALITY AS run (id, begin, length, number),
			LATERAL (SELECT substr(event_ids, run.begin, run.length) AS part FROM search_segments WHERE id = run.id OFFSET 0) s
		ORDER BY run.number`, ids, from, length)
	if err != nil {
		return fmt.Errorf("reading ids: %w", err)
	}
	var number int
	var part []byte
	_, err = pgx.ForEachRow(rows, []any{&number, &part}, func() error {
		r := runs[number-1]
		for _, at := range r.places {
			begin := 16 * (int(at) - r.from)
			r.ready = append(r.ready, uuid.UUID(part[begin:begin+16]))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading ids: %w", err)
	}
	return nil
}

func gap(a, b place) int { return max(int(a)-int(b), int(b)-int(a)) }
