package main

import (
	"container/heap"
	"context"
	"math"
	"math/rand/v2"
	"time"

	"recall/plenigo"
)

// simulation sends callbacks and, where they are not delivered, their repeats. One goroutine decides what is sent when and
// counts what came of it; as many as there are connections send.
type simulation struct {
	sender                *sender
	samples               []plenigo.Sample
	body                  func(n int64) []byte
	send                  func(ctx context.Context, c *callback, at time.Time) (answer, error) // m.post
	count                 int64                                                                // of callbacks; 0: no end
	duration              time.Duration                                                        // in which callbacks are begun; 0: no end
	rate                  float64                                                              // callbacks a second; 0: as fast as answers come
	connections           int
	tolerance, lateWindow time.Duration // of the source
	faults                shares
	random                *rand.Rand
	repeats               repeats
	report                *report
	now                   func() time.Time
	said                  func(c *callback, a answer, err error, met bool) // each try, as it was answered
	progress              func()                                           // now and then

	started  time.Time
	begun    int64
	upcoming *callback
	waiting  dueFirst
}

// repeats is what plenigo does with a callback that was not answered 2xx (REFERENCE §4), or whose answer it did not get.
type repeats struct {
	on           bool
	fromPrevious bool          // waits count from the try before, not from the first
	hour         time.Duration // that an hour takes
	resign       bool          // with a fresh t, or with the old one
	lost         int           // answers of a million that are taken for lost
}

// maxWaiting bounds the repeats that are still to come, in memory.
const maxWaiting = 1_000_000

// progressEvery is how often a long run says how far it is.
const progressEvery = 10 * time.Second

// callback is one callback on its way. Its body follows from n, so that ones that wait take little.
type callback struct {
	n     int64 // from 0
	fault int   // in faultKinds
	tries int   // begun so far
	lost  [plenigo.Tries]bool
	first time.Time     // when the first try was sent: its t, were it good
	age   time.Duration // since then, on plenigo's clock
	due   time.Time
}

// tried is a try and what came of it.
type tried struct {
	callback *callback
	answer   answer
	err      error
	took     time.Duration
}

// run sends until everything is done, or ctx ends.
func (m *simulation) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	work, done := make(chan *callback), make(chan tried)
	defer close(work)
	for range m.connections {
		go func() {
			for c := range work {
				done <- m.try(ctx, c)
			}
		}()
	}
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	m.started = m.now()
	underway := 0
	for stop := ctx.Done(); ; {
		var next *callback
		var wait time.Duration
		if stop != nil {
			next, wait = m.next(m.now())
		}
		if next == nil && underway == 0 && wait == 0 {
			break
		}
		var out chan<- *callback
		var timer <-chan time.Time
		switch {
		case next != nil && wait <= 0:
			out = work
		case wait > 0:
			timer = time.After(wait)
		}
		select {
		case out <- next:
			m.taken(next)
			underway++
		case t := <-done:
			underway--
			m.settle(ctx, t)
		case <-timer:
		case <-ticker.C:
			m.progress()
		case <-stop:
			stop = nil // those under way end now
		}
	}
	m.report.Waiting = int64(len(m.waiting))
	m.report.took = m.now().Sub(m.started)
}

// next is the callback to send now or after a wait: repeats come before new ones. Without either, nothing is left to do
// but what is under way.
func (m *simulation) next(now time.Time) (*callback, time.Duration) {
	fresh := m.nextNew(now)
	switch {
	case len(m.waiting) > 0 && (fresh == nil || !m.waiting[0].due.After(now) || m.waiting[0].due.Before(fresh.due)):
		return m.waiting[0], max(0, m.waiting[0].due.Sub(now))
	case fresh != nil:
		return fresh, max(0, fresh.due.Sub(now))
	}
	return nil, 0
}

// nextNew draws what the next new callback is like: in its turn, so that a seed gives the same run however many
// connections there are.
func (m *simulation) nextNew(now time.Time) *callback {
	due := m.started
	if m.rate > 0 {
		due = due.Add(time.Duration(math.Round(float64(m.begun) * float64(time.Second) / m.rate)))
	}
	end := m.started.Add(m.duration)
	if m.count > 0 && m.begun >= m.count || m.duration > 0 && (!now.Before(end) || !due.Before(end)) {
		return nil
	}
	if m.upcoming == nil {
		c := &callback{n: m.begun, fault: m.faults.draw(m.random), due: due}
		for i := range c.lost {
			c.lost[i] = m.random.IntN(whole) < m.repeats.lost
		}
		m.upcoming = c
	}
	return m.upcoming
}

// taken: a connection has it.
func (m *simulation) taken(c *callback) {
	if c == m.upcoming {
		m.upcoming = nil
		m.begun++
		return
	}
	heap.Pop(&m.waiting)
}

// try sends one try.
func (m *simulation) try(ctx context.Context, c *callback) tried {
	start := m.now()
	c.tries++
	if c.tries == 1 {
		c.first = start
	}
	at := start
	if c.tries > 1 && !m.repeats.resign {
		at = m.oldTime(c)
	}
	a, err := m.send(ctx, c, at)
	return tried{callback: c, answer: a, err: err, took: m.now().Sub(start)}
}

// oldTime is the t of a repeat that is not signed anew: the first try's, moved back by the time that passed on plenigo's
// clock and not on the receiver's, so that the receiver sees it as old as it would be.
func (m *simulation) oldTime(c *callback) time.Time {
	return c.first.Add(m.compressed(c.age) - c.age)
}

// compressed is how long a time of plenigo's takes here.
func (m *simulation) compressed(d time.Duration) time.Duration {
	return time.Duration(d.Hours() * float64(m.repeats.hour))
}

// settle counts a try, and plans the next one if plenigo would.
func (m *simulation) settle(ctx context.Context, t tried) {
	c := t.callback
	if t.err != nil && ctx.Err() != nil {
		m.report.BrokenOff++
		return
	}
	age := time.Duration(0)
	if !m.repeats.resign {
		age = c.age
	}
	want := m.expect(c.fault, age)
	met := m.report.add(c, want, t)
	m.said(c, t.answer, t.err, met)
	delivered := t.err == nil && t.answer.ok()
	lost := delivered && m.repeats.on && c.lost[c.tries-1]
	if lost {
		m.report.Lost++
	}
	if delivered && !lost {
		return
	}
	_, from, to, more := plenigo.NextTry(time.Time{}, c.tries)
	switch {
	case !more && !lost:
		m.report.GivenUp++
	case !more || !m.repeats.on:
	case len(m.waiting) >= maxWaiting:
		m.report.Dropped++
	default:
		if m.repeats.fromPrevious {
			from = to
		}
		c.age = from.Sub(time.Time{})
		c.due = c.first.Add(m.compressed(c.age))
		heap.Push(&m.waiting, c)
	}
}

// dueFirst is a heap of the repeats that are to come.
type dueFirst []*callback

func (d dueFirst) Len() int           { return len(d) }
func (d dueFirst) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d dueFirst) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *dueFirst) Push(x any)        { *d = append(*d, x.(*callback)) }
func (d *dueFirst) Pop() any {
	last := len(*d) - 1
	c := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return c
}
