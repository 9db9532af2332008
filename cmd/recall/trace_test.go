package main

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// collector takes traces by OTLP over HTTP.
type collector struct {
	*httptest.Server
	mu       sync.Mutex
	raw      bytes.Buffer // all that came
	spans    []*tracepb.Span
	resource string
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var export collectorpb.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &export) != nil {
			t.Errorf("%s %s is no export of traces: %v", r.Method, r.URL, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(body)
		for _, of := range export.ResourceSpans {
			c.resource = of.Resource.String()
			for _, scope := range of.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// env has serve send traces here, soon.
func (c *collector) env() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_BSP_SCHEDULE_DELAY=50"}
}

func (c *collector) all() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.raw.Bytes())
}

// of are the spans of an event's trace with a name, in order.
func (c *collector) of(event uuid.UUID, name string) (list []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if bytes.Equal(s.TraceId, event[:]) && s.Name == name {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *tracepb.Span) int { return int(a.StartTimeUnixNano) - int(b.StartTimeUnixNano) })
	return list
}

// attributes of a span in one line each, sorted, for what is the same each time.
func attributes(s *tracepb.Span, names ...string) string {
	var list []string
	for _, a := range s.Attributes {
		if len(names) == 0 || slices.Contains(names, a.Key) {
			value := a.Value.GetStringValue()
			if value == "" {
				value = strings.Trim(strings.TrimPrefix(a.Value.String(), "int_value:"), `"`)
			}
			list = append(list, a.Key+"="+value)
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestTraceOfACallback: a collector sees the whole way of a callback under one trace, whose id is that of the event: received,
// verified, committed or spooled, tried, tried again, and sent again by hand. The destination is told its part of it.
func TestTraceOfACallback(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	var parents sync.Map // traceparent by the number of the request
	var requests atomic.Int32
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		parents.Store(int(n), r.Header.Get("Traceparent"))
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(crm.Close)
	dir := dataDir(t)
	s := serve(t, dir, append(c.env(), "RECALL_EGRESS_ALLOW=127.0.0.0/8"))
	db := s.store()
	match := ""
	if err := db.CreateDestination(t.Context(), &store.Destination{
		Name: "crm", URL: crm.URL, Match: &match, Signing: store.SigningPlenigo, Timeout: store.DefaultTimeout,
		RetrySchedule: []time.Duration{time.Second}, State: store.DestinationActive,
	}); err != nil {
		t.Fatal(err)
	}
	shop := addShop(s, db)
	shop.Headers = append(shop.Headers, verify.Header{Name: "Traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	shop = newSender(*shop)
	sample := plenigo.Samples()[0]
	got, err := shop.send(t.Context(), sample, fault{})
	if err != nil || !got.ok() {
		t.Fatalf("%+v, %v", got, err)
	}
	event := got.Event
	s.wait("both attempts are in the trace", func() bool { return len(c.of(event, "deliver")) == 2 })
	runBinary(t, []string{"RECALL_DATA_DIR=" + dir}, "event", "redispatch", event.String(), "--to", "crm").want(t, 0)
	s.wait("what was sent by hand is, too", func() bool { return len(c.of(event, "deliver")) == 3 })
	s.wait("the answer is", func() bool { return len(c.of(event, "POST /callbacks/{slug}")) == 1 })

	root := c.of(event, "POST /callbacks/{slug}")[0]
	if len(root.ParentSpanId) > 0 || root.Kind != tracepb.Span_SPAN_KIND_SERVER || root.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("the whole is %v", root)
	}
	if len(root.Links) != 1 || hex.EncodeToString(root.Links[0].TraceId) != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("the sender's trace is not linked to: %v", root.Links)
	}
	if got, want := attributes(root), "http.request.method=POST http.response.status_code=200 http.route=/callbacks/{slug} recall.event_id="+event.String()+" recall.source=shop recall.verdict=verified"; got != want {
		t.Errorf("attributes of the whole:\n got %s\nwant %s", got, want)
	}
	within := func(name string) *tracepb.Span {
		t.Helper()
		spans := c.of(event, name)
		if len(spans) != 1 {
			t.Fatalf("%d spans %s", len(spans), name)
		}
		s := spans[0]
		if !bytes.Equal(s.ParentSpanId, root.SpanId) || s.StartTimeUnixNano < root.StartTimeUnixNano || s.EndTimeUnixNano > root.EndTimeUnixNano {
			t.Errorf("%s does not lie within the whole", name)
		}
		return s
	}
	if got := attributes(within("verify"), "recall.signature", "recall.verdict"); got != "recall.signature=valid recall.verdict=verified" {
		t.Errorf("verify: %s", got)
	}
	if got := attributes(within("commit"), "recall.batch_events"); got != "recall.batch_events=1" {
		t.Errorf("commit: %s", got)
	}
	for i, want := range []string{
		"http.response.status_code=503 recall.attempt=1 recall.destination=crm recall.state=waiting recall.trigger=automatic",
		"http.response.status_code=200 recall.attempt=2 recall.destination=crm recall.state=succeeded recall.trigger=automatic",
		"http.response.status_code=200 recall.attempt=1 recall.destination=crm recall.state=succeeded recall.trigger=manual",
	} {
		s := c.of(event, "deliver")[i]
		if got := attributes(s, "http.response.status_code", "recall.attempt", "recall.destination", "recall.state", "recall.trigger"); got != want {
			t.Errorf("attempt %d: %s, want %s", i+1, got, want)
		}
		if !bytes.Equal(s.ParentSpanId, root.SpanId) || (s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR) != (i == 0) {
			t.Errorf("attempt %d: %v", i+1, s)
		}
		told, _ := parents.Load(i + 1)
		if want := "00-" + hex.EncodeToString(event[:]) + "-" + hex.EncodeToString(s.SpanId) + "-01"; told != want {
			t.Errorf("the destination was told %s, want %s", told, want)
		}
	}

	// While the database is away the callback is spooled, and committed later.
	killPostgres(t, dir)
	got, err = shop.send(t.Context(), sample, fault{Unsigned: true})
	if err != nil || got.Status != http.StatusUnauthorized {
		t.Fatalf("%+v, %v", got, err)
	}
	s.wait("it is drained", func() bool {
		commits := c.of(got.Event, "commit")
		return len(commits) > 0 && commits[len(commits)-1].Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR && len(c.of(got.Event, "spool")) == 1
	})
	s.wait("its answer is told", func() bool { return len(c.of(got.Event, "POST /callbacks/{slug}")) == 1 })
	if got := attributes(c.of(got.Event, "POST /callbacks/{slug}")[0], "http.response.status_code", "recall.reason", "recall.verdict"); got != "http.response.status_code=401 recall.reason=signature_missing recall.verdict=rejected" {
		t.Errorf("a rejected one: %s", got)
	}
	if !strings.Contains(c.resource, "recall") {
		t.Errorf("the resource is %s", c.resource)
	}
}

// TestCollectorIsAway: callbacks are taken and sent on as ever, doctor tells of it, and the end of serve does not wait for it.
func TestCollectorIsAway(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	c.Close()
	const token = "a-token-for-the-metrics"
	s := serve(t, dataDir(t), append(c.env(), "RECALL_METRICS_TOKEN="+token))
	shop := addShop(s, s.store())
	for range 20 {
		if got, err := shop.send(t.Context(), plenigo.Samples()[0], fault{}); err != nil || !got.ok() {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	s.logged("the collector takes no traces")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.printed("Admin UI")+"/health/details", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if text, err := io.ReadAll(w.Body); err != nil || !strings.Contains(string(text), "100 % of the events, to "+c.URL+", which has taken none since") {
		t.Errorf("%v: %s", err, text)
	}
	s.stop()

	runBinary(t, []string{"OTEL_TRACES_EXPORTER=jaeger", "RECALL_DATA_DIR=" + dataDir(t)}, "serve").want(t, 2, "OTEL_TRACES_EXPORTER can be otlp or none")
}
