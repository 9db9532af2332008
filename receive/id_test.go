package receive

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

func arrived(id uuid.UUID) time.Time {
	s, ns := id.Time().UnixTime()
	return time.Unix(s, ns)
}

func TestIDs(t *testing.T) {
	var g ids
	last := uuid.Nil
	check := func(now, wantTime time.Time) {
		t.Helper()
		id := g.next(now)
		if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
			t.Fatalf("%s is no UUIDv7", id)
		}
		if !arrived(id).Equal(wantTime) {
			t.Fatalf("%s: arrived at %s, want %s", id, arrived(id).UTC(), wantTime.UTC())
		}
		if wantTime.Before(arrived(last)) == (id.String() > last.String()) {
			t.Fatalf("%s follows %s", id, last)
		}
		last = id
	}
	now := time.UnixMilli(1729583536123)
	check(now, now)
	check(now.Add(999*time.Microsecond), now) // the same millisecond
	check(now.Add(time.Millisecond), now.Add(time.Millisecond))
	check(now.Add(-9*time.Second), now.Add(time.Millisecond)) // a small step back is bridged
	check(now.Add(-11*time.Second), now.Add(-11*time.Second)) // a large one is followed
	check(now.Add(time.Hour), now.Add(time.Hour))
	check(now, now)
}

func TestIDsRiseWithinAMillisecond(t *testing.T) {
	var g ids
	now := time.UnixMilli(1729583536123)
	var all []uuid.UUID
	for range 10_000 { // more than the counter holds
		all = append(all, g.next(now))
	}
	if !slices.IsSortedFunc(all, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }) {
		t.Error("they do not rise")
	}
	if ahead := arrived(all[len(all)-1]).Sub(now); ahead > 4*time.Millisecond {
		t.Errorf("the last is %s ahead", ahead)
	}
}

func TestIDsOfManyAreNeverEqual(t *testing.T) {
	var g ids
	var mu sync.Mutex
	seen := map[uuid.UUID]bool{}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			last := uuid.Nil
			for range 2000 {
				id := g.next(time.UnixMilli(1729583536123))
				if slices.Compare(id[:], last[:]) <= 0 {
					t.Errorf("%s follows %s", id, last)
				}
				last = id
				mu.Lock()
				if seen[id] {
					t.Errorf("%s was given twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
}
