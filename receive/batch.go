package receive

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

// Bounds of a batch. Two writers keep PostgreSQL busy while one of them waits for its fsync; more would only make
// smaller batches.
const (
	maxWriters     = 2
	maxBatchEvents = 500
	maxBatchBytes  = 8 << 20
)

// errStopping: the receiver is closed, so nothing more is taken.
var errStopping = errors.New("the receiver is stopping")

// errBusy: the time was up before a writer was free, or too many rejected events wait already. The event is not stored and
// never will be.
var errBusy = errors.New("no writer was free in time")

// Batcher commits events in groups: a writer takes whatever waits at that moment as one batch, so that callbacks which
// come together share a transaction, and one that comes alone waits for nobody. Every event waits for its own result.
//
// What the Recorder does not take goes to the spool, if there is one; once the Recorder has taken nothing of a batch, the
// spool comes first until the Recorder is known to take events again.
//
// Rejected events only get the room in a batch that accepted ones leave, and no more than a batch of them waits: a flood of
// forgeries delays nothing genuine. What waits besides is not bounded here but by who hands over (Handler by its bytes in
// flight).
type Batcher struct {
	recorder Recorder
	spool    *Spool // nil: none
	timeout  time.Duration
	meter    Meter
	tracer   Tracer // nil: none

	mu       sync.Mutex
	accepted queue
	rejected queue // both are empty while no writer runs
	writers  int
	closed   bool
	drained  chan struct{} // closed once the Batcher is closed and the last writer is done
}

// waiter is one event and the request that waits for it.
type waiter struct {
	event *store.Event // nil: withdrawn
	size  int
	taken bool
	done  chan result // one result; buffered, so that a writer never waits for a request that is gone
}

// result is what became of an event. Without an error it is on disk.
type result struct {
	spooled bool // in the spool, and not in the database yet
	err     error
}

// NewBatcher hands batches to a recorder, and gives it that much time for each. The spool takes the rest; it may be nil.
func NewBatcher(recorder Recorder, spool *Spool, timeout time.Duration) *Batcher {
	return &Batcher{recorder: recorder, spool: spool, timeout: timeout, meter: noMeter{}, drained: make(chan struct{})}
}

// Record hands an event over and waits until it is on disk: in the database, or spooled. When ctx ends first, an event that
// no writer has taken yet is withdrawn; one that is just being written may still be committed (ErrOutcomeUnknown), and
// is not to be touched any more.
func (b *Batcher) Record(ctx context.Context, e *store.Event) (spooled bool, err error) {
	w := &waiter{event: e, size: len(e.Body) + int(headerSize(e.Header)), done: make(chan result, 1)}
	if err := b.enqueue(w); err != nil {
		return false, err
	}
	select {
	case r := <-w.done:
		return r.spooled, r.err
	case <-ctx.Done():
		r := b.giveUp(w)
		return r.spooled, r.err
	}
}

func (b *Batcher) enqueue(w *waiter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch accepted := w.event.Verification.Accepted(); {
	case b.closed:
		return errStopping
	case accepted:
		b.accepted.add(w)
	case len(b.rejected.waiters) >= maxBatchEvents || b.rejected.bytes > maxBatchBytes:
		return errBusy
	default:
		b.rejected.add(w)
	}
	if b.writers < maxWriters {
		b.writers++
		go b.write()
	}
	return nil
}

func (b *Batcher) giveUp(w *waiter) result {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !w.taken {
		w.event = nil
		return result{err: errBusy}
	}
	select {
	case r := <-w.done:
		return r
	default:
		return result{err: fmt.Errorf("the commit did not end in time: %w", store.ErrOutcomeUnknown)}
	}
}

// queue is what waits, in order of arrival.
type queue struct {
	waiters []*waiter
	bytes   int
}

func (q *queue) add(w *waiter) {
	q.waiters = append(q.waiters, w)
	q.bytes += w.size
}

// moveTo fills a batch up to its bounds.
func (q *queue) moveTo(batch *queue) {
	n := 0
	for _, w := range q.waiters {
		if len(batch.waiters) == maxBatchEvents || batch.bytes > maxBatchBytes {
			break
		}
		n++
		q.bytes -= w.size
		if w.event != nil {
			w.taken = true
			batch.add(w)
		}
	}
	clear(q.waiters[:n])
	q.waiters = q.waiters[n:]
}

// write commits batch after batch and ends when nothing waits.
func (b *Batcher) write() {
	for {
		batch := b.take()
		if len(batch) == 0 {
			return
		}
		events := make([]*store.Event, len(batch))
		for i, w := range batch {
			events[i] = w.event
		}
		for i, r := range b.commit(events) {
			batch[i].done <- r
		}
	}
}

// take returns what waits, up to the bounds of a batch, accepted events first. Returning nothing signs the writer off.
func (b *Batcher) take() []*waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batch queue
	b.accepted.moveTo(&batch)
	b.rejected.moveTo(&batch)
	if len(batch.waiters) == 0 {
		b.writers--
		if b.closed && b.writers == 0 {
			close(b.drained)
		}
	}
	return batch.waiters
}

// way is a place that events are brought to.
type way struct {
	take    func([]*store.Event) []error
	spooled bool
}

// ways are the places for a batch, the one to try first before the other. When the database is away it comes last, and
// only for what the spool has no room for.
func (b *Batcher) ways() []way {
	database := way{take: b.record}
	if b.spool == nil {
		return []way{database}
	}
	spool := way{take: b.spoolUp, spooled: true}
	if b.spool.away() {
		return []way{spool, database}
	}
	return []way{database, spool}
}

// commit always returns one result per event. It outlives the requests: one that goes away cancels nothing for the rest.
func (b *Batcher) commit(events []*store.Event) []result {
	results := make([]result, len(events))
	rest := make([]int, len(events)) // those that are nowhere yet
	for i := range rest {
		rest[i] = i
	}
	for _, way := range b.ways() {
		batch := make([]*store.Event, len(rest))
		for i, at := range rest {
			batch[i] = events[at]
		}
		var failed []int
		start := time.Now()
		errs := way.take(batch)
		took := time.Since(start)
		for i, err := range errs {
			at := rest[i]
			switch before := results[at].err; {
			case err == nil:
				results[at] = result{spooled: way.spooled}
				continue
			case before == nil:
				results[at].err = err
			default:
				results[at].err = fmt.Errorf("%w; %w", before, err)
			}
			failed = append(failed, at)
		}
		b.meter.Stored(len(batch), len(failed), way.spooled, took)
		if b.tracer != nil {
			b.tracer.Stored(batch, errs, way.spooled, start, took)
		}
		if rest = failed; len(rest) == 0 {
			break
		}
	}
	return results
}

// record tries the database.
func (b *Batcher) record(events []*store.Event) []error {
	errs := record(context.Background(), b.recorder, b.timeout, events)
	if b.spool != nil {
		b.spool.heard(errs)
	}
	return errs
}

// spoolUp tries the spool. What a commit that failed has found out about arrivals is forgotten: the next one decides anew.
func (b *Batcher) spoolUp(events []*store.Event) []error {
	for _, e := range events {
		e.RepeatOf, e.Arrival = uuid.Nil, 0
	}
	return b.spool.Put(events)
}

// record hands a batch to a recorder, and always returns one result per event.
func record(ctx context.Context, recorder Recorder, timeout time.Duration, events []*store.Event) (errs []error) {
	defer func() {
		if p := recover(); p != nil { // as net/http does: one callback must not end the program, and come again an hour later
			errs = failAll(events, fmt.Errorf("recording events: panic: %v\n%s", p, debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	errs = recorder.RecordEvents(ctx, events)
	if len(errs) != len(events) {
		return failAll(events, fmt.Errorf("recording %d events gave %d results", len(events), len(errs)))
	}
	return errs
}

func failAll(events []*store.Event, err error) []error {
	errs := make([]error, len(events))
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func (b *Batcher) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// Close takes nothing more, and waits until everything handed over has its result, or ctx ends.
func (b *Batcher) Close(ctx context.Context) error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		if b.writers == 0 {
			close(b.drained)
		}
	}
	b.mu.Unlock()
	select {
	case <-b.drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the last callbacks to be stored: %w", ctx.Err())
	}
}
