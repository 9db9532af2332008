package dispatch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/store"
	"recall/verify"
)

// hijacked does what it likes with the connection.
func hijacked(do func(net.Conn)) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		c, _, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		do(c)
	}
}

// tenGB answers 200 with 10 GB, as long as anybody takes them, and counts what was taken.
func tenGB(taken *atomic.Int64) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "10000000000")
		block := []byte(strings.Repeat("a", 32<<10))
		for {
			n, err := rw.Write(block)
			taken.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
}

// TestScriptedDestination: one delivery, to a destination that fails in every way, one after the other. Its history is exact:
// each attempt at its time, with what came of it; each signed anew, so that a receiver built for plenigo accepts it; all with
// the same idempotency key.
func TestScriptedDestination(t *testing.T) {
	var taken atomic.Int64
	steps := []struct {
		name   string
		answer http.HandlerFunc
		status int
		words  string
		wait   time.Duration // until the next; negative: as the schedule says
	}{
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, "no answer within 300ms", -1},
		{"resets", hijacked(func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }), 0, "the connection was reset before an answer came", -1},
		{"byte by byte", hijacked(func(c net.Conn) {
			for _, b := range []byte("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("x", 1000)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(2 * time.Millisecond)
			}
		}), 200, "the answer was not complete within 300ms", -1},
		{"breaks off", hijacked(func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf") }), 200, "the answer broke off before its end", -1},
		{"redirects", status(http.StatusFound, "Location", "http://10.0.0.1/"), 302, "answered 302 and pointed to http://10.0.0.1/; redirects are not followed", -1},
		{"too many, in seconds", status(http.StatusTooManyRequests, "Retry-After", "7200"), 429, "", 2 * time.Hour},
		{"too many, but soon", status(http.StatusTooManyRequests, "Retry-After", "1"), 429, "", -1},
		{"fails", status(http.StatusInternalServerError), 500, "", -1},
		{"is away", status(http.StatusServiceUnavailable, "Retry-After", "nonsense"), 503, "", -1},
		{"10 GB", tenGB(&taken), 200, "", 0},
	}
	w := newWorld(t)
	var answers []http.HandlerFunc
	var schedule []time.Duration
	for i, s := range steps {
		answers = append(answers, s.answer)
		if i > 0 {
			schedule = append(schedule, time.Duration(i)*time.Minute)
		}
	}
	to := newReceiver(t, answers...)
	w.destination("crm", to.URL, func(d *store.Destination) { d.Timeout, d.RetrySchedule = 300*time.Millisecond, schedule })
	o := w.options(to.URL)
	o.Jitter = func(wait time.Duration) time.Duration { return wait + time.Second }
	delivery := w.redispatch(w.start(o), "crm")

	at := noon
	var starts []time.Time
	for i, s := range steps {
		starts = append(starts, at)
		if i == len(steps)-1 {
			break
		}
		w.until(s.name, func() bool {
			got := w.find(delivery)
			return got.State == store.DeliveryWaiting && got.Attempts == i+1
		})
		wait := s.wait
		if wait < 0 {
			wait = schedule[i]
		}
		at = at.Add(wait + time.Second)
		if got := w.find(delivery); !got.NextAttemptAt.Equal(at) {
			t.Fatalf("%s: next %s, want %s", s.name, got.NextAttemptAt, at)
		}
		w.clock.set(at)
	}
	got := w.reach(delivery, store.DeliverySucceeded)
	if len(got.History) != len(steps) || got.Tries != len(steps) || !got.FinishedAt.Equal(at) {
		t.Fatalf("%+v", got)
	}
	for i, s := range steps {
		if a := got.History[i]; a.Number != i+1 || !a.StartedAt.Equal(starts[i]) || a.Status != s.status || a.Error != s.words {
			t.Errorf("%s: attempt %d at %s: %d %q; want %d at %s: %d %q", s.name, a.Number, a.StartedAt, a.Status, a.Error, i+1, starts[i], s.status, s.words)
		}
	}
	if last := got.History[len(steps)-1]; len(last.ResponseBody) != maxKept || !last.ResponseTruncated {
		t.Errorf("of 10 GB %d bytes were kept", len(last.ResponseBody))
	}
	w.until("nobody takes the 10 GB", func() bool { before := taken.Load(); time.Sleep(20 * time.Millisecond); return taken.Load() == before })
	if n := taken.Load(); n > 32<<20 { // the buffers of both sockets; of them 64 KiB were read
		t.Errorf("of 10 GB %d bytes were taken", n)
	}
	policy, err := verify.NewPolicy(w.source.Settings())
	must(t, err)
	requests := to.requests()
	for i, r := range requests {
		if verdict := policy.Check(r.header, []byte(r.body), starts[i]); verdict.Verdict != verify.Verified || verdict.SignedAt != starts[i].Unix() {
			t.Errorf("request %d: a receiver built for plenigo says %+v", i+1, verdict)
		}
		if r.header.Get("Idempotency-Key") != requests[0].header.Get("Idempotency-Key") {
			t.Errorf("request %d has another idempotency key", i+1)
		}
	}
}

// TestGoneOnEveryKind: 410 pauses a destination whatever the attempt was made for, costs the delivery no try, and says so. Only
// what is no delivery, a test request, changes nothing.
func TestGoneOnEveryKind(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(http.StatusGone))
	crm := w.destination("crm", to.URL, match("type:order.change"), once)
	o := w.options(to.URL)
	o.Jitter = asTheScheduleSays
	d := w.automatic(o)
	set := func(state store.DestinationState) {
		_, err := w.db.SetDestinationState(t.Context(), crm.ID, state, "")
		must(t, err)
		must(t, d.live.Renew(t.Context()))
	}
	send := map[string]func() *store.Delivery{
		"automatic": func() *store.Delivery { return w.arrive("1")[0] },
		"manual":    func() *store.Delivery { return w.redispatch(d, "crm") },
		"replay": func() *store.Delivery {
			e := w.event(creation)
			w.record(e)
			delivery := &store.Delivery{EventID: e.ID, DestinationID: crm.ID, Destination: "crm", Trigger: store.TriggerReplay, ReplayID: 1}
			must(t, pgx.BeginFunc(t.Context(), w.db.Pool(), func(tx pgx.Tx) error {
				return d.EnqueueReplayTx(t.Context(), tx, []*store.Delivery{delivery})
			}))
			return delivery
		},
		"probe": func() *store.Delivery { return w.arrive("2")[0] },
	}
	for _, name := range []string{"automatic", "manual", "replay", "probe"} {
		w.exec(`UPDATE deliveries SET state = 'cancelled', next_attempt_at = NULL`) // those before
		set(store.DestinationActive)
		if name == "probe" {
			_, err := w.db.BreakDestination(t.Context(), crm.ID, "down", noon, store.AuditEntry{Actor: "recall", Action: "destination.break", Subject: "crm"})
			must(t, err)
			must(t, d.live.Renew(t.Context()))
		}
		before := len(to.requests())
		delivery := send[name]()
		d.wake(crm.ID)
		w.until(name+" pauses it", func() bool { return w.stateOf("crm") == store.DestinationPaused })
		got := w.find(delivery)
		if got.State != store.DeliveryWaiting || got.Tries != 0 || len(got.History) != 1 || got.History[0].Status != http.StatusGone || len(to.requests()) != before+1 {
			t.Errorf("%s: %+v, %d requests", name, got, len(to.requests())-before)
		}
		if found, _ := w.db.FindDestination(t.Context(), "crm"); !strings.HasPrefix(found.StateReason, "It answered 410 Gone") {
			t.Errorf("%s: %q", name, found.StateReason)
		}
	}
	set(store.DestinationActive)
	w.exec(`UPDATE deliveries SET state = 'cancelled', next_attempt_at = NULL`)
	trial, err := d.Try(t.Context(), crm, nil)
	if err != nil || trial.Status != http.StatusGone || w.stateOf("crm") != store.DestinationActive {
		t.Errorf("a test request: %+v, %v; it is %s", trial, err, w.stateOf("crm"))
	}
}

// TestBadCertificates: what is wrong with a certificate is said plainly, and nothing is sent.
func TestBadCertificates(t *testing.T) {
	w := newWorld(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	dns := newNameServer(t)
	dns.answer("shop.example", "127.0.0.1")
	roots := x509.NewCertPool()
	serve := func(change func(*x509.Certificate)) *httptest.Server {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), DNSNames: []string{"shop.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
		}
		change(template)
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		must(t, err)
		leaf, err := x509.ParseCertificate(der)
		must(t, err)
		roots.AddCert(leaf)
		return tlsServer(t, func(s *httptest.Server) {
			s.TLS.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
		})
	}
	servers := map[string]*httptest.Server{
		"expired":   serve(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		"not-yet":   serve(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) }),
		"of-others": serve(func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} }),
		"of-client": serve(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }),
		"good":      serve(func(*x509.Certificate) {}),
	}
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.URL)
	}
	o := w.options(urls...)
	o.resolver, o.roots = dns.resolver(), roots
	d := w.start(o)
	for name, want := range map[string]string{
		"expired":   "the certificate has expired, or is not valid yet",
		"not-yet":   "the certificate has expired, or is not valid yet",
		"of-others": "the certificate is not valid for the name shop.example",
		"of-client": "the certificate is not valid",
		"good":      "",
	} {
		_, port, _ := net.SplitHostPort(servers[name].Listener.Addr().String())
		w.destination(name, "https://shop.example:"+port+"/", once)
		delivery := w.redispatch(d, name)
		w.until(name, func() bool { return !w.find(delivery).FinishedAt.IsZero() })
		if got := w.find(delivery); got.LastError != want || (got.State == store.DeliverySucceeded) != (want == "") {
			t.Errorf("%s: %s, %q, want %q", name, got.State, got.LastError, want)
		}
	}
}
