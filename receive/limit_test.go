package receive

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"recall/plenigo"
	"recall/store"
)

func TestLimiter(t *testing.T) {
	now := signedNow
	l := newLimiter[string](2)
	passed := func(key string, n int) (passed int) {
		for range n {
			if l.wait(key, now) == 0 {
				passed++
			}
		}
		return passed
	}
	check := func(name string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d passed, want %d", name, got, want)
		}
	}
	check("ten seconds' worth at once", passed("a", 100), 20)
	check("another has its own", passed("b", 5), 5)
	if wait := l.wait("a", now); wait != 500*time.Millisecond {
		t.Errorf("wait for %s", wait)
	}
	now = now.Add(500 * time.Millisecond)
	check("after the wait", passed("a", 100), 1)
	now = now.Add(3 * time.Second)
	check("three seconds later", passed("a", 100), 6)
	now = now.Add(time.Hour)
	check("an hour later", passed("a", 100), 20)
	now = now.Add(-time.Hour)
	check("the clock is set back", passed("a", 100), 0)
	now = now.Add(500 * time.Millisecond)
	check("and goes on from there", passed("a", 100), 0)

	l = newLimiter[string](0.01)
	check("a slow rate", passed("a", 10), 1)
	now = now.Add(99 * time.Second)
	check("not yet", passed("a", 10), 0)
	now = now.Add(time.Second)
	check("once in a hundred seconds", passed("a", 10), 1)

	l = nil
	check("no limit", passed("a", 1000), 1000)
}

func TestALimitersTableIsBounded(t *testing.T) {
	now := signedNow
	l := newLimiter[int](1)
	for key := range 3 * maxKeys {
		if l.wait(key, now) != 0 {
			t.Fatalf("%d may not pass", key)
		}
		if len(l.next) > maxKeys {
			t.Fatalf("%d keys are remembered", len(l.next))
		}
	}
	for range 9 {
		l.wait(-1, now)
	}
	now = now.Add(5 * time.Second) // the others tell nothing any more
	l.wait(3*maxKeys, now)
	if len(l.next) != 2 {
		t.Errorf("%d keys are remembered", len(l.next))
	}
	if _, known := l.next[-1]; !known {
		t.Error("one that still counts was forgotten")
	}
}

func TestNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.7": "203.0.113.7/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "::1": "::/64",
	} {
		if got := network(netip.MustParseAddr(text)); got.String() != want {
			t.Errorf("%s is of %s, want %s", text, got, want)
		}
	}
	if got := network(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("nobody is of %s", got)
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	other := shop(func(s *store.Source) { s.ID, s.Slug = 2, "other" })
	sources := store.NewLive([]*store.Source{shop(), other}, nil)
	for name, c := range map[string]struct {
		o     Options
		other int // what another source of the same sender is answered
		from  int // what another sender to the same source is answered
	}{
		"of a source":  {Options{RatePerSource: 0.1}, 200, 429},
		"of a sender":  {Options{RatePerAddress: 0.1}, 429, 200},
		"of neither":   {Options{}, 200, 200},
		"high enough":  {Options{RatePerAddress: 100, RatePerSource: 100}, 200, 200},
		"of both ends": {Options{RatePerAddress: 0.1, RatePerSource: 0.1}, 429, 429},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &memory{}
			o := c.o
			o.Recorder, o.Sources, o.TrustedProxies = m, sources, []string{"127.0.0.1"}
			r := start(t, o)
			ask := func(path, from string) reply {
				return send(t, r, callback(t, r, []byte("{}"), func(req *http.Request) {
					req.URL.Path = path
					req.Header.Set("X-Forwarded-For", from)
				}))
			}
			if got := ask("/callbacks/shop", "203.0.113.7"); got.status != 200 {
				t.Errorf("the first: answered %d", got.status)
			}
			got := ask("/callbacks/shop", "203.0.113.7")
			if limited := c.other == 429 || c.from == 429; limited != (got.status == 429) {
				t.Errorf("the second: answered %d", got.status)
			} else if limited && (got.Error != "rate_limited" || got.Event != nil || got.header.Get("Retry-After") != "10") {
				t.Errorf("answered %+v with %v", got.answer, got.header)
			}
			if got := ask("/callbacks/other", "203.0.113.7"); got.status != c.other {
				t.Errorf("another source: answered %d", got.status)
			}
			if got := ask("/callbacks/shop", "203.0.113.8"); got.status != c.from {
				t.Errorf("another sender: answered %d", got.status)
			}
		})
	}
}

func pack(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A packed body is verified and kept as it came; only its envelope is read from what is in it, within bounds.
func TestPackedBodies(t *testing.T) {
	t.Parallel()
	const plain = `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"7"}`
	good := pack(t, []byte(plain))
	read := plenigo.Read([]byte(plain))
	var noise strings.Builder // does not pack well
	for noise.Len() < 20_000 {
		noise.WriteString(plain[noise.Len()%50:])
	}
	for name, c := range map[string]struct {
		body     []byte
		encoding []string
		read     bool
	}{
		"packed":                             {good, []string{"gzip"}, true},
		"in capitals":                        {good, []string{"GZIP"}, true},
		"by its old name":                    {good, []string{"x-gzip"}, true},
		"in two parts":                       {append(pack(t, []byte(plain[:9])), pack(t, []byte(plain[9:]))...), []string{"gzip"}, true},
		"not packed":                         {[]byte(plain), nil, true},
		"only said to be":                    {[]byte(plain), []string{"gzip"}, false},
		"cut off":                            {good[:len(good)-5], []string{"gzip"}, false},
		"damaged":                            {append([]byte{}, append(good[:len(good)-4:len(good)-4], 1, 2, 3, 4)...), []string{"gzip"}, false},
		"with rubbish":                       {append(bytes.Clone(good), "rubbish"...), []string{"gzip"}, false},
		"empty":                              {nil, []string{"gzip"}, false},
		"another coding":                     {good, []string{"br"}, false},
		"twice":                              {pack(t, good), []string{"gzip, gzip"}, false},
		"named twice":                        {good, []string{"gzip", "gzip"}, false},
		"a bomb":                             {pack(t, append([]byte(plain), bytes.Repeat([]byte(" "), 15_000)...)), []string{"gzip"}, false},
		"larger than a body may be in clear": {pack(t, append([]byte(plain), noise.String()...)), []string{"gzip"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{}
			r := start(t, Options{Recorder: m, MaxBody: 16 << 10})
			got := send(t, r, callback(t, r, c.body, func(req *http.Request) { req.Header["Content-Encoding"] = c.encoding }))
			e := m.only(t)
			if got.status != 200 || !bytes.Equal(e.Body, c.body) {
				t.Errorf("answered %d %+v, %d bytes are kept", got.status, got.answer, len(e.Body))
			}
			if gotID := e.Envelope.EntityID; (gotID == read.EntityID) != c.read || e.Envelope.IsJSON != c.read {
				t.Errorf("read as %+v", e.Envelope)
			}
		})
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	away := func(context.Context) error { return errAway }
	there := func(context.Context) error { return nil }
	full := openSpool(t, SpoolOptions{MaxBytes: 4096})
	put(t, full, an("x"))
	empty := openSpool(t, SpoolOptions{})
	for name, c := range map[string]struct {
		o    Options
		want []error
	}{
		"a database":                      {Options{Ping: there}, nil},
		"no database":                     {Options{Ping: away}, []error{errAway}},
		"no database, a spool":            {Options{Ping: away, Spool: empty}, nil},
		"no database, a full spool":       {Options{Ping: away, Spool: full}, []error{errAway, errSpoolFull}},
		"a database, a full spool":        {Options{Ping: there, Spool: full}, nil},
		"nobody who could ask a database": {Options{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Recorder = &memory{}
			h := start(t, c.o).handler
			err := h.Ready(t.Context())
			if (err != nil) != (len(c.want) > 0) {
				t.Errorf("got %v", err)
			}
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v in it", err, want)
				}
			}
			if err := h.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := h.Ready(t.Context()); !errors.Is(err, errStopping) {
				t.Errorf("closed: %v", err)
			}
		})
	}
}

// Genuine callbacks get through while many others send forgeries, slowly or fast.
func TestGenuineCallbacksGetThrough(t *testing.T) {
	t.Parallel()
	m := &memory{}
	r := start(t, Options{Recorder: m, MaxInFlight: 4 << 20, TrustedProxies: []string{"127.0.0.1"}})
	var slow []*wire
	for i := range 40 { // one sender takes all the room that it may
		w := dial(t, r)
		w.write(t, strings.Repeat("a", 60<<10), post, "Host: x", "X-Forwarded-For: 203.0.113.7", "Content-Length: 1048576", "X-Number: "+itoa(i))
		slow = append(slow, w)
	}
	for taken := true; taken; { // until it has
		r.handler.rooms.mu.Lock()
		own := r.handler.rooms.networks[netip.MustParsePrefix("203.0.113.7/32")]
		r.handler.rooms.mu.Unlock()
		if taken = own == nil || own.TryAcquire(64<<10); taken && own != nil {
			own.Release(64 << 10)
		}
		time.Sleep(time.Millisecond)
	}
	for i := range 100 {
		body := []byte(`{"n":` + itoa(i) + `}`)
		if got := send(t, r, callback(t, r, body)); got.status != 200 {
			t.Fatalf("number %d: answered %d %+v", i, got.status, got.answer)
		}
	}
	for _, w := range slow {
		w.Close()
	}
	if len(m.kept()) != 100 {
		t.Errorf("%d kept", len(m.kept()))
	}
}
