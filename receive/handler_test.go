package receive

import (
	"bytes"
	"crypto/sha256"
	"io"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"recall/plenigo"
	"recall/verify"
)

func TestEverySampleIsStored(t *testing.T) {
	t.Parallel()
	db, live := newStore(t)
	r := start(t, Options{Recorder: db, Sources: live})
	for _, sample := range plenigo.Samples() {
		t.Run(sample.Name, func(t *testing.T) {
			req := callback(t, r, sample.Body, func(req *http.Request) {
				req.Header.Set(plenigo.HeaderAPIVersion, "20240827")
				req.Header.Set("User-Agent", "go-resty/2.15.3 (https://github.com/go-resty/resty)")
				req.Header["X-Shop"] = []string{"one", "", "two"}
			})
			got := send(t, r, req)
			if got.status != http.StatusOK || got.Verdict != verify.Verified || got.Reason != "" || got.Event == nil {
				t.Fatalf("answered %d %+v", got.status, got.answer)
			}
			e, err := db.FindEvent(t.Context(), *got.Event)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(e.Body, sample.Body) || e.BodySHA256 != sha256.Sum256(sample.Body) || e.Size != int64(len(sample.Body)) {
				t.Errorf("the body is not what was sent: %q", e.Body)
			}
			want := req.Header.Clone()
			want["Host"] = []string{r.Listener.Addr().String()}
			want["Accept-Encoding"] = []string{"gzip"} // net/http's client adds these two
			want["Content-Length"] = []string{itoa(len(sample.Body))}
			if !reflect.DeepEqual(e.Header, want) {
				t.Errorf("the header is %v, want %v", e.Header, want)
			}
			envelope := plenigo.Read(sample.Body)
			envelope.Customers = nil // asked for below
			gotEnvelope := e.Envelope
			gotEnvelope.Customers, gotEnvelope.ChangedAt = nil, gotEnvelope.ChangedAt.UTC()
			if !reflect.DeepEqual(gotEnvelope, envelope) || len(e.Envelope.Customers) != len(plenigo.Read(sample.Body).Customers) {
				t.Errorf("the envelope is %+v, want %+v", e.Envelope, plenigo.Read(sample.Body))
			}
			if !e.ReceivedAt().Equal(signedNow) || e.APIVersion != "20240827" || e.Answered != http.StatusOK || e.Arrival != 1 ||
				e.Sender != netip.MustParseAddr("127.0.0.1") || e.Verification.Secret != "current" {
				t.Errorf("kept as %+v", e)
			}
		})
	}
}

func TestHeadersAreKeptAsTheyCame(t *testing.T) {
	t.Parallel()
	db, live := newStore(t)
	r := start(t, Options{Recorder: db, Sources: live})
	const body = `{"entityType":"CUSTOMER"}`
	w := dial(t, r)
	w.write(t, body,
		"POST /callbacks/shop HTTP/1.1", "host: Shop.Example:8080", "x-many: first", "X-MANY: ", "x-Many: \tthird, with commas  ",
		"x-bytes: \xff\xfe\x80", "x-script: <script>alert(1)</script>\"'&", "x-tab: a\tb", "x_under: kept", "authorization: Basic cDpx",
		"php-auth-user: p", "Connection: keep-alive", length(body), signature(body))
	got := w.read(t)
	if got.status != http.StatusOK {
		t.Fatalf("answered %d %+v", got.status, got.answer)
	}
	e, err := db.FindEvent(t.Context(), *got.Event)
	if err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Host": {"Shop.Example:8080"}, "X-Many": {"first", "", "third, with commas"}, "X-Bytes": {"\xff\xfe\x80"},
		"X-Script": {"<script>alert(1)</script>\"'&"}, "X-Tab": {"a\tb"}, "X_under": {"kept"}, "Authorization": {"Basic cDpx"},
		"Php-Auth-User": {"p"}, "Connection": {"keep-alive"}, "Content-Length": {itoa(len(body))},
		"Plenigo-Signature": {verify.Sign(secret, signedNow, []byte(body))},
	}
	if !reflect.DeepEqual(e.Header, want) {
		t.Errorf("the header is %q, want %q", e.Header, want)
	}
}

func TestAnyBytesAreKept(t *testing.T) {
	t.Parallel()
	db, live := newStore(t)
	r := start(t, Options{Recorder: db, Sources: live})
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	for name, c := range map[string]struct {
		body        []byte
		contentType string
		isJSON      bool
	}{
		"empty":               {nil, "application/json", false},
		"NUL":                 {[]byte("\x00"), "application/json", false},
		"every byte":          {everyByte, "application/octet-stream", false},
		"invalid UTF-8":       {[]byte("{\"entityType\":\"A\xff\xc3\"}"), "application/json; charset=utf-8", true},
		"escaped NUL":         {[]byte(`{"entityType":"A\u0000B","entityId":"\u0000"}`), "", true},
		"a form":              {[]byte("a=1&b=%zz&c;d"), "application/x-www-form-urlencoded", false},
		"a broken multipart":  {[]byte("--x\r\n\r\n"), "multipart/form-data; boundary=x", false},
		"a mebibyte of [":     {bytes.Repeat([]byte("["), 1<<20), "application/json", false},
		"script":              {[]byte(`{"entityType":"<script>alert(1)</script>","entityId":"\"><img src=x onerror=alert(1)>"}`), "text/html", true},
		"UTF-16":              {[]byte("\xff\xfe{\x00}\x00"), "application/json; charset=utf-16", false},
		"a far larger number": {[]byte(`{"entityId":` + strings.Repeat("9", 1000) + `}`), "application/json", true},
		"a broken type":       {[]byte("{}"), "text/;;;=\"", true},
	} {
		t.Run(name, func(t *testing.T) {
			got := send(t, r, callback(t, r, c.body, func(req *http.Request) {
				req.Header.Set("Content-Type", c.contentType)
				if c.contentType == "" {
					req.Header.Del("Content-Type")
				}
			}))
			if got.status != http.StatusOK || got.Verdict != verify.Verified {
				t.Fatalf("answered %d %+v", got.status, got.answer)
			}
			e, err := db.FindEvent(t.Context(), *got.Event)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(e.Body, c.body) || e.Size != int64(len(c.body)) || e.Header.Get("Content-Type") != c.contentType {
				t.Errorf("%d bytes of %q are kept, want %d of %q", len(e.Body), e.Header.Get("Content-Type"), len(c.body), c.contentType)
			}
			if e.Envelope.IsJSON != c.isJSON {
				t.Errorf("JSON: %t", e.Envelope.IsJSON)
			}
		})
	}
}

func TestWhatIsNoCallback(t *testing.T) {
	t.Parallel()
	m := &memory{}
	r := start(t, Options{Recorder: m})
	for name, c := range map[string]struct {
		method, path string
		status       int
		code         string
	}{
		"the root":                 {"POST", "/", 404, "not_found"},
		"another path":             {"POST", "/callback/shop", 404, "not_found"},
		"no source":                {"POST", "/callbacks/", 404, "not_found"},
		"no slash":                 {"POST", "/callbacks", 404, "not_found"},
		"a slash behind":           {"POST", "/callbacks/shop/", 404, "not_found"},
		"two slashes before":       {"POST", "//callbacks/shop", 404, "not_found"},
		"two slashes between":      {"POST", "/callbacks//shop", 404, "not_found"},
		"a slash in the name":      {"POST", "/callbacks/a%2Fshop", 404, "not_found"},
		"dots":                     {"POST", "/callbacks/../callbacks/shop", 404, "not_found"},
		"another case":             {"POST", "/Callbacks/shop", 404, "not_found"},
		"an unknown source":        {"POST", "/callbacks/chop", 404, "unknown_source"},
		"a source in another case": {"POST", "/callbacks/Shop", 404, "unknown_source"},
		"a hostile name":           {"POST", "/callbacks/%00%ff<script>", 404, "unknown_source"},
		"a look at it":             {"GET", "/callbacks/shop", 405, "method_not_allowed"},
		"PUT":                      {"PUT", "/callbacks/shop", 405, "method_not_allowed"},
		"OPTIONS":                  {"OPTIONS", "/callbacks/shop", 405, "method_not_allowed"},
		"a method in lower case":   {"post", "/callbacks/shop", 405, "method_not_allowed"},
		"a look at what is not":    {"GET", "/callbacks/chop", 404, "unknown_source"},
	} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, r)
			w.write(t, "", c.method+" "+c.path+" HTTP/1.1", "Host: x", "Content-Length: 0")
			got := w.read(t)
			if got.status != c.status || got.Error != c.code || got.Message == "" || got.Event != nil || got.Verdict != "" {
				t.Errorf("answered %d %+v, want %d %s", got.status, got.answer, c.status, c.code)
			}
			if allow := got.header.Get("Allow"); (c.status == 405) != (allow == "POST") {
				t.Errorf("Allow: %q", allow)
			}
			if got.header.Get("Location") != "" {
				t.Error("redirected")
			}
		})
	}
	if kept := m.kept(); len(kept) != 0 {
		t.Errorf("%d events were made of them", len(kept))
	}
}

func TestTheSourceIsFoundHoweverTheURLIsWritten(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]string{
		"plain":          "/callbacks/shop",
		"absolute":       "http://receiver.example/callbacks/shop",
		"with a query":   "/callbacks/shop?utm=1&%zz",
		"percent-signed": "/callbacks/s%68op",
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			r := start(t, Options{Recorder: m})
			w := dial(t, r)
			w.write(t, "{}", "POST "+target+" HTTP/1.1", "Host: front.example", length("{}"), signature("{}"))
			if got := w.read(t); got.status != 200 {
				t.Fatalf("answered %d %+v", got.status, got.answer)
			}
			host := "front.example"
			if name == "absolute" {
				host = "receiver.example" // RFC 9112 §3.2.2: the header is ignored
			}
			if got := m.only(t).Header["Host"]; !reflect.DeepEqual(got, []string{host}) {
				t.Errorf("Host: %q", got)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	const limit = 1000
	for name, c := range map[string]struct {
		declared bool
		sent     int
		status   int
		size     int64
	}{
		"declared, at the limit":  {true, limit, 200, limit},
		"declared, past it":       {true, limit + 1, 413, limit + 1},
		"declared, far past it":   {true, 1 << 20, 413, 1 << 20},
		"in chunks, at the limit": {false, limit, 200, limit},
		"in chunks, past it":      {false, limit + 1, 413, limit},
		"in chunks, far past it":  {false, 1 << 20, 413, limit},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			r := start(t, Options{Recorder: m, MaxBody: limit})
			body := bytes.Repeat([]byte("a"), c.sent)
			got := send(t, r, callback(t, r, body, func(req *http.Request) {
				if !c.declared {
					req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
				}
				req.Header.Set("X-Kept", "yes")
			}))
			e := m.only(t)
			if got.status != c.status || *got.Event != e.ID || e.Answered != c.status {
				t.Fatalf("answered %d %+v, kept as answered %d", got.status, got.answer, e.Answered)
			}
			if e.Size != c.size || e.Header.Get("X-Kept") != "yes" {
				t.Errorf("size %d, header %v", e.Size, e.Header)
			}
			if c.status == 200 {
				if !bytes.Equal(e.Body, body) || !e.Verification.Accepted() {
					t.Errorf("kept %d bytes as %+v", len(e.Body), e.Verification)
				}
				return
			}
			if len(e.Body) != 0 || e.BodySHA256 != sha256.Sum256(nil) || e.Verification.Reason != verify.ReasonBodyTooLarge || got.Reason != verify.ReasonBodyTooLarge {
				t.Errorf("kept %d bytes as %+v, answered %+v", len(e.Body), e.Verification, got.answer)
			}
			if !strings.Contains(got.Message, "1000 bytes") || !got.closes {
				t.Errorf("answered %+v, and the connection ends: %t", got.answer, got.closes)
			}
		})
	}
}

func TestRepeatsAreAnsweredAndLinked(t *testing.T) {
	t.Parallel()
	db, live := newStore(t)
	now := signedNow
	r := start(t, Options{Recorder: db, Sources: live, Now: func() time.Time { return now }})
	body := []byte(`{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"7"}`)
	first := send(t, r, callback(t, r, body))
	for i, after := range []time.Duration{time.Hour, 7 * time.Hour, 31 * time.Hour} { // plenigo's retries
		now = signedNow.Add(after)
		got := send(t, r, callback(t, r, body))
		if got.status != 200 || got.Verdict != verify.Late {
			t.Fatalf("repeat after %s: answered %d %+v", after, got.status, got.answer)
		}
		e, err := db.FindEvent(t.Context(), *got.Event)
		if err != nil {
			t.Fatal(err)
		}
		if e.RepeatOf != *first.Event || e.Arrival != i+2 {
			t.Errorf("repeat after %s: arrival %d of %s, want %d of %s", after, e.Arrival, e.RepeatOf, i+2, first.Event)
		}
	}
	r.close()
	if n := strings.Count(r.log.String(), `"repeat_of":"`+first.Event.String()); n != 3 {
		t.Errorf("%d log lines tell of the repeats:\n%s", n, r.log)
	}
}
