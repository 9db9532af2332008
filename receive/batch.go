package receive

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

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

// errBusy: the time was up before a writer was free. The event was withdrawn: it is not stored and never will be.
var errBusy = errors.New("no writer was free in time")

// Batcher commits events in groups: a writer takes whatever waits at that moment as one batch, so that callbacks which
// come together share a transaction, and one that comes alone waits for nobody. Every event waits for its own result.
//
// A Batcher does not bound what waits; who hands over does (Handler by its bytes in flight).
type Batcher struct {
	recorder Recorder
	timeout  time.Duration

	mu      sync.Mutex
	queue   []*waiter // in order of arrival; not empty only while a writer runs
	writers int
	closed  bool
	drained chan struct{} // closed once the Batcher is closed and the last writer is done
}

// waiter is one event and the request that waits for it.
type waiter struct {
	event *store.Event // nil: withdrawn
	taken bool
	done  chan error // one result; buffered, so that a writer never waits for a request that is gone
}

// NewBatcher hands batches to a recorder, and gives it that much time for each.
func NewBatcher(recorder Recorder, timeout time.Duration) *Batcher {
	return &Batcher{recorder: recorder, timeout: timeout, drained: make(chan struct{})}
}

// Record hands an event over and waits for its commit: nil means that it is on disk. When ctx ends first, an event that
// no writer has taken yet is withdrawn; one that is just being written may still be committed (ErrOutcomeUnknown), and
// is not to be touched any more.
func (b *Batcher) Record(ctx context.Context, e *store.Event) error {
	w := &waiter{event: e, done: make(chan error, 1)}
	if !b.enqueue(w) {
		return errStopping
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return b.giveUp(w)
	}
}

func (b *Batcher) enqueue(w *waiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.queue = append(b.queue, w)
	if b.writers < maxWriters {
		b.writers++
		go b.write()
	}
	return true
}

func (b *Batcher) giveUp(w *waiter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !w.taken {
		w.event = nil
		return errBusy
	}
	select {
	case err := <-w.done:
		return err
	default:
		return fmt.Errorf("the commit did not end in time: %w", store.ErrOutcomeUnknown)
	}
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
		for i, err := range b.commit(events) {
			batch[i].done <- err
		}
	}
}

// take returns what waits, up to the bounds of a batch. Returning nothing signs the writer off.
func (b *Batcher) take() []*waiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	var batch []*waiter
	bytes, n := 0, 0
	for _, w := range b.queue {
		if len(batch) == maxBatchEvents || (bytes > maxBatchBytes && len(batch) > 0) {
			break
		}
		n++
		if w.event == nil {
			continue
		}
		w.taken = true
		bytes += len(w.event.Body) + int(headerSize(w.event.Header))
		batch = append(batch, w)
	}
	clear(b.queue[:n])
	b.queue = b.queue[n:]
	if len(batch) == 0 {
		b.writers--
		if b.closed && b.writers == 0 {
			close(b.drained)
		}
	}
	return batch
}

// commit always returns one result per event. It outlives the requests: one that goes away cancels nothing for the rest.
func (b *Batcher) commit(events []*store.Event) (errs []error) {
	defer func() {
		if p := recover(); p != nil { // as net/http does: one callback must not end the program, and come again an hour later
			errs = failAll(events, fmt.Errorf("recording events: panic: %v\n%s", p, debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), b.timeout)
	defer cancel()
	errs = b.recorder.RecordEvents(ctx, events)
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
