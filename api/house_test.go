package api_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"recall/api"
	"recall/dispatch"
	"recall/erasure"
	"recall/plenigo"
	"recall/reverify"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// house is the API on a real store, with everything behind it but the receiver. Each answer is held against the description.
type house struct {
	db      *store.DB
	source  *store.Source
	target  *httptest.Server // of the destination crm
	url     string
	token   string // of an admin, with every right
	checked validator.Validator

	mu  sync.Mutex
	now time.Time
}

const secret = "the-secret-shown-at-plenigo"

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// receiver records the source's test callbacks as a receiver would.
type receiver struct{ h *house }

func newHouse(t *testing.T, options ...func(*api.Options)) *house {
	t.Helper()
	h := &house{db: storetest.New(t), now: time.Now().UTC().Truncate(time.Second)}
	h.db.Now = h.clock
	h.source = &store.Source{
		Slug: "shop", Name: "Shop", Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{{Name: "first", Key: secret}}, Headers: []verify.Header{{Name: "X-Own", Value: "own-value"}},
	}
	must(t, h.db.CreateSource(t.Context(), h.source))
	h.target = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	t.Cleanup(h.target.Close)
	must(t, h.db.CreateDestination(t.Context(), &store.Destination{
		Name: "crm", URL: h.target.URL + "/in?key=topsecret", Signing: store.SigningPlenigo, Timeout: store.DefaultTimeout, RetrySchedule: store.DefaultRetrySchedule(), State: store.DestinationActive,
		Headers: []verify.Header{{Name: "X-Key", Value: "topsecret"}},
	}))
	live, err := h.db.Live(t.Context())
	must(t, err)
	dispatcher, err := dispatch.New(h.db, dispatch.Options{Live: live, Now: h.clock, EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	must(t, err)
	h.db.OnRecord(dispatcher.EnqueueTx)
	o := api.Options{
		DB: h.db, Redispatch: dispatcher, Trial: dispatcher, Reverify: reverify.New(h.db, live, nil), Report: erasure.New(h.db, nil, "", nil), PublicURL: "https://recall.example/", Version: "test", Now: h.clock,
		Test: receiver{h}, Alerts: tester{},
		Details: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"state":"ok","version":"test","ready":true,"stopping":false,"checks":[{"check":"spool","state":"ok","detail":"empty"}]}`)
		}),
	}
	for _, change := range options {
		change(&o)
	}
	handler, err := api.NewHandler(o)
	must(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	h.url = server.URL + api.Prefix

	admin, err := h.db.CreateUser(t.Context(), "admin", "correct horse battery", store.RoleAdmin)
	must(t, err)
	h.token = h.tokenOf(t, admin, "all", store.Rights...)
	return h
}

func (h *house) tokenOf(t *testing.T, u *store.User, name string, rights ...store.Right) string {
	t.Helper()
	text, err := h.db.CreateToken(t.Context(), &store.Token{UserID: u.ID, Name: name, Rights: rights}, store.AuditEntry{Actor: u.Name})
	must(t, err)
	return text
}

// document is the description as it is served.
func (h *house) document(t *testing.T) []byte {
	t.Helper()
	r, err := http.Get(h.url + "/openapi.json")
	must(t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	must(t, err)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("the description: %s %s", r.Status, text)
	}
	return text
}

func (h *house) validator(t *testing.T) validator.Validator {
	t.Helper()
	if h.checked == nil {
		document, err := libopenapi.NewDocument(h.document(t))
		must(t, err)
		v, errs := validator.NewValidator(document)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		h.checked = v
	}
	return h.checked
}

// answer is what a call got.
type answer struct {
	t      *testing.T
	call   string
	status int
	header http.Header
	body   []byte
}

// call asks the API, and holds its answer against the description.
func (h *house) call(t *testing.T, method, path, body string) answer {
	t.Helper()
	return h.callAs(t, h.token, method, path, body)
}

func (h *house) callAs(t *testing.T, token, method, path, body string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, h.url+path, strings.NewReader(body))
	must(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return h.send(t, r)
}

func (h *house) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	must(t, err)
	defer response.Body.Close()
	a := answer{t: t, call: r.Method + " " + r.URL.RequestURI(), status: response.StatusCode, header: response.Header}
	a.body, err = io.ReadAll(response.Body)
	must(t, err)
	response.Body = io.NopCloser(bytes.NewReader(a.body))
	described := a.status != http.StatusMethodNotAllowed && !strings.HasSuffix(r.URL.Path, "/nothing")
	if described && strings.Contains(response.Header.Get("Content-Type"), "json") {
		if ok, errs := h.validator(t).ValidateHttpResponse(r, response); !ok {
			for _, e := range errs {
				t.Errorf("%s %d is not as described: %s: %s", a.call, a.status, e.Message, e.Reason)
				for _, s := range e.SchemaValidationErrors {
					t.Errorf("  %s: %s", s.FieldPath, s.Reason)
				}
			}
			t.Logf("%s", a.body)
		}
	}
	if a.status >= 400 && response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%s: an error %d of type %q: %s", a.call, a.status, response.Header.Get("Content-Type"), a.body)
	}
	if response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: Cache-Control %q", a.call, response.Header.Get("Cache-Control"))
	}
	return a
}

// want checks the status, and that each text stands in the answer.
func (a answer) want(status int, texts ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: got %d, want %d\n%s", a.call, a.status, status, a.body)
	}
	for _, text := range texts {
		if !bytes.Contains(a.body, []byte(text)) {
			a.t.Errorf("%s: %q is missing in\n%s", a.call, text, a.body)
		}
	}
	return a
}

func (a answer) read(into any) {
	a.t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		a.t.Fatalf("%s: %v in\n%s", a.call, err, a.body)
	}
}

// record keeps an event of the source as the receiver would.
func (h *house) record(t *testing.T, verdict verify.Verdict, body string) uuid.UUID {
	t.Helper()
	h.pass(time.Millisecond)
	e := &store.Event{
		ID: uuid.Must(uuid.NewV7()), SourceID: h.source.ID, Answered: 200, Body: []byte(body), Size: int64(len(body)), BodySHA256: sha256.Sum256([]byte(body)),
		Envelope: plenigo.Read([]byte(body)), Sender: netip.MustParseAddr("192.0.2.1"),
		Header:       http.Header{"Content-Type": {"application/json"}, "Authorization": {"Basic c2VjcmV0"}, "X-Own": {"own-value"}},
		Verification: verify.Result{Verdict: verdict, Signature: verify.Valid, SignedAt: h.clock().UnixNano()},
	}
	if verdict == verify.Rejected {
		e.Answered, e.Verification.Signature, e.Verification.Reason = 401, verify.Missing, verify.ReasonSignatureMissing
	}
	at := store.IDAt(h.clock())
	copy(e.ID[:6], at[:6])
	for _, err := range h.db.RecordEvents(t.Context(), []*store.Event{e}) {
		must(t, err)
	}
	return e.ID
}

func query(pairs ...string) string {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return "?" + v.Encode()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
