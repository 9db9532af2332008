package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Advisory locks of ours, one number per thing that only one instance does at a time.
const (
	lockMigrate int64 = 0x72656361_00 + iota // "reca"
	lockMaintain
	lockPartitions
)

// A lock is held by an open transaction that does nothing else. It ends with its connection, so also with the program, and
// on a connection through a pooler it stays in one place. A program that stands still keeps its connections, though; so
// PostgreSQL ends a transaction that has been silent for lockIdle, and who holds it says something every lockSign.
const (
	lockIdle = time.Minute
	lockSign = 15 * time.Second
	lockLook = 200 * time.Millisecond // how often one that is to be waited for is tried
)

// errLockLost: PostgreSQL has taken the lock back, so another instance may do the work by now.
var errLockLost = errors.New("the lock that keeps other instances from the same work was lost")

var beginLock = fmt.Sprintf(`
	BEGIN;
	SET LOCAL idle_in_transaction_session_timeout = %d`, lockIdle.Milliseconds())

// alone does work that only one instance does at a time; mine is false, and nothing was done, where another is at it. The
// context of the work ends when the lock is lost.
func (db *DB) alone(ctx context.Context, lock int64, work func(context.Context) error) (mine bool, err error) {
	return db.aloneSigning(ctx, lock, lockSign, work)
}

// afterOthers is alone that waits until nobody else is at it.
func (db *DB) afterOthers(ctx context.Context, lock int64, work func(context.Context) error) error {
	for {
		if mine, err := db.alone(ctx, lock, work); mine || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for another instance: %w", ctx.Err())
		case <-time.After(lockLook):
		}
	}
}

// aloneSigning is alone with another time between two signs of life.
func (db *DB) aloneSigning(ctx context.Context, lock int64, sign time.Duration, work func(context.Context) error) (mine bool, err error) {
	tx, err := db.session.BeginTx(ctx, pgx.TxOptions{BeginQuery: beginLock})
	if err != nil {
		return false, fmt.Errorf("connecting to the database: %w", err)
	}
	defer func() { // there is nothing in it to be kept
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveWait)
		defer cancel()
		tx.Rollback(ctx)
	}()
	// The simple protocol leaves no open portal behind, which would keep a snapshot, which DETACH … CONCURRENTLY waits for.
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, pgx.QueryExecModeSimpleProtocol, lock).Scan(&mine); err != nil {
		return false, fmt.Errorf("asking whether another instance is at it: %w", err)
	}
	if !mine {
		return false, nil
	}
	working, lost := context.WithCancelCause(ctx)
	done, signed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(signed)
		for {
			select {
			case <-done:
				return
			case <-time.After(sign):
			}
			asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveWait)
			_, err := tx.Exec(asking, `SELECT`)
			cancel()
			if err != nil {
				lost(fmt.Errorf("%w: %w", errLockLost, err))
				return
			}
		}
	}()
	err = work(working)
	close(done)
	<-signed
	if cause := context.Cause(working); cause != nil && ctx.Err() == nil && err != nil {
		err = errors.Join(cause, err)
	}
	lost(nil)
	return true, err
}
