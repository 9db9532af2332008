package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// mergedAtOnce bounds the segments that become one: after an outage they may be small.
	mergedAtOnce = 64
	// mergedWhenOver is how many segments of a week that is over are worth merging, though they do not make a whole one.
	mergedWhenOver = 4
	// mergePartBits says by how many parts a segment is merged: each is a transaction of its own, of a tenth of a second.
	mergePartBits = 4
)

// merge makes few large segments of many small ones, each of one week, so that a search has few to ask. A large one is
// seen when it is whole, and in the same moment the small ones are gone.
type merge struct {
	db   *DB
	tx   pgx.Tx
	pace *pace
	most int       // events of a large one
	done uuid.UUID // the large one that was made whole
}

// some does one part of what is to be merged, if anything is, and tells whether it did. Events from downTo on are indexed.
func (m *merge) some(ctx context.Context, downTo uuid.UUID) (bool, error) {
	var id *uuid.UUID
	var from []uuid.UUID
	var part int
	if err := m.tx.QueryRow(ctx, `SELECT merging, merging_from, merged_to FROM search_progress`).Scan(&id, &from, &part); err != nil {
		return false, err
	}
	if id == nil {
		var err error
		if from, err = m.due(ctx, downTo); err != nil || len(from) == 0 {
			return false, err
		}
		made := segmentID(from[len(from)-1])
		id = &made
		if _, err = m.tx.Exec(ctx, `UPDATE search_progress SET merging = $1, merging_from = $2, merged_to = 0`, made, from); err != nil {
			return false, err
		}
	}
	if err := m.part(ctx, *id, from, part); err != nil {
		return false, fmt.Errorf("merging segments: %w", err)
	}
	return true, nil
}

// due are the next segments to be merged, by their ids: enough of one week for a large one, or all of a week that is over.
func (m *merge) due(ctx context.Context, downTo uuid.UUID) ([]uuid.UUID, error) {
	rows, err := m.tx.Query(ctx, `SELECT id, octet_length(event_ids) / 16 FROM search_segments ORDER BY id DESC`)
	if err != nil {
		return nil, err
	}
	type segment struct {
		ID     uuid.UUID
		Events int
	}
	segments, err := pgx.CollectRows(rows, pgx.RowToStructByPos[segment])
	if err != nil {
		return nil, err
	}
	segments = slices.DeleteFunc(segments, func(s segment) bool { return s.Events > m.most/2 })
	for len(segments) > 0 {
		week := weekOf(receivedAt(segments[0].ID))
		n := slices.IndexFunc(segments, func(s segment) bool { return receivedAt(s.ID).Before(week) })
		if n < 0 {
			n = len(segments)
		}
		of := segments[:n]
		segments = segments[n:]
		slices.Reverse(of)
		var from []uuid.UUID
		events, full := 0, false
		for _, s := range of {
			if full = events+s.Events > m.most || len(from) == mergedAtOnce; full {
				break
			}
			from, events = append(from, s.ID), events+s.Events
		}
		full = full || events > m.most*15/16
		over := m.db.Now().Sub(week) > 8*24*time.Hour && compareIDs(downTo, IDAt(week)) <= 0
		if len(from) > 1 && full || over && len(from) >= mergedWhenOver {
			return from, nil
		}
	}
	return nil, nil
}

// tidy frees the room of what was merged for what is next of the week: PostgreSQL by itself comes later, and the table would
// grow to twice its size. It is no matter when it fails.
func (db *DB) tidy(ctx context.Context, merged uuid.UUID) {
	table := partitionName("search_postings", weekOf(receivedAt(merged))) // made of our own constants and numbers
	if _, err := db.OwnerPool().Exec(ctx, "VACUUM (SKIP_LOCKED) "+table); err != nil && ctx.Err() == nil {
		db.Log.Debug("the room of merged segments is left to PostgreSQL", "table", table, "error", err)
	}
}

// mergedSegment is one that goes into a larger one.
type mergedSegment struct {
	id                     uuid.UUID
	shape                  shape
	overfull               []int32
	eventIDs, eventClasses []byte
	places                 []place // of its events in the larger one
	lined                  int     // so many of them are known
}

// part merges the buckets of one part, and ends the merging with the last.
func (m *merge) part(ctx context.Context, id uuid.UUID, from []uuid.UUID, part int) error {
	sources, err := m.sources(ctx, from)
	if err != nil {
		return err
	}
	if len(sources) < len(from) { // retention took them
		return m.end(ctx, []uuid.UUID{id})
	}
	eventIDs, eventClasses := line(sources)
	target := shapeFor(len(eventIDs) / 16)
	parts := min(mergePartBits, target) // bits
	for _, s := range sources {
		parts = min(parts, s.shape)
	}
	p := &postings{shape: target, first: part << (target - parts), held: make([][]uint32, 1<<(target-parts))}
	if err := m.gather(ctx, p, sources, part, parts); err != nil {
		return err
	}
	if err := p.write(ctx, m.tx, id, m.pace); err != nil {
		return err
	}
	if part+1 < 1<<parts {
		_, err := m.tx.Exec(ctx, `UPDATE search_progress SET merged_to = $1`, part+1)
		return err
	}
	var overfull []int32
	for _, s := range sources {
		for _, at := range s.overfull {
			overfull = append(overfull, int32(s.places[at]))
		}
	}
	slices.Sort(overfull)
	if err := insertSegment(ctx, m.tx, id, target, eventIDs, eventClasses, slices.Compact(overfull)); err != nil {
		return err
	}
	m.done = id
	return m.end(ctx, from)
}

// end forgets segments, and that anything is being merged.
func (m *merge) end(ctx context.Context, segments []uuid.UUID) error {
	for _, sql := range []string{`DELETE FROM search_postings WHERE segment_id = ANY($1)`, `DELETE FROM search_segments WHERE id = ANY($1)`} {
		if _, err := m.tx.Exec(ctx, sql, segments); err != nil {
			return err
		}
	}
	_, err := m.tx.Exec(ctx, `UPDATE search_progress SET merging = NULL, merging_from = '{}', merged_to = 0`)
	return err
}

func (m *merge) sources(ctx context.Context, from []uuid.UUID) ([]*mergedSegment, error) {
	rows, err := m.tx.Query(ctx, `
		SELECT id, bucket_bits, overfull, event_ids, event_classes FROM search_segments WHERE id = ANY($1) ORDER BY id`, from)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*mergedSegment, error) {
		s := &mergedSegment{}
		err := row.Scan(&s.id, &s.shape, &s.overfull, &s.eventIDs, &s.eventClasses)
		s.places = make([]place, len(s.eventIDs)/16)
		return s, err
	})
}

// line puts the events of all segments in order, each once, and tells every segment where its own stand. Segments follow one
// another in time, mostly, so long stretches are taken from one of them.
func line(sources []*mergedSegment) (eventIDs, eventClasses []byte) {
	total := 0
	for _, s := range sources {
		total += len(s.places)
	}
	eventIDs, eventClasses = make([]byte, 0, 16*total), make([]byte, 0, 2*total)
	for {
		var first, second *mergedSegment // the ones whose next events are the earliest
		for _, s := range sources {
			switch {
			case s.lined == len(s.places):
			case first == nil || compareIDs(s.next(), first.next()) < 0:
				first, second = s, first
			case second == nil || compareIDs(s.next(), second.next()) < 0:
				second = s
			}
		}
		if first == nil {
			return eventIDs, eventClasses
		}
		for s := first; s.lined < len(s.places) && (second == nil || compareIDs(s.next(), second.next()) <= 0); s.lined++ {
			id := s.next()
			if n := len(eventIDs); n == 0 || id != uuid.UUID(eventIDs[n-16:]) {
				eventIDs = append(eventIDs, id[:]...)
				eventClasses = append(eventClasses, s.eventClasses[2*s.lined:2*s.lined+2]...)
			}
			s.places[s.lined] = place(len(eventIDs)/16 - 1)
		}
	}
}

// next is the event that is the next one to be put in order.
func (s *mergedSegment) next() uuid.UUID { return uuid.UUID(s.eventIDs[16*s.lined : 16*s.lined+16]) }

// gather reads the postings of a part; all segments have so many parts, as bits.
func (m *merge) gather(ctx context.Context, p *postings, sources []*mergedSegment, part int, parts shape) error {
	var ids []uuid.UUID
	var first, last []int16
	for _, s := range sources {
		ids = append(ids, s.id)
		first, last = append(first, int16(part<<(s.shape-parts))), append(last, int16((part+1)<<(s.shape-parts)-1))
	}
	rows, err := m.tx.Query(ctx, `
		SELECT s.number, p.bucket, p.postings
		FROM unnest($1::uuid[], $2::smallint[], $3::smallint[]) WITH ORDINALITY AS s (id, first, last, number), LATERAL (
			SELECT bucket, postings FROM search_postings WHERE segment_id = s.id AND bucket BETWEEN s.first AND s.last OFFSET 0
		) p`, ids, first, last)
	if err != nil {
		return err
	}
	var (
		number int
		bucket int16
		row    []byte
		places []place
		n      int
	)
	_, err = pgx.ForEachRow(rows, []any{&number, &bucket, &row}, func() error {
		s := sources[number-1]
		err := rowTerms(row, func(rest uint32, of rowPlaces) bool {
			t := term(bucket)<<s.shape.restBits() | term(rest)
			places = of.append(places[:0])
			for _, at := range places {
				p.add(t, s.places[at])
			}
			return true
		})
		if n++; err != nil || n%indexPiece != 0 {
			return err
		}
		return m.pace.rest(ctx)
	})
	return err
}
