// Package receive takes callbacks in: POST /callbacks/{slug} becomes a stored event and an answer.
//
// A callback is read once and bounded (body.go, room.go, limit.go), judged by its source's policy, made an event (event.go),
// committed together with whatever else waits (batch.go), and only then answered (answer.go). An answer of 2xx means: on
// disk. While the database takes nothing, that is a folder of sealed files (spool.go), from which the events are recorded
// when it is back (drain.go).
package receive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"recall/store"
)

// Recorder commits a batch of events; store.DB is one. It returns soon after ctx has ended.
type Recorder interface {
	RecordEvents(ctx context.Context, events []*store.Event) []error
}

// Sources finds an enabled or disabled source by its slug; store.Live is one.
type Sources interface {
	Source(slug string) (store.LiveSource, bool)
}

// Options of a Handler.
type Options struct {
	Recorder        Recorder
	Sources         Sources
	Spool           *Spool   // takes what the Recorder does not; nil: there is none
	MaxBody         int64    // bytes; 0: 1 MiB
	MaxInFlight     int64    // bytes of callbacks held at once, headers and bodies; 0: 64 MiB, or four of the largest bodies if that is more
	RatePerSource   float64  // callbacks a second, after ten seconds' worth at once; 0: no limit
	RatePerAddress  float64  // likewise, for each sender
	RejectedPerHour int      // rejected events kept of one sender and source; more are answered, counted and not kept; 0: no limit
	TrustedProxies  []string // CIDRs whose X-Forwarded-For is believed
	Tally           *Tally   // counts what becomes no event; nil: nobody does
	Meter           Meter    // is told of everything; nil: nobody is
	Tracer          Tracer   // is told the way of each event; nil: nobody is
	Log             *slog.Logger
	Now             func() time.Time
	CommitTimeout   time.Duration                   // for a batch; 0: 10 s, or 2 s where there is a spool to turn to
	Ping            func(ctx context.Context) error // asks whether the database answers, for Ready; nil: it is taken to
}

// Handler serves the receiver's listener. Make it with NewHandler, and Close it after its server has shut down.
type Handler struct {
	sources    Sources
	batcher    *Batcher
	ids        ids
	maxBody    int64
	tally      *Tally
	meter      Meter
	tracer     Tracer // nil: none
	rooms      *rooms
	perSource  *limiter[int64]
	perAddress *limiter[netip.Prefix]
	budget     *budget
	reading    chan struct{} // one place for each large body that is being taken apart
	trusted    []netip.Prefix
	log        *slog.Logger
	now        func() time.Time
	wait       time.Duration // for an event to be on disk
	ping       func(context.Context) error
}

// spoolWait is what a callback waits besides, where there is a spool: it may queue behind a commit that fails, see its own
// fail, and each may look for what became of it before it says so.
const spoolWait = 10 * time.Second

// NewHandler checks the options. The error names the setting that is wrong.
func NewHandler(o Options) (*Handler, error) {
	if o.Recorder == nil || o.Sources == nil {
		return nil, errors.New("a receiver needs a recorder and sources")
	}
	if o.MaxBody < 0 {
		return nil, fmt.Errorf("the largest body (RECALL_MAX_BODY) must be more than 0 bytes, not %d", o.MaxBody)
	}
	o.MaxBody = cmp.Or(o.MaxBody, 1<<20)
	largest := o.MaxBody + 1 + mostHeader // one byte more than the limit is read to tell that it is passed
	o.MaxInFlight = cmp.Or(o.MaxInFlight, max(64<<20, 4*largest))
	if o.MaxInFlight < largest {
		return nil, fmt.Errorf("the bytes held at once must hold at least one callback of the largest size: %d bytes, not %d", largest, o.MaxInFlight)
	}
	for name, rate := range map[string]float64{"RECALL_RATE_PER_SOURCE": o.RatePerSource, "RECALL_RATE_PER_ADDRESS": o.RatePerAddress} {
		if rate != 0 && !(rate >= 0.001 && rate <= 1e6) {
			return nil, fmt.Errorf("%s must be from 0.001 to 1,000,000 callbacks a second, or 0 for no limit, not %g", name, rate)
		}
	}
	if o.RejectedPerHour < 0 {
		return nil, fmt.Errorf("RECALL_REJECTED_PER_HOUR must be 1 or more rejected callbacks, or 0 for no limit, not %d", o.RejectedPerHour)
	}
	if o.CommitTimeout < 0 {
		return nil, fmt.Errorf("the time to wait for a commit must be longer than 0, not %s", o.CommitTimeout)
	}
	if o.CommitTimeout == 0 && o.Spool != nil {
		o.CommitTimeout = 2 * time.Second
	}
	o.CommitTimeout = cmp.Or(o.CommitTimeout, 10*time.Second)
	wait := o.CommitTimeout
	if o.Spool != nil {
		wait = 2*o.CommitTimeout + spoolWait
	}
	trusted, err := parseProxies(o.TrustedProxies)
	if err != nil {
		return nil, err
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
	batcher := NewBatcher(o.Recorder, o.Spool, o.CommitTimeout)
	batcher.meter, batcher.tracer = o.Meter, o.Tracer
	return &Handler{
		sources: o.Sources, batcher: batcher, maxBody: o.MaxBody, tally: o.Tally, meter: o.Meter, tracer: o.Tracer,
		rooms: newRooms(o.MaxInFlight, largest), reading: make(chan struct{}, runtime.GOMAXPROCS(0)),
		perSource: newLimiter[int64](o.RatePerSource), perAddress: newLimiter[netip.Prefix](o.RatePerAddress), budget: newBudget(o.RejectedPerHour),
		trusted: trusted, log: o.Log, now: o.Now, wait: wait, ping: o.Ping,
	}, nil
}

// Ready tells whether callbacks can be taken, by the spool or by the database: nil, or why not.
func (h *Handler) Ready(ctx context.Context) error {
	if h.batcher.isClosed() {
		return errStopping
	}
	var noSpool error
	if spool := h.batcher.spool; spool != nil {
		if noSpool = spool.Ready(); noSpool == nil {
			return nil
		}
	}
	if h.ping == nil {
		return nil
	}
	if err := h.ping(ctx); err != nil {
		return errors.Join(err, noSpool)
	}
	return nil
}

// Close waits until every callback that was handed over is on disk. Callbacks that come later are answered 503.
func (h *Handler) Close(ctx context.Context) error { return h.batcher.Close(ctx) }
