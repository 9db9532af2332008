package web

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Guessing is slowed down without locking anybody else out. A browser in which an account was logged in before is known by a
// cookie (device.go), and its failures are counted for itself alone: whatever strangers do, it goes on. Strangers are counted
// by address and account together, by address, and by account, so that neither many names from one address nor one name from
// many addresses helps. Of each, the first few failures are free, then each locks for twice as long as the one before.
const (
	freeTogether = 5   // of a device, or of an address and an account together
	freeAddress  = 50  // an office may stand behind one address
	freeAccount  = 100 // of strangers, whatever their addresses

	firstLock     = 10 * time.Second
	longestLock   = 15 * time.Minute
	failureMemory = time.Hour // forgotten this long after the last failure
	maxThrottled  = 10_000    // keys remembered at once
)

// throttleKey is what failures are counted by: any of its parts may be empty.
type throttleKey struct{ address, account, device string }

func (k throttleKey) free() int {
	switch {
	case k.device != "" || k.address != "" && k.account != "":
		return freeTogether
	case k.address != "":
		return freeAddress
	}
	return freeAccount
}

type throttle struct {
	now func() time.Time

	mu   sync.Mutex
	keys map[throttleKey]*failures
}

type failures struct {
	count  int
	last   time.Time
	locked time.Time // until
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, keys: map[throttleKey]*failures{}}
}

// lockedError says how long to wait.
type lockedError struct{ wait time.Duration }

func (e *lockedError) Error() string {
	return "Too many failed attempts. Try again in " + span(e.wait.Round(time.Second)) + "."
}

// guesses are the keys under which the guesses of a request at an account are counted.
func (s *server) guesses(r *http.Request, account string) []throttleKey {
	account = strings.ToLower(cut(account, maxName))
	if device := s.device(r, account); device != "" {
		return []throttleKey{{device: device}}
	}
	network := network(address(r))
	return []throttleKey{{address: network, account: account}, {address: network}, {account: account}}
}

// ownGuesses are the keys for who is logged in already: nobody else can use them up.
func ownGuesses(r *http.Request) []throttleKey {
	return []throttleKey{{device: "user " + strconv.FormatInt(userOf(r).ID, 10)}}
}

// network is an address, or of IPv6 the range that one household or server has.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

// try lets check guess, unless too many guesses failed before: a *lockedError. A guess counts as failed from its beginning, so
// that many at once get no further than one after the other, and no longer once it ends in another way than wrong.
func (t *throttle) try(keys []throttleKey, wrong error, check func() error) error {
	before, wait := t.begin(keys)
	if wait > 0 {
		return &lockedError{wait}
	}
	err := check()
	if !errors.Is(err, wrong) {
		t.takeBack(keys, before)
	}
	return err
}

// begin counts a failure under each key, and returns the locks that were there before; or tells how long to wait.
func (t *throttle) begin(keys []throttleKey) (before []time.Time, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if wait := t.wait(keys); wait > 0 {
		return nil, wait
	}
	now := t.now()
	for _, k := range keys {
		f := t.keys[k]
		if f == nil {
			if len(t.keys) >= maxThrottled {
				t.forget(now)
			}
			f = &failures{}
			t.keys[k] = f
		} else if now.Sub(f.last) > failureMemory {
			*f = failures{}
		}
		before = append(before, f.locked)
		f.count++
		f.last = now
		if over := f.count - k.free(); over >= 0 {
			f.locked = now.Add(min(firstLock<<min(over, 10), longestLock))
		}
	}
	return before, 0
}

func (t *throttle) takeBack(keys []throttleKey, before []time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, k := range keys {
		if f := t.keys[k]; f != nil {
			f.count = max(0, f.count-1)
			f.locked = before[i]
		}
	}
}

// wait tells how long these keys must wait before they may try; 0: they may now. The caller holds the lock.
func (t *throttle) wait(keys []throttleKey) time.Duration {
	var longest time.Duration
	for _, k := range keys {
		if f := t.keys[k]; f != nil {
			longest = max(longest, f.locked.Sub(t.now()))
		}
	}
	return longest
}

// succeeded forgets what was counted for this browser or address and this account together. What strangers did to the account,
// and what else came from the address, stays.
func (t *throttle) succeeded(keys []throttleKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.keys, keys[0])
}

// next tells how long the next attempt has to wait, as a sentence to add; "" where it need not.
func (t *throttle) next(keys []throttleKey) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if wait := t.wait(keys); wait > 0 {
		return fmt.Sprintf(" The next attempt is possible in %s.", span(wait.Round(time.Second)))
	}
	return ""
}

// forget makes room: what is too old goes, and if that is nothing, the oldest one.
func (t *throttle) forget(now time.Time) {
	var oldest throttleKey
	var oldestTime time.Time
	for k, f := range t.keys {
		if now.Sub(f.last) > failureMemory {
			delete(t.keys, k)
			continue
		}
		if oldestTime.IsZero() || f.last.Before(oldestTime) {
			oldest, oldestTime = k, f.last
		}
	}
	if len(t.keys) >= maxThrottled {
		delete(t.keys, oldest)
	}
}

// tooMany tells whether a guess was not looked at, and then tells the browser how long to wait.
func tooMany(w http.ResponseWriter, err error) bool {
	var locked *lockedError
	if !errors.As(err, &locked) {
		return false
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(locked.wait.Seconds()))))
	return true
}
