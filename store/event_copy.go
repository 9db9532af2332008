package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// Events are written by COPY in PostgreSQL's binary format, which costs both sides half of what an INSERT of arrays does. It
// is put together here because pgx's CopyFrom asks for the columns' types in a round trip of its own, and cannot end the
// transaction in that of the rows.

// copyEventsSQL names the columns in the order of appendEvent.
const copyEventsSQL = `
	COPY events (id, source_id, verdict, reason, signature, verification, answered, repeat_of, arrival, sender, header, body,
		body_sha256, size, is_json, entity_type, callback_type, entity_id, api_version, changed_at, unexpected_type, customers)
	FROM STDIN (FORMAT binary)`

const copiedColumns = 22

// insertCommitSQL writes down in which order batches become visible. The ids are digits of ours.
func insertCommitSQL(events []*Event) string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = e.ID.String()
	}
	return "INSERT INTO commits (event_ids) VALUES ('{" + strings.Join(list, ",") + "}')"
}

// rowBuffers keep what copyRows writes to from one batch to the next, unless garbage is collected meanwhile.
var rowBuffers = sync.Pool{New: func() any { return new([]byte) }}

// copyRows appends what COPY reads to b, which may be of another array afterwards.
func copyRows(b []byte, events []*Event) ([]byte, error) {
	size := 0
	for _, e := range events {
		size += len(e.Body) + 1024
	}
	b = append(slices.Grow(b, size), "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	var err error
	for _, e := range events {
		if b, err = appendEvent(b, e); err != nil {
			return nil, err
		}
	}
	return append(b, 0xff, 0xff), nil
}

func appendEvent(b []byte, e *Event) ([]byte, error) {
	verification, err := json.Marshal(e.Verification)
	if err != nil {
		return nil, fmt.Errorf("writing down the verification: %w", err)
	}
	b = binary.BigEndian.AppendUint16(b, copiedColumns)
	b = appendID(b, e.ID)
	b = appendInt8(b, e.SourceID)
	b = appendField(b, string(e.Verification.Verdict))
	b = appendField(b, string(e.Verification.Reason))
	b = appendField(b, string(e.Verification.Signature))
	b = appendField(b, verification)
	b = binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 2), uint16(e.Answered))
	b = appendID(b, e.RepeatOf)
	b = binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(e.Arrival))
	b = appendAddress(b, e.Sender)
	b = appendHeader(b, e.Header)
	b = appendField(b, e.Body)
	b = appendField(b, e.BodySHA256[:])
	b = appendInt8(b, e.Size)
	b = appendBool(b, e.Envelope.IsJSON)
	b = appendField(b, e.Envelope.EntityType)
	b = appendField(b, e.Envelope.CallbackType)
	b = appendField(b, e.Envelope.EntityID)
	b = appendField(b, e.APIVersion)
	b = appendTime(b, e.Envelope.ChangedAt)
	b = appendBool(b, e.UnexpectedType)
	return appendField(b, encodeCustomers(e.Envelope.Customers)), nil
}

// Fields are their length and their bytes; NULL is the length -1.

func appendField[T string | []byte](b []byte, value T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

func appendNull(b []byte) []byte { return append(b, 0xff, 0xff, 0xff, 0xff) }

func appendID(b []byte, id uuid.UUID) []byte {
	if id == uuid.Nil {
		return appendNull(b)
	}
	return appendField(b, id[:])
}

func appendInt8(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(n))
}

func appendBool(b []byte, is bool) []byte {
	if is {
		return append(b, 0, 0, 0, 1, 1)
	}
	return append(b, 0, 0, 0, 1, 0)
}

// appendTime writes microseconds since 2000, as a timestamptz has them.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return appendNull(b)
	}
	return appendInt8(b, t.UnixMicro()-time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())
}

// appendAddress writes an inet: family, bits, no network, length, bytes.
func appendAddress(b []byte, addr netip.Addr) []byte {
	switch {
	case !addr.IsValid():
		return appendNull(b)
	case addr.Is4():
		b = append(b, 0, 0, 0, 8, 2, 32, 0, 4)
	default:
		b = append(b, 0, 0, 0, 20, 3, 128, 0, 16)
	}
	return append(b, addr.AsSlice()...)
}

func appendHeader(b []byte, h map[string][]string) []byte {
	start := len(b)
	b = appendHeaderLines(append(b, 0, 0, 0, 0), h)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// uuids, and the others, are arrays as pgx writes them without asking each element how to.
type (
	uuids      = pgtype.FlatArray[pgtype.UUID]
	bigints    = pgtype.FlatArray[pgtype.Int8]
	timestamps = pgtype.FlatArray[pgtype.Timestamptz]
	byteas     = pgtype.FlatArray[[]byte]
)

// nullID is a column's value, NULL for the zero one.
func nullID(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: id != uuid.Nil} }
