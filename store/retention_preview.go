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
	About    bool      // Rows is PostgreSQL's estimate, for attempts, or a bound, for audit entries past it
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
		attempts, own := rules.Find(0, RetainAttempts)
		d := Due{Class: RetainAttempts, Days: attempts.Days, Own: own, Until: attempts.Until(now), About: true}
		if !d.Until.IsZero() {
			err := tx.QueryRow(ctx, `
				SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
				WHERE i.inhparent = 'attempts'::regclass AND c.relname < $1`, partitionName("attempts", d.Until)).Scan(&d.Rows)
			if err != nil {
				return err
			}
		}
		p.List = append(p.List, d)
		audit, own := rules.Find(0, RetainAudit)
		d = Due{Class: RetainAudit, Days: audit.Days, Own: own, Until: audit.Until(now)}
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
