package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"recall/plenigo"
)

// MaxReason bounds the reason of an audit entry, in characters; what is longer is cut.
const MaxReason = 500

// AddAudit adds an entry to the audit list. A zero At is now; texts are made valid and cut.
func (db *DB) AddAudit(ctx context.Context, e AuditEntry) error { return db.addAudit(ctx, db.pool, e) }

// AddAuditTx is AddAudit in the transaction of what was done, so that neither is without the other.
func (db *DB) AddAuditTx(ctx context.Context, tx pgx.Tx, e AuditEntry) error {
	return db.addAudit(ctx, tx, e)
}

func (db *DB) addAudits(ctx context.Context, q querier, entries []AuditEntry) error {
	for _, e := range entries {
		if err := db.addAudit(ctx, q, e); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) addAudit(ctx context.Context, q querier, e AuditEntry) error {
	if e.At.IsZero() {
		e.At = db.Now()
	}
	if e.Detail == nil {
		e.Detail = map[string]any{}
	}
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return fmt.Errorf("writing the audit entry %s: %w", e.Action, err)
	}
	detail = bytes.ReplaceAll(detail, []byte(`\u0000`), []byte(`\ufffd`)) // jsonb takes no NUL
	_, err = q.Exec(ctx, `
		WITH entry AS (
			INSERT INTO audit_entries (at, actor, action, subject, reason, detail)
			VALUES (@at, @actor, @action, @subject, @reason, @detail)
			RETURNING id
		)
		INSERT INTO audit_pending (entry_id) SELECT id FROM entry -- its place in the chain comes later: nobody waits`,
		pgx.NamedArgs{
			"at": e.At, "actor": plenigo.Clean(e.Actor), "action": plenigo.Clean(e.Action), "subject": plenigo.Clean(e.Subject),
			"reason": cleanReason(e.Reason), "detail": detail,
		})
	if err != nil {
		return fmt.Errorf("writing the audit entry %s: %w", e.Action, err)
	}
	return nil
}

// EraseAuditTx destroys what entries say: subject, reason and detail. Their places in the chain still fit, and CheckAudit counts
// them as erased. words say why, for who reads the list.
func (db *DB) EraseAuditTx(ctx context.Context, tx pgx.Tx, ids []int64, words string) error {
	_, err := tx.Exec(ctx, `
		UPDATE audit_entries SET subject = '', reason = '', detail = jsonb_build_object('erased', $2::text), salt = NULL
		WHERE id = ANY($1)`, ids, plenigo.Clean(words))
	if err != nil {
		return fmt.Errorf("erasing entries of the audit list: %w", err)
	}
	return nil
}

// cleanReason makes a reason valid UTF-8 without NUL and cuts it to MaxReason characters.
func cleanReason(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
	if utf8.RuneCountInString(s) > MaxReason {
		s = string([]rune(s)[:MaxReason])
	}
	return s
}

// AuditQuery chooses entries of the audit list; zero fields choose all.
type AuditQuery struct {
	Actor, Subject string
	Action         string    // whole (source.set), or its noun alone (source)
	From, Until    time.Time // at or after; before
	Text           string    // held anywhere in it, in upper or lower case
	Before         int64     // ids below: the next page of a list
	Limit          int       // 50 when 0, at most 1,000
}

// FindAudit returns the entries that a query chooses, newest first.
func (db *DB) FindAudit(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	var entries []AuditEntry
	err := db.read(ctx, func(tx pgx.Tx) error {
		found, err := tx.Query(ctx, `
		SELECT id, at, actor, action, subject, reason, detail
		FROM audit_entries
		WHERE (actor = @actor OR @actor::text IS NULL)
			AND (subject = @subject OR @subject::text IS NULL)
			AND (action = @action OR starts_with(action, @action || '.') OR @action::text IS NULL)
			AND (at >= @from OR @from::timestamptz IS NULL) AND (at < @until OR @until::timestamptz IS NULL)
			AND (id < @before OR @before = 0)
			AND (@text::text IS NULL OR concat_ws(' ', actor, action, subject, reason, detail::text) ILIKE '%' || @text || '%')
		ORDER BY id DESC
		LIMIT @limit`,
			pgx.NamedArgs{
				"actor": textOrNull(q.Actor), "subject": textOrNull(q.Subject), "action": textOrNull(q.Action),
				"text": textOrNull(likeText(q.Text)), "from": timeOrNull(q.From), "until": timeOrNull(q.Until), "before": q.Before, "limit": min(q.Limit, 1000),
			})
		if err == nil {
			entries, err = pgx.CollectRows(found, pgx.RowToStructByName[AuditEntry])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the audit list: %w", err)
	}
	for i := range entries {
		entries[i].At = entries[i].At.UTC()
	}
	return entries, nil
}

// ListAudit returns the entries of a subject ("": of all), newest first, 50 unless told, at most 1,000.
func (db *DB) ListAudit(ctx context.Context, subject string, limit int) ([]AuditEntry, error) {
	return db.FindAudit(ctx, AuditQuery{Subject: subject, Limit: limit})
}

// likeText has no sign that LIKE takes for another.
func likeText(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

// textOrNull is a parameter that is NULL for "", and fit for a column.
func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	s = plenigo.Clean(s)
	return &s
}

// timeOrNull is a parameter that is NULL for the zero time.
func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
