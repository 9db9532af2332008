package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/verify"
)

// VerdictCounts is events by verdict.
type VerdictCounts struct{ Verified, Late, Rejected int64 }

// Events is all of them.
func (c VerdictCounts) Events() int64 { return c.Verified + c.Late + c.Rejected }

func (c *VerdictCounts) add(v verify.Verdict, n int64) {
	b := VolumeBar{}
	b.add(v, n)
	c.Verified, c.Late, c.Rejected = c.Verified+b.Verified, c.Late+b.Late, c.Rejected+b.Rejected
}

// TypeCount is how many events of a type arrived.
type TypeCount struct {
	EntityType, CallbackType string
	VerdictCounts
}

// SourceCount is how many events of a source arrived.
type SourceCount struct {
	SourceID int64
	VerdictCounts
	Parts []int64 // the same in equally long parts of the time, oldest first
}

// AnswerCount is how many requests were answered with a status.
type AnswerCount struct {
	Status int
	Kept   int64 // became events
	Lost   int64 // became none: not read to their end, not stored, over a limit; of whole hours
}

// VolumeTotals is what arrived from a time on, altogether or of one source.
type VolumeTotals struct {
	VerdictCounts
	First     time.Time     // day (UTC) that the first event ever arrived in; zero: none did
	Before    int64         // events in the same time before it, up to the same moment; -1: it was not counted so far back
	Types     []TypeCount   // the most frequent first; those without a number are left out
	Sources   []SourceCount // by id
	Answers   []AnswerCount // by status
	Latency   Latencies
	CountedAt time.Time // zero: nothing was ever counted
}

// TotalsQuery chooses a time up to now.
type TotalsQuery struct {
	Source int64         // id; 0: all
	From   time.Time     // a whole minute; whole hours and days of UTC are faster
	Length time.Duration // of the whole time, whose end may still be to come: as long before it lies what it is compared with
	Parts  int           // of SourceCount
	Types  int           // at most so many
}

// VolumeTotals counts what arrived. It reads counts only.
func (db *DB) VolumeTotals(ctx context.Context, q TotalsQuery) (*VolumeTotals, error) {
	t := &VolumeTotals{Before: -1}
	now := db.Now()
	g := grainFrom(q.From, now)
	args := pgx.NamedArgs{
		"grain": g, "from": q.From, "source": q.Source, "all": allTypes, "other": otherTypes, "types": max(q.Types, 1),
		"part": max(q.Length/time.Duration(max(q.Parts, 1)), time.Minute).Seconds(), "parts": max(q.Parts, 1),
		"hour": q.From.UTC().Truncate(time.Hour),
	}
	err := db.read(ctx, func(tx pgx.Tx) error {
		var err error
		if t.CountedAt, err = countedAt(ctx, tx); err != nil {
			return err
		}
		for _, read := range []func(context.Context, pgx.Tx, pgx.NamedArgs) error{t.readSources, t.readTypes, t.readAnswers} {
			if err := read(ctx, tx, args); err != nil {
				return err
			}
		}
		if t.First, t.Before, err = volumeBefore(ctx, tx, q, now); err != nil {
			return err
		}
		t.Latency, err = latencies(ctx, tx, g, q.From, q.Source)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting what arrived: %w", err)
	}
	return t, nil
}

// grainFrom is the coarsest that begins at a time.
func grainFrom(from, now time.Time) grain {
	from = from.UTC()
	switch {
	case from.Equal(from.Truncate(day)):
		return days
	case from.Equal(from.Truncate(time.Hour)) || from.Before(now.Add(-minutesKept)):
		return hours
	}
	return minutes
}

// readSources reads the events of each source, and so of all. Days are too coarse for its parts.
func (t *VolumeTotals) readSources(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs) error {
	rows, err := tx.Query(ctx, `
		SELECT source_id, verdict, least(floor(extract(epoch FROM start - @from) / @part::float8), @parts - 1)::int, sum(events)::bigint
		FROM volume
		WHERE grain = CASE @grain::volume_grain WHEN 'day' THEN 'hour' ELSE @grain END AND type_id = @all AND start >= @from
		AND (@source::bigint = 0 OR source_id = @source)
		GROUP BY 1, 2, 3 ORDER BY 1`, args)
	if err != nil {
		return err
	}
	var source int64
	var verdict verify.Verdict
	var part int
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&source, &verdict, &part, &n}, func() error {
		if len(t.Sources) == 0 || t.Sources[len(t.Sources)-1].SourceID != source {
			t.Sources = append(t.Sources, SourceCount{SourceID: source, Parts: make([]int64, args["parts"].(int))})
		}
		last := &t.Sources[len(t.Sources)-1]
		last.Parts[part] += n
		last.add(verdict, n)
		t.add(verdict, n)
		return nil
	})
	return err
}

func (t *VolumeTotals) readTypes(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs) error {
	rows, err := tx.Query(ctx, `
		SELECT entity_type, callback_type, verified, late, rejected
		FROM (
			SELECT type_id, coalesce(sum(events) FILTER (WHERE verdict = 'verified'), 0)::bigint AS verified,
				coalesce(sum(events) FILTER (WHERE verdict = 'late'), 0)::bigint AS late,
				coalesce(sum(events) FILTER (WHERE verdict = 'rejected'), 0)::bigint AS rejected
			FROM volume
			WHERE grain = @grain::volume_grain AND start >= @from AND type_id > @other AND (@source::bigint = 0 OR source_id = @source)
			GROUP BY type_id
		) v
		JOIN volume_types t ON t.id = type_id
		ORDER BY verified + late + rejected DESC, 1, 2
		LIMIT @types`, args)
	if err != nil {
		return err
	}
	var c TypeCount
	_, err = pgx.ForEachRow(rows, []any{&c.EntityType, &c.CallbackType, &c.Verified, &c.Late, &c.Rejected}, func() error {
		t.Types = append(t.Types, c)
		return nil
	})
	return err
}

func (t *VolumeTotals) readAnswers(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs) error {
	rows, err := tx.Query(ctx, `
		SELECT answered, sum(kept)::bigint, sum(lost)::bigint
		FROM (
			SELECT answered, events AS kept, 0 AS lost FROM volume
			WHERE grain = @grain::volume_grain AND type_id = @all AND start >= @from AND (@source::bigint = 0 OR source_id = @source)
			UNION ALL
			SELECT answered, 0, requests FROM unstored_hours WHERE hour >= @hour AND (@source::bigint = 0 OR source_id = @source)
		) answers
		GROUP BY 1 ORDER BY 1`, args)
	if err != nil {
		return err
	}
	t.Answers, err = pgx.CollectRows(rows, pgx.RowToStructByPos[AnswerCount])
	return err
}

// volumeBefore tells when counting began, and what was counted in the time before; -1 where it began within that.
func volumeBefore(ctx context.Context, tx pgx.Tx, q TotalsQuery, now time.Time) (time.Time, int64, error) {
	from := q.From.Add(-q.Length)
	g := hours
	if from.After(now.Add(-minutesKept)) && q.Length <= day {
		g = minutes
	}
	var first *time.Time
	var n int64
	err := tx.QueryRow(ctx, `
		SELECT (SELECT min(start) FROM volume WHERE grain = 'day' AND type_id = @all AND (@source::bigint = 0 OR source_id = @source)),
			(SELECT coalesce(sum(events), 0)::bigint FROM volume
			WHERE grain = @grain AND type_id = @all AND start >= @from AND start < @to AND (@source::bigint = 0 OR source_id = @source))`,
		pgx.NamedArgs{"all": allTypes, "grain": g, "from": from, "to": now.Add(-q.Length), "source": q.Source}).Scan(&first, &n)
	if err != nil || first == nil {
		return time.Time{}, -1, err
	}
	if first.Add(day).After(from) { // perhaps within its day
		n = -1
	}
	return first.UTC(), n, nil
}
