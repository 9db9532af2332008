package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Due is what the next run of retention would remove of one source and class.
type Due struct {
	SourceID int64 // 0: audit entries
	Class    RetentionClass
	Days     int
	Own      bool      // by a rule of the source itself
	Until    time.Time // what is older is due; zero: kept for ever
	Rows     int64     // what would go; held and open ones are not in it
	Held     int64     // due, and kept by holds
	About    bool      // Rows is an estimate, for attempts and answers, or a bound, for audit entries past it
}

// Preview is what the next run of retention would remove.
type Preview struct {
	List      []Due
	Open      int64     // due events that are kept because a delivery of theirs is open; not taken off Rows; 10,000 at most
	CountedAt time.Time // how recent the counts are that it was read from
}

// maxPreviewed bounds what a preview counts row by row.
const maxPreviewed = 10_000

// PreviewRetention tells what the next run would remove by the rules, or by others that are being thought of. It reads counts,
// never the events.
func (db *DB) PreviewRetention(ctx context.Context, rules RetentionRules) (*Preview, error) {
	p := &Preview{}
	err := db.read(ctx, func(tx pgx.Tx) error {
		var err error
		if p.CountedAt, err = countedAt(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT id FROM sources ORDER BY id`)
		if err != nil {
			return err
		}
		sources, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		now := db.Now()
		latest := time.Time{}
		for _, source := range sources {
			for _, class := range []RetentionClass{RetainAccepted, RetainRejected} {
				rule, own := rules.Find(source, class)
				d := Due{SourceID: source, Class: class, Days: rule.Days, Own: own, Until: rule.Until(now)}
				if d.Until.After(latest) {
					latest = d.Until
				}
				if !d.Until.IsZero() {
					err := tx.QueryRow(ctx, `
						SELECT coalesce((SELECT sum(events) FROM (`+stillThereSQL+`) v WHERE source_id = $1 AND class = $2 AND week < $3::date), 0)::bigint,
							(SELECT count(DISTINCT event_id) FROM retention_hold_events WHERE source_id = $1 AND class = $2 AND event_id < $4)`,
						source, class, d.Until, IDAt(d.Until)).Scan(&d.Rows, &d.Held)
					if err != nil {
						return err
					}
					d.Rows = max(0, d.Rows-d.Held)
				}
				p.List = append(p.List, d)
			}
		}
		for _, class := range []RetentionClass{RetainAttempts, RetainAnswers} {
			sent, err := previewSent(ctx, tx, rules, class, sources, now)
			if err != nil {
				return err
			}
			p.List = append(p.List, sent...)
		}
		audit, own := rules.Find(0, RetainAudit)
		d := Due{Class: RetainAudit, Days: audit.Days, Own: own, Until: audit.Until(now)}
		if !d.Until.IsZero() {
			err := tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT at FROM audit_entries ORDER BY id LIMIT $2) e WHERE at < $1`, d.Until, maxPreviewed).Scan(&d.Rows)
			if err != nil {
				return err
			}
			d.About = d.Rows == maxPreviewed
		}
		p.List = append(p.List, d)
		if latest.IsZero() {
			return nil
		}
		return tx.QueryRow(ctx, `
			SELECT count(DISTINCT event_id) FROM (
				SELECT event_id FROM deliveries WHERE event_id < $1 AND state IN `+openDeliveries+` LIMIT $2
			) d`, IDAt(latest), maxPreviewed).Scan(&p.Open)
	})
	if err != nil {
		return nil, fmt.Errorf("counting what would be removed: %w", err)
	}
	return p, nil
}

// previewSent estimates what would go of attempts or answers: of all sources without a rule of their own together, and of each
// other one. It takes PostgreSQL's estimate of a week's attempts, a source's share of them from its share of the accepted events,
// and takes off the answers that went already.
func previewSent(ctx context.Context, tx pgx.Tx, rules RetentionRules, class RetentionClass, sources []int64, now time.Time) ([]Due, error) {
	var list []Due
	others := []int64{} // those that the rule of all is not about
	for _, source := range sources {
		if rule, own := rules.Find(source, class); own {
			others = append(others, source)
			list = append(list, Due{SourceID: source, Class: class, Days: rule.Days, Own: true, Until: rule.Until(now), About: true})
		}
	}
	rule, own := rules.Find(0, class)
	list = append([]Due{{Class: class, Days: rule.Days, Own: own, Until: rule.Until(now), About: true}}, list...)
	for i := range list {
		d := &list[i]
		if d.Until.IsZero() {
			continue
		}
		err := tx.QueryRow(ctx, `
			SELECT coalesce(sum(greatest(0, a.rows * coalesce(v.mine / nullif(v.events, 0), CASE WHEN $2 = 0 THEN 1 ELSE 0 END) - coalesce(gone.rows, 0))), 0)::bigint
			FROM (
				SELECT to_date(right(relname, 7), 'IYYY"w"IW') AS week, greatest(reltuples, 0) AS rows
				FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
				WHERE i.inhparent = 'attempts'::regclass AND c.relname < $1
			) a
			LEFT JOIN (
				SELECT week, sum(events) AS events, coalesce(sum(events) FILTER (WHERE CASE WHEN $2 = 0 THEN source_id <> ALL($3) ELSE source_id = $2 END), 0) AS mine
				FROM (`+stillThereSQL+`) v WHERE class = 'accepted' GROUP BY week
			) v USING (week)
			LEFT JOIN (
				SELECT week, sum(rows) AS rows FROM retention_removed
				WHERE class = 'answers' AND $4 = 'answers' AND CASE WHEN $2 = 0 THEN source_id <> ALL($3) ELSE source_id = $2 END
				GROUP BY week
			) gone USING (week)`, partitionName("attempts", d.Until), d.SourceID, others, string(class)).Scan(&d.Rows)
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}
