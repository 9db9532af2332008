package web

import (
	"sync"
	"time"
)

// Failed log-ins are slowed down per address and name: the first few are free, then each failure locks for twice as
// long as the one before.
const (
	freeFailures  = 5
	firstLock     = 10 * time.Second
	longestLock   = 15 * time.Minute
	failureMemory = time.Hour // a pair is forgotten this long after its last failure
	maxThrottled  = 10_000    // pairs remembered at once
)

type throttle struct {
	now func() time.Time

	mu    sync.Mutex
	pairs map[throttleKey]*failures
}

type throttleKey struct{ address, name string }

type failures struct {
	count  int
	last   time.Time
	locked time.Time // until
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, pairs: map[throttleKey]*failures{}}
}

// wait tells how long this pair must wait before it may try; 0: it may try now.
func (t *throttle) wait(k throttleKey) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.pairs[k]
	if f == nil {
		return 0
	}
	return max(0, f.locked.Sub(t.now()))
}

// failed counts a failure.
func (t *throttle) failed(k throttleKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	f := t.pairs[k]
	if f == nil {
		if len(t.pairs) >= maxThrottled {
			t.forget(now)
		}
		f = &failures{}
		t.pairs[k] = f
	} else if now.Sub(f.last) > failureMemory {
		*f = failures{}
	}
	f.count++
	f.last = now
	if over := f.count - freeFailures; over >= 0 {
		lock := firstLock << min(over, 10)
		f.locked = now.Add(min(lock, longestLock))
	}
}

// succeeded forgets the pair's failures.
func (t *throttle) succeeded(k throttleKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pairs, k)
}

// forget makes room: what is too old goes, and if that is nothing, the oldest one.
func (t *throttle) forget(now time.Time) {
	var oldest throttleKey
	var oldestTime time.Time
	for k, f := range t.pairs {
		if now.Sub(f.last) > failureMemory {
			delete(t.pairs, k)
			continue
		}
		if oldestTime.IsZero() || f.last.Before(oldestTime) {
			oldest, oldestTime = k, f.last
		}
	}
	if len(t.pairs) >= maxThrottled {
		delete(t.pairs, oldest)
	}
}
