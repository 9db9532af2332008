// Package replay drives replays: many events sent again to one destination. The list is frozen by a plan first; then a few
// events are sent and awaited, and the rest follows at a growing rate, which stops by itself when too much fails. All of its
// state is in the database (store/replay*.go): any instance takes the next step, one at a time, and none is done by halves.
package replay

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/store"
)

// Enqueuer makes deliveries and has them sent; dispatch.Dispatcher is one.
type Enqueuer interface {
	EnqueueReplayTx(ctx context.Context, tx pgx.Tx, deliveries []*store.Delivery) error
}

// Replayer drives replays. Make it with New.
type Replayer struct {
	db    *store.DB
	queue Enqueuer
	log   *slog.Logger
}

// New makes a Replayer.
func New(db *store.DB, queue Enqueuer, log *slog.Logger) *Replayer {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Replayer{db, queue, log}
}

// Step takes one step of some replay, and tells whether one was due.
func (r *Replayer) Step(ctx context.Context) (worked bool, err error) {
	return r.db.StepReplays(ctx, r.queue.EnqueueReplayTx)
}

// idle is how long Run waits where no step is due.
const idle = 100 * time.Millisecond

// Run drives replays, also those of other instances, until ctx ends.
func (r *Replayer) Run(ctx context.Context) {
	troubled := false
	for ctx.Err() == nil {
		worked, err := r.Step(ctx)
		if err != nil && ctx.Err() == nil && !troubled {
			r.log.Warn("a replay does not go on; it is tried again", "error", err)
		}
		troubled = err != nil
		if worked {
			continue
		}
		pause := idle
		if troubled {
			pause = 10 * idle
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
