package dispatch

import (
	"time"

	"github.com/google/uuid"

	"recall/store"
)

// Meter is told of every attempt that has ended and was written down; metrics.Metrics is one. It is called by many at once,
// so it must be quick.
type Meter interface {
	// Attempted: status is 0 where there was no answer, state is where the delivery stands since, and age is how long ago
	// it was made.
	Attempted(destination string, trigger store.Trigger, state store.DeliveryState, status int, took, age time.Duration)
}

// noMeter is who watches where nobody does.
type noMeter struct{}

func (noMeter) Attempted(string, store.Trigger, store.DeliveryState, int, time.Duration, time.Duration) {
}

// Tracer follows events on their way to destinations; trace.Tracer is one. It is called by many at once, so it must be quick.
type Tracer interface {
	// Traceparent is the header of that name, by which who gets an attempt can go on with the trace of its event.
	Traceparent(event, delivery uuid.UUID, attempt int) string
	// Attempted: an attempt has ended, and after is where the delivery stands since.
	Attempted(d *store.Delivery, to *store.Destination, source string, a *store.Attempt, after store.DeliveryState)
}
