package trace

import (
	"context"
	"crypto/rand"

	"github.com/google/uuid"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otrace "go.opentelemetry.io/otel/trace"
)

// chosen are the ids of the span that is made next.
type chosen struct {
	event uuid.UUID
	span  otrace.SpanID // zero: any
}

type chosenKey struct{}

func withIDs(ctx context.Context, event uuid.UUID, span otrace.SpanID) context.Context {
	return context.WithValue(ctx, chosenKey{}, chosen{event, span})
}

// idsOf has spans get the ids that were chosen for them.
type idsOf struct{}

func (g idsOf) NewIDs(ctx context.Context) (otrace.TraceID, otrace.SpanID) {
	c, _ := ctx.Value(chosenKey{}).(chosen)
	return otrace.TraceID(c.event), g.NewSpanID(ctx, otrace.TraceID(c.event))
}

func (idsOf) NewSpanID(ctx context.Context, _ otrace.TraceID) otrace.SpanID {
	c, _ := ctx.Value(chosenKey{}).(chosen)
	for !c.span.IsValid() {
		rand.Read(c.span[:]) // never fails
	}
	return c.span
}

// sampler takes all spans of an event, or none.
type sampler struct{ t *Tracer }

func (s sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	if s.t.taken(uuid.UUID(p.TraceID)) {
		return sdk.SamplingResult{Decision: sdk.RecordAndSample}
	}
	return sdk.SamplingResult{Decision: sdk.Drop}
}

func (sampler) Description() string { return "by the random bits of the event's id" }
