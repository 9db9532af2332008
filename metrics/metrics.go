// Package metrics counts and times what Recall does, for Prometheus.
//
// What happens is counted where it happens, in memory (receive.go, dispatch.go); what stands in the database is looked at
// every 15 seconds by questions that cost the same however much is in it (watch.go); the rest is asked for when somebody
// scrapes (state.go). So a scrape costs no query, and comes while the database is away, too.
//
// The number of series is bounded whatever comes in: labels are our own codes, and the names of sources and destinations
// that people have made, the first 200 of each. Nothing that a callback says is in any of them. docs/operations.md describes
// each metric, which a test checks.
package metrics

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"recall/receive"
	"recall/store"
)

// Options of a Metrics.
type Options struct {
	Version string                      // of the program
	Spool   func() receive.SpoolStats   // nil: there is none
	Ready   func(context.Context) error // whether callbacks are taken; nil: that is not told
	Alerts  []string                    // kinds of alerts that there are
	Now     func() time.Time            // nil: time.Now
}

// Metrics is a receive.Meter and a dispatch.Meter, and serves what it knows.
type Metrics struct {
	o       Options
	handler http.Handler
	receiver
	dispatcher
	db     atomic.Pointer[store.DB] // nil: it has not been opened yet
	sample atomic.Pointer[sample]   // nil: the database has not been looked at yet
}

// New makes one. Each has series of its own.
func New(o Options) *Metrics {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Metrics{o: o, receiver: newReceiver(), dispatcher: newDispatcher()}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(m.receiver.all()...)
	registry.MustRegister(m.dispatcher.all()...)
	registry.MustRegister(state{m})
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return m
}

// ServeHTTP answers a scrape. Who may see it is decided by whoever lets the request through to it.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	m.handler.ServeHTTP(w, r)
}

// Labels in place of a name. No name of a source or a destination begins like this.
const (
	unknown = "_unknown" // there is nothing of that name
	other   = "_other"   // it is one too many
)

// mostNames bounds the names that are told apart.
const mostNames = 200

// names lets the first ones through, and makes all others one.
type names struct {
	mu   sync.RWMutex
	seen map[string]bool
}

func (n *names) bounded(name string) string {
	if name == "" {
		return unknown
	}
	n.mu.RLock()
	seen := n.seen[name]
	n.mu.RUnlock()
	if seen {
		return name
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.seen[name] {
		if len(n.seen) >= mostNames {
			return other
		}
		if n.seen == nil {
			n.seen = map[string]bool{}
		}
		n.seen[name] = true
	}
	return name
}
