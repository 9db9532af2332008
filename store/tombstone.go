package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Tombstone is what is left of an erased event.
type Tombstone struct {
	EventID      uuid.UUID
	CaseID       int64
	SourceID     int64
	Verdict      string
	Reason       string
	Signature    string
	Answered     int
	Arrival      int
	EntityType   string
	CallbackType string
	APIVersion   string
	BodySHA256   []byte
	Size         int64
	Deliveries   []TombstoneDelivery
	ErasedAt     time.Time
	Recorded     bool   // false: it came when an equal one was erased already, and was not kept
	ErasedBy     string `db:"erased_by"`
}

// TombstoneDelivery is where an erased event was sent, and how that ended.
type TombstoneDelivery struct {
	Destination string     `json:"destination"`
	Trigger     string     `json:"trigger"`
	State       string     `json:"state"`
	Attempts    int        `json:"attempts"`
	Status      *int       `json:"status,omitempty"`
	At          *time.Time `json:"at,omitempty"`
}

// ReceivedAt is when the event arrived.
func (t *Tombstone) ReceivedAt() time.Time { return receivedAt(t.EventID).UTC() }

const tombstoneSelect = `
	SELECT e.event_id, e.case_id, e.source_id, e.verdict::text AS verdict, e.reason, e.signature, e.answered, e.arrival, e.entity_type, e.callback_type,
		e.api_version, e.body_sha256, e.size, e.deliveries, e.erased_at, e.recorded, coalesce(nullif(c.confirmed_by, ''), c.opened_by, '') AS erased_by
	FROM erased_events e LEFT JOIN erasure_cases c ON c.id = e.case_id`

// FindTombstone returns what is left of an erased event, or ErrNotFound.
func (db *DB) FindTombstone(ctx context.Context, id uuid.UUID) (*Tombstone, error) {
	found, err := collectTombstones(db.pool.Query(ctx, tombstoneSelect+` WHERE e.event_id = $1`, id))
	if err != nil {
		return nil, err
	}
	return only(found, "a tombstone")
}

// ListTombstones returns those of a case, newest first, before an id (uuid.Max: from the newest on), at most limit.
func (db *DB) ListTombstones(ctx context.Context, id int64, before uuid.UUID, limit int) ([]*Tombstone, error) {
	return collectTombstones(db.pool.Query(ctx, tombstoneSelect+` WHERE e.case_id = $1 AND e.event_id < $2 ORDER BY e.event_id DESC LIMIT $3`, id, before, limit))
}

func collectTombstones(rows pgx.Rows, err error) ([]*Tombstone, error) {
	var list []*Tombstone
	if err == nil {
		list, err = pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Tombstone])
	}
	if err != nil {
		return nil, fmt.Errorf("reading tombstones: %w", err)
	}
	return list, nil
}

// Words say what became of an erased event.
func (t *Tombstone) Words() string {
	if !t.Recorded {
		return fmt.Sprintf("Event %s was not kept: an equal one, or the person it is about, was erased by case %d. It arrived at %s.",
			t.EventID, t.CaseID, t.ReceivedAt().Format("2006-01-02 15:04:05 UTC"))
	}
	return fmt.Sprintf("Event %s was erased on %s by %s, case %d. It arrived at %s. Its content is destroyed: it cannot be shown, verified or sent again.",
		t.EventID, t.ErasedAt.UTC().Format("2006-01-02 15:04 UTC"), t.ErasedBy, t.CaseID, t.ReceivedAt().Format("2006-01-02 15:04:05 UTC"))
}

// WordsOfGone say what became of an event that is not there: erased, or removed by retention. ErrNotFound where nothing is known.
func (db *DB) WordsOfGone(ctx context.Context, id uuid.UUID) (string, error) {
	stone, err := db.FindTombstone(ctx, id)
	if err == nil {
		return stone.Words(), nil
	}
	if !errors.Is(err, ErrNotFound) {
		return "", err
	}
	removed, err := db.FindRemoved(ctx, id)
	if err != nil {
		return "", err
	}
	return removed.Words(id), nil
}
