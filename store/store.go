// Package store keeps events, and everything else Recall knows, in PostgreSQL. Everything is reached through DB.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"recall/seal"
)

var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	// ErrOutcomeUnknown: the commit was sent, its answer was lost, and the database could not be asked since.
	ErrOutcomeUnknown = errors.New("outcome of the commit unknown")
)

// Connections a DB opens at most: maxConns, unless the URL says pool_max_conns, and besides maxWriters for recording and
// maxSending for claiming deliveries and recording attempts.
const (
	maxConns   = 20
	maxWriters = 4
	maxSending = 4
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
	key     seal.Key

	parts partitions
	hook  func(ctx context.Context, tx pgx.Tx, events []*Event) error

	recorded  atomic.Uint64 // events that RecordEvents was given
	auditTold atomic.Int64  // when the log was told the end of the audit list, in Unix nanoseconds
}

// Open prepares the connections; the first one is made when it is needed, so that a database which is away for the moment
// is no error. It does not migrate. The error says what is wrong with the URL, without its password.
func Open(ctx context.Context, url string, key seal.Key, log *slog.Logger) (*DB, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("RECALL_DATABASE_URL is no connection string that PostgreSQL understands, such as postgres://user:password@host/database: %w", err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	params := config.ConnConfig.RuntimeParams
	if params["application_name"] == "" {
		params["application_name"] = "recall"
	}
	params["timezone"] = "UTC"
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	// Ids as the 16 bytes they are; pgx by itself writes and reads them as texts.
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("preparing database connections: %w", err)
	}
	writing := config.Copy()
	writing.MaxConns = maxWriters
	writing.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan" // the same few statements, with arrays of any length
	writers, err := pgxpool.NewWithConfig(ctx, writing)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("preparing database connections: %w", err)
	}
	sendingConfig := writing.Copy()
	sendingConfig.MaxConns = maxSending
	for _, plan := range []string{"enable_mergejoin", "enable_seqscan"} { // rows are found by their keys, however few there were when it was planned
		sendingConfig.ConnConfig.RuntimeParams[plan] = "off"
	}
	sending, err := pgxpool.NewWithConfig(ctx, sendingConfig)
	if err != nil {
		pool.Close()
		writers.Close()
		return nil, fmt.Errorf("preparing database connections: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &DB{Now: time.Now, Log: log, pool: pool, writers: writers, sending: sending, key: key}, nil
}

// Close ends all connections, and waits for those in use.
func (db *DB) Close() {
	db.sending.Close()
	db.writers.Close()
	db.pool.Close()
}

// Pool is for River, which has tables of its own.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.pool.Ping(ctx) }
