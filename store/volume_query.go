package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/filter"
	"recall/verify"
)

// ErrNotCounted: a filter asks for more than the volume is counted by, which is time, source, verdict, type and answer.
var ErrNotCounted = errors.New("the volume is counted by time, source, verdict, type and answer only")

// Counted tells whether the volume is counted by what a term of a filter asks for.
func Counted(t filter.Term) bool {
	switch t.Key {
	case filter.KeySource, filter.KeyVerdict, filter.KeyType, filter.KeyAnswered, filter.KeyAfter, filter.KeyBefore:
		return true
	case filter.KeyReceived: // one time without a gap
		return !t.Negated && len(t.Values) == 1
	}
	return false
}

// VolumeBar is how many events arrived in a time, by verdict.
type VolumeBar struct {
	Start, End               time.Time // End is not in it
	Verified, Late, Rejected int64
}

// Events is all of them.
func (b VolumeBar) Events() int64 { return b.Verified + b.Late + b.Rejected }

func (b *VolumeBar) add(v verify.Verdict, n int64) {
	switch v {
	case verify.Verified:
		b.Verified += n
	case verify.Late:
		b.Late += n
	case verify.Rejected:
		b.Rejected += n
	}
}

// Volume is a time in bars that follow one another without a gap, oldest first.
type Volume struct {
	Bars      []VolumeBar // none: the time is empty, or nothing has been counted at all
	Step      time.Duration
	Unsure    int64     // events that are left out, whose type is so rare that it is not counted by itself; the filter asks for types
	CountedAt time.Time // everything that arrived until then is in it; zero: nothing was ever counted
}

// VolumeQuery chooses what is counted.
type VolumeQuery struct {
	Filter filter.Filter  // Counted; its times are widened to whole bars; without any, from the first event to now
	Zone   *time.Location // bars of several hours or of days begin at its midnight; nil: UTC
	Step   time.Duration  // of a bar; 0: one that fits the time
}

// Volume counts the events that a filter finds, in bars. It reads counts only, some thousands of rows at most, and is as
// far behind as CountedAt says. ErrNotCounted where a term of the filter is not Counted.
func (db *DB) Volume(ctx context.Context, q VolumeQuery) (*Volume, error) {
	if slices.ContainsFunc(q.Filter.Terms, func(t filter.Term) bool { return !Counted(t) }) {
		return nil, ErrNotCounted
	}
	if q.Zone == nil {
		q.Zone = time.UTC
	}
	v := &Volume{}
	err := db.read(ctx, func(tx pgx.Tx) error {
		var err error
		if v.CountedAt, err = countedAt(ctx, tx); err != nil {
			return err
		}
		which, err := chooseVolume(ctx, tx, q.Filter)
		if err != nil {
			return err
		}
		now := db.Now()
		from, to := timesOf(q.Filter)
		if to.IsZero() || to.After(now) {
			to = now.Add(time.Millisecond)
		}
		if from.IsZero() || to.Sub(from) > hoursKept {
			first, err := which.first(ctx, tx, now)
			if err != nil || first.IsZero() {
				return err
			}
			if first.After(from) {
				from = first
			}
		}
		g := grain("")
		g, v.Step, v.Bars = barsOf(from, to, now, q)
		if len(v.Bars) == 0 {
			return nil
		}
		return which.count(ctx, tx, g, v)
	})
	if err != nil {
		return nil, fmt.Errorf("counting the volume: %w", err)
	}
	return v, nil
}

// timesOf is the time that a filter leaves; zero where it says nothing.
func timesOf(f filter.Filter) (from, to time.Time) {
	byTime := func(a, b filter.Value) int { return a.Time.Compare(b.Time) }
	for _, t := range f.Terms {
		if t.Key != filter.KeyAfter && t.Key != filter.KeyBefore && t.Key != filter.KeyReceived || len(t.Values) == 0 {
			continue
		}
		earliest, latest := slices.MinFunc(t.Values, byTime).Time, slices.MaxFunc(t.Values, byTime).Time
		least, below := time.Time{}, time.Time{}
		switch {
		case t.Key == filter.KeyReceived:
			least, below = t.Values[0].Time, t.Values[0].Until
		case t.Key == filter.KeyAfter && !t.Negated:
			least = earliest
		case t.Key == filter.KeyAfter:
			below = earliest
		case !t.Negated:
			below = latest
		default:
			least = latest
		}
		if least.After(from) {
			from = least
		}
		if !below.IsZero() && (to.IsZero() || below.Before(to)) {
			to = below
		}
	}
	return from, to
}

// volumeChoice is what rows of the table volume are counted.
type volumeChoice struct {
	sources  []int64 // nil: all
	verdicts []string
	types    []int   // numbers
	answers  []int16 // nil: all
}

// chooseVolume finds what a filter means: each of its terms is about one key, so each key can be asked by itself.
func chooseVolume(ctx context.Context, tx pgx.Tx, f filter.Filter) (volumeChoice, error) {
	terms := map[filter.Key]filter.Filter{}
	for _, t := range f.Terms {
		of := terms[t.Key]
		of.Terms = append(of.Terms, t)
		terms[t.Key] = of
	}
	c := volumeChoice{types: []int{allTypes}}
	for _, v := range []verify.Verdict{verify.Verified, verify.Late, verify.Rejected} {
		if terms[filter.KeyVerdict].Match(filter.Subject{Verdict: string(v)}) {
			c.verdicts = append(c.verdicts, string(v))
		}
	}
	if f, asked := terms[filter.KeyAnswered]; asked {
		c.answers = []int16{}
		for status := range 1000 {
			if f.Match(filter.Subject{Answered: status}) {
				c.answers = append(c.answers, int16(status))
			}
		}
	}
	if f, asked := terms[filter.KeySource]; asked {
		c.sources = []int64{}
		var id int64
		var slug string
		rows, err := tx.Query(ctx, `SELECT id, slug FROM sources`) // removed ones as well: their events stay
		if err != nil {
			return c, err
		}
		_, err = pgx.ForEachRow(rows, []any{&id, &slug}, func() error {
			if f.Match(filter.Subject{Source: slug}) {
				c.sources = append(c.sources, id)
			}
			return nil
		})
		if err != nil {
			return c, err
		}
	}
	if f, asked := terms[filter.KeyType]; asked {
		c.types = []int{otherTypes}
		var id int
		var entity, callback string
		rows, err := tx.Query(ctx, `SELECT id, entity_type, callback_type FROM volume_types`)
		if err != nil {
			return c, err
		}
		_, err = pgx.ForEachRow(rows, []any{&id, &entity, &callback}, func() error {
			if f.Match(filter.Subject{EntityType: entity, CallbackType: callback}) {
				c.types = append(c.types, id)
			}
			return nil
		})
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

const volumeChosen = `
	FROM volume
	WHERE grain = @grain AND type_id = ANY(@types) AND start >= @from AND start < @to
	AND verdict = ANY(@verdicts::verdict[]) AND (@sources::bigint[] IS NULL OR source_id = ANY(@sources))
	AND (@answers::smallint[] IS NULL OR answered = ANY(@answers))`

func (c volumeChoice) args(g grain, from, to time.Time) pgx.NamedArgs {
	return pgx.NamedArgs{"grain": g, "types": c.types, "verdicts": c.verdicts, "sources": c.sources, "answers": c.answers, "from": from, "to": to}
}

// first is when the first event was counted, as finely as that is kept; zero: none was.
func (c volumeChoice) first(ctx context.Context, tx pgx.Tx, now time.Time) (time.Time, error) {
	first, until := time.Unix(0, 0), now.AddDate(10, 0, 0)
	for _, g := range []grain{days, hours, minutes} {
		var found *time.Time
		if err := tx.QueryRow(ctx, `SELECT min(start)`+volumeChosen, c.args(g, first, until)).Scan(&found); err != nil {
			return first, err
		}
		if found == nil {
			if g == days {
				return time.Time{}, nil
			}
			break // not kept
		}
		first, until = *found, found.Add(map[grain]time.Duration{days: 24 * time.Hour, hours: time.Hour, minutes: time.Minute}[g])
	}
	return first.UTC(), nil
}

// count fills the bars.
func (c volumeChoice) count(ctx context.Context, tx pgx.Tx, g grain, v *Volume) error {
	args := c.args(g, v.Bars[0].Start, v.Bars[len(v.Bars)-1].End)
	starts := make([]time.Time, len(v.Bars))
	for i, b := range v.Bars {
		starts[i] = b.Start
	}
	args["starts"], args["other"] = starts, otherTypes
	rows, err := tx.Query(ctx, `
		SELECT width_bucket(start, @starts::timestamptz[]) - 1, verdict, type_id = @other::int, sum(events)::bigint`+volumeChosen+`
		GROUP BY 1, 2, 3`, args)
	if err != nil {
		return err
	}
	var bar int
	var verdict verify.Verdict
	var unsure bool
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&bar, &verdict, &unsure, &n}, func() error {
		if unsure {
			v.Unsure += n
		} else {
			v.Bars[bar].add(verdict, n)
		}
		return nil
	})
	return err
}
