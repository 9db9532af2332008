package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// feedReplay makes the next deliveries of the list, as many as rate, canary and what is under way allow. end tells that the
// list is at its end. What has changed since the plan is looked at once more: an event that is gone, one that was delivered
// meanwhile, and one whose entity has a newer state by now, are passed over.
func (db *DB) feedReplay(ctx context.Context, tx pgx.Tx, r *Replay, open int, now time.Time, enqueue EnqueueReplay) (sent int, end bool, err error) {
	rate := r.RateAt(now)
	n := min(r.allowed(rate, now), min(max(int(rate*openTime.Seconds()), leastOpen), mostOpen)-open)
	if r.State == ReplayCanary {
		n = min(n, r.CanaryLeft)
	}
	if n <= 0 {
		return 0, r.Passed() >= r.Events, nil
	}
	if all, err := db.lookForNewer(ctx, tx, r); !all || err != nil {
		return 0, false, err
	}
	rows, err := tx.Query(ctx, `
		WITH next AS MATERIALIZED (
			SELECT event_id FROM replay_items WHERE replay_id = $1 AND event_id > $2 ORDER BY event_id LIMIT $3
		)
		SELECT i.event_id, CASE
			WHEN e.id IS NULL THEN '`+LeftErased+`'
			WHEN EXISTS (
				SELECT FROM replay_newer s
				WHERE s.replay_id = $1 AND s.entity = `+entityKey+` AND s.event_id > e.id AND ($5 OR EXISTS (
					SELECT FROM deliveries d WHERE d.event_id = s.event_id AND d.destination_id = $4 AND d.state <> 'cancelled'))
			) THEN '`+LeftStale+`'
			WHEN EXISTS (
				SELECT FROM deliveries d
				WHERE d.event_id = i.event_id AND d.destination_id = $4 AND (d.state IN ('pending', 'sending', 'waiting') OR d.state = 'succeeded' AND NOT $6)
			) THEN '`+LeftDelivered+`'
			ELSE '' END, coalesce(CASE WHEN e.entity_id <> '' THEN e.entity_type || ' ' || e.entity_id END, '')
		FROM next i LEFT JOIN events e ON e.id = i.event_id
		ORDER BY i.event_id`, r.ID, r.Cursor, n, r.DestinationID, r.Latest, r.Again)
	if err != nil {
		return 0, false, err
	}
	var deliveries []*Delivery
	var event uuid.UUID
	var why, entity string
	looked := 0
	_, err = pgx.ForEachRow(rows, []any{&event, &why, &entity}, func() error {
		looked++
		r.Cursor = event
		if why != "" {
			r.skip(why)
			return nil
		}
		deliveries = append(deliveries, &Delivery{
			EventID: event, DestinationID: r.DestinationID, Destination: r.Destination, Trigger: TriggerReplay,
			RequestedBy: r.RequestedBy, Reason: r.Reason, ReplayID: r.ID, Entity: entity, // which keeps an entity's events in order
		})
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	r.took(rate, looked, now)
	end = looked < n
	if len(deliveries) == 0 {
		return 0, end, nil
	}
	if err := enqueue(ctx, tx, deliveries); err != nil {
		return 0, false, fmt.Errorf("enqueuing %d deliveries: %w", len(deliveries), err)
	}
	events, ids := make([]uuid.UUID, len(deliveries)), make([]uuid.UUID, len(deliveries))
	for i, d := range deliveries {
		events[i], ids[i] = d.EventID, d.ID
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO replay_open (replay_id, event_id, delivery_id)
		SELECT $1, t.event_id, t.delivery_id FROM unnest($2::uuid[], $3::uuid[]) AS t (event_id, delivery_id)`, r.ID, events, ids)
	if err != nil {
		return 0, false, err
	}
	r.Sent += int64(len(deliveries))
	if r.State == ReplayCanary {
		r.CanaryLeft -= len(deliveries)
	}
	return len(deliveries), end || r.Passed() >= r.Events, nil
}

// allowed is how many events the rate lets go now; a second's worth at most is saved up.
func (r *Replay) allowed(rate float64, now time.Time) int {
	return int(now.Sub(r.savedFrom(rate, now)).Seconds() * rate)
}

func (r *Replay) savedFrom(rate float64, now time.Time) time.Time {
	from := now.Add(-max(time.Second, time.Duration(1.001/rate*float64(time.Second)))) // one at least
	if r.SentUntil == nil {
		return now.Add(-time.Duration(1.001 / rate * float64(time.Second)))
	}
	if r.SentUntil.After(from) {
		return *r.SentUntil
	}
	return from
}

func (r *Replay) took(rate float64, n int, now time.Time) {
	until := r.savedFrom(rate, now).Add(time.Duration(float64(n) / rate * float64(time.Second)))
	r.SentUntil = &until
}

// Events that came since the plan and are looked at in one query, and how many such queries a step may take.
const (
	newerAtOnce = 5000
	newerRounds = 20
)

// lookForNewer notes the entities of genuine events that came since the plan. It returns false where so many came that
// another step is needed before anything may be sent.
func (db *DB) lookForNewer(ctx context.Context, tx pgx.Tx, r *Replay) (all bool, err error) {
	for range newerRounds {
		ids, next, err := db.CommittedSince(ctx, r.NewerCursor, newerAtOnce)
		if errors.Is(err, ErrCursor) { // the database was restored
			_, next, err = db.CommittedSince(ctx, "", 0)
		}
		if err == nil {
			err = noteNewer(ctx, tx, r, ids)
		}
		if err != nil {
			return false, err
		}
		r.NewerCursor = next
		if len(ids) < newerAtOnce {
			return lookAhead(ctx, tx, r)
		}
	}
	return false, nil
}

// mostAhead bounds the events that are looked at ahead of the cursor.
const mostAhead = 20_000

// lookAhead notes what is committed and not passed by the cursor yet, because some older transaction of the server, such as
// a dump, still runs. Where that is too much to look at each time, it returns false: nothing is sent until that one is over.
func lookAhead(ctx context.Context, tx pgx.Tx, r *Replay) (all bool, err error) {
	since, err := parseCommitCursor(r.NewerCursor)
	if err != nil {
		return false, err
	}
	rows, err := tx.Query(ctx, `
		SELECT event.id FROM commits c, unnest(c.event_ids) AS event (id)
		WHERE c.xid >= $1::text::xid8 LIMIT $2`, fmt.Sprint(since.xid), mostAhead)
	if err != nil {
		return false, fmt.Errorf("looking for newer events: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return false, fmt.Errorf("looking for newer events: %w", err)
	}
	return len(ids) < mostAhead, noteNewer(ctx, tx, r, ids)
}

// noteNewer notes the entities of those events that are genuine.
func noteNewer(ctx context.Context, tx pgx.Tx, r *Replay, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO replay_newer AS n (replay_id, entity, event_id)
		SELECT $1, entity, max(id::text)::uuid
		FROM (SELECT e.id, `+entityKey+` AS entity FROM events e WHERE e.id = ANY($2) AND e.entity_type <> $3 AND `+acceptedNow+`) came
		WHERE entity IS NOT NULL
		GROUP BY entity
		ON CONFLICT (replay_id, entity) DO UPDATE SET event_id = greatest(n.event_id, excluded.event_id)`, r.ID, ids, TestEntityType)
	if err != nil {
		return fmt.Errorf("looking for newer events: %w", err)
	}
	return nil
}
