package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// lockRetention makes holds and what is removed wait for each other.
const lockRetention int64 = 0x72656361_20

// RetentionClass is a kind of rows that are kept for a time of their own.
type RetentionClass string

const (
	RetainAccepted RetentionClass = "accepted" // verified and late events, with all that hangs on them
	RetainRejected RetentionClass = "rejected" // rejected ones, likewise
	RetainAttempts RetentionClass = "attempts" // attempts of deliveries, with their answers; the deliveries stay
	RetainAnswers  RetentionClass = "answers"  // what destinations answered: headers and bodies; the attempts and their statuses stay
	RetainAudit    RetentionClass = "audit"    // entries of the audit list; of no source
)

// RetentionClasses are all of them, in the order of showing.
var RetentionClasses = []RetentionClass{RetainAccepted, RetainRejected, RetainAttempts, RetainAnswers, RetainAudit}

// MaxRetentionDays bounds a rule. The least is one day.
const MaxRetentionDays = 36500

// RetentionRule says for how many days a class is kept; 0: for ever.
type RetentionRule struct {
	SourceID int64 // 0: every source without a rule of its own
	Class    RetentionClass
	Days     int
}

// RetentionRules are the rules that were set.
type RetentionRules []RetentionRule

// Find returns the rule of a source (0: the one of all), and whether it was set for that source itself. Where none was
// set, everything is kept.
func (r RetentionRules) Find(source int64, class RetentionClass) (rule RetentionRule, own bool) {
	rule = RetentionRule{SourceID: source, Class: class}
	for _, set := range r {
		if set.Class == class && set.SourceID == source {
			return set, true
		}
		if set.Class == class && set.SourceID == 0 {
			rule.Days = set.Days
		}
	}
	return rule, false
}

// Until is the Monday before which everything of the class is due: things are kept for at least so many days, and then
// removed together with the rest of their week. Zero: nothing is.
func (r RetentionRule) Until(now time.Time) time.Time {
	if r.Days == 0 {
		return time.Time{}
	}
	return weekOf(now.AddDate(0, 0, -r.Days))
}

// Words are such as "400 days" or "for ever". What hangs on events goes with them at the latest.
func (r RetentionRule) Words() string {
	switch {
	case r.Days == 0 && (r.Class == RetainAttempts || r.Class == RetainAnswers):
		return "as long as their events"
	case r.Days == 0:
		return "for ever"
	case r.Days == 1:
		return "1 day"
	}
	return strconv.Itoa(r.Days) + " days"
}

// RetentionRules returns what was set.
func (db *DB) RetentionRules(ctx context.Context) (RetentionRules, error) {
	return retentionRules(ctx, db.pool)
}

func retentionRules(ctx context.Context, q querier) (RetentionRules, error) {
	rows, err := q.Query(ctx, `SELECT source_id, class, coalesce(days, 0) AS days FROM retention_rules ORDER BY source_id, class`)
	if err != nil {
		return nil, fmt.Errorf("reading how long things are kept: %w", err)
	}
	rules, err := pgx.CollectRows(rows, pgx.RowToStructByName[RetentionRule])
	if err != nil {
		return nil, fmt.Errorf("reading how long things are kept: %w", err)
	}
	return rules, nil
}

// SetRetention sets a rule, or with days nil takes it away, so that the one of all sources counts, or nothing is removed. The
// note gets what was before and after. It holds from the next run on.
func (db *DB) SetRetention(ctx context.Context, source int64, class RetentionClass, days *int, note AuditEntry) error {
	if !slices.Contains(RetentionClasses, class) {
		return fmt.Errorf("there is no class %.40q to be kept for a time; there are accepted, rejected, attempts, answers and audit", class)
	}
	if class == RetainAudit && source != 0 {
		return fmt.Errorf("the audit list is one of all sources: how long it is kept cannot be set for one")
	}
	if days != nil && (*days < 0 || *days > MaxRetentionDays) {
		return fmt.Errorf("things are kept for 1 to %d days, or for ever, not for %d days", MaxRetentionDays, *days)
	}
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockRetention); err != nil {
			return fmt.Errorf("waiting for what is being removed: %w", err)
		}
		rules, err := retentionRules(ctx, tx)
		if err != nil {
			return err
		}
		words := func(rule RetentionRule, own bool) string {
			if own || source == 0 {
				return rule.Words()
			}
			return "as every source"
		}
		before := words(rules.Find(source, class))
		if days == nil {
			_, err = tx.Exec(ctx, `DELETE FROM retention_rules WHERE source_id = $1 AND class = $2`, source, class)
		} else {
			_, err = tx.Exec(ctx, `
				INSERT INTO retention_rules (source_id, class, days) VALUES ($1, $2, nullif($3::int, 0))
				ON CONFLICT (source_id, class) DO UPDATE SET days = excluded.days`, source, class, *days)
		}
		if err != nil {
			return fmt.Errorf("setting how long things are kept: %w", err)
		}
		if rules, err = retentionRules(ctx, tx); err != nil {
			return err
		}
		if after := words(rules.Find(source, class)); after != before {
			note.Detail = withChange(note.Detail, string(class), before, after)
			return db.addAudit(ctx, tx, note)
		}
		return nil
	})
}

func withChange(detail map[string]any, name string, before, after any) map[string]any {
	return withDetail(detail, name, map[string]any{"before": before, "after": after})
}

// withDetail is a detail with one thing more.
func withDetail(detail map[string]any, name string, value any) map[string]any {
	all := map[string]any{name: value}
	for k, v := range detail {
		all[k] = v
	}
	return all
}

// Removed is how many events retention removed that arrived in one week.
type Removed struct {
	Week            time.Time // Monday, UTC
	Arrived         time.Time // of the event asked for, by its id
	Accepted        int64
	Rejected        int64
	FirstAt, LastAt time.Time // when they were removed
}

// FindRemoved tells whether retention removed events of the week in which an event with this id would have arrived; ErrNotFound
// where it did not. Single ids are not kept, so it cannot tell whether there was one of this id.
func (db *DB) FindRemoved(ctx context.Context, id uuid.UUID) (*Removed, error) {
	if id.Version() != 7 {
		return nil, ErrNotFound
	}
	r := &Removed{Arrived: receivedAt(id).UTC()}
	r.Week = weekOf(r.Arrived)
	var first, last *time.Time
	err := db.pool.QueryRow(ctx, `
		SELECT coalesce(sum(rows) FILTER (WHERE class = 'accepted'), 0)::bigint, coalesce(sum(rows) FILTER (WHERE class = 'rejected'), 0)::bigint,
			min(first_at), max(last_at)
		FROM retention_removed WHERE week = $1 AND class IN ('accepted', 'rejected') AND rows > 0`, r.Week).
		Scan(&r.Accepted, &r.Rejected, &first, &last)
	if err != nil {
		return nil, fmt.Errorf("asking what was removed: %w", err)
	}
	if first == nil {
		return nil, ErrNotFound
	}
	r.FirstAt, r.LastAt = first.UTC(), last.UTC()
	return r, nil
}

// Words say what became of an event that is no longer there.
func (r *Removed) Words(id uuid.UUID) string {
	of := fmt.Sprintf("%d accepted and %d rejected events", r.Accepted, r.Rejected)
	switch {
	case r.Rejected == 0:
		of = fmt.Sprintf("%d accepted events", r.Accepted)
	case r.Accepted == 0:
		of = fmt.Sprintf("%d rejected events", r.Rejected)
	}
	if r.Accepted+r.Rejected == 1 {
		of = strings.TrimSuffix(of, "s")
	}
	when := "on " + r.FirstAt.Format(time.DateOnly)
	if last := r.LastAt.Format(time.DateOnly); last != r.FirstAt.Format(time.DateOnly) {
		when = "between " + r.FirstAt.Format(time.DateOnly) + " and " + last
	}
	return fmt.Sprintf("Event %s is no longer kept. By its id it arrived at %s; of that week (from Monday, %s) retention removed %s, %s.",
		id, r.Arrived.Format("2006-01-02 15:04:05 UTC"), r.Week.Format(time.DateOnly), of, when)
}
