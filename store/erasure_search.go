package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// CutSearch takes what the search index holds of a case's erased events out of the segments of one week after another: every
// word and value of theirs. The segments keep their ids, which name nothing any more. It returns how many entries were cut.
// Call it when everybody who may still index them is done (SettleErasure).
func (db *DB) CutSearch(ctx context.Context, id int64) (cut int64, err error) {
	for after := uuid.Nil; ; {
		rows, err := db.OwnerPool().Query(ctx, `SELECT event_id FROM erased_events WHERE case_id = $1 AND recorded AND event_id > $2 ORDER BY event_id LIMIT $3`, id, after, retentionBatch)
		var ids []uuid.UUID
		if err == nil {
			ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		}
		if err != nil || len(ids) == 0 {
			return cut, wrapCase(id, "cutting the search index", err)
		}
		after = ids[len(ids)-1]
		n, err := db.cutSegments(ctx, ids)
		cut += n
		if err != nil {
			return cut, wrapCase(id, "cutting the search index", err)
		}
	}
}

func wrapCase(id int64, doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("case %d: %s: %w", id, doing, err)
}

// cutSegments cuts events, in the order of their ids, out of every segment that holds one, each in a transaction of its own.
func (db *DB) cutSegments(ctx context.Context, ids []uuid.UUID) (cut int64, err error) {
	rows, err := db.OwnerPool().Query(ctx, `
		SELECT id FROM search_segments
		WHERE id >= $1 AND last_event_id >= $2 AND first_event_id <= $3 ORDER BY id`, IDAt(receivedAt(ids[0])), ids[0], ids[len(ids)-1])
	if err != nil {
		return 0, err
	}
	segments, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, err
	}
	erased := map[uuid.UUID]bool{}
	for _, id := range ids {
		erased[id] = true
	}
	for _, s := range segments {
		err := pgx.BeginFunc(ctx, db.OwnerPool(), func(tx pgx.Tx) error {
			n, err := cutSegment(ctx, tx, s, erased)
			cut += n
			return err
		})
		if err != nil {
			return cut, err
		}
	}
	return cut, nil
}

func cutSegment(ctx context.Context, tx pgx.Tx, segment uuid.UUID, erased map[uuid.UUID]bool) (cut int64, err error) {
	// A segment that is being merged of others holds what they held: it is begun anew.
	var merging *uuid.UUID
	if err := tx.QueryRow(ctx, `SELECT merging FROM search_progress FOR UPDATE`).Scan(&merging); err != nil {
		return 0, err
	}
	if merging != nil {
		if _, err := tx.Exec(ctx, `DELETE FROM search_postings WHERE segment_id = $1`, *merging); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(ctx, `UPDATE search_progress SET merging = NULL, merging_from = '{}', merged_to = 0`); err != nil {
			return 0, err
		}
	}
	var eventIDs []byte
	var bits int
	err = tx.QueryRow(ctx, `SELECT event_ids, bucket_bits FROM search_segments WHERE id = $1`, segment).Scan(&eventIDs, &bits)
	if errors.Is(err, pgx.ErrNoRows) { // the index was begun anew
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	places := map[place]bool{}
	for i := 0; i+16 <= len(eventIDs); i += 16 {
		if erased[uuid.UUID(eventIDs[i:i+16])] {
			places[place(i/16)] = true
		}
	}
	if len(places) == 0 {
		return 0, nil
	}
	rows, err := tx.Query(ctx, `SELECT bucket, postings FROM search_postings WHERE segment_id = $1`, segment)
	if err != nil {
		return 0, err
	}
	batch := &pgx.Batch{}
	var bucket int16
	var postings []byte
	_, err = pgx.ForEachRow(rows, []any{&bucket, &postings}, func() error {
		rest, n, err := cutPostings(shape(bits), postings, places)
		if err != nil || n == 0 {
			return err
		}
		cut += int64(n)
		batch.Queue(`UPDATE search_postings SET postings = $3 WHERE segment_id = $1 AND bucket = $2`, segment, bucket, rest)
		return nil
	})
	if err != nil || batch.Len() == 0 {
		return cut, err
	}
	return cut, tx.SendBatch(ctx, batch).Close()
}

// cutPostings writes a row anew without the entries of some places, and tells how many there were.
func cutPostings(s shape, row []byte, places map[place]bool) (rest []byte, cut int, err error) {
	var held []uint32
	var list []place
	err = rowTerms(row, func(term uint32, of rowPlaces) bool {
		list = of.append(list[:0])
		for _, at := range list {
			if places[at] {
				cut++
			} else {
				held = append(held, term<<s.placeBits()|at)
			}
		}
		return true
	})
	return encodeRow(s, held), cut, err
}
