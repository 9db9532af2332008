package store

import (
	"context"
	"time"
)

// LiveOn is Live that looks at the revision on every tick.
func (db *DB) LiveOn(ctx context.Context, tick <-chan time.Time) (*Live, error) {
	return db.live(ctx, tick)
}
