package dispatch

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"recall/store"
)

// rawServer answers each connection as it is told.
func rawServer(t testing.TB, answer func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// readRequest reads one whole, so that closing the connection afterwards breaks off nothing unread.
func readRequest(c net.Conn) {
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(got, []byte(creation)) {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		got = append(got, buf[:n]...)
	}
}

func tlsServer(t testing.TB, change func(*httptest.Server)) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{}
	s.EnableHTTP2 = true
	change(s)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// TestDestinationsThatFail: every fault ends within the time-out, in plain words, and is an attempt like any other.
func TestDestinationsThatFail(t *testing.T) {
	w := newWorld(t)
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	hang := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	reset := rawServer(t, func(c net.Conn) {
		readRequest(c)
		c.(*net.TCPConn).SetLinger(0)
	})
	closed := rawServer(t, readRequest)
	slow := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		for {
			if _, err := rw.Write([]byte("x")); err != nil {
				return
			}
			rw.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	slowHeader := rawServer(t, func(c net.Conn) {
		readRequest(c)
		for _, b := range []byte("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1000)) {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			select {
			case <-over:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	brokenOff := rawServer(t, func(c net.Conn) {
		readRequest(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	})
	noHTTP := rawServer(t, func(c net.Conn) {
		readRequest(c)
		io.WriteString(c, "SSH-2.0-kept\r\n")
	})
	longHeader := rawServer(t, func(c net.Conn) {
		readRequest(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nX-Long: "+strings.Repeat("a", 40<<10)+"\r\n\r\n")
	})
	refusing := rawServer(t, nil)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobodyURL := "http://" + nobody.Addr().String()
	nobody.Close()
	elsewhere := newReceiver(t, status(200))
	redirecting := newReceiver(t, status(http.StatusTemporaryRedirect, "Location", elsewhere.URL+"/next?token=kept"))
	relative := newReceiver(t, status(http.StatusSeeOther, "Location", "/other"))
	notModified := newReceiver(t, status(http.StatusNotModified))
	untrusted := tlsServer(t, func(*httptest.Server) {})
	oldTLS := tlsServer(t, func(s *httptest.Server) { s.TLS.MinVersion, s.TLS.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	answering := newReceiver(t, status(200))

	o := w.options(hang.URL, reset, closed, slow.URL, slowHeader, brokenOff, noHTTP, longHeader, nobodyURL, elsewhere.URL,
		redirecting.URL, relative.URL, notModified.URL, untrusted.URL, oldTLS.URL, answering.URL)
	d := w.start(o)

	short := func(d *store.Destination) { d.Timeout = 200 * time.Millisecond }
	for _, c := range []struct {
		name   string
		url    string
		change func(*store.Destination)
		status int
		words  string
	}{
		{"hangs", hang.URL, short, 0, "no answer within 200ms"},
		{"slow-bytes", slow.URL, short, 200, "the answer was not complete within 200ms"},
		{"slow-header", slowHeader, short, 0, "no answer within 200ms"},
		{"resets", reset, once, 0, "the connection was reset before an answer came"},
		{"closes", closed, once, 0, "the connection was closed before an answer came"},
		{"breaks-off", brokenOff, once, 200, "the answer broke off before its end"},
		{"no-http", noHTTP, once, 0, "the answer is not valid HTTP"},
		{"long-header", longHeader, once, 0, "the headers of the answer are longer than 32 KiB"},
		{"nobody", nobodyURL, once, 0, "could not connect to " + nobodyURL[len("http://"):] + ": connection refused"},
		{"not-let-through", refusing + "/?token=kept", once, 0, "not sent: " + refusing[len("http://"):] + " is a loopback address (127.0.0.0/8), and RECALL_EGRESS_ALLOW does not name it"},
		{"redirects", redirecting.URL, once, 307, "answered 307 and pointed to " + elsewhere.URL + "/next?…; redirects are not followed"},
		{"relative", relative.URL + "/in?token=kept", once, 303, "answered 303 and pointed to " + relative.URL + "/other; redirects are not followed"},
		{"not-modified", notModified.URL, once, 304, "answered 304; redirects are not followed"},
		{"untrusted", untrusted.URL, once, 0, "the certificate is not signed by an authority that this machine trusts"},
		{"old-tls", oldTLS.URL, once, 0, "TLS could not be agreed on"},
		{"no-tls", strings.Replace(answering.URL, "http:", "https:", 1), once, 0, "the destination does not speak TLS there; its URL may have to begin with http://"},
	} {
		w.destination(c.name, c.url, once, c.change)
		got := w.reach(w.redispatch(d, c.name), store.DeliveryExhausted)
		a := got.History[0]
		if len(got.History) != 1 || a.Status != c.status || a.Error != c.words || got.LastError != c.words {
			t.Errorf("%s: %d %q in %d attempts, want %d %q", c.name, a.Status, a.Error, len(got.History), c.status, c.words)
		}
	}
	if n := len(elsewhere.requests()) + len(answering.requests()); n != 0 {
		t.Errorf("%d requests where none belongs", n)
	}
	if strings.Contains(w.log.String(), "kept") {
		t.Errorf("the log:\n%s", w.log)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	w := newWorld(t)
	endless := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		for block := bytes.Repeat([]byte("a"), 4096); ; {
			if _, err := rw.Write(block); err != nil {
				return
			}
		}
	})
	fits := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) { rw.Write(bytes.Repeat([]byte("b"), maxKept)) })
	hostile := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) { rw.Write([]byte("\x00\xff<script>")) })
	d := w.start(w.options(endless.URL, fits.URL, hostile.URL))
	for _, c := range []struct {
		name, url string
		body      string
		truncated bool
	}{
		{"endless", endless.URL, strings.Repeat("a", 16<<10), true},
		{"fits", fits.URL, strings.Repeat("b", 16<<10), false},
		{"hostile", hostile.URL, "\x00\xff<script>", false},
	} {
		w.destination(c.name, c.url)
		a := w.reach(w.redispatch(d, c.name), store.DeliverySucceeded).History[0]
		if string(a.ResponseBody) != c.body || a.ResponseTruncated != c.truncated {
			t.Errorf("%s: %d bytes, truncated %v", c.name, len(a.ResponseBody), a.ResponseTruncated)
		}
	}
}

func TestTLS(t *testing.T) {
	w := newWorld(t)
	s := tlsServer(t, func(*httptest.Server) {})
	dns := newNameServer(t)
	dns.answer("shop.example", "127.0.0.1")
	o := w.options(s.URL)
	o.resolver = dns.resolver()
	o.roots = x509.NewCertPool()
	o.roots.AddCert(s.Certificate())
	d := w.start(o)
	w.destination("good", s.URL)
	if a := w.reach(w.redispatch(d, "good"), store.DeliverySucceeded).History[0]; string(a.ResponseBody) != "HTTP/2.0" {
		t.Errorf("spoke %s", a.ResponseBody)
	}
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for name, want := range map[string]string{
		"shop.example":    "the certificate is not valid for the name shop.example",
		"missing.example": "the name missing.example could not be resolved: there is no such name",
	} {
		short, _, _ := strings.Cut(name, ".")
		w.destination(short, fmt.Sprintf("https://%s:%s/", name, port), once)
		if got := w.reach(w.redispatch(d, short), store.DeliveryExhausted); got.LastError != want {
			t.Errorf("%s: %q, want %q", name, got.LastError, want)
		}
	}
}

// TestOneRequestPerAttempt: a kept-alive connection that breaks after the request is not tried again within the attempt,
// though the request says that it may be.
func TestOneRequestPerAttempt(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200), func(rw http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, status(200))
	w.destination("crm", to.URL)
	d := w.start(w.options(to.URL))
	w.reach(w.redispatch(d, "crm"), store.DeliverySucceeded)
	got := w.reach(w.redispatch(d, "crm"), store.DeliverySucceeded)
	if len(got.History) != 2 || got.History[0].Error != "the connection was closed before an answer came" || len(to.requests()) != 3 {
		t.Errorf("%d requests, %+v", len(to.requests()), got.History)
	}
}
