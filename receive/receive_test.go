package receive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

const secret = "example-callback-secret"

// signedNow is when the test's callbacks are signed and arrive.
var signedNow = time.Unix(1729583536, 0)

// shop is a source with one secret, changed as the test wants it.
func shop(change ...func(*store.Source)) *store.Source {
	s := &store.Source{
		ID: 1, Slug: "shop", Name: "Shop", Enabled: true,
		Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{{Name: "current", Key: secret}},
	}
	for _, f := range change {
		f(s)
	}
	return s
}

// receiver is a Handler behind a real server with the real limits.
type receiver struct {
	*httptest.Server
	handler *Handler
	log     *bytes.Buffer // read it after close
}

// start serves the options; what they leave out is a shop, the test's clock, and a log in memory.
func start(t testing.TB, o Options, change ...func(*http.Server)) *receiver {
	t.Helper()
	r := &receiver{log: &bytes.Buffer{}}
	if o.Sources == nil {
		o.Sources = store.NewLive([]*store.Source{shop()}, nil)
	}
	if o.Now == nil {
		o.Now = func() time.Time { return signedNow }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewJSONHandler(&lockedWriter{w: r.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	handler, err := NewHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	r.handler = handler
	r.Server = httptest.NewUnstartedServer(nil)
	r.Config = NewServer("", handler, o.Log)
	for _, f := range change {
		f(r.Config)
	}
	r.Listener = handler.Listener(r.Listener)
	r.Start()
	t.Cleanup(r.close)
	return r
}

// outOfTime is for start: the time to read a request is up once its header is read, so that no test waits for that.
func outOfTime(s *http.Server) {
	inner := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)); err != nil {
			panic(err)
		}
		inner.ServeHTTP(w, r)
	})
}

// close waits for every request and every commit.
func (r *receiver) close() {
	r.Server.Close()
	r.handler.Close(context.Background())
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// memory is a Recorder that keeps what it is given, and does with each batch what the test says first.
type memory struct {
	before func(ctx context.Context, events []*store.Event) []error // not nil: the results; nil ones are kept

	mu      sync.Mutex
	events  []*store.Event
	batches [][]uuid.UUID
}

func (m *memory) RecordEvents(ctx context.Context, events []*store.Event) []error {
	errs := make([]error, len(events))
	if m.before != nil {
		if got := m.before(ctx, events); got != nil {
			errs = got
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var batch []uuid.UUID
	for i, e := range events {
		batch = append(batch, e.ID)
		if i < len(errs) && errs[i] == nil {
			e.Arrival = 1
			m.events = append(m.events, e)
		}
	}
	m.batches = append(m.batches, batch)
	return errs
}

// kept returns what was recorded so far.
func (m *memory) kept() []*store.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]*store.Event(nil), m.events...)
}

// only returns the one event that was recorded.
func (m *memory) only(t testing.TB) *store.Event {
	t.Helper()
	kept := m.kept()
	if len(kept) != 1 {
		t.Fatalf("%d events are kept, want 1", len(kept))
	}
	return kept[0]
}

// newStore is a real store with a source in it, and the settings that hold it.
func newStore(t testing.TB, change ...func(*store.Source)) (*store.DB, *store.Live) {
	t.Helper()
	db := storetest.New(t)
	source := shop(change...)
	if err := db.CreateSource(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	live, err := db.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return db, live
}

// callback is a request to the shop, signed rightly unless the test changes it.
func callback(t testing.TB, r *receiver, body []byte, change ...func(*http.Request)) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL+"/callbacks/shop", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(verify.HeaderSignature, verify.Sign(secret, signedNow, body))
	for _, f := range change {
		f(req)
	}
	return req
}

// reply is an answer read whole.
type reply struct {
	status int
	header http.Header
	closes bool // the connection ends with it
	answer
}

func send(t testing.TB, r *receiver, req *http.Request) reply {
	t.Helper()
	client := *r.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return readReply(t, response)
}

func readReply(t testing.TB, response *http.Response) reply {
	t.Helper()
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := reply{status: response.StatusCode, header: response.Header, closes: response.Close}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got.answer); err != nil {
		t.Fatalf("status %d with the body %q: %v", response.StatusCode, text, err)
	}
	if got.header.Get("Content-Type") != "application/json" || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answered with the headers %v", got.header)
	}
	if retry := got.header.Get("Retry-After"); (retry != "") != (got.status == http.StatusServiceUnavailable || got.status == http.StatusTooManyRequests) {
		t.Errorf("status %d with Retry-After %q", got.status, retry)
	}
	return got
}

// wire is a raw connection, for what no HTTP client would send.
type wire struct {
	net.Conn
	reader *bufio.Reader
}

func dial(t testing.TB, r *receiver) *wire {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &wire{conn, bufio.NewReader(conn)}
}

// write sends lines, which end in CRLF, and then the body.
func (w *wire) write(t testing.TB, body string, lines ...string) {
	t.Helper()
	if _, err := io.WriteString(w, strings.Join(lines, "\r\n")+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
}

// read takes the next answer off the wire.
func (w *wire) read(t testing.TB) reply {
	t.Helper()
	response, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	return readReply(t, response)
}

// status takes the next answer off the wire, whoever wrote it.
func (w *wire) status(t testing.TB) int {
	t.Helper()
	response, err := http.ReadResponse(w.reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// signature is the header line of a callback that is signed rightly.
func signature(body string) string {
	return verify.HeaderSignature + ": " + verify.Sign(secret, signedNow, []byte(body))
}

func itoa(n int) string { return fmt.Sprint(n) }

func length(body string) string { return fmt.Sprintf("Content-Length: %d", len(body)) }
