package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// MostExhausted bounds how many exhausted deliveries of one destination are looked at: the newest.
const MostExhausted = 10_000

// ExhaustedGroup is what could not be delivered to one destination for one reason, and has not been sent again since.
type ExhaustedGroup struct {
	DestinationID int64
	Destination   string // name
	Removed       bool   // the destination was
	State         DestinationState
	StateReason   string     // why it is in it, as somebody said or attempts showed
	StateSince    *time.Time // since when; nil: it was made so
	Status        int        // of the last answer; 0: there was none
	Error         string     // why there was none, or none that counts
	Deliveries    int
	First, Last   time.Time // when they were given up
	Newest        uuid.UUID // the event of the last
	Cut           bool      // the destination has more than MostExhausted; only these were looked at
}

// exhaustedError is a delivery's error as groups are made by.
const exhaustedError = `left(d.last_error, 300)`

// stillExhausted leaves out what was sent again since: then the newer delivery tells how the event stands.
const stillExhausted = `NOT EXISTS (
		SELECT FROM deliveries n
		WHERE n.event_id = d.event_id AND n.destination_id = d.destination_id AND n.state <> 'cancelled'
		AND (n.created_at, n.id) > (d.created_at, d.id)
	)`

// ListExhausted returns the groups, the one that grew last first. ErrTooSlow when it takes too long.
func (db *DB) ListExhausted(ctx context.Context) ([]ExhaustedGroup, error) {
	var groups []ExhaustedGroup
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT t.id AS destination_id, t.name AS destination, t.removed_at IS NOT NULL AS removed, t.state, t.state_reason, t.state_since,
				x.status, x.error, x.deliveries, x.first, x.last, x.newest, x.cut
			FROM destinations t CROSS JOIN LATERAL (
				SELECT coalesce(d.last_status, 0) AS status, `+exhaustedError+` AS error, count(*) AS deliveries,
					min(d.finished_at) AS first, max(d.finished_at) AS last,
					(array_agg(d.event_id ORDER BY d.finished_at DESC, d.id DESC))[1] AS newest,
					max(d.place) >= $1 AS cut
				FROM (
					SELECT *, row_number() OVER () AS place FROM (
						SELECT * FROM deliveries
						WHERE destination_id = t.id AND state = 'exhausted'
						ORDER BY id DESC LIMIT $1
					) newest
				) d
				WHERE `+stillExhausted+`
				GROUP BY 1, 2
			) x
			ORDER BY x.last DESC, t.name, x.status, x.error`, MostExhausted)
		if err != nil {
			return err
		}
		groups, err = pgx.CollectRows(rows, pgx.RowToStructByName[ExhaustedGroup])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing exhausted deliveries: %w", err)
	}
	for i := range groups {
		groups[i].First, groups[i].Last = groups[i].First.UTC(), groups[i].Last.UTC()
	}
	return groups, nil
}

// ExhaustedKey names a group.
type ExhaustedKey struct {
	DestinationID int64
	Status        int
	Error         string
}

// ExhaustedEvents returns the events of a group, those first that were to be delivered first; limit bounds them.
func (db *DB) ExhaustedEvents(ctx context.Context, key ExhaustedKey, limit int) ([]uuid.UUID, error) {
	var events []uuid.UUID
	err := db.read(ctx, func(tx pgx.Tx) (err error) {
		rows, err := tx.Query(ctx, `SELECT d.event_id`+exhaustedOf+` ORDER BY d.id LIMIT $4`, key.DestinationID, key.Status, key.Error, limit)
		if err == nil {
			events, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("exhausted deliveries to destination %d: %w", key.DestinationID, err)
	}
	return events, nil
}

const exhaustedOf = `
	FROM deliveries d
	WHERE d.destination_id = $1 AND d.state = 'exhausted' AND coalesce(d.last_status, 0) = $2 AND ` + exhaustedError + ` = $3
	AND ` + stillExhausted

// LetGo gives up a group: its deliveries become cancelled, at most limit of them, and the note is written with them, to
// which their number is added. It returns that number.
func (db *DB) LetGo(ctx context.Context, key ExhaustedKey, limit int, note AuditEntry) (int, error) {
	var n int
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		// What to write is looked for first: joined in one statement, PostgreSQL reads the whole table.
		type place struct{ EventID, ID uuid.UUID }
		rows, err := tx.Query(ctx, `SELECT d.event_id, d.id`+exhaustedOf+` ORDER BY d.id LIMIT $4`, key.DestinationID, key.Status, key.Error, limit)
		if err != nil {
			return err
		}
		places, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
		if err != nil || len(places) == 0 {
			return err
		}
		events, ids := make([]uuid.UUID, len(places)), make([]uuid.UUID, len(places))
		for i, p := range places {
			events[i], ids[i] = p.EventID, p.ID
		}
		done, err := tx.Exec(ctx, `
			UPDATE deliveries SET state = 'cancelled'
			WHERE event_id = ANY($1) AND id = ANY($2) AND state = 'exhausted'`, events, ids)
		if err != nil {
			return err
		}
		n = int(done.RowsAffected())
		detail := map[string]any{"deliveries": n}
		for name, value := range note.Detail {
			detail[name] = value
		}
		note.Detail = detail
		return db.AddAuditTx(ctx, tx, note)
	})
	if err != nil {
		return 0, fmt.Errorf("letting go of exhausted deliveries to destination %d: %w", key.DestinationID, err)
	}
	return n, nil
}
