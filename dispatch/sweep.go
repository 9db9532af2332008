package dispatch

import (
	"context"
	"errors"
	"time"
)

const (
	lookEvery  = time.Second // for what became due by itself: retries, and leases that ended
	overdueFor = time.Minute
)

// lookOut wakes the lanes that have something due of which nobody told: retries whose time has come, what another instance
// left behind, and what was made while nobody worked. The log says once that it cannot be looked.
func (d *Dispatcher) lookOut(ctx context.Context) {
	failing := false
	for ok := true; ok; ok = sleep(ctx, d.lookEvery) {
		ids, err := d.db.DueLanes(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			d.log.Error("due deliveries cannot be looked for: it is tried again", "error", err)
		}
		failing = err != nil
		for _, id := range ids {
			d.wake(id)
		}
	}
}

// sweep looks for what should have gone out long ago, says so, and sees to it. Where instances work and can keep up, it
// finds nothing.
func (d *Dispatcher) sweep(ctx context.Context) error {
	freed, freeErr := d.db.FreeHeld(ctx)
	if freed > 0 {
		d.log.Warn("deliveries were held behind others that are gone: they go on", "deliveries", freed)
	}
	list, err := d.db.ListOverdue(ctx, overdueFor)
	for _, o := range list {
		d.log.Warn("deliveries are overdue", "destination", o.Destination, "deliveries", o.Deliveries, "late", o.Late)
		d.wake(o.DestinationID)
	}
	return errors.Join(freeErr, err)
}
