package store

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// What alerts are found from, beside what pages and metrics ask for. All of it is counts, or rows that are few.

// AlertQuarter is how finely it is known when somebody took callbacks.
const AlertQuarter = 15 * time.Minute

// Arrivals are what came to one source, by the hour.
type Arrivals struct {
	Accepted map[time.Time]int64 // by hour
	Refused  map[time.Time]int64 // rejected, and what became no event; not because the source was disabled
	Last     time.Time           // when the last one was accepted; zero: none was
}

// ListArrivals tells of sources what came to them since a time, test callbacks of ours left out.
func (db *DB) ListArrivals(ctx context.Context, sources []int64, since time.Time) (map[int64]*Arrivals, error) {
	list := map[int64]*Arrivals{}
	for _, id := range sources {
		list[id] = &Arrivals{Accepted: map[time.Time]int64{}, Refused: map[time.Time]int64{}}
	}
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT h.source_id, hour, verdict <> 'rejected', sum(events)::bigint, (max(last_event_id::text))::uuid
			FROM unnest($1::bigint[]) AS of CROSS JOIN LATERAL (SELECT * FROM source_hours WHERE source_id = of AND hour >= $2) h
			WHERE answered <> $3 GROUP BY 1, 2, 3
			UNION ALL
			SELECT u.source_id, hour, false, sum(requests)::bigint, NULL
			FROM unnest($1::bigint[]) AS of CROSS JOIN LATERAL (SELECT * FROM unstored_hours WHERE source_id = of AND hour >= $2) u
			GROUP BY 1, 2`, sources, since, http.StatusForbidden)
		if err != nil {
			return err
		}
		var source, n int64
		var hour time.Time
		var accepted bool
		var last *uuid.UUID
		_, err = pgx.ForEachRow(rows, []any{&source, &hour, &accepted, &n, &last}, func() error {
			a := list[source]
			if !accepted {
				a.Refused[hour.UTC()] += n
				return nil
			}
			a.Accepted[hour.UTC()] += n
			if at := receivedAt(*last); at.After(a.Last) {
				a.Last = at
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("counting arrivals by the hour: %w", err)
	}
	return list, nil
}

// RecentArrivals is what came to a source of late.
type RecentArrivals struct{ All, Rejected int64 }

// ListRecentArrivals tells of sources what came since a time, to the minute; what a disabled source refused is left out.
func (db *DB) ListRecentArrivals(ctx context.Context, since time.Time) (map[int64]RecentArrivals, error) {
	list := map[int64]RecentArrivals{}
	rows, err := db.pool.Query(ctx, `
		SELECT source_id, sum(events)::bigint, coalesce(sum(events) FILTER (WHERE verdict = 'rejected'), 0)::bigint
		FROM volume WHERE grain = 'minute' AND type_id = $1 AND start > $2 AND answered <> $3 GROUP BY source_id`, allTypes, since, http.StatusForbidden)
	if err == nil {
		var source int64
		var r RecentArrivals
		_, err = pgx.ForEachRow(rows, []any{&source, &r.All, &r.Rejected}, func() error {
			list[source] = r
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("counting what came of late: %w", err)
	}
	return list, nil
}

// NoteUptime writes down that callbacks were taken from one time to another.
func (db *DB) NoteUptime(ctx context.Context, from, to time.Time) error {
	_, err := db.pool.Exec(ctx, `
		INSERT INTO alert_uptime SELECT generate_series($1::timestamptz, $2::timestamptz, $3::interval) ON CONFLICT DO NOTHING`,
		from.Truncate(AlertQuarter), to, AlertQuarter)
	if err != nil {
		return fmt.Errorf("noting that callbacks are taken: %w", err)
	}
	return nil
}

// ListUptime returns the quarters of an hour since a time in which callbacks were taken, in their order.
func (db *DB) ListUptime(ctx context.Context, since time.Time) ([]time.Time, error) {
	rows, err := db.pool.Query(ctx, `SELECT quarter FROM alert_uptime WHERE quarter >= $1 ORDER BY quarter`, since)
	if err != nil {
		return nil, fmt.Errorf("asking when callbacks were taken: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return nil, fmt.Errorf("asking when callbacks were taken: %w", err)
	}
	for i := range list {
		list[i] = list[i].UTC()
	}
	return list, nil
}

// WatchSources keeps from when on each source is watched for silence, and returns it: since it was first seen, or last
// seen disabled.
func (db *DB) WatchSources(ctx context.Context, sources []*Source) (map[int64]time.Time, error) {
	var ids []int64
	var since []time.Time
	var disabled []bool
	for _, s := range sources {
		ids, since, disabled = append(ids, s.ID), append(since, s.CreatedAt), append(disabled, !s.Enabled)
	}
	list := map[int64]time.Time{}
	rows, err := db.pool.Query(ctx, `
		WITH seen AS (
			SELECT id, CASE WHEN disabled THEN $4 ELSE created_at END AS since, disabled FROM unnest($1::bigint[], $2::timestamptz[], $3::bool[]) AS s (id, created_at, disabled)
		), kept AS (
			INSERT INTO alert_sources AS a (source_id, watched_from) SELECT id, since FROM seen
			ON CONFLICT (source_id) DO UPDATE SET watched_from = excluded.watched_from WHERE excluded.watched_from = $4
			RETURNING source_id, watched_from
		)
		SELECT source_id, watched_from FROM kept
		UNION ALL
		SELECT source_id, watched_from FROM alert_sources WHERE source_id = ANY($1) AND NOT EXISTS (SELECT FROM kept WHERE kept.source_id = alert_sources.source_id)`,
		ids, since, disabled, db.Now())
	if err == nil {
		var id int64
		var from time.Time
		_, err = pgx.ForEachRow(rows, []any{&id, &from}, func() error {
			list[id] = from.UTC()
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("keeping from when on sources are watched: %w", err)
	}
	return list, nil
}

// Attention is what waits for a person, by its number or name.
type Attention struct {
	Replays  []AttentionReplay
	Erasures []AttentionErasure
	Broken   []AttentionDestination // destinations that are broken, or that asked not to be sent to any more
}

// AttentionReplay is one that stopped by itself.
type AttentionReplay struct {
	ID          int64
	Destination string
	Left        int64 // events of its list that were not sent
}

// AttentionErasure is a case that waits.
type AttentionErasure struct {
	ID      int64
	Confirm bool // for somebody to look at it and confirm; else it is held up
	ByHand  bool // somebody opened it here
	Since   time.Time
}

// AttentionDestination is a destination that is not sent to, though nobody paused it.
type AttentionDestination struct {
	Name  string
	Gone  bool // it answered 410
	Since time.Time
}

// GoneReason is why a destination is paused that answered 410.
const GoneReason = "It answered 410 Gone: it asks not to be sent to any more. Resume it when it is back."

// FindAttention looks for it.
func (db *DB) FindAttention(ctx context.Context) (*Attention, error) {
	var found Attention
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT r.id, coalesce(d.name, '') AS destination, r.events - r.sent AS left
			FROM replays r LEFT JOIN destinations d ON d.id = r.destination_id WHERE r.state = 'stopped' ORDER BY r.id DESC LIMIT 100`)
		if err != nil {
			return err
		}
		if found.Replays, err = pgx.CollectRows(rows, pgx.RowToStructByPos[AttentionReplay]); err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `
			SELECT id, state = 'open', event_id IS NULL OR person_hash IS NULL, opened_at
			FROM erasure_cases WHERE state = 'open' OR state NOT IN ('closed', 'cancelled') AND why <> '' ORDER BY id DESC LIMIT 100`)
		if err != nil {
			return err
		}
		if found.Erasures, err = pgx.CollectRows(rows, pgx.RowToStructByPos[AttentionErasure]); err != nil {
			return err
		}
		rows, err = tx.Query(ctx, `
			SELECT name, state = 'paused', coalesce(state_since, created_at) FROM destinations
			WHERE removed_at IS NULL AND (state = 'broken' OR state = 'paused' AND state_reason = $1) ORDER BY name LIMIT 500`, GoneReason)
		if err != nil {
			return err
		}
		found.Broken, err = pgx.CollectRows(rows, pgx.RowToStructByPos[AttentionDestination])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for what waits for a person: %w", err)
	}
	return &found, nil
}
