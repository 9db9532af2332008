// Package dispatch sends events to destinations: deliveries are made in the transaction that records the event, claimed,
// tried, retried, and redispatched by hand.
//
// Rows of deliveries and attempts are the queue, the history and the truth. A delivery that is due is claimed, in batches, by
// one instance, with a lease: that begins its attempt, before anything is sent. When it has ended, the attempt is written
// down, in batches too, and its outcome decides when the next one is due. Each destination has a lane, which looks when it is
// told that there is something: within the process as soon as events are committed, from other instances by a job of
// River's that was made in the same transaction, and at least every second for what became due by itself.
//
// Delivery is at least once. After kill -9 an attempt that was under way stays visible as never ended; when its lease is over,
// any instance claims the delivery and the event is sent again, with the same idempotency key and the next attempt number.
// The same happens when the database is away for long when the outcome is to be written down. Several instances share
// the work; a destination's rate, concurrency, order and health hold over all of them.
//
//	enqueue.go     an event is recorded: its matching destinations get deliveries
//	redispatch.go  a person wants an event sent again
//	edit.go        a person sends what was made of an event, as a test
//	queue.go       River: who is told of new deliveries, and what is done periodically
//	lane.go        the way to one destination: claims what is due
//	attempt.go     one attempt: load, send, write down
//	request.go     what is sent, and how it is signed
//	send.go        one HTTP request, bounded in time and size
//	words.go       why there was no answer
//	retry.go       what an outcome means for the delivery
//	health.go      what outcomes mean for the destination: broken, probed, recovered, gone
//	pace.go        receiving goes first
//	sweep.go       what became due by itself, and what was left behind
//	egress.go      where nothing is sent
package dispatch

import (
	"cmp"
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
	"sync"
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
	Tracer      Tracer                           // follows events; nil: nobody does
	Log         *slog.Logger
	Now         func() time.Time                  // nil: time.Now
	Jitter      func(time.Duration) time.Duration // nil: up to a tenth more

	tuning
}

// tuning is what only tests change. The zero value is what runs.
type tuning struct {
	poll       time.Duration  // how often is looked for what nobody announced
	recordWait time.Duration  // for the database, when outcomes are to be written down
	roots      *x509.CertPool // whose certificates are believed; nil: the machine's
	resolver   *net.Resolver  // nil: the machine's
}

// mostWorkers bounds the attempts made at the same time.
const mostWorkers = 10_000

// Dispatcher enqueues and works deliveries.
type Dispatcher struct {
	db         *store.DB
	live       *store.Live
	queue      *river.Client[pgx.Tx]
	http       *http.Client
	rules      rules
	works      bool
	workers    int
	lookEvery  time.Duration
	recordWait time.Duration
	userAgent  string
	meter      Meter
	tracer     Tracer // nil: none
	log        *slog.Logger
	now        func() time.Time
	jitter     func(time.Duration) time.Duration

	mu        sync.Mutex
	lanes     map[int64]*lane     // by destination; one that was woken once
	inFlight  int                 // of all lanes
	announced map[int64]time.Time // when a destination's last job was made here
	pace      pace                // of recording

	working  context.Context // until no more is taken up
	endWork  context.CancelFunc
	sending  context.Context // until what is under way is broken off
	breakOff context.CancelFunc
	running  sync.WaitGroup // lanes
	attempts sync.WaitGroup
	outcomes chan *result
	recorder sync.WaitGroup
}

// New makes a Dispatcher on the store's pool. The error names the setting that is wrong.
func New(db *store.DB, o Options) (*Dispatcher, error) {
	if db == nil {
		return nil, errors.New("a dispatcher needs a store")
	}
	if o.Workers < 0 || o.Workers > mostWorkers {
		return nil, fmt.Errorf("the attempts made at the same time (RECALL_WORKERS) must be from 0 to %d, not %d", mostWorkers, o.Workers)
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
	d := &Dispatcher{
		db: db, live: o.Live, http: newClient(o), works: o.Workers > 0, workers: o.Workers, userAgent: "Recall/" + o.Version,
		lookEvery: cmp.Or(o.poll, lookEvery), recordWait: cmp.Or(o.recordWait, recordWait),
		meter: o.Meter, tracer: o.Tracer, log: o.Log, now: o.Now, jitter: o.Jitter,
		lanes: map[int64]*lane{}, announced: map[int64]time.Time{}, outcomes: make(chan *result, 4*o.Workers),
	}
	d.working, d.endWork = context.WithCancel(context.Background())
	d.sending, d.breakOff = context.WithCancel(context.Background())
	pool, poll := db.QueuePool()
	config, err := d.queueConfig(o)
	if err != nil {
		return nil, fmt.Errorf("setting up the queue: %w", err)
	}
	config.PollOnly = poll
	if d.queue, err = river.NewClient(riverpgxv5.New(pool), config); err != nil {
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
	d.recorder.Go(d.record)
	d.running.Go(func() { d.lookOut(d.working) })
	return nil
}

// stopWait is how long it may take to write down what was broken off.
const stopWait = 5 * time.Second

// Stop takes up no further deliveries and lets running attempts end, until ctx is over; those that still run then are
// broken off, which their attempts say, and are sent again by whoever works next.
func (d *Dispatcher) Stop(ctx context.Context) error {
	defer d.http.CloseIdleConnections()
	d.mu.Lock()
	stopped := d.working.Err() != nil
	d.endWork()
	d.mu.Unlock()
	if !d.works || stopped {
		return nil
	}
	err := d.queue.StopAndCancel(context.WithoutCancel(ctx)) // its jobs are short
	ended := make(chan struct{})
	go func() {
		d.running.Wait() // a lane that has claimed has what it claimed sent
		d.attempts.Wait()
		close(d.outcomes)
		d.recorder.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		d.breakOff()
		select {
		case <-ended:
		case <-time.After(stopWait):
			err = errors.Join(err, errors.New("the outcomes of attempts could not be written down in time: their events are sent again"))
		}
	}
	if err != nil {
		return fmt.Errorf("stopping the attempts under way: %w", err)
	}
	return nil
}
