package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"recall/seal"
)

// CheckKey says clearly when the secrets in the database were sealed with another key than this program's. The first
// program that asks, or that seals something, makes its key the database's.
func (db *DB) CheckKey(ctx context.Context) error { return db.checkKey(ctx, db.pool, "") }

// querier is the pool or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// checkKey is asked before anything is sealed too: a command run with another key must not add a secret that the server
// cannot open. Of two keys that a program has, it seals with the database's, until that is changed (key.go); lock is FOR UPDATE
// where something is sealed in the same transaction, so that the change waits for it.
func (db *DB) checkKey(ctx context.Context, q querier, lock string) error {
	if db.key == (seal.Key{}) {
		return errors.New("this program has no key to seal secrets with: set RECALL_KEY or RECALL_KEY_FILE")
	}
	var sealedWith *string
	err := q.QueryRow(ctx, `SELECT key_id FROM settings_revision `+lock).Scan(&sealedWith)
	if err == nil && sealedWith == nil {
		err = q.QueryRow(ctx, `
			UPDATE settings_revision SET key_id = COALESCE(key_id, $1) -- another program may have been faster
			RETURNING key_id`, db.key.ID()).Scan(&sealedWith)
	}
	if err != nil {
		return fmt.Errorf("asking which key sealed the secrets: %w", err)
	}
	if !db.has(*sealedWith) {
		return fmt.Errorf("the secrets in this database were %w: key %s, while this program has key %s; "+
			"give it the key it had before (RECALL_KEY, RECALL_KEY_FILE, or the file key in RECALL_DATA_DIR); where it is lost, see recall key give-up",
			seal.ErrWrongKey, *sealedWith, db.key.ID())
	}
	key := db.keyNamed(*sealedWith)
	db.sealing.Store(&key)
	return nil
}

// sealer is the key that checkKey found to be the database's.
func (db *DB) sealer() seal.Key {
	if key := db.sealing.Load(); key != nil {
		return *key
	}
	return db.key
}

// has tells whether a key is one of ours.
func (db *DB) has(id string) bool { return db.keyNamed(id) != (seal.Key{}) }

// keyNamed returns that one of our keys; zero: it is none of ours.
func (db *DB) keyNamed(id string) seal.Key {
	for _, key := range []seal.Key{db.key.WithPrevious(seal.Key{}), db.key.Previous()} {
		if key != (seal.Key{}) && key.ID() == id {
			return key
		}
	}
	return seal.Key{}
}

// keyIDs are the names of ours.
func (db *DB) keyIDs() []string {
	ids := []string{db.key.ID()}
	if previous := db.key.Previous(); previous != (seal.Key{}) {
		ids = append(ids, previous.ID())
	}
	return ids
}

// readSettings runs reads on one snapshot, so that a source and its secrets, and the revision, are of one moment.
func (db *DB) readSettings(ctx context.Context, read func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, read)
}

// writeSettings runs writes that may seal something, all or none.
func (db *DB) writeSettings(ctx context.Context, write func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if err := db.checkKey(ctx, tx, "FOR UPDATE"); err != nil {
			return err
		}
		return write(tx)
	})
}

// choice chooses sources, destinations or users; the zero one chooses all that are not removed.
type choice struct {
	ID      *int64  // nil: any
	Name    *string // slug or name; nil: any
	Removed bool    // removed sources too
}

// exists tells whether something of that name is there already.
func exists(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505" // unique_violation
}

// only returns the one value found, or ErrNotFound; what names it in the error.
func only[T any](found []T, what string) (T, error) {
	if len(found) == 0 {
		var none T
		return none, fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	return found[0], nil
}

// orTime is a time as a column that is null for the zero time.
func orTime(t time.Time) zeronull.Timestamptz { return zeronull.Timestamptz(t) }

// utc is a time as a column gave it; zero for null.
func utc(t zeronull.Timestamptz) time.Time {
	if time.Time(t).IsZero() {
		return time.Time{}
	}
	return time.Time(t).UTC()
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }

// opener opens the sealed settings of one source, and remembers what went wrong first.
type opener struct {
	key     seal.Key
	source  *Source
	problem error
}

func (o *opener) open(box []byte, place string) (string, bool) {
	plain, err := o.key.Open(box, place)
	if err != nil {
		o.source.Unreadable = true
		if o.problem == nil {
			o.problem = fmt.Errorf("%s: %w", place, err)
		}
		return "", false
	}
	return string(plain), true
}
