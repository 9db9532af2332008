package store

import (
	"context"
	"encoding/binary"
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
		rows, err := db.pool.Query(ctx, `SELECT event_id FROM erased_events WHERE case_id = $1 AND recorded AND event_id > $2 ORDER BY event_id LIMIT $3`, id, after, retentionBatch)
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
	rows, err := db.pool.Query(ctx, `
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
		err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
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
	var eventIDs []byte
	err = tx.QueryRow(ctx, `SELECT event_ids FROM search_segments WHERE id = $1`, segment).Scan(&eventIDs)
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
		rest, n, err := cutPostings(postings, places)
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
func cutPostings(row []byte, places map[place]bool) (rest []byte, cut int, err error) {
	rest = make([]byte, 0, len(row))
	at, last := uint64(0), uint64(0)
	for len(row) > 0 {
		step, n := binary.Uvarint(row)
		if n <= 0 {
			return nil, 0, errors.New("the search index is damaged")
		}
		row = row[n:]
		if at += step; places[place(at&(segmentEvents-1))] {
			cut++
			continue
		}
		rest = binary.AppendUvarint(rest, at-last)
		last = at
	}
	return rest, cut, nil
}
