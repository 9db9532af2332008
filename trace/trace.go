// Package trace tells the way of each event to an OpenTelemetry collector, where somebody asks for that: received, verified,
// committed or spooled, and each attempt to deliver it, however much later.
//
// Nothing is kept for it. An event's id has 16 bytes and is unique, so it is the id of its trace, and the second half of it
// that of the span which all others hang on; whoever has the event, on whatever instance and in whatever year, knows
// both. Whether an event is traced follows from the random bits of its id, so that all its spans are, or none.
//
// Spans are made when what they tell of has ended, and handed to a queue that drops what it has no room for: a collector
// that is away costs nobody a moment. In them are names and codes of ours and ids, and nothing that a callback or an answer
// said.
package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otrace "go.opentelemetry.io/otel/trace"
)

// Tracer is a receive.Tracer and a dispatch.Tracer. Make it with New, and Close it last.
type Tracer struct {
	settings Settings
	provider *sdk.TracerProvider
	tracer   otrace.Tracer
	exporter *exporter
}

// New begins to send spans. version is the program's, "" where it knows none. The collector need not be there.
func New(ctx context.Context, settings Settings, version string, log *slog.Logger) (*Tracer, error) {
	otlp, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("setting up traces: %w", err)
	}
	attributes := []attribute.KeyValue{attribute.String("service.name", "recall")}
	if version != "" {
		attributes = append(attributes, attribute.String("service.version", version))
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithAttributes(attributes...), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("setting up traces (OTEL_RESOURCE_ATTRIBUTES): %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("traces", "error", err) })) // else it writes to standard error by itself
	t := &Tracer{settings: settings, exporter: &exporter{SpanExporter: otlp, log: log, now: time.Now}}
	t.provider = sdk.NewTracerProvider(
		sdk.WithBatcher(t.exporter), sdk.WithResource(about), sdk.WithIDGenerator(idsOf{}), sdk.WithSampler(sampler{t}),
	)
	t.tracer = t.provider.Tracer("recall", otrace.WithInstrumentationVersion(version))
	return t, nil
}

// Close sends what waits, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Failing tells since when the collector has taken nothing, and why; zero: it does, as far as is known.
func (t *Tracer) Failing() (since time.Time, why error) { return t.exporter.failing() }

// taken tells whether an event is traced, by the 56 bits of its id that are random: those which samplers elsewhere use too.
func (t *Tracer) taken(event uuid.UUID) bool {
	if t.settings.Ratio >= 1 {
		return true
	}
	const all = 1 << 56
	random := binary.BigEndian.Uint64(event[8:]) & (all - 1)
	return random >= uint64((1-t.settings.Ratio)*all)
}

// root is the span of an event that its others hang on.
func (t *Tracer) root(event uuid.UUID) otrace.SpanContext {
	return otrace.NewSpanContext(otrace.SpanContextConfig{
		TraceID: otrace.TraceID(event), SpanID: otrace.SpanID(event[8:]), TraceFlags: t.flags(event), Remote: true,
	})
}

func (t *Tracer) flags(event uuid.UUID) otrace.TraceFlags {
	return otrace.TraceFlags(0).WithSampled(t.taken(event))
}

// attemptSpan is the id of an attempt's span, which its destination is told before there is one.
func attemptSpan(delivery uuid.UUID, attempt int) otrace.SpanID {
	id := uuid.NewSHA1(delivery, binary.BigEndian.AppendUint64([]byte("attempt "), uint64(attempt)))
	return otrace.SpanID(id[8:])
}

// span is one that has ended.
type span struct {
	name       string
	kind       otrace.SpanKind
	from, to   time.Time
	failed     bool
	attributes []attribute.KeyValue
	links      []otrace.Link
}

// tell makes a span below the event's own, with an id of its own or any.
func (t *Tracer) tell(event uuid.UUID, id otrace.SpanID, s span) {
	ctx := otrace.ContextWithRemoteSpanContext(context.Background(), t.root(event))
	t.make(withIDs(ctx, event, id), s)
}

// tellRoot makes the event's own span.
func (t *Tracer) tellRoot(event uuid.UUID, s span) {
	t.make(withIDs(context.Background(), event, otrace.SpanID(event[8:])), s)
}

func (t *Tracer) make(ctx context.Context, s span) {
	_, made := t.tracer.Start(ctx, s.name, otrace.WithTimestamp(s.from), otrace.WithSpanKind(s.kind),
		otrace.WithAttributes(s.attributes...), otrace.WithLinks(s.links...))
	if s.failed {
		made.SetStatus(failed, "")
	}
	made.End(otrace.WithTimestamp(s.to))
}
