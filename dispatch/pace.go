package dispatch

import (
	"sync"
	"time"
)

// Receiving goes first: plenigo tries four times, and what is recorded waits as long as it must. While an instance records
// more than busyRate events a second, it sends with a quarter of its room and claims more seldom, in larger batches.
const (
	busyRate = 2000
	busyGap  = 25 * time.Millisecond // between two looks at one lane
	paceSpan = 250 * time.Millisecond
)

// pace is how many events are recorded a second, over the last span that is over and the one that goes on.
type pace struct {
	mu           sync.Mutex
	begun        time.Time
	now, lastOne int
}

func (p *pace) add(n int, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.roll(at)
	p.now += n
}

// busy tells whether there are more than busyRate.
func (p *pace) busy(at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.roll(at)
	return max(p.now, p.lastOne) > int(busyRate*paceSpan/time.Second)
}

func (p *pace) roll(at time.Time) {
	switch since := at.Sub(p.begun); {
	case since < paceSpan:
		return
	case since < 2*paceSpan:
		p.lastOne = p.now
	default:
		p.lastOne = 0
	}
	p.begun, p.now = at, 0
}
