package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"
)

// Alert is something that somebody should look at. Its words name sources, destinations and numbers, and hold nothing personal
// and nothing secret: they leave the house.
type Alert struct {
	ID             int64
	Kind           string // alert.Kind
	Subject        string // a source's slug, a destination's name, the number of a replay or a case; "": there is one of the kind
	Instance       string // the only one that can tell; "": any can
	Level          int    // how bad it is, from 1
	Words          string // one or two sentences
	Page           string // path of the page where it is looked into
	OpenedAt       time.Time
	SeenAt         time.Time // to the minute
	ClearSince     time.Time // it seems over since; zero: it is there
	ResolvedAt     time.Time // zero: it is open
	TellAt         time.Time // when people are told next; zero: they are not
	ToldAt         time.Time // zero: never
	Told           int       // how often, its end not counted
	AcknowledgedBy string
	AcknowledgedAt time.Time // zero: it is not
	Note           string    // of who acknowledged it
}

// Open tells whether it is not over.
func (a *Alert) Open() bool { return a.ResolvedAt.IsZero() }

// ErrAlertOver: it is over, so that there is nothing to acknowledge.
var ErrAlertOver = errors.New("the alert is over already")

const alertColumns = `id, kind, subject, instance, level, words, page, opened_at, seen_at, clear_since, resolved_at, tell_at, told_at, told,
	acknowledged_by, acknowledged_at, note`

func collectAlerts(rows pgx.Rows, err error) ([]*Alert, error) {
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Alert, error) {
		var a Alert
		var clear, resolved, tell, told, acknowledged zeronull.Timestamptz
		err := row.Scan(&a.ID, &a.Kind, &a.Subject, &a.Instance, &a.Level, &a.Words, &a.Page, &a.OpenedAt, &a.SeenAt, &clear, &resolved, &tell, &told, &a.Told,
			&a.AcknowledgedBy, &acknowledged, &a.Note)
		a.OpenedAt, a.SeenAt = a.OpenedAt.UTC(), a.SeenAt.UTC()
		a.ClearSince, a.ResolvedAt, a.TellAt, a.ToldAt, a.AcknowledgedAt = utc(clear), utc(resolved), utc(tell), utc(told), utc(acknowledged)
		return &a, err
	})
}

// AlertQuery chooses alerts; the zero one all that are open.
type AlertQuery struct {
	Past   bool  // those that are over, the latest first; else the open ones, the latest first
	Before int64 // of past ones: those with a smaller id
	Limit  int   // 100 when 0
}

// ListAlerts returns alerts.
func (db *DB) ListAlerts(ctx context.Context, q AlertQuery) ([]*Alert, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	list, err := collectAlerts(db.pool.Query(ctx, `
		SELECT `+alertColumns+` FROM alerts
		WHERE (resolved_at IS NOT NULL) = $1 AND ($2 = 0 OR id < $2)
		ORDER BY id DESC LIMIT $3`, q.Past, q.Before, q.Limit))
	if err != nil {
		return nil, fmt.Errorf("listing alerts: %w", err)
	}
	return list, nil
}

// FindAlert returns one alert, or ErrNotFound.
func (db *DB) FindAlert(ctx context.Context, id int64) (*Alert, error) {
	found, err := collectAlerts(db.pool.Query(ctx, `SELECT `+alertColumns+` FROM alerts WHERE id = $1`, id))
	if err != nil {
		return nil, fmt.Errorf("finding alert %d: %w", id, err)
	}
	return only(found, fmt.Sprintf("alert %d", id))
}

// OpenAlerts is how many are open, and how many of them nobody has acknowledged; it counts to 100 at most.
func (db *DB) OpenAlerts(ctx context.Context) (open, unacknowledged int, err error) {
	err = db.pool.QueryRow(ctx, `
		SELECT count(*), count(*) FILTER (WHERE acknowledged_at IS NULL)
		FROM (SELECT acknowledged_at FROM alerts WHERE resolved_at IS NULL LIMIT 100) open`).Scan(&open, &unacknowledged)
	if err != nil {
		return 0, 0, fmt.Errorf("counting open alerts: %w", err)
	}
	return open, unacknowledged, nil
}

// AlertTally is how many alerts of each kind are open, and how people are told.
type AlertTally struct {
	Open     map[string]int // by kind
	Waiting  map[string]int // of them, those that nobody has acknowledged
	Channels int            // that are not paused
	Failing  int            // of them, those whose last message did not arrive
}

// CountAlerts counts what is open. There are few: one of a kind and subject.
func (db *DB) CountAlerts(ctx context.Context) (AlertTally, error) {
	tally := AlertTally{Open: map[string]int{}, Waiting: map[string]int{}}
	rows, err := db.pool.Query(ctx, `
		SELECT kind, count(*), count(*) FILTER (WHERE acknowledged_at IS NULL) FROM alerts WHERE resolved_at IS NULL GROUP BY kind`)
	if err != nil {
		return tally, fmt.Errorf("counting alerts: %w", err)
	}
	var kind string
	var open, waiting int
	_, err = pgx.ForEachRow(rows, []any{&kind, &open, &waiting}, func() error {
		tally.Open[kind], tally.Waiting[kind] = open, waiting
		return nil
	})
	if err == nil {
		err = db.pool.QueryRow(ctx, `SELECT count(*), count(failing_since) FROM alert_channels WHERE NOT paused`).Scan(&tally.Channels, &tally.Failing)
	}
	if err != nil {
		return tally, fmt.Errorf("counting alerts: %w", err)
	}
	return tally, nil
}

// AcknowledgeAlert says that somebody is at it: it is not repeated any more; that it is over, or worse, is still told. The note
// is for the page and the audit list. ErrNotFound, ErrAlertOver.
func (db *DB) AcknowledgeAlert(ctx context.Context, id int64, by, note string) error {
	note = cleanReason(strings.TrimSpace(note))
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockAlerts); err != nil {
			return fmt.Errorf("waiting for a look at the alerts: %w", err)
		}
		var kind, subject string
		var over bool
		err := tx.QueryRow(ctx, `
			UPDATE alerts SET acknowledged_by = $2, acknowledged_at = $3, note = $4, tell_at = CASE WHEN resolved_at IS NULL AND told > 0 THEN NULL ELSE tell_at END
			WHERE id = $1 RETURNING kind, subject, resolved_at IS NOT NULL`, id, by, db.Now(), note).Scan(&kind, &subject, &over)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("alert %d: %w", id, ErrNotFound)
		case err != nil:
			return fmt.Errorf("acknowledging alert %d: %w", id, err)
		case over:
			return ErrAlertOver
		}
		return db.AddAuditTx(ctx, tx, AuditEntry{
			Actor: by, Action: "alert.acknowledge", Subject: fmt.Sprint(id), Reason: note, Detail: map[string]any{"kind": kind, "about": subject},
		})
	})
}
