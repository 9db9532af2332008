package receive

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// roomWait is how long a callback waits for others to be done when too much is held already.
const roomWait = 2 * time.Second

// rooms bounds the bytes of callbacks that are held at once, of all and of each network: one sender of slow or large
// bodies leaves room for the others.
type rooms struct {
	all   *semaphore.Weighted
	share int64 // of one network

	mu       sync.Mutex
	networks map[netip.Prefix]*networkRoom // those that hold something
}

type networkRoom struct {
	*semaphore.Weighted
	callbacks int
}

// newRooms gives a network half of the whole, but always room for one callback of the largest size.
func newRooms(all, largest int64) *rooms {
	return &rooms{all: semaphore.NewWeighted(all), share: max(all/2, largest), networks: map[netip.Prefix]*networkRoom{}}
}

// room is one callback's part.
type room struct {
	rooms   *rooms
	network netip.Prefix
	own     *networkRoom
	taken   int64
}

func (r *rooms) enter(network netip.Prefix) *room {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.networks[network]
	if own == nil {
		own = &networkRoom{Weighted: semaphore.NewWeighted(r.share)}
		r.networks[network] = own
	}
	own.callbacks++
	return &room{rooms: r, network: network, own: own}
}

// take asks for more, and waits a little for it.
func (r *room) take(ctx context.Context, n int64) bool {
	if r.own.TryAcquire(n) {
		if r.rooms.all.TryAcquire(n) {
			r.taken += n
			return true
		}
		r.own.Release(n)
	}
	ctx, cancel := context.WithTimeout(ctx, roomWait)
	defer cancel()
	if r.own.Acquire(ctx, n) != nil {
		return false
	}
	if r.rooms.all.Acquire(ctx, n) != nil {
		r.own.Release(n)
		return false
	}
	r.taken += n
	return true
}

// leave gives everything back.
func (r *room) leave() {
	r.rooms.all.Release(r.taken)
	r.own.Release(r.taken)
	r.rooms.mu.Lock()
	defer r.rooms.mu.Unlock()
	if r.own.callbacks--; r.own.callbacks == 0 {
		delete(r.rooms.networks, r.network)
	}
}
