package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"
)

// AlertMessage is what is told by one channel at one time.
type AlertMessage struct {
	ID        int64
	ChannelID int64
	MadeAt    time.Time
	Title     string
	Body      string          // plain text
	Data      json.RawMessage // the same for programs
	Tries     int
	NextAt    time.Time // of the next try; zero: there is none
	SentAt    time.Time // zero: not
	Error     string    // of the last try
	Channel   string    // name; only of what is read
}

func writeAlertMessages(ctx context.Context, tx pgx.Tx, messages []*AlertMessage) error {
	for _, m := range messages {
		err := tx.QueryRow(ctx, `
			INSERT INTO alert_messages (channel_id, made_at, title, body, data, tries, next_at, sent_at, error)
			SELECT id, $2, $3, $4, $5, $6, $7, $8, $9 FROM alert_channels WHERE id = $1 RETURNING id`,
			m.ChannelID, m.MadeAt, m.Title, m.Body, m.Data, m.Tries, orTime(m.NextAt), orTime(m.SentAt), m.Error).Scan(&m.ID)
		if err != nil && err != pgx.ErrNoRows { // its channel was removed meanwhile
			return err
		}
	}
	return nil
}

// ClaimAlertMessages takes messages that are due, a few at a time, with a lease: whoever claimed them says what came of it
// (EndAlertMessage) before that is over, or another instance sends them again.
func (db *DB) ClaimAlertMessages(ctx context.Context, lease time.Duration) ([]*AlertMessage, error) {
	rows, err := db.pool.Query(ctx, `
		UPDATE alert_messages m SET tries = tries + 1, next_at = $2
		FROM (
			SELECT m.id, c.name FROM alert_messages m JOIN alert_channels c ON c.id = m.channel_id
			WHERE next_at <= $1 AND NOT paused ORDER BY next_at LIMIT 20 FOR UPDATE OF m SKIP LOCKED
		) due
		WHERE m.id = due.id
		RETURNING m.id, channel_id, made_at, title, body, data, tries, next_at, sent_at, error, due.name`, db.Now(), db.Now().Add(lease))
	list, err := collectAlertMessages(rows, err)
	if err != nil {
		return nil, fmt.Errorf("claiming alert messages: %w", err)
	}
	return list, nil
}

func collectAlertMessages(rows pgx.Rows, err error) ([]*AlertMessage, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*AlertMessage, error) {
		var m AlertMessage
		var next, sent zeronull.Timestamptz
		err := row.Scan(&m.ID, &m.ChannelID, &m.MadeAt, &m.Title, &m.Body, &m.Data, &m.Tries, &next, &sent, &m.Error, &m.Channel)
		m.MadeAt, m.NextAt, m.SentAt = m.MadeAt.UTC(), utc(next), utc(sent)
		return &m, err
	})
}

// EndAlertMessage writes down what came of a try, in the message and its channel: SentAt, or Error with NextAt of the next one.
func (db *DB) EndAlertMessage(ctx context.Context, m *AlertMessage) error {
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE alert_messages SET sent_at = $2, error = $3, next_at = $4 WHERE id = $1`,
			m.ID, orTime(m.SentAt), m.Error, orTime(m.NextAt)); err != nil {
			return err
		}
		return db.noteChannel(ctx, tx, m.ChannelID, m.Error)
	})
	if err != nil {
		return fmt.Errorf("writing down what became of an alert message: %w", err)
	}
	return nil
}

// NoteAlertTest writes down in a channel what came of a test; "": it arrived.
func (db *DB) NoteAlertTest(ctx context.Context, c *AlertChannel, failed string, note AuditEntry) error {
	note.Action, note.Subject = "alert.test", c.Name
	note.Detail = map[string]any{"error": failed}
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if err := db.noteChannel(ctx, tx, c.ID, failed); err != nil {
			return fmt.Errorf("writing down what became of a test: %w", err)
		}
		return db.AddAuditTx(ctx, tx, note)
	})
}

func (db *DB) noteChannel(ctx context.Context, tx pgx.Tx, id int64, failed string) error {
	_, err := tx.Exec(ctx, `
		UPDATE alert_channels SET error = $2,
			sent_at = CASE WHEN $2 = '' THEN $3 ELSE sent_at END,
			failing_since = CASE WHEN $2 = '' THEN NULL ELSE coalesce(failing_since, $3) END
		WHERE id = $1`, id, failed, db.Now())
	return err
}

// ListAlertMessages returns the latest messages, newest first.
func (db *DB) ListAlertMessages(ctx context.Context, limit int) ([]*AlertMessage, error) {
	list, err := collectAlertMessages(db.pool.Query(ctx, `
		SELECT m.id, channel_id, made_at, title, body, data, tries, next_at, m.sent_at, m.error, c.name
		FROM alert_messages m JOIN alert_channels c ON c.id = m.channel_id ORDER BY m.id DESC LIMIT $1`, limit))
	if err != nil {
		return nil, fmt.Errorf("listing alert messages: %w", err)
	}
	return list, nil
}
