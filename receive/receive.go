// Package receive takes callbacks in: POST /callbacks/{slug} becomes a stored event and an answer.
//
// A callback is read once and bounded (body.go), judged by its source's policy, made an event (event.go), committed
// together with whatever else waits (batch.go), and only then answered (answer.go). An answer of 2xx means: on disk.
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

	"golang.org/x/sync/semaphore"

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
	Recorder       Recorder
	Sources        Sources
	MaxBody        int64    // bytes; 0: 1 MiB
	MaxInFlight    int64    // bytes of callbacks held at once, headers and bodies; 0: 64 MiB, or four of the largest bodies if that is more
	TrustedProxies []string // CIDRs whose X-Forwarded-For is believed
	Log            *slog.Logger
	Now            func() time.Time
	CommitTimeout  time.Duration // for a batch; 0: 10 s, or 2 s where there is a spool to turn to
	Spool          *Spool        // takes what the Recorder does not; nil: there is none
	Tally          *Tally        // counts what becomes no event; nil: nobody does
}

// Handler serves the receiver's listener. Make it with NewHandler, and Close it after its server has shut down.
type Handler struct {
	sources  Sources
	batcher  *Batcher
	ids      ids
	maxBody  int64
	tally    *Tally
	inFlight *semaphore.Weighted
	reading  chan struct{} // one place for each large body that is being taken apart
	trusted  []netip.Prefix
	log      *slog.Logger
	now      func() time.Time
	wait     time.Duration // for an event to be on disk
}

// spoolWait is what a callback waits besides, where there is a spool: it may queue behind a commit that fails, see its own
// fail, and each may look for what became of it before it says so.
const spoolWait = 10 * time.Second

// NewHandler checks the options. The error names the setting that is wrong.
func NewHandler(o Options) (*Handler, error) {
	if o.Recorder == nil || o.Sources == nil {
		return nil, errors.New("a receiver needs a recorder and sources")
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	if o.MaxInFlight == 0 {
		o.MaxInFlight = max(64<<20, 4*(o.MaxBody+mostHeader))
	}
	if o.CommitTimeout == 0 && o.Spool != nil {
		o.CommitTimeout = 2 * time.Second
	}
	o.CommitTimeout = cmp.Or(o.CommitTimeout, 10*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBody < 0 {
		return nil, fmt.Errorf("the largest body (RECALL_MAX_BODY) must be more than 0 bytes, not %d", o.MaxBody)
	}
	if least := o.MaxBody + 1 + mostHeader; o.MaxInFlight < least { // one byte more than the limit is read to tell that it is passed
		return nil, fmt.Errorf("the bytes held at once must hold at least one callback of the largest size: %d bytes, not %d", least, o.MaxInFlight)
	}
	if o.CommitTimeout < 0 {
		return nil, fmt.Errorf("the time to wait for a commit must be longer than 0, not %s", o.CommitTimeout)
	}
	trusted, err := parseProxies(o.TrustedProxies)
	if err != nil {
		return nil, err
	}
	wait := o.CommitTimeout
	if o.Spool != nil {
		wait = 2*o.CommitTimeout + spoolWait
	}
	return &Handler{
		sources: o.Sources, batcher: NewBatcher(o.Recorder, o.Spool, o.CommitTimeout), maxBody: o.MaxBody, tally: o.Tally,
		inFlight: semaphore.NewWeighted(o.MaxInFlight), reading: make(chan struct{}, runtime.GOMAXPROCS(0)),
		trusted: trusted, log: o.Log, now: o.Now, wait: wait,
	}, nil
}

// Close waits until every callback that was handed over is committed. Callbacks that come later are answered 503.
func (h *Handler) Close(ctx context.Context) error { return h.batcher.Close(ctx) }
