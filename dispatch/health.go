package dispatch

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"recall/store"
)

// A destination that keeps failing becomes broken: ten attempts in a row failed, or more than four in five of at least fifty
// within a minute, so that one which answers well now and then does not use up the tries of all the others. What a few
// events cause that it refuses for what they are is less, and does not keep the rest from it. Its deliveries wait without using up their tries, and one of them at a
// time shows, ever more seldom, whether it is back. The first that succeeds makes it active, and what waited goes out,
// slowly at first. People's redispatches do not count against it: they are often made to see whether it works. To a broken
// destination each is tried once at once, and one that succeeds makes it active as a probe does.

const (
	breakAfter = 10  // attempts in a row that failed
	breakLeast = 50  // attempts within a minute, store.LaneWindow, ...
	breakShare = 0.8 // ... of which more than this share failed
	probeFirst = 30 * time.Second
	probeMost  = 10 * time.Minute
	healthWait = 5 * time.Second // for the database, to write it down
)

// probeAfter is when a broken destination is probed next, after so many probes in a row that failed.
func (d *Dispatcher) probeAfter(failed int) time.Time {
	wait := min(probeFirst<<min(failed, 10), probeMost)
	return d.now().Add(d.jitter(wait))
}

// assess draws the conclusions of a recorded attempt for its destination. failures is how that has done of late, zero where
// no attempt of the batch failed.
func (d *Dispatcher) assess(e *result, failures store.LaneFailures) {
	ctx, cancel := context.WithTimeout(context.Background(), healthWait)
	defer cancel()
	name, succeeded := e.destination.Name, e.State == store.DeliverySucceeded
	note := func(action, reason string) store.AuditEntry {
		return store.AuditEntry{Actor: "recall", Action: action, Subject: name, Reason: reason, Detail: map[string]any{"delivery": e.ID, "event": e.EventID}}
	}
	var changed bool
	var err error
	switch {
	case e.Attempt.Status == http.StatusGone && !succeeded:
		if changed, err = d.db.SetDestinationState(ctx, e.DestinationID, store.DestinationPaused, store.GoneReason, note("destination.pause", store.GoneReason)); changed {
			d.log.Warn("destination paused: it answered 410 Gone", "destination", name)
		}
	case e.probing() && succeeded:
		if changed, err = d.db.MendDestination(ctx, e.DestinationID, note("destination.recover", "a probe succeeded")); changed {
			d.log.Info("destination recovered", "destination", name)
		}
	case e.probing() && e.byHand(): // it says nothing of how soon to probe again
	case e.probing():
		err = d.db.ProbeFailed(ctx, e.DestinationID)
	case !succeeded && e.Health && e.destination.State == store.DestinationActive && keepsFailing(failures):
		reason := fmt.Sprintf("%d attempts in a row failed, the last with: %s", failures.InARow, lastWords(e.Attempt))
		if failures.InARow < breakAfter {
			reason = fmt.Sprintf("%d of %d attempts within a minute failed, the last with: %s", failures.Failed, failures.Ended, lastWords(e.Attempt))
		}
		if changed, err = d.db.BreakDestination(ctx, e.DestinationID, reason, d.probeAfter(0), note("destination.break", reason)); changed {
			d.log.Warn("destination broken: its deliveries wait, and it is probed", "destination", name,
				"failures_in_a_row", failures.InARow, "attempts", failures.Ended, "failed", failures.Failed)
		}
	}
	if err != nil {
		d.log.Error("a destination's health could not be written down", "destination", name, "error", err)
	}
	if changed && d.live != nil {
		if err := d.live.Renew(ctx); err != nil {
			d.log.Warn("a destination's state is known here a little later", "destination", name, "error", err)
		}
	}
	if changed {
		d.wake(e.DestinationID)
	}
}

// keepsFailing tells whether that is so much that the destination is taken for broken.
func keepsFailing(f store.LaneFailures) bool {
	return f.InARow >= breakAfter || f.Ended >= breakLeast && float64(f.Failed) > breakShare*float64(f.Ended)
}

// lastWords is how an attempt failed, in short.
func lastWords(a *store.Attempt) string {
	if a.Error != "" {
		return a.Error
	}
	return fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status))
}
