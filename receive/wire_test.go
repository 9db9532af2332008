package receive

import (
	"io"
	"math"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"recall/verify"
)

const post = "POST /callbacks/shop HTTP/1.1"

func TestPipelinedCallbacksAreAnsweredInTurn(t *testing.T) {
	t.Parallel()
	m := &memory{}
	r := start(t, Options{Recorder: m})
	w := dial(t, r)
	var all strings.Builder
	bodies := []string{`{"n":1}`, `{"n":2}`, "", `{"n":4}`}
	for _, body := range bodies {
		all.WriteString(strings.Join([]string{post, "Host: x", length(body), signature(body)}, "\r\n") + "\r\n\r\n" + body)
	}
	if _, err := io.WriteString(w, all.String()); err != nil {
		t.Fatal(err)
	}
	for i, body := range bodies {
		got := w.read(t)
		if got.status != 200 {
			t.Fatalf("number %d answered %d %+v", i, got.status, got.answer)
		}
		if e := m.kept()[i]; *got.Event != e.ID || string(e.Body) != body {
			t.Errorf("number %d kept as %q", i, e.Body)
		}
	}
}

func TestExpectContinue(t *testing.T) {
	t.Parallel()
	t.Run("the body is asked for", func(t *testing.T) {
		m := &memory{}
		w := dial(t, start(t, Options{Recorder: m}))
		w.write(t, "", post, "Host: x", length("{}"), signature("{}"), "Expect: 100-continue")
		if got := w.status(t); got != http.StatusContinue {
			t.Fatalf("answered %d", got)
		}
		io.WriteString(w, "{}")
		if got := w.read(t); got.status != 200 || m.only(t).Header.Get("Expect") != "100-continue" {
			t.Errorf("answered %d %+v", got.status, got.answer)
		}
	})
	for name, c := range map[string]struct {
		lines  []string
		status int
	}{
		"not for one that is too large":  {[]string{post, "Content-Length: 1048577"}, 413},
		"not for one that nobody awaits": {[]string{"POST /callbacks/chop HTTP/1.1", "Content-Length: 2"}, 404},
		"nothing else can be expected":   {[]string{post, "Content-Length: 2", "Expect: the unexpected"}, 417},
	} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, start(t, Options{Recorder: &memory{}}))
			w.write(t, "", append(c.lines, "Host: x", "Expect: 100-continue")...)
			if got := w.status(t); got != c.status {
				t.Errorf("answered %d", got)
			}
		})
	}
}

// A trailer comes after the body: it is no header, least of all a signature.
func TestTrailersAreNoHeaders(t *testing.T) {
	t.Parallel()
	m := &memory{}
	w := dial(t, start(t, Options{Recorder: m}))
	w.write(t, "2\r\n{}\r\n0\r\n"+signature("{}")+"\r\nX-Late: yes\r\n\r\n",
		post, "Host: x", "Transfer-Encoding: chunked", "Trailer: plenigo-signature, x-late")
	if got := w.read(t); got.status != 401 || got.Reason != verify.ReasonSignatureMissing {
		t.Errorf("answered %d %+v", got.status, got.answer)
	}
	e := m.only(t)
	want := http.Header{"Host": {"x"}, "Transfer-Encoding": {"chunked"}, "Trailer": {"Plenigo-Signature", "X-Late"}}
	if !reflect.DeepEqual(e.Header, want) || string(e.Body) != "{}" {
		t.Errorf("kept %q with %q", e.Body, e.Header)
	}
}

func TestABodyInChunksIsOneBody(t *testing.T) {
	t.Parallel()
	m := &memory{}
	w := dial(t, start(t, Options{Recorder: m}))
	w.write(t, "1;ext=1\r\n{\r\n0001\r\n}\r\n0\r\n\r\n", post, "Host: x", "Transfer-Encoding: chunked", signature("{}"))
	if got := w.read(t); got.status != 200 || string(m.only(t).Body) != "{}" {
		t.Errorf("answered %d %+v", got.status, got.answer)
	}
}

func TestWhatDoesNotComeWholeIsNotKept(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   string
		lines  []string
		hangUp bool
		status int
		code   string
	}{
		"a body that stops":            {"{", []string{"Content-Length: 2"}, false, 408, "request_timeout"},
		"chunks that stop":             {"1\r\n{\r\n", []string{"Transfer-Encoding: chunked"}, false, 408, "request_timeout"},
		"a body cut off":               {"{", []string{"Content-Length: 2"}, true, 400, "incomplete_request"},
		"chunks cut off":               {"1\r\n{\r\n", []string{"Transfer-Encoding: chunked"}, true, 400, "incomplete_request"},
		"a chunk without a length":     {"x\r\n{}\r\n", []string{"Transfer-Encoding: chunked"}, false, 400, "incomplete_request"},
		"a chunk longer than it says":  {"1\r\n{}\r\n0\r\n\r\n", []string{"Transfer-Encoding: chunked"}, false, 400, "incomplete_request"},
		"a chunk longer than a number": {"fffffffffffffffff\r\n", []string{"Transfer-Encoding: chunked"}, false, 400, "incomplete_request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &memory{}
			var change []func(*http.Server)
			if c.status == http.StatusRequestTimeout {
				change = append(change, outOfTime)
			}
			r := start(t, Options{Recorder: m}, change...)
			w := dial(t, r)
			w.write(t, c.body, append([]string{post, "Host: x", signature("{}")}, c.lines...)...)
			if c.hangUp {
				w.Conn.(interface{ CloseWrite() error }).CloseWrite()
			}
			if got := w.read(t); got.status != c.status || got.Error != c.code || !got.closes {
				t.Errorf("answered %d %+v, and the connection ends: %t", got.status, got.answer, got.closes)
			}
			if kept := m.kept(); len(kept) != 0 {
				t.Errorf("kept %q", kept[0].Body)
			}
		})
	}
}

// What net/http itself refuses must not reach the handler, and whoever waits for nothing must be let go.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	many := make([]string, 2000)
	for i := range many {
		many[i] = "X-Many-" + itoa(i) + ": " + strings.Repeat("a", 40)
	}
	for name, c := range map[string]struct {
		lines  []string
		status int
	}{
		"one huge header":             {[]string{post, "Host: x", "X-Huge: " + strings.Repeat("a", 80<<10)}, 431},
		"a huge URL":                  {[]string{"POST /callbacks/shop?" + strings.Repeat("a", 80<<10) + " HTTP/1.1", "Host: x"}, 431},
		"many headers":                {append([]string{post, "Host: x"}, many...), 431},
		"no host":                     {[]string{post}, 400},
		"a bare line break":           {[]string{post, "Host: x", "X-A: b\nX-B"}, 400},
		"a NUL in a value":            {[]string{post, "Host: x", "X-A: \x00"}, 400},
		"a blank in a name":           {[]string{post, "Host: x", "X A: b"}, 400},
		"a continued line":            {[]string{post, "Host: x", " continued: yes"}, 400},
		"two lengths":                 {[]string{post, "Host: x", "Content-Length: 2", "Content-Length: 3"}, 400},
		"a negative length":           {[]string{post, "Host: x", "Content-Length: -1"}, 400},
		"an unknown coding":           {[]string{post, "Host: x", "Transfer-Encoding: gzip, chunked"}, 501},
		"a length hidden by a coding": {[]string{post, "Host: x", "Transfer-Encoding: xchunked", "Content-Length: 2"}, 501},
		"another protocol":            {[]string{"POST /callbacks/shop HTTP/3.0", "Host: x"}, 505},
		"no HTTP":                     {[]string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			r := start(t, Options{Recorder: m}, func(s *http.Server) { s.ReadHeaderTimeout = time.Second })
			w := dial(t, r)
			io.WriteString(w, strings.Join(c.lines, "\r\n")+"\r\n\r\n") // what is refused early is not read to its end
			if got := w.status(t); got != c.status {
				t.Errorf("answered %d", got)
			}
			if len(m.kept()) != 0 {
				t.Error("kept")
			}
		})
	}
}

func TestAHeaderThatNeverEndsIsLetGo(t *testing.T) {
	t.Parallel()
	r := start(t, Options{Recorder: &memory{}}, func(s *http.Server) { s.ReadHeaderTimeout = 50 * time.Millisecond })
	w := dial(t, r)
	io.WriteString(w, post+"\r\nHost: x\r\nX-Slow: ")
	if rest, err := io.ReadAll(w); err != nil || strings.HasPrefix(string(rest), "HTTP/1.1 2") {
		t.Errorf("%q, %v", rest, err)
	}
}

// The server for the receiver leaves no limit out.
func TestServerHasEveryLimit(t *testing.T) {
	s := NewServer("127.0.0.1:0", http.NotFoundHandler(), start(t, Options{Recorder: &memory{}}).handler.log)
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 || s.ErrorLog == nil {
		t.Errorf("%+v", s)
	}
}

// A client that hangs up after the last byte does not take back what it sent.
func TestAClientThatIsGoneWasReceived(t *testing.T) {
	t.Parallel()
	arrived, gone := make(chan struct{}), make(chan struct{})
	m := &memory{}
	var ended sync.WaitGroup
	r := start(t, Options{Recorder: m}, func(s *http.Server) {
		inner := s.Handler
		ended.Add(1)
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			defer ended.Done()
			req.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(req.Body, readerFunc(func([]byte) (int, error) {
				close(arrived)
				<-gone
				return 0, io.EOF
			})), req.Body}
			req.ContentLength = -1
			inner.ServeHTTP(w, req)
		})
	})
	w := dial(t, r)
	w.write(t, "{}", post, "Host: x", length("{}"), signature("{}"))
	<-arrived
	w.Close()
	close(gone)
	ended.Wait()
	if got := m.only(t); string(got.Body) != "{}" {
		t.Errorf("kept %q", got.Body)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestSender(t *testing.T) {
	t.Parallel()
	proxies := []string{"127.0.0.1", "10.0.0.0/8", "fd00::/8", "::ffff:192.0.2.0/120"}
	for name, c := range map[string]struct {
		trusted   []string
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy":                         {nil, "203.0.113.7:1234", nil, "203.0.113.7"},
		"nobody is trusted":                {nil, "203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7"},
		"a stranger says so":               {proxies, "203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7"},
		"a proxy says so":                  {proxies, "127.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"a chain of proxies":               {proxies, "127.0.0.1:1234", []string{"198.51.100.1, 10.1.2.3", "10.9.9.9"}, "198.51.100.1"},
		"what stands left is hearsay":      {proxies, "10.1.1.1:1234", []string{"1.1.1.1, 198.51.100.1, 10.1.2.3"}, "198.51.100.1"},
		"no word that can be read":         {proxies, "10.1.1.1:1234", []string{"198.51.100.1, unknown, 10.1.2.3"}, "10.1.2.3"},
		"only proxies":                     {proxies, "10.1.1.1:1234", []string{"10.2.2.2"}, "10.2.2.2"},
		"a proxy says nothing":             {proxies, "10.1.1.1:1234", nil, "10.1.1.1"},
		"an empty word":                    {proxies, "10.1.1.1:1234", []string{""}, "10.1.1.1"},
		"with a port":                      {proxies, "10.1.1.1:1234", []string{"198.51.100.1:443"}, "198.51.100.1"},
		"IPv6":                             {proxies, "[fd00::1]:1234", []string{"2001:db8::1"}, "2001:db8::1"},
		"IPv6 in brackets":                 {proxies, "[fd00::1]:1234", []string{"[2001:db8::1]"}, "2001:db8::1"},
		"IPv6 in brackets with a port":     {proxies, "[fd00::1]:1234", []string{"[2001:db8::1]:443"}, "2001:db8::1"},
		"a zone":                           {proxies, "[fe80::1%eth0]:1234", nil, "fe80::1"},
		"IPv4 in IPv6":                     {proxies, "[::ffff:10.1.1.1]:1234", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"a range written as IPv4 in IPv6":  {proxies, "192.0.2.9:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"a unix socket":                    {proxies, "@", []string{"198.51.100.1"}, ""},
		"a script instead of an address":   {proxies, "10.1.1.1:1234", []string{"<script>"}, "10.1.1.1"},
		"a thousand addresses of a client": {proxies, "10.1.1.1:1234", []string{strings.Repeat("1.1.1.1, ", 1000) + "198.51.100.1"}, "198.51.100.1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, Options{Recorder: &memory{}, TrustedProxies: c.trusted}).handler
			req, err := http.NewRequest(http.MethodPost, "/callbacks/shop", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.RemoteAddr, req.Header["X-Forwarded-For"] = c.peer, c.forwarded
			want, _ := netip.ParseAddr(c.want)
			if got := h.sender(req); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			page := c.peer // what cannot be read stays as it is
			if want.IsValid() {
				page = netip.AddrPortFrom(want, 0).String()
			}
			h.WithSender(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.RemoteAddr != page {
					t.Errorf("pages see %s, want %s", r.RemoteAddr, page)
				}
			})).ServeHTTP(nil, req)
			if req.RemoteAddr != c.peer {
				t.Errorf("the request itself was changed: %s", req.RemoteAddr)
			}
		})
	}
}

func TestOptionsNameWhatIsWrong(t *testing.T) {
	m := &memory{}
	sources := start(t, Options{Recorder: m}).handler.sources
	for want, o := range map[string]Options{
		"recorder":                {Sources: sources},
		"sources":                 {Recorder: m},
		"RECALL_MAX_BODY":         {Recorder: m, Sources: sources, MaxBody: -1},
		"held at once":            {Recorder: m, Sources: sources, MaxInFlight: 1 << 20},
		"RECALL_RATE_PER_SOURCE":  {Recorder: m, Sources: sources, RatePerSource: -1},
		"RECALL_RATE_PER_ADDRESS": {Recorder: m, Sources: sources, RatePerAddress: math.NaN()},
		"commit":                  {Recorder: m, Sources: sources, CommitTimeout: -1},
		"RECALL_TRUSTED_PROXIES":  {Recorder: m, Sources: sources, TrustedProxies: []string{"10.0.0.0/8", "my-proxy"}},
		`"fe80::1%eth0"`:          {Recorder: m, Sources: sources, TrustedProxies: []string{"fe80::1%eth0"}},
		`"10.0.0.0/33"`:           {Recorder: m, Sources: sources, TrustedProxies: []string{"10.0.0.0/33"}},
	} {
		if _, err := NewHandler(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error %v does not name %s", err, want)
		}
	}
	if _, err := NewHandler(Options{Recorder: m, Sources: sources}); err != nil {
		t.Error(err)
	}
}
