package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// searchVersion grows when something else is indexed; the index is then made anew.
const searchVersion = 2

// IndexEvents brings the search index up to what is committed, until less than a segment waits, which searches scan.
// Several instances may call it at once: one of them does the work. Where the index is not there yet, or one of another
// version, it is made from the events, newest first; searches find everything meanwhile. While this instance records
// events, it rests between small pieces of work.
func (db *DB) IndexEvents(ctx context.Context) error {
	return db.indexEvents(ctx, segmentEvents, db.newPace())
}

// indexEvents is IndexEvents with segments of another size, and at another pace.
func (db *DB) indexEvents(ctx context.Context, size int, p pace) error {
	for ctx.Err() == nil {
		more, err := db.indexSome(ctx, size, &p)
		if err != nil {
			return fmt.Errorf("indexing events: %w", err)
		}
		if !more {
			return nil
		}
	}
	return ctx.Err()
}

// indexedAtExact is how exactly IndexedAt is kept.
const indexedAtExact = 20 * time.Second

// progress is the row of search_progress.
type progress struct {
	version int
	cursor  string
	downTo  uuid.UUID
}

// indexSome makes one segment, or a part of a merged one, in one transaction, and tells whether there may be more to do.
func (db *DB) indexSome(ctx context.Context, size int, pace *pace) (more bool, err error) {
	var merged uuid.UUID
	defer func() {
		if merged != uuid.Nil && err == nil {
			db.tidy(ctx, merged)
		}
	}()
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var p progress
		var indexedAt *time.Time
		err := tx.QueryRow(ctx, `SELECT version, cursor, down_to, indexed_at FROM search_progress FOR UPDATE SKIP LOCKED`).Scan(
			&p.version, &p.cursor, &p.downTo, &indexedAt)
		if errors.Is(err, pgx.ErrNoRows) { // another instance is at it
			return nil
		}
		if err != nil {
			return err
		}
		if p.version > searchVersion { // of a newer Recall beside this one, which goes on with it
			return nil
		}
		slept := indexedAt != nil && db.Now().Sub(*indexedAt) > commitsKept // for so long that Maintain may have deleted commits
		if p.version != searchVersion || slept {
			more = true
			return db.beginIndex(ctx, tx)
		}
		ids, next, err := db.CommittedSince(ctx, p.cursor, size)
		if errors.Is(err, ErrCursor) { // the database was restored
			more = true
			return db.beginIndex(ctx, tx)
		}
		if err != nil {
			return err
		}
		wide := false
		if len(ids) > 0 && len(ids) < size {
			if wide, err = isWide(ctx, tx, ids); err != nil {
				return err
			}
		}
		if len(ids) < size && !wide {
			if ids = nil; p.downTo == uuid.Nil {
				_, err := tx.Exec(ctx, `
					UPDATE search_progress SET indexed_at = $1
					WHERE indexed_at IS NULL OR indexed_at < $2 -- not a row for every look`, db.Now(), db.Now().Add(-indexedAtExact))
				if err != nil {
					return err
				}
			}
			m := merge{db: db, tx: tx, pace: pace, most: mergedEvents / segmentEvents * size}
			if more, err = m.some(ctx, p.downTo); more || err != nil {
				merged = m.done
				return err
			}
		}
		switch {
		case len(ids) > 0:
			p.cursor = next
		case p.downTo != uuid.Nil:
			if ids, p.downTo, err = olderIDs(ctx, tx, p.downTo, size); err != nil {
				return err
			}
		default:
			return nil
		}
		more = true
		if err := db.makeSegment(ctx, tx, ids, pace); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE search_progress SET cursor = $1, down_to = $2`, p.cursor, p.downTo)
		return err
	})
	return more, err
}

// beginIndex forgets the index. What is committed from here on is taken in the order of commits, what is there by now
// newest first; what is both is indexed twice, which does no harm.
func (db *DB) beginIndex(ctx context.Context, tx pgx.Tx) error {
	_, cursor, err := db.CommittedSince(ctx, "", 1)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `TRUNCATE search_postings, search_segments, search_classes`)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		UPDATE search_progress
		SET version = $1, cursor = $2, down_to = $3, indexed_at = NULL, merging = NULL, merging_from = '{}', merged_to = 0`, searchVersion, cursor, uuid.Max)
	return err
}

// olderIDs returns the ids of the next segment of events that were there before the index was, and the last of them;
// uuid.Nil when there are no more.
func olderIDs(ctx context.Context, tx pgx.Tx, before uuid.UUID, size int) ([]uuid.UUID, uuid.UUID, error) {
	rows, err := tx.Query(ctx, `SELECT id FROM events WHERE id < $1 ORDER BY id DESC LIMIT $2`, before, size)
	if err != nil {
		return nil, uuid.Nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil || len(ids) < size {
		return ids, uuid.Nil, err
	}
	return ids, ids[len(ids)-1], nil
}

// isWide tells whether the events that wait for a segment lie between many that have theirs, as after an outage, when old
// ids come late: searches scan everything since the oldest that waits.
func isWide(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) (bool, error) {
	var between int
	err := tx.QueryRow(ctx, `
		SELECT coalesce(sum(octet_length(event_ids) / 16), 0)
		FROM search_segments
		WHERE id >= $1 AND first_event_id > $2`, IDAt(receivedAt(slices.MinFunc(ids, compareIDs))), slices.MinFunc(ids, compareIDs)).Scan(&between)
	return between > 4*segmentEvents, err
}

// makeSegment indexes events.
func (db *DB) makeSegment(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, pace *pace) error {
	if len(ids) == 0 {
		return nil
	}
	ids = slices.Clone(ids)
	slices.SortFunc(ids, compareIDs)
	ids = slices.Compact(ids)
	numbers, err := newClassNumbers(ctx, tx)
	if err != nil {
		return err
	}
	b := segmentBuilder{numbers: numbers, keys: pathKeys{}, postings: newPostings(shapeFor(len(ids)))}
	for piece := range slices.Chunk(ids, indexPiece) {
		if err := b.read(ctx, tx, piece); err != nil {
			return err
		}
		if err := pace.rest(ctx); err != nil {
			return err
		}
	}
	if len(b.ids) == 0 { // retention was there first
		return nil
	}
	if err := numbers.save(ctx, tx); err != nil {
		return err
	}
	last := b.ids[len(b.ids)-1]
	if week := weekOf(receivedAt(last)); !db.parts.has(week) {
		if err := db.makePartitions(ctx, week); err != nil {
			return err
		}
	}
	return b.write(ctx, tx, segmentID(last), pace)
}

// segmentBuilder is a segment being made.
type segmentBuilder struct {
	numbers  *classNumbers
	keys     pathKeys
	ids      []uuid.UUID
	classes  []int16
	overfull []int32
	postings *postings
}

// read takes the events in the order of their ids.
func (b *segmentBuilder) read(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) error {
	rows, err := tx.Query(ctx, `
		SELECT id, source_id, verdict, signature, reason, answered, repeat_of IS NOT NULL, unexpected_type, entity_type, callback_type,
			api_version, entity_id, customers, header, body
		FROM events
		WHERE id = ANY($1) AND id BETWEEN $2 AND $3
		ORDER BY id`, ids, ids[0], ids[len(ids)-1])
	if err != nil {
		return err
	}
	var (
		e            indexedEvent
		id           uuid.UUID
		c            class
		header, body pgtype.DriverBytes // valid until the next row
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &c.SourceID, &c.Verdict, &c.Signature, &c.Reason, &c.Answered, &c.Repeat, &c.UnexpectedType,
		&c.EntityType, &c.CallbackType, &c.APIVersion, &e.entityID, &e.customers, &header, &body}, func() error {
		at, number := place(len(b.ids)), b.numbers.number(c)
		e.header, e.body = header, body
		b.ids, b.classes = append(b.ids, id), append(b.classes, number)
		b.postings.add(classTerm(number), at)
		if !e.terms(b.keys, func(t term) { b.postings.add(t, at) }) {
			b.overfull = append(b.overfull, int32(at))
		}
		return nil
	})
	return err
}

func (b *segmentBuilder) write(ctx context.Context, tx pgx.Tx, id uuid.UUID, pace *pace) error {
	eventIDs, eventClasses := make([]byte, 0, 16*len(b.ids)), make([]byte, 0, 2*len(b.ids))
	for i, id := range b.ids {
		eventIDs = append(eventIDs, id[:]...)
		eventClasses = binary.BigEndian.AppendUint16(eventClasses, uint16(b.classes[i]))
	}
	if err := insertSegment(ctx, tx, id, b.postings.shape, eventIDs, eventClasses, b.overfull); err != nil {
		return err
	}
	return b.postings.write(ctx, tx, id, pace)
}

// markEvery is how many events lie from one mark of a segment to the next: a page begins in vain with no more than these.
const markEvery = 64

// insertSegment writes a segment down, but its postings.
func insertSegment(ctx context.Context, tx pgx.Tx, id uuid.UUID, s shape, eventIDs, eventClasses []byte, overfull []int32) error {
	count := map[int16]int32{}
	for i := 0; i < len(eventClasses); i += 2 {
		count[int16(binary.BigEndian.Uint16(eventClasses[i:]))]++
	}
	classes := slices.Sorted(maps.Keys(count))
	counts := make([]int32, len(classes))
	for i, c := range classes {
		counts[i] = count[c]
	}
	var marks []byte
	for i := 0; i < len(eventIDs); i += 16 * markEvery {
		marks = append(marks, eventIDs[i:i+16]...)
	}
	if overfull == nil {
		overfull = []int32{}
	}
	first, last := uuid.UUID(eventIDs[:16]), uuid.UUID(eventIDs[len(eventIDs)-16:])
	_, err := tx.Exec(ctx, `
		INSERT INTO search_segments (id, bucket_bits, first_event_id, last_event_id, classes, class_events, overfull, marks, event_ids, event_classes)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, id, s, first, last, classes, counts, overfull, marks, eventIDs, eventClasses)
	return err
}

// write writes the postings of a segment down.
func (p *postings) write(ctx context.Context, tx pgx.Tx, id uuid.UUID, pace *pace) error {
	var rows [][]any
	err := p.encode(func(bucket int16, row []byte) error {
		rows = append(rows, []any{id, bucket, row})
		if len(rows)%indexPiece != 0 {
			return nil
		}
		return pace.rest(ctx)
	})
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(rows, indexPiece) {
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"search_postings"}, []string{"segment_id", "bucket", "postings"}, pgx.CopyFromRows(piece)); err != nil {
			return err
		}
		if err := pace.rest(ctx); err != nil {
			return err
		}
	}
	return nil
}
