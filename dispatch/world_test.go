package dispatch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// noon is when tests happen.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is the time of a test.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = t
}

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// world is a store with the source shop, and what a dispatcher needs.
type world struct {
	testing.TB
	db     *store.DB
	source *store.Source
	clock  *clock
	log    *lines
	bodies int // made by arrive
}

// newWorld makes one for a test that may run beside others: they mostly wait.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{TB: t, db: storetest.New(t), clock: &clock{at: noon}, log: &lines{}}
	w.db.Now = w.clock.now
	w.source = &store.Source{
		Slug: "shop", Name: "Shop", Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{{Name: "first", Key: "example-callback-secret"}},
	}
	if err := w.db.CreateSource(t.Context(), w.source); err != nil {
		t.Fatal(err)
	}
	return w
}

// destination adds one, active and manual unless changed.
func (w *world) destination(name, to string, change ...func(*store.Destination)) *store.Destination {
	w.Helper()
	d := &store.Destination{
		Name: name, URL: to, Signing: store.SigningPlenigo, Timeout: 10 * time.Second, State: store.DestinationActive,
		RetrySchedule: store.DefaultRetrySchedule(),
	}
	for _, f := range change {
		f(d)
	}
	if err := w.db.CreateDestination(w.Context(), d); err != nil {
		w.Fatal(err)
	}
	return d
}

func match(rule string) func(*store.Destination) {
	return func(d *store.Destination) { d.Match = &rule }
}

func once(d *store.Destination) { d.RetrySchedule = nil }

// options are those of a dispatcher that may send to these servers and retries at once.
func (w *world) options(to ...string) Options {
	o := Options{
		Workers: 4, Version: "test", Now: w.clock.now, Jitter: func(time.Duration) time.Duration { return 0 },
		Log:    slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		tuning: tuning{poll: 20 * time.Millisecond, recordWait: 2 * time.Second},
	}
	for _, server := range to {
		o.AllowAddr = append(o.AllowAddr, addrOf(w, server))
	}
	return o
}

func addrOf(t testing.TB, server string) netip.AddrPort {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	return netip.MustParseAddrPort(u.Host)
}

// live holds the settings as they are now.
func (w *world) live() *store.Live {
	w.Helper()
	live, err := w.db.Live(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	return live
}

// dispatcher makes one; start makes one that works until the test ends.
func (w *world) dispatcher(o Options) *Dispatcher {
	w.Helper()
	d, err := New(w.db, o)
	if err != nil {
		w.Fatal(err)
	}
	return d
}

func (w *world) start(o Options) *Dispatcher {
	w.Helper()
	d := w.dispatcher(o)
	if err := d.Start(w.Context()); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := d.Stop(ctx); err != nil {
			w.Error(err)
		}
	})
	return d
}

const creation = `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48213","entity":{"customerId":"48213","lastName":"Niemand"}}`

// event is a verified one, as shop got it.
func (w *world) event(body string, change ...func(*store.Event)) *store.Event {
	e := &store.Event{
		ID: uuid.Must(uuid.NewV7()), SourceID: w.source.ID, Answered: http.StatusOK, Sender: netip.MustParseAddr("203.0.113.7"),
		Verification: verify.Result{Verdict: verify.Verified, Signature: verify.Valid, SignedAt: w.clock.now().Unix()},
		Header: http.Header{
			"Content-Type": {"application/json"}, "X-Plenigo-Api-Version": {"20240827"},
			"Authorization": {"Basic cGxlbmlnbzpnZWhlaW0="}, "Plenigo-Signature": {"t=1,s=00"},
		},
		Body: []byte(body), Size: int64(len(body)), BodySHA256: sha256.Sum256([]byte(body)), Envelope: plenigo.Read([]byte(body)),
	}
	prefix := store.IDAt(w.clock.now())
	copy(e.ID[:6], prefix[:6])
	for _, f := range change {
		f(e)
	}
	return e
}

func rejected(e *store.Event) {
	e.Verification = verify.Result{Verdict: verify.Rejected, Reason: verify.ReasonSignatureMismatch, Signature: verify.Mismatch}
}

func (w *world) record(events ...*store.Event) {
	w.Helper()
	for i, err := range w.db.RecordEvents(w.Context(), events) {
		if err != nil {
			w.Fatalf("event %d: %v", i, err)
		}
	}
}

// redispatch records an event and sends it to a destination by hand.
func (w *world) redispatch(d *Dispatcher, destination string) *store.Delivery {
	w.Helper()
	e := w.event(creation)
	w.record(e)
	delivery, err := d.Redispatch(w.Context(), store.Redispatch{EventID: e.ID, Destination: destination, By: "anna", Reason: "lost on Monday"})
	if err != nil {
		w.Fatal(err)
	}
	return delivery
}

// until waits for something that is about to happen.
func (w *world) until(what string, is func() bool) {
	w.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("%s: it did not happen; the log says\n%s", what, w.log)
		}
	}
}

func (w *world) deliveries(event uuid.UUID) []*store.Delivery {
	w.Helper()
	list, err := w.db.ListDeliveries(w.Context(), event)
	if err != nil {
		w.Fatal(err)
	}
	return list
}

// find reads a delivery with its history.
func (w *world) find(d *store.Delivery) *store.Delivery {
	w.Helper()
	for _, found := range w.deliveries(d.EventID) {
		if found.ID == d.ID {
			return found
		}
	}
	w.Fatalf("no delivery %s", d.ID)
	return nil
}

// reach waits until a delivery is in a state.
func (w *world) reach(d *store.Delivery, state store.DeliveryState) *store.Delivery {
	w.Helper()
	var found *store.Delivery
	w.until("delivery "+string(state), func() bool {
		found = w.find(d)
		return found.State == state
	})
	return found
}

func (w *world) exec(sql string, args ...any) int64 {
	w.Helper()
	done, err := w.db.Pool().Exec(w.Context(), sql, args...)
	if err != nil {
		w.Fatal(err)
	}
	return done.RowsAffected()
}

// one reads a single value.
func one[T any](w *world, sql string, args ...any) T {
	w.Helper()
	var v T
	if err := w.db.Pool().QueryRow(w.Context(), sql, args...).Scan(&v); err != nil {
		w.Fatal(err)
	}
	return v
}

// request is one that a receiver got.
type request struct {
	method string
	url    string
	proto  int
	header http.Header
	body   string
}

// receiver is a destination that answers as it is told, the last answer for ever.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	got     []request
	answers []http.HandlerFunc
}

func newReceiver(t testing.TB, answers ...http.HandlerFunc) *receiver {
	r := &receiver{answers: answers}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.got = append(r.got, request{req.Method, req.URL.String(), req.ProtoMajor, req.Header.Clone(), string(body)})
	answer := r.answers[min(len(r.got), len(r.answers))-1]
	r.mu.Unlock()
	answer(rw, req)
}

func (r *receiver) requests() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.got...)
}

func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, "answer")
	}
}
