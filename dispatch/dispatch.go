// Package dispatch sends events to destinations: deliveries are enqueued in the transaction that records the event,
// worked by River, tried, retried, and redispatched by hand.
//
// Rows of deliveries and attempts are the history and the truth; River's jobs only say whose turn it is. They carry ids,
// never payloads, and are deleted soon after. An attempt is written down before anything is sent and again when it has
// ended. Its outcome decides when the next one is due, and the job sleeps until then; River's own tries are used up only
// by our own troubles, so they are as good as endless.
//
// Delivery is at least once. After kill -9 the attempt that was under way stays visible as never ended; its job is taken
// up again by any instance once nothing could still be working on it (a little more than the destination's time-out, at
// least a minute), and the event is sent again, with the same idempotency key and the next attempt number. The same
// happens when the database is away at the moment the outcome is to be written down. Several instances share the work.
//
//	enqueue.go     an event is recorded: its matching destinations get deliveries and jobs
//	redispatch.go  a person wants an event sent again
//	worker.go      one job: load, send, record
//	request.go     what is sent, and how it is signed
//	send.go        one HTTP request, bounded in time and size
//	words.go       why there was no answer
//	retry.go       what an outcome means for the delivery
//	egress.go      where nothing is sent
//	queue.go       how River is set up
package dispatch

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"recall/store"
)

// Options of a Dispatcher.
type Options struct {
	Live        *store.Live                      // destinations for automatic deliveries; nil: none
	EgressAllow []netip.Prefix                   // private ranges that may be sent to
	AllowAddr   []netip.AddrPort                 // exact internal addresses let through besides: the demo's own receivers
	Proxy       func(*url.URL) (*url.URL, error) // which proxy to send through, nil for none; nil: never any
	Workers     int                              // concurrent attempts; 0: only enqueue, work nothing
	Version     string                           // of the program, for the User-Agent; "": dev
	Meter       Meter                            // is told of every attempt; nil: nobody is
	Log         *slog.Logger
	Now         func() time.Time                  // nil: time.Now
	Jitter      func(time.Duration) time.Duration // nil: up to a tenth more

	tuning
}

// tuning is what only tests change. The zero value is what runs.
type tuning struct {
	pausedWait time.Duration  // how long the deliveries of a paused destination sleep
	poll       time.Duration  // how often River looks for jobs that nobody announced
	roots      *x509.CertPool // whose certificates are believed; nil: the machine's
	resolver   *net.Resolver  // nil: the machine's
}

// Dispatcher enqueues and works deliveries.
type Dispatcher struct {
	db         *store.DB
	live       *store.Live
	queue      *river.Client[pgx.Tx]
	http       *http.Client
	rules      rules
	works      bool
	userAgent  string
	pausedWait time.Duration
	meter      Meter
	log        *slog.Logger
	now        func() time.Time
	jitter     func(time.Duration) time.Duration
}

// New makes a Dispatcher on the store's pool. The error names the setting that is wrong.
func New(db *store.DB, o Options) (*Dispatcher, error) {
	if db == nil {
		return nil, errors.New("a dispatcher needs a store")
	}
	if o.Workers < 0 || o.Workers > river.QueueNumWorkersMax {
		return nil, fmt.Errorf("the attempts made at the same time (RECALL_WORKERS) must be from 0 to %d, not %d", river.QueueNumWorkersMax, o.Workers)
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.Meter == nil {
		o.Meter = noMeter{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = tenthMore
	}
	if o.pausedWait == 0 {
		o.pausedWait = 30 * time.Second
	}
	d := &Dispatcher{
		db: db, live: o.Live, http: newClient(o), works: o.Workers > 0, userAgent: "Recall/" + o.Version,
		pausedWait: o.pausedWait, meter: o.Meter, log: o.Log, now: o.Now, jitter: o.Jitter,
	}
	config, err := d.queueConfig(o)
	if err != nil {
		return nil, fmt.Errorf("setting up the queue: %w", err)
	}
	if d.queue, err = river.NewClient(riverpgxv5.New(db.Pool()), config); err != nil {
		return nil, fmt.Errorf("setting up the queue: %w", err)
	}
	return d, nil
}

// tenthMore spreads deliveries that failed together.
func tenthMore(wait time.Duration) time.Duration {
	return wait + rand.N(wait/10+1)
}

// Start begins to work deliveries until Stop; ctx is only for starting. Without workers it does nothing.
func (d *Dispatcher) Start(ctx context.Context) error {
	if !d.works {
		return nil
	}
	if err := d.queue.Start(context.WithoutCancel(ctx)); err != nil { // River would take its end for the end of the work
		return fmt.Errorf("starting the queue: %w", err)
	}
	return nil
}

// stopWait is how long attempts that are broken off may take to write that down.
const stopWait = 5 * time.Second

// Stop takes up no further deliveries and lets running attempts end, until ctx is over; those that still run then are
// broken off, which their attempts say, and are sent again by whoever works next.
func (d *Dispatcher) Stop(ctx context.Context) error {
	defer d.http.CloseIdleConnections()
	if !d.works {
		return nil
	}
	if err := d.queue.Stop(ctx); err == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWait)
	defer cancel()
	if err := d.queue.StopAndCancel(ctx); err != nil {
		return fmt.Errorf("stopping the attempts under way: %w", err)
	}
	return nil
}
