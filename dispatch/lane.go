package dispatch

import (
	"context"
	"errors"
	"time"

	"recall/store"
)

// lane is the way to one destination on this instance: it claims what is due, as much as there is room for, and has it sent.
// It looks when somebody says that there is something (a commit, a job of River's, an attempt that has ended) and when a
// limit allows more.
type lane struct {
	d    *Dispatcher
	id   int64         // of the destination
	news chan struct{} // somebody says that there may be something; capacity 1

	// Of its own goroutine.
	failing bool // the last claim failed, and the log says so
	broken  bool // the destination was, when it was last looked at

	// Under the dispatcher's lock.
	inFlight int  // claimed and not yet answered
	hungry   bool // there may be more due than there was room for
	ramp     int  // most attempts at once after the destination has recovered, growing; 0: no such bound
}

const (
	lookGap     = 4 * time.Millisecond // between two looks at one lane, so that they find more than one delivery
	claimAtOnce = 200
	claimAgain  = time.Second // after a claim that failed
	longestNap  = time.Minute
	leaseMargin = 30 * time.Second // a lease is the destination's time-out and this
)

// wake has a destination's lane look, and makes it on the first time. Where nothing is worked it does nothing.
func (d *Dispatcher) wake(id int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.works || d.working.Err() != nil {
		return
	}
	l := d.lanes[id]
	if l == nil {
		l = &lane{d: d, id: id, news: make(chan struct{}, 1)}
		d.lanes[id] = l
		d.running.Go(func() { l.run(d.working) })
	}
	l.signal()
}

func (l *lane) signal() {
	select {
	case l.news <- struct{}{}:
	default: // it has not looked since the last one
	}
}

// run looks until ctx ends.
func (l *lane) run(ctx context.Context) {
	nap := time.NewTimer(longestNap)
	defer nap.Stop()
	var looked time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.news:
		case <-nap.C:
		}
		gap := lookGap
		if l.d.pace.busy(time.Now()) {
			gap = busyGap
		}
		if !sleep(ctx, gap-time.Since(looked)) {
			return
		}
		looked = time.Now()
		next := l.look(ctx)
		if wait := longestNap; next.IsZero() {
			nap.Reset(wait)
		} else {
			nap.Reset(min(max(next.Sub(l.d.now()), lookGap), wait))
		}
	}
}

// sleep waits, and tells whether ctx goes on.
func sleep(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

// look claims once and has what it got sent. It returns when to look again by itself; zero: somebody will say.
func (l *lane) look(ctx context.Context) (again time.Time) {
	d := l.d
	destination, err := d.destination(ctx, l.id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return l.trouble(ctx, "deliveries to a removed destination could not be cancelled", d.cancelAll(ctx, l.id))
	case err != nil:
		return l.trouble(ctx, "a destination could not be read", err)
	case destination.Unreadable || destination.State == store.DestinationPaused:
		return time.Time{}
	}
	l.recovered(destination.State)
	room := l.take(destination.State == store.DestinationBroken)
	if room == 0 {
		return time.Time{}
	}
	claimed, next, err := d.db.ClaimDeliveries(ctx, store.Claim{
		Destination: destination, Limit: room, Lease: destination.Timeout + leaseMargin, ProbeAfter: d.probeAfter,
	})
	l.giveBack(room - len(claimed))
	for _, c := range claimed {
		t := &task{lane: l, claimed: c, delivery: c.Delivery, destination: destination, event: c.Event}
		d.attempts.Go(func() { d.attempt(d.sending, t) })
	}
	if len(claimed) == room && next.IsZero() {
		l.signal() // there may be more
	}
	if err != nil {
		return l.trouble(ctx, "deliveries could not be claimed", err)
	}
	l.failing = false
	return next
}

// trouble tells the log once, until it is over, and has the lane look again soon; a nil error is none.
func (l *lane) trouble(ctx context.Context, words string, err error) (again time.Time) {
	if err == nil {
		l.failing = false
		return time.Time{}
	}
	if ctx.Err() == nil && !l.failing {
		l.d.log.Error(words+": it is tried again", "destination_id", l.id, "error", err)
	}
	l.failing = true
	return l.d.now().Add(claimAgain)
}

// take makes room for attempts, as many as may be claimed. A lane leaves a quarter of the room to the others, and always has
// room for one, so that a destination that hangs keeps none of them from going on.
func (l *lane) take(probe bool) int {
	d := l.d
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.workers
	if d.pace.busy(time.Now()) {
		all = max(1, all/4)
	}
	most := all
	if len(d.lanes) > 1 {
		most -= all / 4
	}
	if l.ramp > 0 {
		most = min(most, l.ramp)
	}
	n := min(all-d.inFlight, most-l.inFlight, claimAtOnce)
	if n < 1 && l.inFlight == 0 {
		n = 1
	}
	if n < 1 {
		l.hungry = true
		return 0
	}
	if probe {
		n = 1
	}
	l.inFlight += n
	d.inFlight += n
	return n
}

// giveBack frees room, and wakes lanes that want it.
func (l *lane) giveBack(n int) {
	if n == 0 {
		return
	}
	d := l.d
	d.mu.Lock()
	defer d.mu.Unlock()
	l.inFlight -= n
	d.inFlight -= n
	for _, other := range d.lanes {
		if other.hungry {
			other.hungry = false
			other.signal()
		}
	}
}

// recovered has a destination that was broken until now begin with one attempt at a time.
func (l *lane) recovered(state store.DestinationState) {
	broken := state == store.DestinationBroken
	if l.broken && !broken {
		l.d.mu.Lock()
		l.ramp = 1
		l.d.mu.Unlock()
	}
	l.broken = broken
}

// answered moves the ramp by how an attempt ended.
func (l *lane) answered(succeeded bool) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	switch {
	case l.ramp == 0:
	case !succeeded:
		l.ramp = max(1, l.ramp/2)
	case l.ramp*2 >= l.d.workers:
		l.ramp = 0
	default:
		l.ramp *= 2
	}
}

// destination is a destination as this instance knows it, or, where it is removed or too new to be known, as the database
// does.
func (d *Dispatcher) destination(ctx context.Context, id int64) (*store.Destination, error) {
	if d.live != nil {
		for _, destination := range d.live.Destinations() {
			if destination.ID == id {
				return destination, nil
			}
		}
	}
	return d.db.FindDestinationByID(ctx, id)
}

// cancelAll ends all open deliveries to a destination that was removed.
func (d *Dispatcher) cancelAll(ctx context.Context, id int64) error {
	cancelled, err := d.db.CancelDeliveries(ctx, id)
	if cancelled > 0 {
		d.log.Info("deliveries cancelled: their destination was removed", "destination_id", id, "deliveries", cancelled)
	}
	return err
}
