package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// readTime is how long one query of a page may take.
const readTime = 10 * time.Second

// ErrTooSlow: a query took too long and was stopped. Its message is fit for the person who asked.
var ErrTooSlow = fmt.Errorf("the search took longer than %s and was stopped: narrow it, by a time such as after:2d or by an id", readTime)

// beginRead begins a transaction in which all queries see one moment, in the one round trip that BEGIN costs anyway.
// Plans are made for the values at hand: only these tell which partitions are needed, and whether an index that holds
// some rows only will do.
var beginRead = fmt.Sprintf(`
	BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
	SET LOCAL statement_timeout = %d;
	SET LOCAL plan_cache_mode = force_custom_plan`, readTime.Milliseconds())

// read runs the queries of one page, so that the page agrees with itself. ErrTooSlow when one of them takes too long. They
// go to the standby where the context allows it (OnStandby) and it is near enough; ErrStandby where it broke them off.
func (db *DB) read(ctx context.Context, queries func(tx pgx.Tx) error) error {
	if s := db.standbyFor(ctx); s != nil {
		begun, err := readFrom(ctx, s.pool, queries)
		if err == nil || ctx.Err() != nil || !isFault(err) {
			s.wasRead(ctx, db.Now())
			return err
		}
		s.distrust(db.Now(), err)
		if begun { // what it has answered so far cannot be taken back
			return fmt.Errorf("%w: %w", ErrStandby, err)
		}
	}
	_, err := readFrom(ctx, db.pool, queries)
	return err
}

// readFrom reads from one server, and tells whether any query was asked. Connections that died while they were idle, as all
// have when the database was started again, are left for a living one.
func readFrom(ctx context.Context, pool *pgxpool.Pool, queries func(tx pgx.Tx) error) (begun bool, err error) {
	try := func() error {
		return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{BeginQuery: beginRead}, func(tx pgx.Tx) error {
			begun = true
			return queries(tx)
		})
	}
	err = try()
	for tries := 0; !begun && tries < maxConns && pgconn.SafeToRetry(err) && ctx.Err() == nil; tries++ {
		err = try()
	}
	var pg *pgconn.PgError
	if ctx.Err() == nil && errors.As(err, &pg) && pg.Code == "57014" { // query_canceled
		return begun, fmt.Errorf("%w (%s)", ErrTooSlow, pg.Message)
	}
	return begun, err
}
