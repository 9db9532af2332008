package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"recall/receive"
	"recall/store"
	"recall/web"
)

// errNoEngine: the database has not been opened yet.
var errNoEngine = errors.New("the database has not been reached since the start")

// front is what stands open from the first moment: the receiver and the spool see the store through it, and browsers the
// pages. While the engine behind it does not run yet, because the database is away, callbacks are judged by the last known
// settings and spooled.
type front struct {
	engine    atomic.Pointer[engine]
	lastKnown *store.Live // nil: none
	receiver  *receive.Handler
	spool     *receive.Spool
	spoolDir  string
}

// spoolState is the spool as the pages show it.
func (f *front) spoolState() web.Spool {
	s := f.spool.Stats()
	return web.Spool{
		Events: s.Events, Bytes: s.Bytes, MaxBytes: s.MaxBytes, Oldest: s.Oldest, AwaySince: s.AwaySince,
		Refused: s.Refused, Damaged: s.Damaged, Full: f.spool.Ready() != nil, Dir: f.spoolDir,
	}
}

// RecordEvents makes front a receive.Recorder.
func (f *front) RecordEvents(ctx context.Context, events []*store.Event) []error {
	if h := f.engine.Load(); h != nil {
		return h.db.RecordEvents(ctx, events)
	}
	errs := make([]error, len(events))
	for i := range errs {
		errs[i] = errNoEngine
	}
	return errs
}

// Source makes front a receive.Sources.
func (f *front) Source(slug string) (store.LiveSource, bool) {
	if h := f.engine.Load(); h != nil {
		return h.live.Source(slug)
	}
	return f.lastKnown.Source(slug)
}

// AddUnstored makes front a receive.Counter.
func (f *front) AddUnstored(ctx context.Context, unstored []store.UnstoredRequests, unknown []store.UnknownRequest) error {
	if h := f.engine.Load(); h != nil {
		return h.db.AddUnstored(ctx, unstored, unknown)
	}
	return errNoEngine
}

func (f *front) ping(ctx context.Context) error {
	if h := f.engine.Load(); h != nil {
		return h.db.Ping(ctx)
	}
	return errNoEngine
}

// ServeHTTP serves the admin listener.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := f.engine.Load(); h != nil {
		h.admin.ServeHTTP(w, r)
		return
	}
	switch r.URL.Path {
	case "/health/live":
	case "/health/ready":
		if err := f.receiver.Ready(r.Context()); err != nil {
			http.Error(w, "Callbacks cannot be taken.", http.StatusServiceUnavailable)
			return
		}
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "The database has not been reached since the start. "+f.spoolState().Taken(time.Now())+" They come into the database as soon as it is back. This page is then here, too.", http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ok\n"))
}
