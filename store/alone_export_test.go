package store

import (
	"context"
	"time"
)

// Alone gives tests a lock of their own.
func (db *DB) Alone(ctx context.Context, sign time.Duration, work func(context.Context) error) (bool, error) {
	return db.aloneSigning(ctx, 1, sign, work)
}

// ErrLockLost is what a test asks for.
var ErrLockLost = errLockLost

// LagOf tells how far a standby is behind, of a log that was at 10, 20, 30 … a second apart until now.
func LagOf(seconds int, lsn int64) StandbyState {
	var history []measurement
	now := time.Now()
	for i := range seconds {
		history = append(history, measurement{now.Add(time.Duration(i+1-seconds) * time.Second), int64(10 * (i + 1))})
	}
	return lagOf(history, lsn, now)
}
