package web

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/erasure"
	"recall/filter"
	"recall/plenigo"
	"recall/reverify"
	"recall/seal"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

const testPassword = "correct horse battery"

// site is a whole admin UI on a real database.
type site struct {
	*httptest.Server
	db     *store.DB
	server *server
	source *store.Source
	crm    *store.Destination
	sent   *recordingRedispatcher
	tried  fakeTrier
	alerts fakeAlerts
	log    *lockedBuffer
	ahead  atomic.Int64 // how far the site's clock is ahead
}

// newSite has a source "shop", a destination "crm" and an operator "anna".
func newSite(t testing.TB, change ...func(*Options)) *site {
	t.Helper()
	db := storetest.New(t)
	s := &site{db: db, sent: &recordingRedispatcher{db: db}, log: &lockedBuffer{}}
	key, err := seal.ParseKey(strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		DB: db, Redispatch: s.sent, Reverify: reverify.New(db, kept{db}, nil), Report: erasure.New(db, nil, "", nil), Key: key, PublicURL: "https://recall.example",
		Test: sentTest{t, s}, Trial: trier{&s.tried, s}, Alerts: &s.alerts, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) },
	}
	for _, f := range change {
		f(&o)
	}
	db.Now = o.Now
	s.server = newServer(o)
	handler, err := NewHandler(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = httptest.NewServer(handler)
	t.Cleanup(s.Close)

	s.source = &store.Source{
		Slug: "shop", Name: "Shop", Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{{Name: "first", Key: "s3cret"}},
		Basic:   &verify.BasicAuth{User: "plenigo", Password: "s3cret"},
		Headers: []verify.Header{{Name: "X-Shop-Token", Value: "s3cret"}},
	}
	must(t, db.CreateSource(t.Context(), s.source))
	s.crm = &store.Destination{
		Name: "crm", URL: "https://crm.example/in", Signing: store.SigningPlenigo, Timeout: 5 * time.Second, State: store.DestinationActive,
		Headers: []verify.Header{{Name: "X-Crm-Token", Value: "s3cret"}},
	}
	must(t, db.CreateDestination(t.Context(), s.crm))
	s.addUser(t, "anna", store.RoleOperator)
	return s
}

func (s *site) addUser(t testing.TB, name string, role store.Role) {
	t.Helper()
	if _, err := s.db.CreateUser(t.Context(), name, testPassword, role); err != nil {
		t.Fatal(err)
	}
}

// record stores an event whose body is as given; it is verified and has just arrived, unless changed.
func (s *site) record(t testing.TB, body string, change ...func(*store.Event)) *store.Event {
	t.Helper()
	e := s.newEvent(body, change...)
	for _, err := range s.db.RecordEvents(t.Context(), []*store.Event{e}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func (s *site) newEvent(body string, change ...func(*store.Event)) *store.Event {
	e := &store.Event{
		ID: uuid.Must(uuid.NewV7()), SourceID: s.source.ID, Answered: http.StatusOK, Arrival: 1,
		Verification: verify.Result{Verdict: verify.Verified, Signature: verify.Valid, Basic: verify.NotRequired, Header: verify.NotRequired, SignedAt: time.Now().Unix(), Secret: "first"},
		Sender:       netip.MustParseAddr("203.0.113.7"),
		Header:       http.Header{"Content-Type": {"application/json"}, "X-Plenigo-Api-Version": {"20240827"}},
		Body:         []byte(body), Size: int64(len(body)), APIVersion: "20240827", Envelope: plenigo.Read([]byte(body)),
	}
	for _, f := range change {
		f(e)
	}
	e.BodySHA256 = sha256.Sum256(e.Body)
	return e
}

func rejected(reason verify.Reason) func(*store.Event) {
	return func(e *store.Event) {
		e.Verification = verify.Result{Verdict: verify.Rejected, Reason: reason, Signature: verify.Mismatch, Basic: verify.NotRequired, Header: verify.NotRequired}
		e.Answered = http.StatusUnauthorized
	}
}

// kept finds sources as they are kept, so that a test need not wait for a change to hold.
type kept struct{ db *store.DB }

func (k kept) SourceByID(id int64) (store.LiveSource, bool) {
	source, err := k.db.FindSourceByID(context.Background(), id)
	return store.LiveSource{Source: source}, err == nil
}

func (kept) Renew(context.Context) error { return nil }

// recordingRedispatcher makes the delivery and sends nothing.
type recordingRedispatcher struct {
	db *store.DB

	mu   sync.Mutex
	asks []store.Redispatch
}

func (f *recordingRedispatcher) Redispatch(ctx context.Context, r store.Redispatch) (*store.Delivery, error) {
	f.mu.Lock()
	f.asks = append(f.asks, r)
	f.mu.Unlock()
	destination, err := f.db.FindDestination(ctx, r.Destination)
	if err != nil {
		return nil, err
	}
	d := &store.Delivery{
		ID: uuid.Must(uuid.NewV7()), EventID: r.EventID, DestinationID: destination.ID, Destination: r.Destination,
		Trigger: store.TriggerManual, State: store.DeliveryPending, RequestedBy: r.By, Reason: r.Reason, CreatedAt: time.Now(),
	}
	return d, pgx.BeginFunc(ctx, f.db.Pool(), func(tx pgx.Tx) error {
		_, err := f.db.CreateDeliveriesTx(ctx, tx, []*store.Delivery{d})
		return err
	})
}

// trier is the site's.
type trier struct {
	*fakeTrier
	s *site
}

func (t trier) SendEdited(ctx context.Context, edit store.Edit) (*store.EditedTest, error) {
	return t.s.SendEdited(ctx, edit)
}

// fakeTrier answers as it is told.
type fakeTrier struct {
	trial   store.Trial
	preview store.RulePreview
	err     error
	rules   []string
}

func (f *fakeTrier) Try(_ context.Context, d *store.Destination, _ *store.Source) (*store.Trial, error) {
	if f.err != nil {
		return nil, f.err
	}
	t := f.trial
	t.Method, t.RequestURL = d.Method, d.ShownURL()
	return &t, nil
}

// SendEdited keeps the record, as if the destination had answered as the trial says.
func (s *site) SendEdited(ctx context.Context, edit store.Edit) (*store.EditedTest, error) {
	d, err := s.db.FindDestination(ctx, edit.Destination)
	if err != nil {
		return nil, err
	}
	t := &store.EditedTest{
		ID: uuid.Must(uuid.NewV7()), EventID: edit.EventID, DestinationID: d.ID, Destination: d.Name, By: edit.By, Reason: edit.Reason, Method: "POST",
		Edited: true, Body: edit.Body, Attempt: store.Attempt{Number: 1, StartedAt: s.db.Now(), RequestURL: d.URL, RequestHeader: edit.Header},
	}
	if err := s.db.BeginEditedTest(ctx, t); err != nil {
		return nil, err
	}
	t.Status, t.ResponseBody = http.StatusTeapot, []byte("<b>no</b>")
	return t, s.db.EndEditedTest(ctx, t)
}

func (f *fakeTrier) Preview(_ context.Context, rule string) (*store.RulePreview, error) {
	f.rules = append(f.rules, rule)
	if _, err := filter.ParseRule(rule, time.Now()); err != nil {
		return nil, err
	}
	return &f.preview, nil
}

func (f *recordingRedispatcher) asked() []store.Redispatch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asks
}

// visitor is one browser without a window: it keeps cookies and follows no redirect.
type visitor struct {
	t    testing.TB
	site *site
	http *http.Client
}

func (s *site) visitor(t testing.TB) *visitor {
	jar, _ := cookiejar.New(nil)
	return &visitor{t, s, &http.Client{
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// as is a visitor who has logged in.
func (s *site) as(t testing.TB, name string) *visitor {
	t.Helper()
	v := s.visitor(t)
	if a := v.post("/login", url.Values{"name": {name}, "password": {testPassword}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("logging in as %s: %s: %s", name, a.Status, a.page().one(t, "main").text())
	}
	return v
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	t    testing.TB
	body string
}

func (a answer) page() element { return parsePage(a.t, strings.NewReader(a.body)) }

func (v *visitor) do(method, path string, form url.Values, headers ...string) answer {
	v.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.site.URL+path, body)
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer{w, v.t, string(b)}
}

func (v *visitor) get(path string, headers ...string) answer {
	v.t.Helper()
	return v.do(http.MethodGet, path, nil, headers...)
}

// show gets a page that must be there.
func (v *visitor) show(path string) element {
	v.t.Helper()
	a := v.get(path)
	if a.StatusCode != http.StatusOK {
		v.t.Fatalf("GET %s: %s: %s", path, a.Status, a.page().one(v.t, "main").text())
	}
	return a.page()
}

func (v *visitor) post(path string, form url.Values, headers ...string) answer {
	v.t.Helper()
	return v.do(http.MethodPost, path, form, headers...)
}

// isToday says whether a text is this day, or the one that has just ended while the test ran.
func isToday(text string) bool {
	now := time.Now().UTC()
	return text == now.Format(time.DateOnly) || text == now.Add(-5*time.Minute).Format(time.DateOnly)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lockedBuffer is a log that can be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
