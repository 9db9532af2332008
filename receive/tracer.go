package receive

import (
	"time"

	"recall/store"
)

// Tracer is told the way of each event, for who follows one from system to system; trace.Tracer is one. It is called on the
// way of every callback and by many at once, so it must be quick.
type Tracer interface {
	// Received: the callback of an event was answered. The event may not be stored, and is not to be kept.
	Received(e *store.Event, source string, answered int, s Steps)
	// Stored: a batch was brought to the database, or to the spool, in that time, with one error per event; a spooled event
	// is brought to the database later. Neither slice is to be kept.
	Stored(events []*store.Event, errs []error, spooled bool, begun time.Time, took time.Duration)
}

// Steps are when the steps of a callback ended, by the handler's clock.
type Steps struct {
	Begun    time.Time // its header had come
	Read     time.Time // its last byte had
	Judged   time.Time
	Answered time.Time
}
