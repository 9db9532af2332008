package trace

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// TestTaken: about the part that was asked for is traced, whatever the ids' times, and an event either always or never.
func TestTaken(t *testing.T) {
	t.Parallel()
	const events = 20_000
	for _, part := range []float64{0, 0.1, 0.5, 0.9, 1} {
		tracer := &Tracer{settings: Settings{Ratio: part}}
		taken := 0
		for range events {
			id := uuid.Must(uuid.NewV7())
			if tracer.taken(id) {
				taken++
			}
			if tracer.root(id).IsSampled() != tracer.taken(id) || !tracer.root(id).IsValid() {
				t.Fatalf("the parent of the spans of %s says something else", id)
			}
		}
		if got := float64(taken) / events; got < part-0.03 || got > part+0.03 {
			t.Errorf("of %g are traced %g", part, got)
		}
	}
}

func TestTraceparent(t *testing.T) {
	t.Parallel()
	event, delivery := uuid.MustParse("0197b3f0-0000-7000-8123-456789abcdef"), uuid.MustParse("0197b3f1-0000-7000-8123-456789abcdef")
	tracer := &Tracer{settings: Settings{Ratio: 1}}
	first := tracer.Traceparent(event, delivery, 1)
	if !strings.HasPrefix(first, "00-0197b3f000007000"+"8123456789abcdef-") || !strings.HasSuffix(first, "-01") || len(first) != 55 {
		t.Errorf("the first attempt is sent with %q", first)
	}
	if first != tracer.Traceparent(event, delivery, 1) || first == tracer.Traceparent(event, delivery, 2) || first == tracer.Traceparent(event, event, 1) {
		t.Error("an attempt has not one span of its own")
	}
	if none := (&Tracer{}).Traceparent(event, delivery, 1); !strings.HasSuffix(none, "-00") {
		t.Errorf("what is not traced is sent with %q", none)
	}
}

// failing is a collector's way that can be shut.
type failingWay struct {
	sdk.SpanExporter
	err error
}

func (f *failingWay) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return f.err }

// TestCollectorAway: the log is told once that it is away and once that it is back, and spans fail nobody.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	way := &failingWay{}
	began := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	e := &exporter{SpanExporter: way, log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return began }}
	away := errors.New("connection refused")
	for _, step := range []struct {
		err   error
		since time.Time
		lines int
	}{{nil, time.Time{}, 0}, {away, began, 1}, {away, began, 1}, {nil, time.Time{}, 2}, {nil, time.Time{}, 2}} {
		way.err = step.err
		if err := e.ExportSpans(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if since, why := e.failing(); since != step.since || why != step.err {
			t.Errorf("it is told that it fails since %v for %v", since, why)
		}
		if lines := strings.Count(log.String(), "\n"); lines != step.lines {
			t.Errorf("%d lines, want %d:\n%s", lines, step.lines, log.String())
		}
	}
}
