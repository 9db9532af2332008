package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"
)

const (
	lockAlerts   int64 = 0x72656361_50
	mostAlerts         = 1000 // open at a time; further ones are not opened until some are over
	messagesKept       = 30 * 24 * time.Hour
	alertsKept         = 400 * 24 * time.Hour
	uptimeKept         = 50 * 24 * time.Hour
)

// AlertState is what instances share of looking.
type AlertState struct {
	ToldAt         time.Time // when messages were last made
	AuditCheckedAt time.Time
	AuditFault     string // found then; "": none
}

// AlertBook is what is changed in one transaction.
type AlertBook struct {
	State    AlertState
	Alerts   []*Alert        // the open ones, and those whose end is still to be told. A new one has no id; it must be the only open one of its kind, subject and instance
	Channels []*AlertChannel // that are not paused
	Messages []*AlertMessage // to be made
}

// ChangeAlerts lets change look at the book and change what it holds. Instances do so one after the other.
func (db *DB) ChangeAlerts(ctx context.Context, change func(*AlertBook) error) error {
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockAlerts); err != nil {
			return err
		}
		var book AlertBook
		var told, checked zeronull.Timestamptz
		err := tx.QueryRow(ctx, `SELECT told_at, audit_checked_at, audit_fault FROM alert_state`).Scan(&told, &checked, &book.State.AuditFault)
		if err != nil {
			return err
		}
		book.State.ToldAt, book.State.AuditCheckedAt = utc(told), utc(checked)
		if book.Alerts, err = collectAlerts(tx.Query(ctx, `
			SELECT `+alertColumns+` FROM alerts WHERE resolved_at IS NULL OR tell_at IS NOT NULL ORDER BY id LIMIT $1`, 2*mostAlerts)); err != nil {
			return err
		}
		if book.Channels, err = db.loadAlertChannels(ctx, tx, ""); err != nil {
			return err
		}
		book.Channels = withoutPaused(book.Channels)
		before := book.State
		was := map[int64]Alert{}
		for _, a := range book.Alerts {
			was[a.ID] = *a
		}
		if err := change(&book); err != nil {
			return err
		}
		if book.State != before {
			s := book.State
			if _, err := tx.Exec(ctx, `UPDATE alert_state SET told_at = $1, audit_checked_at = $2, audit_fault = $3`,
				orTime(s.ToldAt), orTime(s.AuditCheckedAt), s.AuditFault); err != nil {
				return err
			}
		}
		for _, a := range book.Alerts {
			if before, there := was[a.ID]; a.ID == 0 || !there || before != *a {
				if err := writeAlert(ctx, tx, a, len(was)); err != nil {
					return fmt.Errorf("%s of %q: %w", a.Kind, a.Subject, err)
				}
			}
		}
		return writeAlertMessages(ctx, tx, book.Messages)
	})
	if err != nil {
		return fmt.Errorf("keeping the alerts: %w", err)
	}
	return nil
}

func withoutPaused(channels []*AlertChannel) (rest []*AlertChannel) {
	for _, c := range channels {
		if !c.Paused {
			rest = append(rest, c)
		}
	}
	return rest
}

func writeAlert(ctx context.Context, tx pgx.Tx, a *Alert, there int) error {
	args := pgx.NamedArgs{
		"id": a.ID, "kind": a.Kind, "subject": a.Subject, "instance": a.Instance, "level": a.Level, "words": a.Words, "page": a.Page,
		"opened": a.OpenedAt, "seen": a.SeenAt, "clear": orTime(a.ClearSince), "resolved": orTime(a.ResolvedAt), "tell": orTime(a.TellAt),
		"told_at": orTime(a.ToldAt), "told": a.Told,
	}
	if a.ID == 0 {
		if there >= mostAlerts {
			return nil
		}
		return tx.QueryRow(ctx, `
			INSERT INTO alerts (kind, subject, instance, level, words, page, opened_at, seen_at, clear_since, resolved_at, tell_at, told_at, told)
			VALUES (@kind, @subject, @instance, @level, @words, @page, @opened, @seen, @clear, @resolved, @tell, @told_at, @told)
			RETURNING id`, args).Scan(&a.ID)
	}
	_, err := tx.Exec(ctx, `
		UPDATE alerts SET level = @level, words = @words, page = @page, seen_at = @seen, clear_since = @clear, resolved_at = @resolved,
			tell_at = @tell, told_at = @told_at, told = @told
		WHERE id = @id`, args)
	return err
}

// TakeAlertLook tells whether it is this instance's turn to look for all of them: nobody has for a while.
func (db *DB) TakeAlertLook(ctx context.Context, every time.Duration) (mine bool, err error) {
	done, err := db.pool.Exec(ctx, `UPDATE alert_state SET looked_at = $1 WHERE looked_at IS NULL OR looked_at <= $2 OR looked_at > $1`, db.Now(), db.Now().Add(-every))
	if err != nil {
		return false, fmt.Errorf("taking a turn to look for alerts: %w", err)
	}
	return done.RowsAffected() == 1, nil
}

// thinAlerts deletes what nobody asks for any more.
func (db *DB) thinAlerts(ctx context.Context) error {
	for _, old := range []struct {
		what, sql string
		kept      time.Duration
	}{
		{"old alert messages", `DELETE FROM alert_messages WHERE id IN (SELECT id FROM alert_messages WHERE made_at < $1 AND next_at IS NULL ORDER BY id LIMIT $2)`, messagesKept},
		{"old alerts", `DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE resolved_at < $1 LIMIT $2)`, alertsKept},
		{"old uptime", `DELETE FROM alert_uptime WHERE quarter IN (SELECT quarter FROM alert_uptime WHERE quarter < $1 LIMIT $2)`, uptimeKept},
	} {
		if err := db.deleteSome(ctx, old.what, old.sql, db.Now().Add(-old.kept)); err != nil {
			return err
		}
	}
	return nil
}
