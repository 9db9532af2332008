package store

import (
	"context"
	"time"
)

// Making the index is put off in small pieces while callbacks come: one that arrives meanwhile waits for no more than
// a piece of indexing, not for a segment.
const (
	indexPiece   = 8 // events read in one go
	restCaughtUp = 5 // rest, in multiples of the work before it: while the index follows the arrivals
	restBehind   = 1 // and while it is behind, so that it catches up
	behindAfter  = 30 * time.Second
)

// pace lets the indexer rest while this instance records events. Its zero value never rests.
type pace struct {
	db       *DB // nil: never rest
	recorded uint64
	worked   time.Time // since when
	followed time.Time // when the index was last close behind the arrivals
}

func (db *DB) newPace() pace {
	now := time.Now()
	return pace{db: db, recorded: db.recorded.Load(), worked: now, followed: now}
}

// rest waits in proportion to the work since the last rest, if events were recorded since.
func (p *pace) rest(ctx context.Context) error {
	if p.db == nil {
		return nil
	}
	now, recorded := time.Now(), p.db.recorded.Load()
	if recorded != p.recorded {
		work := now.Sub(p.worked)
		times := time.Duration(restCaughtUp)
		if now.Sub(p.followed) > behindAfter {
			times = restBehind
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(times * work):
		}
		now = time.Now()
	}
	p.recorded, p.worked = recorded, now
	return nil
}
