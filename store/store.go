// Package store keeps events, and everything else Recall knows, in PostgreSQL. Everything is reached through DB.
package store

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"recall/seal"
)

var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	// ErrOutcomeUnknown: the commit was sent, its answer was lost, and the database could not be asked since.
	ErrOutcomeUnknown = errors.New("outcome of the commit unknown")
)

// DB is the store. Its fields may be set before first use.
type DB struct {
	Now          func() time.Time // replaced in tests
	Log          *slog.Logger
	ReasonAbove  int    // events of a replay above which a reason is asked; 0: never
	KeepSettings string // file in which Live keeps the settings, sealed, for ReadLastKnown; "": none
	KeepAudit    string // file in which SealAudit keeps the end of the audit list; "": none

	pool    *pgxpool.Pool
	writers *pgxpool.Pool // for recording alone, so that no page and no worker keeps a callback waiting
	sending *pgxpool.Pool // for deliveries on their way
	session *pgxpool.Pool // for what stays on one connection; pool itself, unless that leads through a pooler
	pooler  pooler
	standby *standby      // nil: none
	owner   *pgxpool.Pool // of the tables; nil: pool is
	key     seal.Key
	persons atomic.Pointer[[]byte]   // personKey, once read
	sealing atomic.Pointer[seal.Key] // that one of ours which is the database's; nil: not asked yet

	parts partitions
	hook  func(ctx context.Context, tx pgx.Tx, events []*Event) error

	recorded  atomic.Uint64 // events that RecordEvents was given
	auditTold atomic.Int64  // when the log was told the end of the audit list, in Unix nanoseconds
}

// Close ends all connections, and waits for those in use.
func (db *DB) Close() {
	if db.standby != nil {
		db.standby.pool.Close()
	}
	if db.owner != nil {
		db.owner.Close()
	}
	db.sending.Close()
	db.writers.Close()
	if db.session != db.pool {
		db.session.Close()
	}
	db.pool.Close()
}

// Pool is for transactions that others make.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// QueuePool is for River, which has tables of its own. poll: no session can be kept, so it cannot listen.
func (db *DB) QueuePool() (pool *pgxpool.Pool, poll bool) { return db.session, db.pooler == pooledOnly }

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.pool.Ping(ctx) }
