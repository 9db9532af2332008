package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// UnstoredRequests are requests to a source that became no event: not read to their end, not stored, over a limit.
type UnstoredRequests struct {
	SourceID int64
	Hour     time.Time // UTC
	Answered int
	Requests int64
}

// UnknownRequest is requests for a name that is no source.
type UnknownRequest struct {
	Path        string // bounded, valid UTF-8
	Sender      string // address; "" unknown
	ContentType string
	Signed      bool // had a signature header: a wrong URL at plenigo rather than a scanner
	Requests    int64
	FirstAt     time.Time
	LastAt      time.Time
}

// maxUnknown bounds the unknown requests that are kept; the longest unseen give way.
const maxUnknown = 500

// AddUnstored adds what a receiver has counted since it last did.
func (db *DB) AddUnstored(ctx context.Context, unstored []UnstoredRequests, unknown []UnknownRequest) error {
	batch := &pgx.Batch{}
	for _, u := range unstored {
		batch.Queue(`
			INSERT INTO unstored_hours AS h (source_id, hour, answered, requests) VALUES ($1, $2, $3, $4)
			ON CONFLICT (source_id, hour, answered) DO UPDATE SET requests = h.requests + excluded.requests`,
			u.SourceID, u.Hour, u.Answered, u.Requests)
	}
	for _, u := range unknown {
		batch.Queue(`
			INSERT INTO unknown_requests AS r (path, sender, content_type, signed, requests, first_at, last_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (path, sender) DO UPDATE
			SET requests = r.requests + excluded.requests, last_at = excluded.last_at, content_type = excluded.content_type,
				signed = r.signed OR excluded.signed`,
			u.Path, u.Sender, u.ContentType, u.Signed, u.Requests, u.FirstAt, u.LastAt)
	}
	if len(unknown) > 0 {
		batch.Queue(`
			DELETE FROM unknown_requests WHERE (path, sender) IN (
				SELECT path, sender FROM unknown_requests ORDER BY signed DESC, last_at DESC OFFSET $1)`, maxUnknown)
	}
	if batch.Len() == 0 {
		return nil
	}
	if err := db.pool.SendBatch(ctx, batch).Close(); err != nil { // one implicit transaction
		return fmt.Errorf("counting requests that became no event: %w", err)
	}
	return nil
}

// ListUnknownRequests returns the newest ones, those with a signature first.
func (db *DB) ListUnknownRequests(ctx context.Context, limit int) ([]UnknownRequest, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT path, sender, content_type, signed, requests, first_at, last_at
		FROM unknown_requests ORDER BY signed DESC, last_at DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("listing requests for unknown sources: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[UnknownRequest])
	if err != nil {
		return nil, fmt.Errorf("listing requests for unknown sources: %w", err)
	}
	return list, nil
}
