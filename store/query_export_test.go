package store

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
)

// CountUpTo is CountEvents with another end.
func (db *DB) CountUpTo(ctx context.Context, f filter.Filter, patience time.Duration, most int) (EventCount, error) {
	return db.countEvents(ctx, f, patience, most)
}

// Read is read, to see what holds inside.
func (db *DB) Read(ctx context.Context, queries func(tx pgx.Tx) error) error {
	return db.read(ctx, queries)
}

// ExplainEvents is PostgreSQL's plan for a page of events.
func (db *DB) ExplainEvents(ctx context.Context, q EventQuery) (plan string, err error) {
	err = db.read(ctx, func(tx pgx.Tx) error {
		w, err := newEventFilter(ctx, tx, q.Filter)
		if err != nil {
			return err
		}
		ids := w.ids
		if q.Before != uuid.Nil {
			ids.below(q.Before)
		}
		rows, err := tx.Query(ctx, "EXPLAIN "+w.sql(eventSummaryColumns, fromEvents, newestFirst), w.arguments(ids, 50))
		if err != nil {
			return err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		plan = strings.Join(lines, "\n")
		return err
	})
	return plan, err
}

// IndexSegments is IndexEvents with segments of that many events.
func (db *DB) IndexSegments(ctx context.Context, size int) error {
	return db.indexEvents(ctx, size, pace{})
}

// IndexSome is one step of it.
func (db *DB) IndexSome(ctx context.Context, size int) (more bool, err error) {
	return db.indexSome(ctx, size, &pace{})
}
