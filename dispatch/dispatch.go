// Package dispatch sends events to destinations: deliveries are enqueued in the transaction that records the event,
// worked by River, tried, retried, and redispatched by hand.
package dispatch

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/store"
)

// Options of a Dispatcher.
type Options struct {
	Live        *store.Live      // destinations for automatic deliveries; nil: none
	EgressAllow []netip.Prefix   // private ranges that may be sent to
	AllowAddr   []netip.AddrPort // exact internal addresses let through besides: the demo's own receivers
	Workers     int              // concurrent attempts; 0: only enqueue, work nothing
	Log         *slog.Logger
	Now         func() time.Time                  // nil: time.Now
	Jitter      func(time.Duration) time.Duration // nil: up to a tenth more
}

// Dispatcher enqueues and works deliveries.
type Dispatcher struct{}

// New makes a Dispatcher on the store's pool.
func New(db *store.DB, o Options) (*Dispatcher, error) { panic("contract") }

// Start begins to work deliveries until Stop.
func (d *Dispatcher) Start(ctx context.Context) error { panic("contract") }

// Stop lets running attempts end, until ctx is over.
func (d *Dispatcher) Stop(ctx context.Context) error { panic("contract") }

// EnqueueTx adds the automatic deliveries of recorded events, and their jobs, to the transaction. It is the store's OnRecord hook.
func (d *Dispatcher) EnqueueTx(ctx context.Context, tx pgx.Tx, events []*store.Event) error {
	panic("contract")
}

// Redispatch makes a manual delivery of one event to one destination, with an audit entry, in one transaction.
// Rejected events are refused with ErrRejected.
func (d *Dispatcher) Redispatch(ctx context.Context, r store.Redispatch) (*store.Delivery, error) {
	panic("contract")
}
