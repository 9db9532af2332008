package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// audit removes entries of the audit list that are due, from the beginning of the chain on, so that what is left can be
// checked: an anchor says where it begins. What does not fit is not removed, and stops the run: it would be forgotten with the
// rest. What retention says of it in the list is younger.
func (r *retention) audit(ctx context.Context, _ *pgxpool.Conn) error {
	rule, _ := r.rules.Find(0, RetainAudit)
	until := rule.Until(r.now)
	if until.IsZero() {
		return nil
	}
	if err := r.SealAudit(ctx); err != nil && !errors.Is(err, ErrAuditCut) {
		return err
	}
	removed := int64(0)
	for more := true; more; {
		if err := r.over(ctx); err != nil {
			return err
		}
		var gone int64
		err := r.locked(ctx, func(tx pgx.Tx) (err error) {
			gone, more, err = r.removeAudit(ctx, tx, until)
			return err
		})
		if err != nil {
			return err
		}
		removed += gone
	}
	if removed == 0 {
		return nil
	}
	return r.AddAudit(ctx, AuditEntry{Actor: r.actor, Action: "retention.remove", Subject: "audit list", Detail: map[string]any{"entries": removed, "before": until.Format(time.DateOnly)}})
}

// removeAudit removes what is due of the first places, and moves the anchor.
func (r *retention) removeAudit(ctx context.Context, tx pgx.Tx, until time.Time) (gone int64, more bool, err error) {
	before, first := beforeFirst, int64(1)
	anchor, err := r.lastCheckpoint(ctx, tx, checkpointAnchor)
	if err != nil {
		return 0, false, err
	}
	if anchor != nil {
		before, first = anchor.Hash, anchor.Position+1
	}
	rows, err := tx.Query(ctx, `
		SELECT `+auditedColumns+`
		FROM (SELECT * FROM audit_chain ORDER BY position LIMIT $1) c LEFT JOIN audit_entries e ON e.id = c.entry_id
		ORDER BY c.position`, retentionBatch)
	if err != nil {
		return 0, false, err
	}
	places, err := pgx.CollectRows(rows, pgx.RowToStructByPos[audited])
	if err != nil {
		return 0, false, err
	}
	more = len(places) == retentionBatch
	var ids []int64
	for i := range places {
		if places[i].At != nil && !places[i].At.Before(until) {
			places, more = places[:i], false
			break
		}
		ids = append(ids, places[i].EntryID)
	}
	if len(places) == 0 {
		return 0, false, nil
	}
	upto, hash, _, err := checkPlaces(places, before, first)
	if err != nil {
		return 0, false, fmt.Errorf("nothing is removed of the audit list, since it does not fit: %w", err)
	}
	if err := r.addCheckpoint(ctx, tx, checkpointAnchor, upto, hash); err != nil {
		return 0, false, err
	}
	err = tx.QueryRow(ctx, `
		WITH gone AS (
			DELETE FROM audit_entries WHERE id = ANY($1) RETURNING at
		), places AS (
			DELETE FROM audit_chain WHERE position <= $2
		), heads AS (
			DELETE FROM audit_checkpoints WHERE position < $2
		), noted AS (
			INSERT INTO retention_removed AS r (week, source_id, class, rows, first_at, last_at)
			SELECT date_trunc('week', at AT TIME ZONE 'UTC')::date AS week, 0, 'audit', count(*), $3::timestamptz, $3 FROM gone GROUP BY week
			ON CONFLICT (week, source_id, class) DO UPDATE SET rows = r.rows + excluded.rows, last_at = excluded.last_at
		)
		SELECT count(*) FROM gone`, ids, upto, r.now).Scan(&gone)
	return gone, more, err
}
