package store

import (
	"context"
	"fmt"
	"slices"
	"sort"

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
	waiting []*segment // not opened yet, in the order of walking
	opened  []*segment // likewise
	atOnce  int        // segments opened next
	wanted  int        // ids looked up next
}

const (
	firstAtOnce = 16 // segments
	maxAtOnce   = 128
	firstWanted = 64 // ids: a page and some
	maxWanted   = 1000
)

// segment is one of search_segments as it is walked through.
type segment struct {
	id, first, last uuid.UUID
	shape           shape
	events          int
	overfull        []int32
	low, high       place   // all before low, and from high on, lies outside of the range
	classes         []int16 // those of the plan's that it has, where it has others too; nil: all are the plan's
	ofClass         int     // its events of these

	unread bool        // of low to high it is not known yet which places are of a class
	loose  bool        // places may be of other classes
	places []place     // still to be looked up, in the order of walking
	ready  []uuid.UUID // looked up, likewise
}

// over tells whether a segment has no more to give.
func (s *segment) over() bool { return len(s.ready)+len(s.places) == 0 && !s.unread }

func newWalker(ctx context.Context, q querier, plan searchPlan, ids idRange, order walk) (*walker, error) {
	w := &walker{plan: plan, ids: ids, order: order, atOnce: firstAtOnce, wanted: firstWanted}
	if compareIDs(ids.from, ids.to) >= 0 {
		return w, nil
	}
	if plan.classes != nil {
		w.chosen = make([]bool, 1<<15)
		for _, c := range plan.classes {
			w.chosen[c] = true
		}
	}
	rows, err := q.Query(ctx, `
		SELECT id, first_event_id, last_event_id, bucket_bits, octet_length(event_ids) / 16, overfull,
			CASE WHEN $4::smallint[] IS NOT NULL THEN classes END, CASE WHEN $4 IS NOT NULL THEN class_events END,
			CASE WHEN first_event_id < $2 OR last_event_id >= $3 THEN marks END
		FROM search_segments
		WHERE id >= $1 AND last_event_id >= $2 AND first_event_id < $3 AND ($4 IS NULL OR classes && $4)`,
		IDAt(receivedAt(ids.from)), ids.from, ids.to, plan.classes)
	if err != nil {
		return nil, fmt.Errorf("finding segments: %w", err)
	}
	w.waiting, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*segment, error) {
		s := &segment{}
		var classes []int16
		var events []int32
		var marks []byte
		err := row.Scan(&s.id, &s.first, &s.last, &s.shape, &s.events, &s.overfull, &classes, &events, &marks)
		s.low, s.high = 0, place(s.events)
		if marks != nil {
			s.cut(marks, ids)
		}
		for i, c := range classes {
			if w.chosen[c] {
				s.classes, s.ofClass = append(s.classes, c), s.ofClass+int(events[i])
			}
		}
		if len(s.classes) == len(classes) {
			s.classes, s.ofClass = nil, s.events
		}
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("finding segments: %w", err)
	}
	slices.SortFunc(w.waiting, func(a, b *segment) int { return order.compare(w.begin(a), w.begin(b)) })
	return w, nil
}

// cut leaves out the places that lie outside of a range, but for some at its ends.
func (s *segment) cut(marks []byte, ids idRange) {
	before := func(id uuid.UUID) int { // marks
		return sort.Search(len(marks)/16, func(i int) bool { return compareIDs(uuid.UUID(marks[16*i:16*i+16]), id) >= 0 })
	}
	s.low = place(max(0, before(ids.from)-1) * markEvery)
	s.high = min(s.high, place(before(ids.to)*markEvery))
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
	for len(w.waiting)+len(w.opened) > 0 {
		if ids := w.take(); len(ids) > 0 {
			return ids, nil
		}
		some, err := w.resolve(ctx, q)
		if err == nil && !some { // what is ready lies behind the beginning of another segment, or nothing is
			err = w.open(ctx, q)
		}
		if err != nil {
			return nil, err
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
		before(w.begin(w.waiting[0]))
	}
	for _, s := range w.opened {
		switch {
		case len(s.places) == 0 && !s.unread:
		case len(s.ready) == 0:
			before(w.begin(s))
		default:
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
	w.opened = slices.DeleteFunc(w.opened, (*segment).over)
	slices.SortFunc(ids, w.order.compare)
	return slices.Compact(ids)
}

// open evaluates the plan on the next segments.
func (w *walker) open(ctx context.Context, q querier) error {
	n := min(w.atOnce, len(w.waiting))
	if len(w.plan.groups) == 0 { // it is known how many events they have
		n = 0
		for found := 0; n < min(maxAtOnce, len(w.waiting)) && found < 2*w.wanted; n++ {
			found += w.waiting[n].ofClass
		}
	}
	w.atOnce = min(8*w.atOnce, maxAtOnce)
	opened := slices.Clone(w.waiting[:n])
	w.opened, w.waiting = append(w.opened, opened...), w.waiting[n:]

	if len(w.plan.groups) == 0 {
		for _, s := range opened {
			s.unread = true
		}
	} else {
		if err := w.evaluate(ctx, q, opened); err != nil {
			return err
		}
		for _, s := range opened {
			s.loose = s.classes != nil
			w.turn(s)
		}
	}
	if err := w.openClasses(ctx, q, opened); err != nil {
		return err
	}
	w.opened = slices.DeleteFunc(w.opened, (*segment).over)
	return nil
}

// fewPlaces of a segment are looked at rather than asking for more terms: the rows of what is in every event are long.
const fewPlaces = 32

// evaluate finds the places of opened segments that the plan's terms leave, or, where a rare one leaves few, that one alone.
func (w *walker) evaluate(ctx context.Context, q querier, opened []*segment) error {
	rare := [][][]term{w.plan.first}
	if w.plan.first == nil {
		rare = w.plan.groups
	}
	rows, err := postingRows(ctx, q, opened, func(*segment) [][][]term { return rare })
	if err != nil {
		return err
	}
	var more []*segment
	for _, s := range opened {
		if s.places, err = s.evaluate(rare, rows[s]); err != nil {
			return err
		}
		if w.plan.first != nil && w.plan.further() && len(s.places) > fewPlaces {
			more = append(more, s)
		}
	}
	if len(more) == 0 {
		return nil
	}
	if rows, err = postingRows(ctx, q, more, func(*segment) [][][]term { return w.plan.groups }); err != nil {
		return err
	}
	for _, s := range more {
		if s.places, err = s.evaluate(w.plan.groups, rows[s]); err != nil {
			return err
		}
	}
	return nil
}

// turn puts places in the order of walking, without those outside of the range.
func (w *walker) turn(s *segment) {
	s.places = slices.DeleteFunc(s.places, func(at place) bool { return at < s.low || at >= s.high })
	if w.order == newestFirst {
		slices.Reverse(s.places)
	}
}

// resolve looks up the next ids of opened segments that have nothing ready, those in front first, as many as are wanted. It
// tells whether there were any.
func (w *walker) resolve(ctx context.Context, q querier) (bool, error) {
	var now []*segment
	for found, i := 0, 0; i < len(w.opened) && found < w.wanted; i++ {
		if s := w.opened[i]; len(s.ready) == 0 {
			now = append(now, s)
			found += len(s.places)
			if len(s.places) == 0 {
				found += min(classesAtOnce, s.ofClass)
			}
		}
	}
	if len(now) == 0 {
		return false, nil
	}
	if err := w.readClasses(ctx, q, now); err != nil {
		return false, err
	}
	if err := w.readIDs(ctx, q, now); err != nil {
		return false, err
	}
	w.wanted = min(2*w.wanted, maxWanted)
	return true, nil
}
