package trace

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	otrace "go.opentelemetry.io/otel/trace"

	"recall/receive"
	"recall/store"
)

// failed marks a span of what did not go well. The reason stays in the log: it may hold what others said.
const failed = codes.Error

// Attributes of spans; docs/operations.md describes them. Those of HTTP have the names that OpenTelemetry gives them.
const (
	event       = attribute.Key("recall.event_id")
	source      = attribute.Key("recall.source") // slug
	verdict     = attribute.Key("recall.verdict")
	reason      = attribute.Key("recall.reason")
	signature   = attribute.Key("recall.signature") // status of the check
	batchEvents = attribute.Key("recall.batch_events")
	delivery    = attribute.Key("recall.delivery_id")
	destination = attribute.Key("recall.destination") // name
	attempt     = attribute.Key("recall.attempt")     // number, from 1
	trigger     = attribute.Key("recall.trigger")
	replay      = attribute.Key("recall.replay")
	state       = attribute.Key("recall.state") // of the delivery, after the attempt
	status      = attribute.Key("http.response.status_code")
	method      = attribute.Key("http.request.method")
	route       = attribute.Key("http.route")
)

// Received tells of a callback that was answered. A trace that its sender has begun is linked to and not gone on with: what
// the public sends does not decide what is traced here.
func (t *Tracer) Received(e *store.Event, slug string, answered int, s receive.Steps) {
	if !t.taken(e.ID) {
		return
	}
	v := e.Verification
	judged := []attribute.KeyValue{event.String(e.ID.String()), source.String(slug), verdict.String(string(v.Verdict))}
	if v.Reason != "" {
		judged = append(judged, reason.String(string(v.Reason)))
	}
	judged = slices.Clip(judged) // two spans go on from here
	t.tell(e.ID, otrace.SpanID{}, span{name: "verify", from: s.Read, to: s.Judged, attributes: append(judged, signature.String(string(v.Signature)))})
	whole := span{
		name: "POST /callbacks/{slug}", kind: otrace.SpanKindServer, from: s.Begun, to: s.Answered, failed: answered >= http.StatusInternalServerError,
		attributes: append(judged, method.String(http.MethodPost), route.String("/callbacks/{slug}"), status.Int(answered)),
	}
	theirs := otrace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(e.Header)))
	if theirs.IsValid() {
		whole.links = []otrace.Link{{SpanContext: theirs}}
	}
	t.tellRoot(e.ID, whole)
}

// Stored tells of a batch that was brought to the database, or to the spool: one span in the trace of each event.
func (t *Tracer) Stored(events []*store.Event, errs []error, spooled bool, begun time.Time, took time.Duration) {
	name := "commit"
	if spooled {
		name = "spool"
	}
	for i, e := range events {
		if t.taken(e.ID) {
			t.tell(e.ID, otrace.SpanID{}, span{
				name: name, from: begun, to: begun.Add(took), failed: errs[i] != nil,
				attributes: []attribute.KeyValue{event.String(e.ID.String()), batchEvents.Int(len(events))},
			})
		}
	}
}

// Traceparent is the header by which who gets an attempt can go on with the trace of its event.
func (t *Tracer) Traceparent(eventID, deliveryID uuid.UUID, number int) string {
	header := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(otrace.ContextWithSpanContext(context.Background(), otrace.NewSpanContext(otrace.SpanContextConfig{
		TraceID: otrace.TraceID(eventID), SpanID: attemptSpan(deliveryID, number), TraceFlags: t.flags(eventID),
	})), header)
	return header["traceparent"]
}

// Attempted tells of an attempt that has ended.
func (t *Tracer) Attempted(d *store.Delivery, to *store.Destination, slug string, a *store.Attempt, after store.DeliveryState) {
	if !t.taken(d.EventID) {
		return
	}
	attributes := []attribute.KeyValue{
		event.String(d.EventID.String()), source.String(slug), delivery.String(d.ID.String()), destination.String(to.Name),
		attempt.Int(a.Number), trigger.String(string(d.Trigger)), state.String(string(after)),
	}
	if a.Status != 0 {
		attributes = append(attributes, status.Int(a.Status))
	}
	if d.ReplayID != 0 {
		attributes = append(attributes, replay.Int64(d.ReplayID))
	}
	t.tell(d.EventID, attemptSpan(d.ID, a.Number), span{
		name: "deliver", kind: otrace.SpanKindClient, from: a.StartedAt, to: a.StartedAt.Add(a.Duration),
		failed: after != store.DeliverySucceeded, attributes: attributes,
	})
}
