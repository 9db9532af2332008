package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"recall/alert"
	"recall/api"
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
	alerts    *alert.Watcher
	tracing   tracing
	stopping  atomic.Bool // the signal has come: whoever shares callbacks out should look for another place

	secure       bool   // the admin UI is reached over TLS
	metricsToken string // "": none
	log          *slog.Logger
	pagesEnd     chan struct{} // closed when the admin server stops
}

// spoolState is the spool as the pages show it.
func (f *front) spoolState() web.Spool {
	s := f.spool.Stats()
	return web.Spool{
		Events: s.Events, Bytes: s.Bytes, MaxBytes: s.MaxBytes, Oldest: s.Oldest, AwaySince: s.AwaySince,
		Refused: s.Refused, Damaged: s.Damaged, Full: f.spool.Ready() != nil, Dir: f.spoolDir,
	}
}

// callback takes a callback. While we are stopping its connection ends with it: the next callback is better sent elsewhere.
func (f *front) callback(w http.ResponseWriter, r *http.Request) {
	if f.stopping.Load() {
		w.Header().Set("Connection", "close")
	}
	f.receiver.ServeHTTP(w, r)
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

// AddLatencies makes front a receive.Counter.
func (f *front) AddLatencies(ctx context.Context, latencies []store.AnswerLatency) error {
	if h := f.engine.Load(); h != nil {
		return h.db.AddLatencies(ctx, latencies)
	}
	return errNoEngine
}

func (f *front) ping(ctx context.Context) error {
	if h := f.engine.Load(); h != nil {
		return h.db.Ping(ctx)
	}
	return errNoEngine
}

// handler serves the admin listener: what watches the program is here from the first moment, the pages come with the engine.
func (f *front) handler(metrics, details http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/live", healthLive)
	mux.HandleFunc("GET /health/ready", f.healthReady)
	mux.Handle("GET /health/details", f.watcher(details))
	mux.Handle("GET /metrics", f.watcher(metrics))
	mux.HandleFunc(api.Prefix+"/", f.api)
	mux.HandleFunc("/", f.pages)
	return web.SecurityHeaders(f.secure, mux)
}

// api serves programs, or says why it cannot yet.
func (f *front) api(w http.ResponseWriter, r *http.Request) {
	if h := f.engine.Load(); h != nil {
		h.api.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "5")
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusServiceUnavailable)
	io.WriteString(w, `{"type":"urn:recall:database","title":"Service Unavailable","status":503,"detail":"The database has not been reached since the start. Try again soon."}`+"\n")
}

// pages serves the admin UI, or says why it is not there yet.
func (f *front) pages(w http.ResponseWriter, r *http.Request) {
	if h := f.engine.Load(); h != nil {
		h.admin.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "5")
	http.Error(w, "The database has not been reached since the start. "+f.spoolState().Taken(time.Now())+" They come into the database as soon as it is back. This page is then here, too.", http.StatusServiceUnavailable)
}
