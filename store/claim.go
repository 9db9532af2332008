package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/plenigo"
)

// Claim asks for deliveries to one destination that are due.
type Claim struct {
	Destination *Destination
	Limit       int                        // at most
	Lease       time.Duration              // after which they are due again, should nobody say how they ended
	ProbeAfter  func(failed int) time.Time // when a broken destination is probed next, after so many probes in a row that failed
}

// Claimed is a delivery that this instance is to send: an attempt of it has begun.
type Claimed struct {
	*Delivery
	Event *Event // what of it is sent, without its verification; nil: it is no longer there
	Large bool   // its body was too large to come along: read it when it is sent
}

// largeBody is the size from which a body is not read with the claim, so that many of them do not fill the memory.
const largeBody = 32 << 10

// ClaimDeliveries begins an attempt of deliveries that are due, for whoever comes first: each is given to one instance. Retries
// and what another instance left behind come before what is new. What was left behind has its lost attempt written down.
//
// It returns none for a destination that is paused or removed by now, and for a broken one a single delivery: when a probe is
// due, and otherwise only what somebody has just sent by hand. The destination's rate, its concurrency and its order hold over all instances; next is when a limit allows the
// next one, zero where it is not a limit that kept them from being more.
func (db *DB) ClaimDeliveries(ctx context.Context, c Claim) (claimed []*Claimed, next time.Time, err error) {
	now := db.Now()
	if !c.Destination.guarded() {
		claimed, err = db.claim(ctx, db.sending, c, c.Limit, false, now)
	} else {
		err = pgx.BeginFunc(ctx, db.sending, func(tx pgx.Tx) error {
			claimed, next, err = db.claimGuarded(ctx, tx, c, now)
			return err
		})
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("claiming deliveries to %q: %w", c.Destination.Name, err)
	}
	return claimed, next, nil
}

// guarded tells whether claims must wait for each other: something is counted over all instances.
func (d *Destination) guarded() bool {
	return d.MaxRate > 0 || d.MaxConcurrency > 0 || d.Ordering == OrderEntity || d.State == DestinationBroken
}

// claimSQL looks at each state by itself, because the index begins with it. FOR UPDATE SKIP LOCKED is what shares the work out.
var claimSQL = `
	WITH lane AS MATERIALIZED (` + laneSQL + `
	), waiting AS (` + dueSQL("waiting", "$3") + `
	), expired AS (` + dueSQL("sending", "$3 - (SELECT count(*) FROM waiting)") + `
	), pending AS (` + dueSQL("pending", "$3 - (SELECT count(*) FROM waiting) - (SELECT count(*) FROM expired)") + `
	), lost AS (
		INSERT INTO attempts (event_id, delivery_id, number, started_at, request_url, request_header)
		SELECT event_id, id, attempts, coalesce(attempt_at, $2), $7, '' FROM expired WHERE attempts > 0
		ON CONFLICT DO NOTHING
	), due AS (
		SELECT event_id, id FROM waiting UNION ALL SELECT event_id, id FROM expired UNION ALL SELECT event_id, id FROM pending
	)` + beginSQL

// claimByHandSQL finds only what somebody has just sent by hand: it does not wait for a probe.
var claimByHandSQL = `
	WITH lane AS MATERIALIZED (` + laneSQL + `
	), due AS (` + dueSQL("pending' AND trigger = 'manual", "$3") + `
	)` + beginSQL

// laneSQL is a row where the destination may be sent to.
const laneSQL = `
		SELECT FROM destinations WHERE id = $1 AND removed_at IS NULL AND (state = 'active' OR $6 AND state = 'broken')`

// beginSQL begins an attempt of what is due.
const beginSQL = `, claimed AS (
		UPDATE deliveries d
		SET state = 'sending', attempts = d.attempts + 1, attempt_at = $2, next_attempt_at = $4
		FROM due
		WHERE d.event_id = due.event_id AND d.id = due.id AND d.event_id = ANY(ARRAY(SELECT event_id FROM due)) -- by its key in any plan
		RETURNING d.event_id, d.id, d.trigger, d.attempts, d.tries, d.requested_by, d.reason, d.created_at, coalesce(d.entity, ''), coalesce(d.replay_id, 0)
	)
	SELECT c.*, e.source_id, e.header, CASE WHEN e.size < $5 THEN e.body END, e.size >= $5, e.entity_type, e.callback_type, e.entity_id, e.api_version
	FROM claimed c LEFT JOIN LATERAL (SELECT * FROM events WHERE id = c.event_id LIMIT 1) e ON true`

// dueSQL finds what is due in a state. What is kept in order and has an earlier one before it is not.
func dueSQL(state, limit string) string {
	return `
		SELECT event_id, id, attempts, attempt_at FROM deliveries d
		WHERE destination_id = $1 AND state = '` + state + `' AND next_attempt_at <= $2 AND EXISTS (SELECT FROM lane)
		AND (entity IS NULL OR NOT EXISTS (` + earlierSQL + `))
		ORDER BY next_attempt_at LIMIT ` + limit + ` FOR UPDATE OF d SKIP LOCKED`
}

// earlierSQL finds an open delivery of an earlier event of the entity.
const earlierSQL = `
	SELECT FROM deliveries b
	WHERE b.destination_id = d.destination_id AND b.entity = d.entity AND b.event_id < d.event_id
	AND b.state IN ('pending', 'sending', 'waiting')`

func (db *DB) claim(ctx context.Context, q querier, c Claim, limit int, byHand bool, now time.Time) ([]*Claimed, error) {
	sql, args := claimSQL, []any{c.Destination.ID, now, limit, now.Add(c.Lease), largeBody, c.Destination.State == DestinationBroken, PlainURL(c.Destination.URL)}
	if byHand {
		sql, args = claimByHandSQL, args[:6]
	}
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Claimed, error) {
		d := &Delivery{DestinationID: c.Destination.ID, Destination: c.Destination.Name, State: DeliverySending, AttemptAt: now}
		var source *int64
		var header, body []byte
		var large *bool
		var entityType, callbackType, entityID, apiVersion *string
		err := row.Scan(&d.EventID, &d.ID, &d.Trigger, &d.Attempts, &d.Tries, &d.RequestedBy, &d.Reason, &d.CreatedAt, &d.Entity, &d.ReplayID,
			&source, &header, &body, &large, &entityType, &callbackType, &entityID, &apiVersion)
		if err != nil || source == nil {
			return &Claimed{Delivery: d}, err
		}
		e := &Event{
			ID: d.EventID, SourceID: *source, Body: body, APIVersion: *apiVersion,
			Envelope: plenigo.Envelope{EntityType: *entityType, CallbackType: *callbackType, EntityID: *entityID},
		}
		e.Header, err = decodeHeader(header)
		return &Claimed{Delivery: d, Event: e, Large: *large}, err
	})
}

// lane is the row of lanes, locked, and what else a guarded claim must know.
type lane struct {
	probes          int
	probeAt, rateAt *time.Time
	state           DestinationState
	sending         int
}

func (db *DB) claimGuarded(ctx context.Context, tx pgx.Tx, c Claim, now time.Time) (claimed []*Claimed, next time.Time, err error) {
	l, err := lockLane(ctx, tx, c.Destination, now)
	if err != nil {
		return nil, next, err
	}
	limit, probe, byHand := c.Limit, false, false
	switch l.state {
	case DestinationActive:
	case DestinationBroken:
		limit, probe = 1, true
		if l.probeAt != nil && l.probeAt.After(now) {
			probe, byHand, next = false, true, *l.probeAt
		}
	default:
		return nil, next, nil
	}
	if most := c.Destination.MaxConcurrency; most > 0 {
		limit = min(limit, most-l.sending)
	}
	rate := rateOf(c.Destination.MaxRate, l.rateAt, now)
	if limit = min(limit, rate.tokens); rate.tokens == 0 && !byHand {
		next = rate.allows(0)
	}
	if limit <= 0 {
		return nil, next, nil
	}
	if c.Destination.Ordering == OrderEntity {
		if err := hold(ctx, tx, c.Destination.ID, limit, now); err != nil {
			return nil, next, err
		}
	}
	if claimed, err = db.claim(ctx, tx, c, limit, byHand, now); err != nil || len(claimed) == 0 {
		return nil, next, err
	}
	var probeAt, rateAt *time.Time
	if probe {
		at := c.ProbeAfter(l.probes + 1)
		probeAt, next = &at, at
	}
	if c.Destination.MaxRate > 0 {
		at := rate.after(len(claimed))
		rateAt = &at
		if len(claimed) == rate.tokens && !byHand {
			next = rate.allows(len(claimed))
		}
	}
	if probeAt != nil || rateAt != nil {
		_, err = tx.Exec(ctx, `
			UPDATE lanes SET probe_at = coalesce($2, probe_at), rate_at = coalesce($3, rate_at) WHERE destination_id = $1`,
			c.Destination.ID, probeAt, rateAt)
	}
	return claimed, next, err
}

// lockLane locks a lane's row, and then counts: what was counted before the lock could be old.
func lockLane(ctx context.Context, tx pgx.Tx, d *Destination, now time.Time) (l lane, err error) {
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO lanes (destination_id) VALUES ($1) ON CONFLICT DO NOTHING`, d.ID)
	batch.Queue(`SELECT FROM lanes WHERE destination_id = $1 FOR UPDATE`, d.ID)
	batch.Queue(`
		SELECT l.probes, l.probe_at, l.rate_at, coalesce((SELECT state FROM destinations WHERE id = $1 AND removed_at IS NULL)::text, '')
		FROM lanes l WHERE destination_id = $1`, d.ID).
		QueryRow(func(row pgx.Row) error { return row.Scan(&l.probes, &l.probeAt, &l.rateAt, &l.state) })
	if d.MaxConcurrency > 0 {
		batch.Queue(`
			SELECT count(*) FROM deliveries WHERE destination_id = $1 AND state = 'sending' AND next_attempt_at > $2`, d.ID, now).
			QueryRow(func(row pgx.Row) error { return row.Scan(&l.sending) })
	}
	return l, tx.SendBatch(ctx, batch).Close()
}

// rateBurst is for how long a rate may be saved up.
const rateBurst = 100 * time.Millisecond

// rate is what a limit of attempts a second allows now. The lane's rate_at moves on with every attempt by the time that one
// takes up, and may lie behind now by what is saved up.
type rate struct {
	tokens int
	each   time.Duration
	from   time.Time
}

func rateOf(perSecond float64, at *time.Time, now time.Time) rate {
	if perSecond <= 0 {
		return rate{tokens: 1 << 30}
	}
	r := rate{each: max(time.Duration(float64(time.Second)/perSecond), time.Microsecond)}
	r.from = now.Add(-max(rateBurst, r.each)) // one is always saved up
	if at != nil && at.After(r.from) {
		r.from = *at
	}
	r.tokens = max(int(now.Sub(r.from)/r.each), 0)
	return r
}

// after is where rate_at stands after so many attempts, and allows when there may be one more.
func (r rate) after(taken int) time.Time  { return r.from.Add(time.Duration(taken) * r.each) }
func (r rate) allows(taken int) time.Time { return r.after(taken + 1) }

// holdAtOnce is how many more than those wanted are looked at for being held.
const holdAtOnce = 200

// hold takes out of the queue what waits for an earlier event of its entity, so that it is not looked at again and again:
// the end of the earlier one lets it go on. The lane is locked, so that none ends meanwhile.
func hold(ctx context.Context, tx pgx.Tx, destination int64, limit int, now time.Time) error {
	for _, state := range []string{"pending", "waiting"} {
		for more := true; more; {
			tag, err := tx.Exec(ctx, `
				WITH due AS (
					SELECT event_id, id FROM (
						SELECT event_id, id, destination_id, entity FROM deliveries
						WHERE destination_id = $1 AND state = '`+state+`' AND next_attempt_at <= $2
						ORDER BY next_attempt_at LIMIT $3
					) d
					WHERE entity IS NOT NULL AND EXISTS (`+earlierSQL+`)
				)
				UPDATE deliveries d SET next_attempt_at = NULL FROM due
				WHERE d.event_id = due.event_id AND d.id = due.id AND d.event_id = ANY(ARRAY(SELECT event_id FROM due)) AND d.state = '`+state+`'`,
				destination, now, limit+holdAtOnce)
			if err != nil {
				return err
			}
			more = tag.RowsAffected() >= holdAtOnce
		}
	}
	return nil
}

// ListHeld returns deliveries to a destination that wait for an earlier event of their entity, by entity and in the order in
// which they will go out; "": of all entities. The first of each entity is the one the others wait for. At most limit.
func (db *DB) ListHeld(ctx context.Context, destinationID int64, entity string, limit int) ([]*Delivery, error) {
	var list []*Delivery
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, deliverySelect+`
			WHERE d.destination_id = $1 AND d.entity IS NOT NULL AND ($2 = '' OR d.entity = $2) AND d.state IN ('pending', 'sending', 'waiting')
			AND EXISTS (
				SELECT FROM deliveries b
				WHERE b.destination_id = d.destination_id AND b.entity = d.entity AND b.event_id <> d.event_id
				AND b.state IN ('pending', 'sending', 'waiting'))
			ORDER BY d.entity, d.event_id LIMIT $3`, destinationID, entity, clampLimit(limit))
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, scanDelivery)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing what waits for an earlier event: %w", err)
	}
	return list, nil
}

// EventBody reads the body of an event that was too large to come with its claim, or ErrNotFound.
func (db *DB) EventBody(ctx context.Context, id uuid.UUID) ([]byte, error) {
	var body []byte
	err := db.sending.QueryRow(ctx, `SELECT body FROM events WHERE id = $1`, id).Scan(&body)
	if err == pgx.ErrNoRows {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading the body of event %s: %w", id, err)
	}
	return body, nil
}
