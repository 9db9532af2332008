package trace

import (
	"context"
	"log/slog"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporter remembers how the collector does, and tells the log when that changes: not each time, for hours.
type exporter struct {
	sdk.SpanExporter
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	since time.Time // since when it takes nothing; zero: it does
	why   error
}

// ExportSpans never fails: nobody can do anything about it but who reads the log.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err != nil && e.since.IsZero():
		e.since = e.now()
		e.log.Warn("the collector takes no traces: they are dropped until it does, and nothing else is touched by it", "error", err)
	case err == nil && !e.since.IsZero():
		e.since = time.Time{}
		e.log.Info("the collector takes traces again")
	}
	e.why = err
	return nil
}

func (e *exporter) failing() (time.Time, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.since, e.why
}
