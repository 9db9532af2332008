// Package store keeps events, and everything else Recall knows, in PostgreSQL. Everything is reached through DB.
package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"recall/seal"
)

var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	// ErrOutcomeUnknown: the commit was sent, its answer was lost, and the database could not be asked since.
	ErrOutcomeUnknown = errors.New("outcome of the commit unknown")
)

// DB is the store. Now may be replaced before first use, in tests.
type DB struct {
	Now  func() time.Time
	Log  *slog.Logger
	pool *pgxpool.Pool
	key  seal.Key
}

// Open connects. It does not migrate.
func Open(ctx context.Context, url string, key seal.Key, log *slog.Logger) (*DB, error) {
	panic("contract")
}
func (db *DB) Close()              { panic("contract") }
func (db *DB) Pool() *pgxpool.Pool { return db.pool } // for River, which has tables of its own

// Migrate brings the schema up to date (ours by goose, River's by rivermigrate) under an advisory lock, and makes the
// partitions for now. It refuses a schema newer than this program.
func (db *DB) Migrate(ctx context.Context) error { panic("contract") }

// MigrationState is one migration and when it was applied (zero: pending).
type MigrationState struct {
	Version   int64
	Name      string
	AppliedAt time.Time
}

func (db *DB) MigrationStatus(ctx context.Context) ([]MigrationState, error) { panic("contract") }

// CheckKey says clearly when the secrets in the database were sealed with another key than this program's.
func (db *DB) CheckKey(ctx context.Context) error { panic("contract") }

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error { panic("contract") }

// Maintain does the bounded periodic work: partitions ahead, expired arrival groups, old commits. One instance at a time.
func (db *DB) Maintain(ctx context.Context) error { panic("contract") }
