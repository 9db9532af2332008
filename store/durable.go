package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Where PostgreSQL replicates synchronously, a commit is answered once a standby has it. A wait for the standby that is
// cancelled, as ours is when its time is over, is no failure: the transaction is committed here, seen by everybody,
// answered with COMMIT and a warning, and gone when this server is. So what is seen is not yet safe.

// errNotReplicated: the events are committed here, and no standby is known to have them.
var errNotReplicated = errors.New("no standby has confirmed the commit")

// warned is where a connection remembers that PostgreSQL warned.
const warned = "recall.warned"

// noteWarning remembers a warning on its connection. The one about replication has no code of its own.
func noteWarning(conn *pgconn.PgConn, n *pgconn.Notice) {
	if n.Code == "01000" {
		conn.CustomData()[warned] = true
	}
}

// takeWarning tells whether there was a warning since it was last asked.
func takeWarning(conn *pgconn.PgConn) bool {
	was := conn.CustomData()[warned] != nil
	delete(conn.CustomData(), warned)
	return was
}

// makeSafe returns nil once everything that was committed before is as safe as the server is set to make it: it commits
// something of its own, a message in the log that nobody reads, and whoever confirms that has what was before it.
func (db *DB) makeSafe(ctx context.Context) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer conn.Release()
	takeWarning(conn.Conn().PgConn())
	if _, err := conn.Exec(ctx, `SELECT pg_logical_emit_message(true, 'recall', '')`); err != nil {
		return fmt.Errorf("making sure of a commit: %w", err)
	}
	if takeWarning(conn.Conn().PgConn()) {
		return errNotReplicated
	}
	return nil
}
