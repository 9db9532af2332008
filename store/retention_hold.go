package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"recall/filter"
)

// MaxHeld bounds the events of one hold.
const MaxHeld = 100_000

// ErrTooManyHeld: a filter finds more than one hold may keep. Its message is fit for the person who asked.
var ErrTooManyHeld = fmt.Errorf("the filter finds more than %d events, the most that one hold keeps: narrow it, by a time for example, and place several", MaxHeld)

// Hold keeps events whatever the rules of retention say. Its list was frozen when it was placed: what arrives later is not
// in it.
type Hold struct {
	ID            int64
	Filter        string // as it was written; "" where one event was named
	Reason        string
	Events        int
	PlacedBy      string
	PlacedAt      time.Time
	ReleasedBy    string
	ReleasedAt    time.Time // zero: it holds
	ReleaseReason string
}

// PlaceHold keeps the events that a filter finds, or the one event. ErrNotFound where there is none, ErrTooManyHeld where
// there are too many.
func (db *DB) PlaceHold(ctx context.Context, h *Hold, f filter.Filter, event uuid.UUID, note AuditEntry) error {
	if h.Reason = cleanReason(strings.TrimSpace(h.Reason)); h.Reason == "" {
		return errors.New("a hold needs a reason")
	}
	h.PlacedAt = db.Now().UTC()
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		// Nothing is removed while the list is made.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockRetention); err != nil {
			return fmt.Errorf("waiting for what is being removed: %w", err)
		}
		ids, err := db.toHold(ctx, f, event)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			INSERT INTO retention_holds (filter, reason, events, placed_by, placed_at) VALUES ($1, $2, 0, $3, $4) RETURNING id`,
			h.Filter, h.Reason, h.PlacedBy, h.PlacedAt).Scan(&h.ID)
		if err != nil {
			return fmt.Errorf("placing a hold: %w", err)
		}
		for len(ids) > 0 {
			some := ids[:min(retentionBatch, len(ids))]
			ids = ids[len(some):]
			tag, err := tx.Exec(ctx, `
				INSERT INTO retention_hold_events (event_id, hold_id, source_id, class)
				SELECT id, $2, source_id, CASE WHEN verdict = 'rejected' THEN 'rejected' ELSE 'accepted' END::retention_class
				FROM events WHERE id = ANY($1)
				AND NOT EXISTS (SELECT FROM retention_weeks w WHERE w.done_at IS NULL AND w.week = date_trunc('week', `+arrivedOf("id")+` AT TIME ZONE 'UTC')::date)`,
				some, h.ID)
			if err != nil {
				return fmt.Errorf("placing a hold: %w", err)
			}
			h.Events += int(tag.RowsAffected())
		}
		if h.Events == 0 {
			return fmt.Errorf("an event to hold: %w", ErrNotFound)
		}
		if _, err := tx.Exec(ctx, `UPDATE retention_holds SET events = $2 WHERE id = $1`, h.ID, h.Events); err != nil {
			return fmt.Errorf("placing a hold: %w", err)
		}
		note.Action, note.Reason = "hold.place", h.Reason
		note.Subject = fmt.Sprint(h.ID)
		note.Detail = map[string]any{"filter": h.Filter, "events": h.Events}
		if event != uuid.Nil {
			note.Action, note.Subject, note.Detail = "event.hold", event.String(), map[string]any{"hold": h.ID}
		}
		return db.addAudit(ctx, tx, note)
	})
}

// toHold finds the events of a new hold.
func (db *DB) toHold(ctx context.Context, f filter.Filter, event uuid.UUID) ([]uuid.UUID, error) {
	if event != uuid.Nil {
		return []uuid.UUID{event}, nil
	}
	var ids []uuid.UUID
	for q := (EventQuery{Filter: f, Limit: maxEvents}); ; {
		page, err := db.ListEvents(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Events {
			ids = append(ids, page.Events[i].ID)
		}
		if len(ids) > MaxHeld {
			return nil, ErrTooManyHeld
		}
		if !page.Older || len(page.Events) == 0 {
			return ids, nil
		}
		q.Before = ids[len(ids)-1]
	}
}

// ReleaseHold ends a hold: its events go with the next run where nothing else keeps them. ErrNotFound where there is none
// that holds.
func (db *DB) ReleaseHold(ctx context.Context, id int64, reason string, note AuditEntry) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE retention_holds SET released_at = $2, released_by = $3, release_reason = $4
			WHERE id = $1 AND released_at IS NULL`, id, db.Now(), note.Actor, cleanReason(reason))
		if err != nil {
			return fmt.Errorf("releasing hold %d: %w", id, err)
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("hold %d: %w", id, ErrNotFound)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM retention_hold_events WHERE hold_id = $1`, id); err != nil { // MaxHeld at most
			return fmt.Errorf("releasing hold %d: %w", id, err)
		}
		if _, err := tx.Exec(ctx, `UPDATE retention_swept SET again_at = $1 WHERE again_at > $1`, db.Now()); err != nil {
			return fmt.Errorf("releasing hold %d: %w", id, err)
		}
		note.Action, note.Subject, note.Reason = "hold.release", fmt.Sprint(id), cleanReason(reason)
		return db.addAudit(ctx, tx, note)
	})
}

const holdColumns = `id, filter, reason, h.events, placed_by, placed_at, released_by, released_at, release_reason`

// ListHolds returns the holds, those that hold first, then newest first; 200 at most.
func (db *DB) ListHolds(ctx context.Context) ([]Hold, error) {
	rows, err := db.pool.Query(ctx, `SELECT `+holdColumns+` FROM retention_holds h ORDER BY released_at IS NOT NULL, id DESC LIMIT 200`)
	return collectHolds(rows, err)
}

// HoldsOf returns the holds that keep an event.
func (db *DB) HoldsOf(ctx context.Context, event uuid.UUID) ([]Hold, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT `+holdColumns+` FROM retention_hold_events e JOIN retention_holds h ON h.id = e.hold_id
		WHERE e.event_id = $1 ORDER BY h.id`, event)
	return collectHolds(rows, err)
}

func collectHolds(rows pgx.Rows, err error) ([]Hold, error) {
	var holds []Hold
	if err == nil {
		holds, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (h Hold, err error) {
			var released zeronull.Timestamptz
			err = row.Scan(&h.ID, &h.Filter, &h.Reason, &h.Events, &h.PlacedBy, &h.PlacedAt, &h.ReleasedBy, &released, &h.ReleaseReason)
			h.PlacedAt, h.ReleasedAt = h.PlacedAt.UTC(), utc(released)
			return h, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("reading the holds: %w", err)
	}
	return holds, nil
}
