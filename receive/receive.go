// Package receive takes callbacks in: POST /callbacks/{slug} becomes a stored event and an answer.
package receive

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"recall/store"
)

// Recorder commits a batch of events; store.DB is one.
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
	TrustedProxies []string // CIDRs whose X-Forwarded-For is believed
	Log            *slog.Logger
	Now            func() time.Time
	CommitTimeout  time.Duration // 0: 10 s
}

// NewHandler serves the receiver's listener.
func NewHandler(o Options) (http.Handler, error) { panic("contract") }
