package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates, as one that clients trust.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	last int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, last: 1}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the test's"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key, a.cert = a.sign(template, template, nil)
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert
}

// issue writes a new pair into the files.
func (a *authority) issue(files tlsFiles, from, until time.Time) *x509.Certificate {
	a.t.Helper()
	a.last++
	key, cert := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(a.last), NotBefore: from, NotAfter: until, DNSNames: []string{"recall.example.org"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, a.cert, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(files.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	a.write(files.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	return cert
}

func (a *authority) write(path string, content []byte) {
	a.t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil { // whole, or not at all
		a.t.Fatal(err)
	}
}

// client trusts the authority, and speaks the versions of TLS up to most.
func (a *authority) client(most uint16) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: most}, DisableKeepAlives: true, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func newTLSFiles(t *testing.T, setting string) tlsFiles {
	dir := t.TempDir()
	return tlsFiles{setting: setting, cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key")}
}

// A certificate follows its files; what is broken leaves the one of before in use and is told once.
func TestCertificateFollowsItsFiles(t *testing.T) {
	t.Parallel()
	a, files, now := newAuthority(t), newTLSFiles(t, "RECALL_TLS_CERT_FILE"), time.Now()
	var log bytes.Buffer
	open := func() (*certificate, error) {
		return openCertificate(files, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "RECALL_TLS_CERT_FILE: open "+files.cert) {
		t.Errorf("without files: %v", err)
	}
	first := a.issue(files, now.Add(-time.Hour), now.Add(time.Hour))
	whole, err := os.ReadFile(files.cert)
	if err != nil {
		t.Fatal(err)
	}
	c, err := open()
	if err != nil {
		t.Fatal(err)
	}
	used := func() *x509.Certificate { return c.held.Load().Leaf }
	other := newTLSFiles(t, "")
	a.issue(other, now.Add(-time.Hour), now.Add(time.Hour))
	otherCert, err := os.ReadFile(other.cert)
	if err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		name   string
		change func()
		says   string // in the log; "": nothing
	}{
		{"nothing changed", func() {}, ""},
		{"cut short", func() { a.write(files.cert, whole[:len(whole)/2]) }, "cannot be used; the one of before stays in use"},
		{"as before", func() {}, ""},
		{"empty", func() { a.write(files.cert, nil) }, "cannot be used"},
		{"of another key", func() { a.write(files.cert, otherCert) }, "private key does not match public key"},
		{"gone", func() { os.Remove(files.cert) }, "no such file"},
		{"still gone", func() {}, ""},
		{"ended", func() { a.issue(files, now.Add(-2*time.Hour), now.Add(-time.Hour)) }, "ended on"},
	} {
		log.Reset()
		test.change()
		c.look()
		if !used().Equal(first) {
			t.Errorf("%s: it is in use", test.name)
		}
		if said := log.String(); test.says == "" && said != "" || !strings.Contains(said, test.says) || strings.Count(said, "\n") > 1 {
			t.Errorf("%s: the log says %q, want %q", test.name, said, test.says)
		}
		if strings.Contains(log.String(), "PRIVATE") {
			t.Errorf("%s: the log quotes the file", test.name)
		}
	}
	log.Reset()
	second := a.issue(files, now.Add(-time.Hour), now.Add(24*time.Hour))
	c.look()
	if !used().Equal(second) || !strings.Contains(log.String(), "a changed certificate is in use") {
		t.Errorf("the second one is not in use: %s", log.String())
	}
	now = now.Add(48 * time.Hour)
	third := a.issue(files, now.Add(-2*time.Hour), now.Add(-time.Hour))
	if c.look(); !used().Equal(third) {
		t.Error("of two that have ended the older one is in use")
	}
}

// Both listeners speak TLS by the files alone: callbacks, log-in, health, doctor and demo; a new certificate is taken over
// while it runs, and a broken one is not.
func TestServeWithTLS(t *testing.T) {
	t.Parallel()
	a, files, adminFiles := newAuthority(t), newTLSFiles(t, "RECALL_TLS_CERT_FILE"), newTLSFiles(t, "RECALL_ADMIN_TLS_CERT_FILE")
	from, until := time.Now().Add(-time.Hour), time.Now().Add(30*24*time.Hour)
	first := a.issue(files, from, until)
	a.issue(adminFiles, from, until.Add(time.Hour))
	env := []string{
		"RECALL_TLS_CERT_FILE=" + files.cert, "RECALL_TLS_KEY_FILE=" + files.key,
		"RECALL_ADMIN_TLS_CERT_FILE=" + adminFiles.cert, "RECALL_ADMIN_TLS_KEY_FILE=" + adminFiles.key, "RECALL_METRICS_TOKEN=" + metricsToken,
	}
	dir := dataDir(t)
	s := serve(t, dir, env, "--demo") // its samples come through the receiver
	admin, receiver := s.printed("Admin UI"), strings.TrimSuffix(s.callbackURL("demo"), "/callbacks/demo")
	if !strings.HasPrefix(admin, "https://127.0.0.1:") || !strings.HasPrefix(receiver, "https://127.0.0.1:") {
		t.Fatalf("the addresses are %s and %s", admin, receiver)
	}
	client := a.client(tls.VersionTLS13)

	// The admin UI: secure cookies, HSTS, HTTP/2.
	r, err := client.PostForm(admin+"/login", url.Values{"name": {firstUser}, "password": {strings.TrimPrefix(s.printed("Log in"), firstUser+"  ")}})
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusSeeOther || r.ProtoMajor != 2 || r.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("logging in: %s %s %v", r.Proto, r.Status, r.Header)
	}
	if len(r.Cookies()) == 0 {
		t.Error("no cookie")
	}
	for _, cookie := range r.Cookies() {
		if !cookie.Secure || !strings.HasPrefix(cookie.Name, "__Host-") {
			t.Errorf("the cookie %s may go without TLS", cookie.Name)
		}
	}

	hardened(t, admin, client, true)

	// Old versions, and requests without TLS, get nowhere.
	for _, address := range []string{admin + "/health/live", receiver + "/callbacks/demo"} {
		if r, err := client.Get(address); err != nil {
			t.Errorf("%s by TLS 1.3: %v", address, err)
		} else {
			r.Body.Close()
		}
		if r, err := a.client(tls.VersionTLS12).Get(address); err != nil {
			t.Errorf("%s by TLS 1.2: %v", address, err)
		} else {
			r.Body.Close()
		}
		if r, err := a.client(tls.VersionTLS11).Get(address); err == nil {
			r.Body.Close()
			t.Errorf("%s answers by TLS 1.1", address)
		}
		r, err := http.Get(strings.Replace(address, "https:", "http:", 1))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusBadRequest {
			t.Errorf("%s without TLS: %s", address, r.Status)
		}
	}

	if err := s.store().Pool().QueryRow(t.Context(), `SELECT FROM events LIMIT 1`).Scan(); err != nil {
		t.Errorf("the demo's samples did not come through: %v", err)
	}

	// Health and doctor, which read the same settings.
	asked := append(env, "RECALL_DATA_DIR="+dir, "RECALL_ADMIN_ADDR="+strings.TrimPrefix(admin, "https://"), "RECALL_RECEIVER_ADDR="+strings.TrimPrefix(receiver, "https://"))
	runBinary(t, asked, "health").want(t, 0, "ready")
	doctor := func() map[string]finding { return findings(t, runBinary(t, asked, "doctor", "--json")) }
	found := doctor()
	for check, says := range map[string]string{
		"serve": "takes callbacks", "TLS": "for recall.example.org, 127.0.0.1, ends on " + first.NotAfter.UTC().Format(time.DateOnly), "TLS admin": "in 30 days",
	} {
		if f := found[check]; f.State != "ok" || !strings.Contains(f.Detail, says) {
			t.Errorf("doctor says %+v, want %s", f, says)
		}
	}

	// A broken pair: the one of before stays, and log, doctor and /health/details say so.
	served := func() *x509.Certificate {
		cert, err := servedCertificate(t.Context(), strings.TrimPrefix(receiver, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	a.write(files.cert, []byte("nothing of the kind"))
	s.logged("a changed certificate cannot be used; the one of before stays in use")
	if !served().Equal(first) {
		t.Error("the broken one is in use")
	}
	broken := "serve goes on with the one of before, until " + first.NotAfter.UTC().Format(time.DateOnly)
	if f := doctor()["TLS"]; f.State != "fail" || !strings.Contains(f.Detail, broken) {
		t.Errorf("doctor says of a broken one %+v", f)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, admin+"/health/details", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+metricsToken)
	r, err = client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if !strings.Contains(string(text), broken) {
		t.Errorf("/health/details says of a broken one %s", text)
	}
	second := a.issue(files, from, time.Now().Add(24*time.Hour))
	s.wait("the second certificate is in use", func() bool { return served().Equal(second) })
	if f := doctor()["TLS"]; f.State != "warn" || !strings.Contains(f.Detail, "in 0 days") && !strings.Contains(f.Detail, "in 1 day") {
		t.Errorf("doctor says of one that ends soon %+v", f)
	}
	s.stop()
	if strings.Contains(s.errs.String(), "TLS handshake error") {
		t.Error("the log tells of handshakes that strangers made to fail")
	}
}

// The test callback of a source reaches the receiver by the certificate in use, and nobody else's.
func TestOwnReceiverIsKnownByItsCertificate(t *testing.T) {
	t.Parallel()
	a, files := newAuthority(t), newTLSFiles(t, "RECALL_TLS_CERT_FILE")
	a.issue(files, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	c, err := openCertificate(files, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := &http.Server{Handler: http.NotFoundHandler()}
	go own.Serve(c.over(l, "http/1.1"))
	defer own.Close()
	client := &http.Client{Transport: c.ownTransport()}
	if r, err := client.Get(addressURL(c.scheme(), l)); err != nil {
		t.Error(err)
	} else {
		r.Body.Close()
	}
	other := httptest.NewUnstartedServer(http.NotFoundHandler())
	other.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	other.StartTLS()
	defer other.Close()
	if r, err := client.Get(other.URL); err == nil {
		r.Body.Close()
		t.Error("another server is taken for our own")
	}
}

func TestTLSSettings(t *testing.T) {
	file := fileWith(t, "nothing of the kind")
	for _, test := range []struct {
		name, want string
		env        map[string]string
	}{
		{"a certificate without a key", "RECALL_TLS_CERT_FILE and RECALL_TLS_KEY_FILE go together", map[string]string{"RECALL_TLS_CERT_FILE": file}},
		{"a key without a certificate", "RECALL_ADMIN_TLS_CERT_FILE and RECALL_ADMIN_TLS_KEY_FILE go together", map[string]string{"RECALL_ADMIN_TLS_KEY_FILE": file}},
		{"an address without TLS", "RECALL_ADMIN_URL begins with http, and RECALL_TLS_CERT_FILE has the admin UI speak TLS", map[string]string{"RECALL_TLS_CERT_FILE": file, "RECALL_TLS_KEY_FILE": file, "RECALL_ADMIN_URL": "http://localhost:8081"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			command(t, "", "serve").want(t, 2, test.want)
		})
	}
	t.Run("no certificate", func(t *testing.T) {
		t.Setenv("RECALL_DATA_DIR", t.TempDir())
		t.Setenv("RECALL_TLS_CERT_FILE", file)
		t.Setenv("RECALL_TLS_KEY_FILE", file)
		command(t, "", "serve").want(t, 1, "RECALL_TLS_CERT_FILE: the certificate in "+file)
	})
}
