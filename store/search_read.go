package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// segmentRows are the rows of a segment's postings, by bucket.
type segmentRows map[int16][]byte

// postingRows reads the rows of the terms that are asked of each segment.
func postingRows(ctx context.Context, q querier, segments []*segment, groups func(*segment) [][][]term) (map[*segment]segmentRows, error) {
	var of []*segment
	var ids []uuid.UUID
	var buckets []int16
	for _, s := range segments {
		var own []int16
		for _, group := range groups(s) {
			for _, alternative := range group {
				for _, t := range alternative {
					own = append(own, s.shape.bucket(t))
				}
			}
		}
		slices.Sort(own)
		for _, b := range slices.Compact(own) {
			of, ids, buckets = append(of, s), append(ids, s.id), append(buckets, b)
		}
	}
	found := map[*segment]segmentRows{}
	if len(ids) == 0 {
		return found, nil
	}
	rows, err := q.Query(ctx, `
		SELECT s.number, p.postings
		FROM unnest($1::uuid[], $2::smallint[]) WITH ORDINALITY AS s (id, bucket, number), LATERAL ( -- one by one, each in its partition
			SELECT postings FROM search_postings WHERE segment_id = s.id AND bucket = s.bucket OFFSET 0
		) p`, ids, buckets)
	if err != nil {
		return nil, fmt.Errorf("reading postings: %w", err)
	}
	var number int
	var row []byte
	_, err = pgx.ForEachRow(rows, []any{&number, &row}, func() error {
		s := of[number-1]
		if found[s] == nil {
			found[s] = segmentRows{}
		}
		found[s][buckets[number-1]] = row
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading postings: %w", err)
	}
	return found, nil
}

// evaluate returns the places of the events that hold a term of each group, ascending.
func (s *segment) evaluate(groups [][][]term, rows segmentRows) ([]place, error) {
	var places []place
	for i, group := range groups {
		lists := [][]place{s.overfullPlaces()}
		for _, alternative := range group {
			of, err := allOf(s.shape, alternative, rows)
			if err != nil {
				return nil, err
			}
			lists = append(lists, of)
		}
		if in := either(lists...); i == 0 {
			places = in
		} else {
			places = both(places, in)
		}
		if len(places) == 0 {
			break
		}
	}
	return places, nil
}

func (s *segment) overfullPlaces() []place {
	list := make([]place, len(s.overfull))
	for i, at := range s.overfull {
		list[i] = place(at)
	}
	return list
}

const (
	// fewClasses of a segment are looked up as terms are, where few events are of them. Others are read through.
	fewClasses    = 32
	fewOfClass    = 16   // one event of so many
	classesAtOnce = 8192 // read through in one go
	loosePlaces   = 256  // more are compared with classes before their ids are looked up
)

// classTerm is what an event of a class holds.
func classTerm(class int16) term { return newTerm(termClass, strconv.Itoa(int(class))) }

// openClasses leaves those places of opened segments whose events are of the plan's classes, where that is to be known by
// terms: whatever is rare.
func (w *walker) openClasses(ctx context.Context, q querier, opened []*segment) error {
	var rare []*segment
	for _, s := range opened {
		switch {
		case !s.unread && (!s.loose || len(s.places) <= loosePlaces):
		case s.classes == nil:
			s.unread = false
			for at := s.low; at < s.high; at++ {
				s.places = append(s.places, at)
			}
			w.turn(s)
		case len(s.classes) <= fewClasses && s.ofClass <= s.events/fewOfClass:
			rare = append(rare, s)
		}
	}
	groups := func(s *segment) [][][]term {
		group := make([][]term, len(s.classes))
		for i, c := range s.classes {
			group[i] = []term{classTerm(c)}
		}
		return [][][]term{group}
	}
	rows, err := postingRows(ctx, q, rare, groups)
	if err != nil {
		return err
	}
	for _, s := range rare {
		all := segment{shape: s.shape} // a class stands there of overfull ones, too
		places, err := all.evaluate(groups(s), rows[s])
		if err != nil {
			return err
		}
		if s.unread {
			s.places, s.unread = places, false
			w.turn(s)
		} else {
			is := make(map[place]bool, len(places))
			for _, at := range places {
				is[at] = true
			}
			s.places = slices.DeleteFunc(s.places, func(at place) bool { return !is[at] })
		}
		s.loose = false
	}
	return nil
}

// readClasses reads on in segments whose events' classes are read through, and have no more places.
func (w *walker) readClasses(ctx context.Context, q querier, segments []*segment) error {
	var of []*segment
	var runs segmentRuns
	for _, s := range segments {
		if !s.unread || len(s.places) > 0 {
			continue
		}
		low, high := s.low, s.high
		if w.order == newestFirst {
			low = max(low, high-min(high, classesAtOnce))
			s.high = low
		} else {
			high = min(high, low+classesAtOnce)
			s.low = high
		}
		s.unread = s.low < s.high
		of = append(of, s)
		runs.add(s, low, high, true)
	}
	err := runs.read(ctx, q, "''::bytea", func(i int, _, classes []byte) {
		s := of[i]
		for at := range len(classes) / 2 {
			if w.chosen[binary.BigEndian.Uint16(classes[2*at:])] {
				s.places = append(s.places, place(runs.begin[i])+place(at))
			}
		}
		if w.order == newestFirst {
			slices.Reverse(s.places)
		}
	})
	return err
}

// maxGap is how many ids that are not asked for are read rather than asking once more: what is read at a time anyway.
const maxGap = 60

// readIDs turns the next places of segments into ids, without those of other classes.
func (w *walker) readIDs(ctx context.Context, q querier, segments []*segment) error {
	var of []*segment
	var places [][]place
	var runs segmentRuns
	for _, s := range segments {
		now := s.places[:min(w.wanted, len(s.places))]
		s.places = s.places[len(now):]
		for len(now) > 0 {
			n := 1
			for n < len(now) && gap(now[n-1], now[n]) <= maxGap {
				n++
			}
			of, places = append(of, s), append(places, now[:n])
			runs.add(s, min(now[0], now[n-1]), max(now[0], now[n-1])+1, s.loose)
			now = now[n:]
		}
	}
	return runs.read(ctx, q, idsOfRun, func(i int, ids, classes []byte) {
		for _, at := range places[i] {
			begin := int(at) - int(runs.begin[i])
			if len(ids) < 16*begin+16 || of[i].loose && (len(classes) < 2*begin+2 || !w.chosen[binary.BigEndian.Uint16(classes[2*begin:])]) {
				continue
			}
			of[i].ready = append(of[i].ready, uuid.UUID(ids[16*begin:16*begin+16]))
		}
	})
}

func gap(a, b place) int { return max(int(a)-int(b), int(b)-int(a)) }

// segmentRuns are parts of segments to be read.
type segmentRuns struct {
	ids           []uuid.UUID
	begin, length []int32 // places
	classes       []bool
}

func (r *segmentRuns) add(s *segment, low, high place, classes bool) {
	r.ids, r.begin, r.length = append(r.ids, s.id), append(r.begin, int32(low)), append(r.length, int32(high-low))
	r.classes = append(r.classes, classes)
}

const idsOfRun = "substr(event_ids, 16 * run.begin + 1, 16 * run.length)"

// read gives the ids and, where they are asked for, the classes of each run, in order. A segment that retention took
// meanwhile is passed over.
func (r *segmentRuns) read(ctx context.Context, q querier, ids string, give func(i int, ids, classes []byte)) error {
	if len(r.ids) == 0 {
		return nil
	}
	rows, err := q.Query(ctx, `
		SELECT run.number, s.ids, s.classes
		FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::boolean[]) WITH ORDINALITY AS run (id, begin, length, classes, number), LATERAL (
			SELECT `+ids+` AS ids, CASE WHEN run.classes THEN substr(event_classes, 2 * run.begin + 1, 2 * run.length) END AS classes
			FROM search_segments WHERE id = run.id OFFSET 0
		) s
		ORDER BY run.number`, r.ids, r.begin, r.length, r.classes)
	if err != nil {
		return fmt.Errorf("reading segments: %w", err)
	}
	var number int
	var of, classes []byte
	_, err = pgx.ForEachRow(rows, []any{&number, &of, &classes}, func() error {
		give(number-1, of, classes)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading segments: %w", err)
	}
	return nil
}
