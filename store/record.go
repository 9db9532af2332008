package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// OnRecord sets what joins the transaction that records events: it gets those that are to be sent on, which are the
// accepted ones whose callback was not accepted before. Set it before the first event is recorded.
func (db *DB) OnRecord(hook func(ctx context.Context, tx pgx.Tx, events []*Event) error) {
	db.hook = hook
}

// RecordEvents commits a batch in one transaction and returns one error per event, nil where the event is safely on
// disk. It fills RepeatOf and Arrival. One bad event never fails the others: what the database refuses for its content is
// looked for by halving the batch. Recording an id twice is recording it once.
//
// ErrOutcomeUnknown stands where the commit's answer was lost and the database could not be asked since; any other error
// says that the event is not stored.
func (db *DB) RecordEvents(ctx context.Context, events []*Event) []error {
	errs := make([]error, len(events))
	if len(events) == 0 {
		return errs
	}
	db.recorded.Add(uint64(len(events)))
	err := db.recordAgain(ctx, events)
	switch {
	case err == nil:
	case len(events) > 1 && refused(err):
		half := len(events) / 2
		copy(errs, db.RecordEvents(ctx, events[:half]))
		copy(errs[half:], db.RecordEvents(ctx, events[half:]))
	default:
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// recordAgain tries a batch until it is committed or a try could not go better the next time.
func (db *DB) recordAgain(ctx context.Context, events []*Event) error {
	var err error
	for range 5 {
		if err = db.record(ctx, events); err == nil {
			return nil
		}
		var pg *pgconn.PgError
		switch isPg := errors.As(err, &pg); {
		case errors.Is(err, ErrOutcomeUnknown):
			return err
		case isPg && pg.Code == "23505": // an id, or an automatic delivery, is there already
			rest, found := db.withoutRecorded(ctx, events)
			if found != nil || len(rest) == len(events) {
				return errors.Join(err, found)
			}
			if events = rest; len(events) == 0 {
				if err := db.makeSafe(ctx); err != nil { // they may be of a commit whose wait for a standby was cancelled
					return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
				}
				return nil
			}
		case isPg && pg.Code == "23514": // no partition: it was dropped since we looked
			db.parts.forget()
		case isPg && (pg.Code == "40P01" || pg.Code == "40001"): // deadlock, serialization failure
		case errors.Is(err, errNotCommitted): // we asked
		case pgconn.SafeToRetry(err): // the connection was dead before anything was sent
		default:
			return err
		}
	}
	return err
}

// record makes one try: everything in one transaction, and in two round trips where nothing is to be sent on and no callback
// comes again. What it costs in a round trip it would cost every callback that waits.
func (db *DB) record(ctx context.Context, events []*Event) error {
	if err := db.ensurePartitions(ctx, events); err != nil {
		return err
	}
	conn, err := db.writers.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connecting to record events: %w", err)
	}
	defer conn.Release() // one that is amid a transaction, or lost, is closed
	xid, sendOn, erased, err := decideArrivals(ctx, conn.Conn(), events)
	if err == nil {
		events, sendOn, err = db.withoutErased(ctx, conn.Conn(), events, sendOn, erased)
	}
	var hooked *hookTx
	if err == nil && db.hook != nil && len(sendOn) > 0 {
		hooked = &hookTx{connection: conn.Conn()}
		if err = db.hook(ctx, hooked, sendOn); err != nil {
			err = fmt.Errorf("enqueuing deliveries: %w", err)
		}
	}
	buffer := rowBuffers.Get().(*[]byte)
	var rows []byte
	if err == nil {
		rows, err = copyRows((*buffer)[:0], events)
		*buffer = rows
	}
	if err != nil {
		rollback(ctx, conn.Conn())
		return err
	}
	takeWarning(conn.Conn().PgConn())
	tag, err := conn.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(rows), copyEventsSQL+"; "+insertCommitSQL(events)+"; COMMIT")
	var pg *pgconn.PgError
	switch {
	case err == nil && tag.String() == "COMMIT" && takeWarning(conn.Conn().PgConn()):
		return db.resolve(ctx, events, xid, errNotReplicated)
	case err == nil && tag.String() == "COMMIT":
		rowBuffers.Put(buffer) // after a failure pgx may still be reading it
		hooked.committed()
		return nil
	case err == nil:
		return fmt.Errorf("committing events: %w: PostgreSQL answered %s", errNotCommitted, tag)
	case errors.As(err, &pg) && pg.Severity != "FATAL": // whatever it was about: with an error there was no commit
		rollback(ctx, conn.Conn())
		return fmt.Errorf("inserting events: %w", err)
	}
	return db.resolve(ctx, events, xid, err)
}

// rollback ends a transaction that failed. Where that fails too, the connection is not used again.
func rollback(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveWait)
	defer cancel()
	conn.Exec(ctx, "ROLLBACK")
}

// withoutRecorded leaves out the events that are stored already, and fills their place in the arrival group.
func (db *DB) withoutRecorded(ctx context.Context, events []*Event) ([]*Event, error) {
	rows, err := db.pool.Query(ctx, `SELECT id, repeat_of, arrival FROM events WHERE id = ANY($1)`, ids(events))
	if err != nil {
		return nil, fmt.Errorf("looking for events recorded before: %w", err)
	}
	type place struct {
		repeatOf *uuid.UUID
		arrival  int
	}
	recorded := map[uuid.UUID]place{}
	var id uuid.UUID
	var p place
	_, err = pgx.ForEachRow(rows, []any{&id, &p.repeatOf, &p.arrival}, func() error {
		recorded[id] = p
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for events recorded before: %w", err)
	}
	var rest []*Event
	seen := map[uuid.UUID]bool{}
	for _, e := range events {
		p, done := recorded[e.ID]
		switch {
		case done:
			e.Arrival, e.RepeatOf = p.arrival, uuid.Nil
			if p.repeatOf != nil {
				e.RepeatOf = *p.repeatOf
			}
		case !seen[e.ID]: // twice in one batch
			seen[e.ID] = true
			rest = append(rest, e)
		}
	}
	return rest, nil
}

func ids(events []*Event) []uuid.UUID {
	list := make([]uuid.UUID, len(events))
	for i, e := range events {
		list[i] = e.ID
	}
	return list
}

// resolveWait bounds how long a lost commit is asked for.
const resolveWait = 2 * time.Second

// errNotCommitted: the connection was lost at the commit, and the events are not there.
var errNotCommitted = errors.New("events were not committed")

// resolve finds out what became of a commit whose answer was lost. While the transaction may still be going on, which
// PostgreSQL tells by its id, it is waited for; then the events are there or they are not. That they are there is not enough:
// the wait for a standby may have been cut short.
func (db *DB) resolve(ctx context.Context, events []*Event, xid string, lost error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resolveWait)
	defer cancel()
	for {
		var running bool
		err := db.pool.QueryRow(ctx, `SELECT $1::text::xid8 IN (SELECT pg_snapshot_xip(pg_current_snapshot()))`, xid).Scan(&running)
		if err == nil && !running {
			var there int
			err = db.pool.QueryRow(ctx, `SELECT count(*) FROM events WHERE id = ANY($1)`, ids(events)).Scan(&there)
			if err == nil && there == len(events) {
				if err = db.makeSafe(ctx); err == nil {
					return nil
				}
			} else if err == nil {
				return fmt.Errorf("%w: %w", errNotCommitted, lost)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("committing events: %w: %w", ErrOutcomeUnknown, lost)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// refused tells an error that is about the content of some event from one that is about the database.
func refused(err error) bool {
	if errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "22", "23", "42", "54": // data, integrity, type mismatch, limits
			return true
		}
		return false
	}
	return !gone(err)
}

// gone tells that an error is about the connection.
func gone(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed)
}
