package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
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
		INSERT INTO audit_entries (at, actor, action, subject, reason, detail)
		VALUES (@at, @actor, @action, @subject, @reason, @detail)`,
		pgx.NamedArgs{
			"at": e.At, "actor": plenigo.Clean(e.Actor), "action": plenigo.Clean(e.Action), "subject": plenigo.Clean(e.Subject),
			"reason": cleanReason(e.Reason), "detail": detail,
		})
	if err != nil {
		return fmt.Errorf("writing the audit entry %s: %w", e.Action, err)
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

// ListAudit returns the entries of a subject ("": of all), newest first, 50 unless told, at most 1,000.
func (db *DB) ListAudit(ctx context.Context, subject string, limit int) ([]AuditEntry, error) {
	if limit <= 0 {
		limit = 50
	}
	found, err := db.pool.Query(ctx, `
		SELECT at, actor, action, subject, reason, detail
		FROM audit_entries
		WHERE subject = @subject OR @all
		ORDER BY id DESC
		LIMIT @limit`, pgx.NamedArgs{"subject": plenigo.Clean(subject), "all": subject == "", "limit": min(limit, 1000)})
	if err != nil {
		return nil, fmt.Errorf("reading the audit list: %w", err)
	}
	entries, err := pgx.CollectRows(found, pgx.RowToStructByName[AuditEntry])
	if err != nil {
		return nil, fmt.Errorf("reading the audit list: %w", err)
	}
	for i := range entries {
		entries[i].At = entries[i].At.UTC()
	}
	return entries, nil
}
