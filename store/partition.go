package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// partitioned are the tables with one partition for each ISO week, in the order of making them.
var partitioned = []struct{ table, column string }{
	{"events", "id"}, {"deliveries", "event_id"}, {"attempts", "event_id"}, {"reverifications", "event_id"}, {"edited_tests", "event_id"},
	{"search_segments", "id"}, {"search_postings", "segment_id"},
}

// weeksAhead is how many weeks have their partitions before they begin: long enough for an instance that sleeps over
// the holidays.
const weeksAhead = 4

// partitions remembers which weeks have theirs, so that recording asks nobody.
type partitions struct {
	mu    sync.Mutex
	known map[time.Time]bool // Monday 00:00 UTC
}

func (p *partitions) has(week time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[week]
}

func (p *partitions) add(week time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[time.Time]bool{}
	}
	p.known[week] = true
}

// forget makes the next recording look again: a partition may have been dropped.
func (p *partitions) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = nil
}

// weekOf is the Monday, 00:00 UTC, of the ISO week of t.
func weekOf(t time.Time) time.Time {
	t = t.UTC()
	days := (int(t.Weekday()) + 6) % 7 // since Monday
	return time.Date(t.Year(), t.Month(), t.Day()-days, 0, 0, 0, 0, time.UTC)
}

// partitionName is such as events_2026w48.
func partitionName(table string, week time.Time) string {
	year, number := week.ISOWeek()
	return fmt.Sprintf("%s_%04dw%02d", table, year, number)
}

// IDAt is the smallest UUIDv7 of a time: ranges of time are ranges of ids (RFC 9562 §5.7). Times before 1970 count as 1970.
func IDAt(t time.Time) uuid.UUID {
	var id uuid.UUID
	millis := uint64(max(0, t.UnixMilli()))
	binary.BigEndian.PutUint64(id[:8], millis<<16)
	return id
}

// ensurePartitions makes what is missing for the weeks of these events, before they are inserted.
func (db *DB) ensurePartitions(ctx context.Context, events []*Event) error {
	for _, e := range events {
		week := weekOf(e.ReceivedAt())
		if db.parts.has(week) {
			continue
		}
		if err := db.makePartitions(ctx, week); err != nil {
			return err
		}
	}
	return nil
}

// makePartitionsAhead makes those of this week and of the next ones.
func (db *DB) makePartitionsAhead(ctx context.Context) error {
	week := weekOf(db.Now())
	for range weeksAhead + 1 {
		if err := db.makePartitions(ctx, week); err != nil {
			return err
		}
		week = week.AddDate(0, 0, 7)
	}
	return nil
}

// makePartitions makes the partitions of a week in one transaction. Each is made apart and attached: that stops no writer,
// where CREATE TABLE … PARTITION OF would wait for all of them and make all others wait behind it.
func (db *DB) makePartitions(ctx context.Context, week time.Time) error {
	from, to := IDAt(week), IDAt(week.AddDate(0, 0, 7))
	err := pgx.BeginFunc(ctx, db.OwnerPool(), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '3s'`)
		if err != nil {
			return err
		}
		// Two instances that make the same week wait for each other.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockPartitions); err != nil {
			return err
		}
		for _, p := range partitioned {
			name := partitionName(p.table, week)
			var there bool
			if err := tx.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there); err != nil {
				return err
			}
			if there {
				continue
			}
			// Names and bounds are made of our own constants and numbers; DDL takes no parameters.
			_, err := tx.Exec(ctx, fmt.Sprintf(`
				CREATE TABLE %[1]s (LIKE %[2]s INCLUDING ALL);
				ALTER TABLE %[2]s ATTACH PARTITION %[1]s FOR VALUES FROM ('%[3]s') TO ('%[4]s')`,
				name, p.table, from, to))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("making the partitions of the week of %s: %w", week.Format(time.DateOnly), err)
	}
	db.parts.add(week)
	return nil
}
