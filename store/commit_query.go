package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ErrCursor: a text is no cursor of CommittedSince, or one of another database. Begin anew with "".
var ErrCursor = errors.New("not a cursor of this database: pass on the one that came with the last events, or none to start at the end")

// commitCursor stands after one id of one batch: everything up to it has been read.
type commitCursor struct {
	xid      uint64
	position int64 // of the batch; positions rise from 1
	index    int64 // how many ids of the batch have been read
}

func (c commitCursor) String() string { return fmt.Sprintf("%d.%d.%d", c.xid, c.position, c.index) }

func parseCommitCursor(text string) (commitCursor, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return commitCursor{}, ErrCursor
	}
	var c commitCursor
	var errs [3]error
	c.xid, errs[0] = strconv.ParseUint(parts[0], 10, 64)
	c.position, errs[1] = strconv.ParseInt(parts[1], 10, 64)
	c.index, errs[2] = strconv.ParseInt(parts[2], 10, 64)
	if errors.Join(errs[:]...) != nil || c.String() != text || c.position < 0 || c.index < 0 {
		return commitCursor{}, ErrCursor
	}
	return c, nil
}

// CommittedSince returns ids of events in the order they became visible, after a cursor ("" starts at the end), at most
// limit (50 when 0, at most 10,000), and the cursor to go on from. None is left out and none comes twice, though writers
// commit out of order: a batch is returned once every transaction that began to write before its own is over, in whatever
// database of the server. "The end" is before whatever has not been returned to anybody yet, so who takes the cursor
// first and then lists events misses none.
//
// Commits are kept for a few days; a follower that was away for longer begins at the oldest one kept.
func (db *DB) CommittedSince(ctx context.Context, cursor string, limit int) (ids []uuid.UUID, next string, err error) {
	var since commitCursor
	if cursor != "" {
		if since, err = parseCommitCursor(cursor); err != nil {
			return nil, "", fmt.Errorf("%.80q is %w", cursor, err)
		}
	}
	limit = clampLimit(limit)
	err = db.read(OnPrimary(ctx), func(tx pgx.Tx) error {
		// Below oldest, every transaction is over: no commit can be added there any more. newest is still to come.
		var oldest, newest uint64
		err := tx.QueryRow(ctx, `SELECT pg_snapshot_xmin(now), pg_snapshot_xmax(now) FROM pg_current_snapshot() now`).Scan(&oldest, &newest)
		if err != nil {
			return err
		}
		if since.xid > newest { // restored from a dump, perhaps: transactions are counted anew
			return fmt.Errorf("%q is %w", cursor, ErrCursor)
		}
		end := commitCursor{xid: oldest}
		if cursor == "" {
			next = end.String()
			return nil
		}
		last := since
		rows, err := tx.Query(ctx, `
			SELECT c.xid, c.position, event.index, event.id
			FROM commits c, unnest(c.event_ids) WITH ORDINALITY AS event (id, index)
			WHERE (c.xid, c.position) >= (@xid, @position) AND c.xid < @oldest
			AND ((c.xid, c.position) > (@xid, @position) OR event.index > @index) -- a batch may be read in parts
			ORDER BY c.xid, c.position, event.index
			LIMIT @limit`,
			pgx.NamedArgs{"xid": since.xid, "position": since.position, "index": since.index, "oldest": oldest, "limit": limit})
		if err != nil {
			return err
		}
		var id uuid.UUID
		_, err = pgx.ForEachRow(rows, []any{&last.xid, &last.position, &last.index, &id}, func() error {
			ids = append(ids, id)
			return nil
		})
		if err != nil {
			return err
		}
		if len(ids) < limit && end.xid > last.xid {
			last = end // everything below has been read
		}
		next = last.String()
		return nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("following commits: %w", err)
	}
	return ids, next, nil
}
