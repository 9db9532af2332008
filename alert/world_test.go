package alert_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"recall/alert"
	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a database with sources, a watcher, and a clock that only the test moves.
type world struct {
	t     *testing.T
	db    *store.DB
	now   time.Time
	watch *alert.Watcher
	local alert.Local
	ids   map[string]int64
	n     int
	ready []*store.Event
}

func newWorld(t *testing.T, now time.Time, change ...func(*alert.Options)) *world {
	t.Helper()
	w := &world{t: t, db: storetest.New(t), now: now, ids: map[string]int64{}, local: alert.Local{Ready: true}}
	w.db.Now = func() time.Time { return w.now }
	dialer := &net.Dialer{}
	o := alert.Options{
		Instance: "one", AdminURL: "https://recall.example", Now: w.db.Now, Local: func(context.Context) alert.Local { return w.local },
		Outgoing: alert.Outgoing{HTTP: &http.Client{}, Dial: dialer.DialContext}, Key: storetest.Key(),
	}
	for _, f := range change {
		f(&o)
	}
	w.watch = alert.New(o)
	w.watch.Use(w.db)
	return w
}

func (w *world) source(slug string, change ...func(*store.Source)) {
	w.t.Helper()
	s := &store.Source{
		Slug: slug, Name: slug, Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow, Secrets: []verify.Secret{{Name: "first", Key: "s3cret"}},
	}
	for _, f := range change {
		f(s)
	}
	must(w.t, w.db.CreateSource(w.t.Context(), s))
	w.ids[slug] = s.ID
}

func (w *world) enable(slug string, enabled bool) {
	w.t.Helper()
	s, err := w.db.FindSource(w.t.Context(), slug)
	must(w.t, err)
	s.Enabled = enabled
	must(w.t, w.db.UpdateSource(w.t.Context(), s))
}

func (w *world) channel(c *store.AlertChannel) *store.AlertChannel {
	w.t.Helper()
	must(w.t, w.db.SaveAlertChannel(w.t.Context(), c, store.AuditEntry{Actor: "root"}))
	return c
}

// event is one that arrives at a time; it is recorded by flush.
func (w *world) event(slug string, at time.Time, rejected bool) {
	w.n++
	e := &store.Event{
		ID: store.IDAt(at), SourceID: w.ids[slug], Answered: http.StatusOK, Arrival: 1, Header: http.Header{},
		Verification: verify.Result{Verdict: verify.Verified, Signature: verify.Valid, Basic: verify.NotRequired, Header: verify.NotRequired, SignedAt: at.Unix(), Secret: "first"},
		Envelope:     plenigo.Envelope{IsJSON: true, EntityType: "ORDER", CallbackType: "CREATION", EntityID: fmt.Sprint(w.n)},
		Body:         fmt.Appendf(nil, `{"n":%d}`, w.n),
	}
	rand.Read(e.ID[8:])
	e.ID[6], e.ID[8] = e.ID[6]&0x0f|0x70, e.ID[8]&0x3f|0x80
	if rejected {
		e.Verification = verify.Result{Verdict: verify.Rejected, Reason: verify.ReasonSignatureMismatch, Signature: verify.Mismatch, Basic: verify.NotRequired, Header: verify.NotRequired}
		e.Answered = http.StatusUnauthorized
	}
	e.Size, e.BodySHA256 = int64(len(e.Body)), sha256.Sum256(e.Body)
	w.ready = append(w.ready, e)
}

// spread has events arrive evenly from one time on for a while.
func (w *world) spread(slug string, from time.Time, over time.Duration, n int, rejected bool) {
	for i := range n {
		w.event(slug, from.Add(over*time.Duration(2*i+1)/time.Duration(2*n)), rejected)
	}
}

// flush records what has arrived by now, and counts it.
func (w *world) flush() {
	w.t.Helper()
	slices.SortStableFunc(w.ready, func(a, b *store.Event) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	n := 0
	for n < len(w.ready) && !w.ready[n].ReceivedAt().After(w.now) {
		n++
	}
	for batch := range slices.Chunk(w.ready[:n], 1000) {
		for _, err := range w.db.RecordEvents(w.t.Context(), batch) {
			must(w.t, err)
		}
	}
	w.ready = w.ready[n:]
	for { // until no transaction of another test's database holds counts up
		must(w.t, w.db.Rollup(w.t.Context(), func(*store.Event) verify.Cause { return "" }))
		counted, err := w.db.CountedAt(w.t.Context())
		must(w.t, err)
		if !counted.Before(w.now.Truncate(time.Microsecond)) {
			return
		}
		select {
		case <-w.t.Context().Done():
			w.t.Fatal("what arrived is never counted")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// step goes on by a while, and looks and tells.
func (w *world) step(d time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(d)
	w.flush()
	must(w.t, w.watch.Look(w.t.Context()))
	w.watch.Tell(w.t.Context())
}

// open are the titles of the alerts that are open.
func (w *world) open() (titles []string) {
	w.t.Helper()
	list, err := w.db.ListAlerts(w.t.Context(), store.AlertQuery{})
	must(w.t, err)
	for _, a := range slices.Backward(list) {
		titles = append(titles, alert.Title(a))
	}
	return titles
}

func (w *world) wantOpen(titles ...string) {
	w.t.Helper()
	if got := w.open(); !slices.Equal(got, titles) {
		w.t.Errorf("at %s open: %q, want %q", w.now, got, titles)
	}
}

// sink is a webhook.
type sink struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []map[string]any
	header []http.Header
	status int // 0: 200
}

func newSink(t *testing.T) *sink {
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var said map[string]any
		if err := json.Unmarshal(body, &said); err != nil {
			t.Errorf("the webhook got %q: %v", body, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bodies, s.header = append(s.bodies, said), append(s.header, r.Header)
		if s.status != 0 {
			rw.Header().Set("Content-Type", "text/plain")
			rw.WriteHeader(s.status)
			io.WriteString(rw, "no_service")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) got() []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

func (s *sink) channel(name string) *store.AlertChannel {
	return &store.AlertChannel{Name: name, Kind: store.ChannelWebhook, Webhook: store.WebhookSettings{URL: s.URL + "/services/T0/B0/secret-path"}}
}

// mailbox is a mail server, github.com/emersion/go-smtp.
type mailbox struct {
	addr  *net.TCPAddr
	roots *x509.CertPool

	mu     sync.Mutex
	mails  []string
	to     []string
	logins []string
	refuse error // of a recipient
}

type mailSession struct{ box *mailbox }

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{b}, nil }

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.box.mu.Lock()
		defer s.box.mu.Unlock()
		s.box.logins = append(s.box.logins, user)
		if password != "p4ssword" {
			return errors.New("invalid credentials")
		}
		return nil
	}), nil
}
func (s *mailSession) Reset()                               {}
func (s *mailSession) Logout() error                        { return nil }
func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.to = append(s.box.to, to)
	return s.box.refuse
}
func (s *mailSession) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.mails = append(s.box.mails, string(text))
	return err
}

// newMailbox serves mail on a port of its own, with TLS from the first byte, or when it is asked for.
func newMailbox(t *testing.T, implicit bool) *mailbox {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	must(t, err)
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	b := &mailbox{roots: x509.NewCertPool()}
	b.roots.AddCert(parsed)
	server := smtp.NewServer(b)
	server.Domain, server.ErrorLog = "mail.example", log.New(io.Discard, "", 0)
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	b.addr = listener.Addr().(*net.TCPAddr)
	if implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return b
}

func (b *mailbox) channel(name, security string) *store.AlertChannel {
	return &store.AlertChannel{Name: name, Kind: store.ChannelMail, Mail: store.MailSettings{
		Host: "127.0.0.1", Port: b.addr.Port, Security: security, User: "recall", Password: "p4ssword", From: "recall@example.org", To: []string{"ops@example.org", "night@example.org"},
	}}
}

func (b *mailbox) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mails)
}
