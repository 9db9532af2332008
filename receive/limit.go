package receive

import (
	"net/netip"
	"sync"
	"time"
)

const (
	burstTime = 10 * time.Second // how much of its rate may come at once
	maxKeys   = 1 << 16          // whose rate is remembered; about 10 MiB
)

// limiter lets each key through at a rate, after a burst of ten seconds' worth. It is nil where there is no limit.
type limiter[K comparable] struct {
	interval time.Duration // from one to the next
	burst    time.Duration

	mu    sync.Mutex
	next  map[K]time.Time // when the key would be due at its rate; one that is past tells nothing
	swept time.Time
}

func newLimiter[K comparable](perSecond float64) *limiter[K] {
	if perSecond == 0 {
		return nil
	}
	interval := time.Duration(float64(time.Second) / perSecond)
	return &limiter[K]{interval: interval, burst: max(interval, burstTime), next: map[K]time.Time{}}
}

// wait is 0 for one that may pass, and counts it; for any other it is how long until the next one may.
func (l *limiter[K]) wait(key K, now time.Time) time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	due, known := l.next[key]
	ahead := min(max(0, due.Sub(now)), l.burst) // further ahead only when the clock was set back
	if wait := ahead + l.interval - l.burst; wait > 0 {
		return wait
	}
	if !known && len(l.next) >= maxKeys {
		l.makeRoom(now)
	}
	l.next[key] = now.Add(ahead + l.interval)
	return 0
}

// makeRoom forgets the keys that tell nothing any more, or any one if there are none: a limit that is forgotten does less
// harm than a table without one.
func (l *limiter[K]) makeRoom(now time.Time) {
	if now.Sub(l.swept).Abs() >= time.Second {
		l.swept = now
		for key, due := range l.next {
			if !due.After(now) {
				delete(l.next, key)
			}
		}
	}
	for key := range l.next {
		if len(l.next) < maxKeys {
			return
		}
		delete(l.next, key)
	}
}

// network is whom an address is counted as: itself, or in IPv6 its /64, which is what one customer of a provider has.
func network(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // an invalid address is one network, too
	return prefix
}
