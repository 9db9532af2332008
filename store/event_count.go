package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/filter"
)

// MaxCounted is how far CountEvents counts: a list needs to know whether there are a few or many, not how many.
const MaxCounted = 10_000

// EventCount is how many events fulfil a filter, as far as they were counted.
type EventCount struct {
	Events    int       // at most MaxCounted
	More      bool      // there are more; or, with CountedTo, there may be
	CountedTo time.Time // it took too long: events of before then were not looked at; zero: all were
}

// CountEvents counts the events that fulfil the filter, newest first, up to MaxCounted, and no longer than about its
// patience. What the search index knows is counted by it, anything else by looking; no page should wait for that.
func (db *DB) CountEvents(ctx context.Context, f filter.Filter, patience time.Duration) (EventCount, error) {
	return db.countEvents(ctx, f, patience, MaxCounted)
}

func (db *DB) countEvents(ctx context.Context, f filter.Filter, patience time.Duration, most int) (EventCount, error) {
	var count EventCount
	began := time.Now()
	err := db.read(ctx, func(tx pgx.Tx) error {
		w, err := newEventFilter(ctx, tx, f)
		if err != nil {
			return err
		}
		s := &search{eventFilter: w, q: tx, until: began.Add(patience), now: time.Now}
		found, stopped, err := find(ctx, s, "1", pgx.RowTo[int32], s.ids, newestFirst, most+1)
		count = EventCount{Events: min(len(found), most), More: len(found) > most}
		if errors.Is(err, errSearching) && !count.More {
			count.More, count.CountedTo, err = true, receivedAt(stopped), nil
		}
		return err
	})
	if err != nil {
		return EventCount{}, fmt.Errorf("counting events: %w", err)
	}
	return count, nil
}
