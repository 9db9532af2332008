package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// insertEvents writes the events, their customers and the commit's own row, in one round trip. It returns the transaction's id.
func insertEvents(ctx context.Context, tx pgx.Tx, events []*Event) (xid string, err error) {
	var c eventColumns
	for _, e := range events {
		if err := c.add(e); err != nil {
			return "", err
		}
	}
	batch := &pgx.Batch{}
	batch.Queue(insertEventsSQL, c.id, c.sourceID, c.verdict, c.reason, c.signature, c.verification, c.answered, c.repeatOf,
		c.arrival, c.sender, c.header, c.body, c.bodySHA256, c.size, c.isJSON, c.entityType, c.callbackType, c.entityID,
		c.apiVersion, c.changedAt, c.unexpectedType)
	if len(c.customerEvent) > 0 {
		batch.Queue(`
			INSERT INTO event_customers (event_id, customer_id, path)
			SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])`, c.customerEvent, c.customerID, c.customerPath)
	}
	batch.Queue(`INSERT INTO commits (event_ids) VALUES ($1) RETURNING xid::text`, c.id).
		QueryRow(func(row pgx.Row) error { return row.Scan(&xid) })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return "", fmt.Errorf("inserting events: %w", err)
	}
	return xid, nil
}

const insertEventsSQL = `
	INSERT INTO events (id, source_id, verdict, reason, signature, verification, answered, repeat_of, arrival, sender, header,
		body, body_sha256, size, is_json, entity_type, callback_type, entity_id, api_version, changed_at,
		unexpected_type)
	SELECT id, source_id, verdict::verdict, reason, signature, verification::json, answered, repeat_of, arrival, sender::inet, header,
		body, body_sha256, size, is_json, entity_type, callback_type, entity_id, api_version, changed_at,
		unexpected_type
	FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::uuid[], $9::integer[],
		$10::text[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bigint[], $15::boolean[], $16::text[], $17::text[], $18::text[],
		$19::text[], $20::timestamptz[], $21::boolean[])
	AS t (id, source_id, verdict, reason, signature, verification, answered, repeat_of, arrival, sender, header,
		body, body_sha256, size, is_json, entity_type, callback_type, entity_id, api_version, changed_at,
		unexpected_type)`

// eventColumns are the events of a batch column by column, as unnest takes them.
type eventColumns struct {
	id                         uuids
	sourceID                   []int64
	verdict, reason, signature []string
	verification               []string
	answered                   []int16
	repeatOf                   uuids
	arrival                    []int32
	sender                     pgtype.FlatArray[pgtype.Text]
	header, body, bodySHA256   [][]byte
	size                       []int64
	isJSON                     []bool
	entityType, callbackType   []string
	entityID, apiVersion       []string
	changedAt                  pgtype.FlatArray[pgtype.Timestamptz]
	unexpectedType             []bool

	customerEvent            uuids
	customerID, customerPath []string
}

func (c *eventColumns) add(e *Event) error {
	verification, err := json.Marshal(e.Verification)
	if err != nil {
		return fmt.Errorf("writing down the verification: %w", err)
	}
	body := e.Body
	if body == nil {
		body = []byte{}
	}
	var sender pgtype.Text
	if e.Sender.IsValid() {
		sender = pgtype.Text{String: e.Sender.WithZone("").String(), Valid: true}
	}
	c.id = append(c.id, nullID(e.ID))
	c.sourceID = append(c.sourceID, e.SourceID)
	c.verdict = append(c.verdict, string(e.Verification.Verdict))
	c.reason = append(c.reason, string(e.Verification.Reason))
	c.signature = append(c.signature, string(e.Verification.Signature))
	c.verification = append(c.verification, string(verification))
	c.answered = append(c.answered, int16(e.Answered))
	c.repeatOf = append(c.repeatOf, nullID(e.RepeatOf))
	c.arrival = append(c.arrival, int32(e.Arrival))
	c.sender = append(c.sender, sender)
	c.header = append(c.header, encodeHeader(e.Header))
	c.body = append(c.body, body)
	c.bodySHA256 = append(c.bodySHA256, e.BodySHA256[:])
	c.size = append(c.size, e.Size)
	c.isJSON = append(c.isJSON, e.Envelope.IsJSON)
	c.entityType = append(c.entityType, e.Envelope.EntityType)
	c.callbackType = append(c.callbackType, e.Envelope.CallbackType)
	c.entityID = append(c.entityID, e.Envelope.EntityID)
	c.apiVersion = append(c.apiVersion, e.APIVersion)
	c.changedAt = append(c.changedAt, pgtype.Timestamptz{Time: e.Envelope.ChangedAt, Valid: !e.Envelope.ChangedAt.IsZero()})
	c.unexpectedType = append(c.unexpectedType, e.UnexpectedType)
	for _, link := range e.Envelope.Customers {
		c.customerEvent = append(c.customerEvent, nullID(e.ID))
		c.customerID = append(c.customerID, link.CustomerID)
		c.customerPath = append(c.customerPath, link.Path)
	}
	return nil
}

// uuids is an array as pgx writes it without asking each element how to.
type uuids = pgtype.FlatArray[pgtype.UUID]

// nullID is a column's value, NULL for the zero one.
func nullID(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }
