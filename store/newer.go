package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// MostNewer bounds what is counted of newer events.
const MostNewer = 1000

// Newer is what has been accepted of an event's entity since: to send the event again would put an old state over a new one.
type Newer struct {
	Count           int       // of callbacks, at most MostNewer; 0: the event is the newest, or equal to it
	Newest          uuid.UUID // of them
	NewestDelivered time.Time // when the newest was delivered to the destination; zero: it was not
	Delivered       int       // how many of them were delivered to it
}

// FindNewer looks for newer events of an event's entity from the same source, and whether a destination has them. Events that
// name no entity have none.
func (db *DB) FindNewer(ctx context.Context, e *Event, destinationID int64) (Newer, error) {
	var n Newer
	if e.Envelope.EntityID == "" {
		return n, nil
	}
	err := db.read(ctx, func(tx pgx.Tx) error {
		var newest []byte
		var at *time.Time
		err := tx.QueryRow(ctx, `
			WITH newer AS MATERIALIZED (
				SELECT id, body_sha256 FROM events
				WHERE entity_id = $1 AND entity_type = $2 AND id > $3 AND source_id = $4 AND verdict <> 'rejected' AND repeat_of IS NULL
				ORDER BY id DESC LIMIT $5
			), delivered AS (
				SELECT event_id, max(finished_at) AS at FROM deliveries
				WHERE event_id = ANY(ARRAY(SELECT id FROM newer)) AND destination_id = $6 AND state = 'succeeded'
				GROUP BY event_id
			)
			SELECT n.id, n.body_sha256, d.at, (SELECT count(*) FROM newer), (SELECT count(*) FROM delivered)
			FROM newer n LEFT JOIN delivered d ON d.event_id = n.id ORDER BY n.id DESC LIMIT 1`,
			e.Envelope.EntityID, e.Envelope.EntityType, e.ID, e.SourceID, MostNewer, destinationID).
			Scan(&n.Newest, &newest, &at, &n.Count, &n.Delivered)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		n.NewestDelivered = orZero(at).UTC()
		if bytes.Equal(newest, e.BodySHA256[:]) { // the entity is as the event says, again or still
			n = Newer{}
		}
		return err
	})
	if err != nil {
		return Newer{}, fmt.Errorf("looking for newer events of the entity of %s: %w", e.ID, err)
	}
	return n, nil
}
