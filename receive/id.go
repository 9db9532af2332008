package receive

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"github.com/google/uuid"
)

// clockStep is how far the clock may go back before ids follow it. A small step back is bridged, so that ids rise; a
// clock that was wrong and is set right is followed, or every later event would carry the wrong time.
const clockStep = 10 * time.Second

// ids makes UUIDv7s (RFC 9562 §5.7) from a clock that is passed in. They rise strictly: within a millisecond the twelve
// bits after the time are a counter that starts at a random place (§6.2, method 1), and when it is used up the next
// millisecond is begun early. The other bits are random, so that two instances never make the same id.
type ids struct {
	mu      sync.Mutex
	millis  int64
	counter uint16
}

func (g *ids) next(now time.Time) uuid.UUID {
	var id uuid.UUID
	rand.Read(id[:]) // never fails
	start := binary.BigEndian.Uint16(id[6:]) & 0x7ff

	g.mu.Lock()
	switch millis := now.UnixMilli(); {
	case millis > g.millis || millis < g.millis-clockStep.Milliseconds():
		g.millis, g.counter = millis, start
	case g.counter < 0xfff:
		g.counter++
	default:
		g.millis, g.counter = g.millis+1, start
	}
	millis, counter := g.millis, g.counter
	g.mu.Unlock()

	binary.BigEndian.PutUint16(id[0:], uint16(millis>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(millis))
	binary.BigEndian.PutUint16(id[6:], 0x7000|counter)
	id[8] = id[8]&0x3f | 0x80
	return id
}
