package store

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"

	"recall/seal"
)

// Connections a DB opens at most: maxConns, unless the URL says pool_max_conns, and besides maxWriters for recording and
// maxSending for claiming deliveries and recording attempts; with a way past a pooler maxSessions on that.
const (
	maxConns    = 20
	maxWriters  = 4
	maxSending  = 4
	maxSessions = 8
)

// How long a host may take to take a connection. Of several hosts one that is silent must not use up the patience of those
// who wait for a connection to the next.
const (
	connectTime      = 5 * time.Second
	connectTimeOfOne = 2 * time.Second // of several
)

// silentAfter is after how long without a sign of life a connection is given up: 15 s, and three questions 5 s apart.
var silentAfter = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// A program that stands still in the middle of a transaction holds back all that follow commits, on every instance. So
// PostgreSQL ends its transactions after stillAfter.
const (
	idleSetting = "idle_in_transaction_session_timeout"
	stillAfter  = "60000" // ms
)

// NoDirect says of URLs.Direct that there is no way past the pooler.
const NoDirect = "none"

// URLs are the ways to the database.
type URLs struct {
	Database string // may name several hosts; with target_session_attrs=read-write whichever is the primary is used
	// Direct is the way past a pooler in transaction mode, such as PgBouncer, which Database leads through then. NoDirect:
	// there is a pooler and no way past it, so that what would listen asks again and again. "": there is no pooler.
	Direct string
	// Read is a standby that reads of pages may go to (OnStandby). "": there is none.
	Read string
}

// pooler is what stands between us and PostgreSQL.
type pooler int

const (
	noPooler   pooler = iota
	pooled            // transactions go through one; there is a way past it
	pooledOnly        // everything goes through one
)

// Open prepares the connections; the first one is made when it is needed, so that a database which is away for the moment
// is no error. It does not migrate. The error says what is wrong with the URL, without its password.
func Open(ctx context.Context, url string, key seal.Key, log *slog.Logger) (*DB, error) {
	return OpenURLs(ctx, URLs{Database: url}, key, log)
}

// OpenURLs is Open with more than one way to the database.
func OpenURLs(ctx context.Context, urls URLs, key seal.Key, log *slog.Logger) (db *DB, err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	db = &DB{Now: time.Now, Log: log, key: key}
	switch urls.Direct {
	case "":
	case NoDirect:
		db.pooler = pooledOnly
	default:
		db.pooler = pooled
	}
	config, err := poolConfig("RECALL_DATABASE_URL", urls.Database)
	if err != nil {
		return nil, err
	}
	if db.pooler != noPooler {
		// A prepared statement lives on one connection, and the next transaction may get another.
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	var opened []*pgxpool.Pool
	defer func() {
		if err != nil {
			for _, pool := range opened {
				pool.Close()
			}
		}
	}()
	open := func(c *pgxpool.Config) *pgxpool.Pool {
		if err != nil {
			return nil
		}
		var pool *pgxpool.Pool
		if pool, err = pgxpool.NewWithConfig(ctx, c); err != nil {
			err = fmt.Errorf("preparing database connections: %w", err)
			return nil
		}
		opened = append(opened, pool)
		return pool
	}
	writing := config.Copy()
	writing.MaxConns = maxWriters
	sending := config.Copy()
	sending.MaxConns = maxSending
	if db.pooler == noPooler { // a pooler refuses settings that it does not know
		config.ConnConfig.RuntimeParams[idleSetting] = stillAfter
		for _, c := range []*pgxpool.Config{writing, sending} {
			c.ConnConfig.RuntimeParams[idleSetting] = stillAfter
			c.ConnConfig.RuntimeParams["statement_timeout"] = stillAfter         // COPY waits for rows of ours
			c.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan" // the same few statements, with arrays of any length
		}
		for _, plan := range []string{"enable_mergejoin", "enable_seqscan"} { // rows are found by their keys, however few there were when it was planned
			sending.ConnConfig.RuntimeParams[plan] = "off"
		}
	}
	db.pool, db.writers, db.sending = open(config), open(writing), open(sending)
	db.session = db.pool
	if db.pooler == pooled {
		direct, wrong := poolConfig("RECALL_DATABASE_DIRECT_URL", urls.Direct)
		if wrong != nil {
			err = wrong // the others are closed again
			return nil, err
		}
		direct.MaxConns = maxSessions
		direct.ConnConfig.RuntimeParams[idleSetting] = stillAfter
		db.session = open(direct)
	}
	if urls.Read != "" {
		read, wrong := poolConfig("RECALL_DATABASE_READ_URL", urls.Read)
		if wrong != nil {
			err = wrong
			return nil, err
		}
		read.ConnConfig.DefaultQueryExecMode = config.ConnConfig.DefaultQueryExecMode // a pooler may be before it, too
		db.standby = &standby{pool: open(read)}
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

// preparedMost bounds the statements that a connection keeps prepared: some dozen are asked again and again.
const preparedMost = 128

// poolConfig reads a connection string; setting is what it was given in.
func poolConfig(setting, url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%s is no connection string that PostgreSQL understands, such as postgres://user:password@host/database: %w", setting, err)
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = maxConns
	}
	c := config.ConnConfig
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "recall"
	}
	c.RuntimeParams["timezone"] = "UTC"
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTime
		if hosts(c.Config) > 1 {
			c.ConnectTimeout = connectTimeOfOne
		}
	}
	c.StatementCacheCapacity = preparedMost
	dialer := &net.Dialer{KeepAliveConfig: silentAfter}
	c.DialFunc = dialer.DialContext
	c.OnNotice = noteWarning
	// Ids as the 16 bytes they are; pgx by itself writes and reads them as texts.
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap())
		return nil
	}
	return config, nil
}

// hosts is how many different ones a connection string names; each may be there twice, with and without TLS.
func hosts(c pgconn.Config) int {
	different := map[string]bool{fmt.Sprint(c.Host, c.Port): true}
	for _, f := range c.Fallbacks {
		different[fmt.Sprint(f.Host, f.Port)] = true
	}
	return len(different)
}
