package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
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

// read runs the queries of one page, so that the page agrees with itself. ErrTooSlow when one of them takes too long.
// Connections that died while they were idle, as all have when the database was started again, are left for a living one.
func (db *DB) read(ctx context.Context, queries func(tx pgx.Tx) error) error {
	begun := false
	try := func() error {
		return pgx.BeginTxFunc(ctx, db.pool, pgx.TxOptions{BeginQuery: beginRead}, func(tx pgx.Tx) error {
			begun = true
			return queries(tx)
		})
	}
	err := try()
	for tries := 0; !begun && tries < maxConns && pgconn.SafeToRetry(err) && ctx.Err() == nil; tries++ {
		err = try()
	}
	var pg *pgconn.PgError
	if ctx.Err() == nil && errors.As(err, &pg) && pg.Code == "57014" { // query_canceled
		return fmt.Errorf("%w (%s)", ErrTooSlow, pg.Message)
	}
	return err
}
