package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// SearchProgress is how far the search index is. Whatever it does not hold is found all the same, one event after another.
type SearchProgress struct {
	IndexedAt time.Time // when less than a segment last waited, to within 20 seconds; zero: not since the index was begun
	Building  bool      // it is being made from the events that were there when it was begun, newest first …
	BuiltTo   time.Time // … and holds those from then on; zero: it is about to be begun
	Events    int64     // in it
	Segments  int       // that a search asks, where no time and no class leaves any out
}

// IndexState is how far the search index was when a search asked it.
type IndexState struct {
	At       time.Time // SearchProgress.IndexedAt
	Building bool      // SearchProgress.Building …
	BuiltTo  time.Time // … and BuiltTo
}

func newIndexState(version int, downTo uuid.UUID, at *time.Time) IndexState {
	s := IndexState{At: orZero(at).UTC(), Building: version != searchVersion || downTo != uuid.Nil}
	if s.Building && version == searchVersion && downTo != uuid.Max {
		s.BuiltTo = receivedAt(downTo)
	}
	return s
}

// SearchProgress asks how far the search index is.
func (db *DB) SearchProgress(ctx context.Context) (SearchProgress, error) {
	var p SearchProgress
	err := db.read(ctx, func(tx pgx.Tx) error {
		var version int
		var downTo uuid.UUID
		var at *time.Time
		err := tx.QueryRow(ctx, `
			SELECT version, down_to, indexed_at,
				(SELECT coalesce(sum(octet_length(event_ids) / 16), 0) FROM search_segments), (SELECT count(*) FROM search_segments)
			FROM search_progress`).Scan(&version, &downTo, &at, &p.Events, &p.Segments)
		if err != nil {
			return err
		}
		s := newIndexState(version, downTo, at)
		p.IndexedAt, p.Building, p.BuiltTo = s.At, s.Building, s.BuiltTo
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("asking how far the search index is: %w", err)
	}
	return p, nil
}

// IndexedAt is SearchProgress.IndexedAt alone.
func (db *DB) IndexedAt(ctx context.Context) (time.Time, error) {
	p, err := db.SearchProgress(ctx)
	return p.IndexedAt, err
}

// Reindex has the search index made anew from the events by whoever runs IndexEvents, and notes who wanted that. What is
// being searched is found meanwhile.
func (db *DB) Reindex(ctx context.Context, note AuditEntry) error {
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE search_progress SET version = 0`); err != nil {
			return err
		}
		return db.AddAuditTx(ctx, tx, note)
	})
	if err != nil {
		return fmt.Errorf("having the search index made anew: %w", err)
	}
	return nil
}
