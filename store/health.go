package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// LeastVersion is the oldest PostgreSQL that this program works with, as server_version_num.
const LeastVersion = 150000

// ServerHealth is what the database says of itself.
type ServerHealth struct {
	Version       string   // "15.14"
	VersionNumber int      // 150014
	Standby       bool     // it takes no writes
	Unsafe        []string // settings that may lose what was committed, as "fsync = off"
}

// ServerHealth asks the database's server, whatever schema is in it.
func (db *DB) ServerHealth(ctx context.Context) (*ServerHealth, error) {
	var h ServerHealth
	err := db.pool.QueryRow(ctx, `
		SELECT current_setting('server_version'), current_setting('server_version_num')::int, pg_is_in_recovery(),
			ARRAY(
				SELECT name || ' = ' || setting FROM pg_settings
				WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name
			)`).Scan(&h.Version, &h.VersionNumber, &h.Standby, &h.Unsafe)
	if err != nil {
		return nil, fmt.Errorf("asking the database's server about itself: %w", err)
	}
	h.Version, _, _ = strings.Cut(h.Version, " ") // the packager's name follows
	return &h, nil
}

// KeyID names the key that the secrets in the database are sealed with; "": none is yet. Unlike CheckKey it changes nothing.
func (db *DB) KeyID(ctx context.Context) (string, error) {
	var id *string
	if err := db.pool.QueryRow(ctx, `SELECT key_id FROM settings_revision`).Scan(&id); err != nil {
		return "", fmt.Errorf("asking which key sealed the secrets: %w", err)
	}
	if id == nil {
		return "", nil
	}
	return *id, nil
}

// PartitionsUntil is until when every table has its partitions, without a gap from this week on; what arrives later would
// have to wait for its partitions first. It is this week's Monday when even this week has none.
func (db *DB) PartitionsUntil(ctx context.Context) (time.Time, error) {
	week := weekOf(db.Now())
	for range weeksAhead + 1 {
		for _, p := range partitioned {
			var there bool
			err := db.pool.QueryRow(ctx, `
				SELECT EXISTS (SELECT FROM pg_inherits WHERE inhparent = to_regclass($1) AND inhrelid = to_regclass($2))`,
				p.table, partitionName(p.table, week)).Scan(&there)
			if err != nil {
				return time.Time{}, fmt.Errorf("looking for partitions: %w", err)
			}
			if !there {
				return week, nil
			}
		}
		week = week.AddDate(0, 0, 7)
	}
	return week, nil
}

// OpenDelivery is one that has not ended.
type OpenDelivery struct {
	Destination string
	State       DestinationState // of the destination
	CreatedAt   time.Time
}

// OldestOpenDelivery is, of those that are due first in each state and to each destination, the one that waits longest to be
// delivered; nil: none waits. It may return ErrTooSlow.
func (db *DB) OldestOpenDelivery(ctx context.Context) (*OpenDelivery, error) {
	var oldest *OpenDelivery
	err := db.read(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT d.name AS destination, d.state, o.created_at
			FROM destinations d CROSS JOIN LATERAL (
				(SELECT created_at FROM deliveries WHERE destination_id = d.id AND state = 'pending' ORDER BY next_attempt_at LIMIT 1)
				UNION ALL
				(SELECT created_at FROM deliveries WHERE destination_id = d.id AND state = 'waiting' ORDER BY next_attempt_at LIMIT 1)
				UNION ALL
				(SELECT created_at FROM deliveries WHERE destination_id = d.id AND state = 'sending' ORDER BY next_attempt_at LIMIT 1)
			) o
			WHERE d.removed_at IS NULL
			ORDER BY o.created_at LIMIT 1`)
		if err != nil {
			return err
		}
		oldest, err = pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[OpenDelivery])
		if errors.Is(err, pgx.ErrNoRows) {
			oldest, err = nil, nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for the oldest open delivery: %w", err)
	}
	return oldest, nil
}
