package dispatch

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"recall/store"
)

// TestProxy: what goes through a proxy is judged before it is asked, as far as it can be told from here, and nothing that is
// written down names the proxy.
func TestProxy(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(200))
	dns := newNameServer(t)
	dns.answer("inside.example", "10.0.0.1")
	dns.answer("both.example", "1.1.1.1", "169.254.169.254")
	dns.answer("outside.example", "1.1.1.1")
	proxy := newReceiver(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			rw.WriteHeader(http.StatusForbidden)
		}
	})
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	at.User = url.UserPassword("recall", "s3cret")
	gone := httptest.NewServer(nil)
	gone.Close()
	o := w.options(to.URL)
	o.resolver = dns.resolver()
	o.Proxy = func(u *url.URL) (*url.URL, error) {
		switch u.Hostname() {
		case "127.0.0.1":
			return nil, nil // as NO_PROXY has it
		case "gone.example":
			return url.Parse(strings.Replace(gone.URL, "//", "//recall:s3cret@", 1))
		case "wrong.example":
			return nil, &url.Error{Op: "parse", URL: "http://recall:s3cret@", Err: http.ErrNotSupported}
		}
		return at, nil
	}
	d := w.start(o)
	asked := 0
	for _, c := range []struct {
		url, want string // what the attempt says; "": it succeeds
		asked     int    // requests to the proxy
	}{
		{"http://outside.example/in", "", 1},
		{"http://known-to-the-proxy.example/in", "", 1},
		{"http://1.1.1.1/in", "", 1},
		{to.URL, "", 0},
		{"http://10.0.0.1:8000/in", "not sent: 10.0.0.1:8000 is a private address", 0},
		{"http://[::ffff:7f00:1]/in", "not sent: 127.0.0.1:80 is a loopback address", 0},
		{"http://inside.example/in", "not sent: 10.0.0.1:80 is a private address", 0},
		{"https://both.example/in", "not sent: 169.254.169.254:443 is a cloud's metadata address", 0},
		{"https://outside.example/in", "not sent: the proxy of the environment (RECALL_EGRESS_PROXY) did not let it through: it answered 403", 1},
		{"https://gone.example/in", "not sent: the proxy of the environment (RECALL_EGRESS_PROXY) cannot be reached", 0},
		{"http://gone.example/in", "not sent: the proxy of the environment (RECALL_EGRESS_PROXY) cannot be reached", 0},
		{"http://wrong.example/in", "not sent: the proxy that the environment names cannot be read", 0},
	} {
		destination := w.destination("crm", c.url, once)
		state := store.DeliverySucceeded
		if c.want != "" {
			state = store.DeliveryExhausted
		}
		got := w.reach(w.redispatch(d, "crm"), state)
		asked += c.asked
		if !strings.HasPrefix(got.LastError, c.want) || (c.want == "") != (got.LastError == "") || len(proxy.requests()) != asked {
			t.Errorf("%s: %q, the proxy was asked %d times; want %q, %d", c.url, got.LastError, len(proxy.requests()), c.want, asked)
		}
		if err := w.db.RemoveDestination(t.Context(), destination.Name); err != nil {
			t.Fatal(err)
		}
	}
	if first := proxy.requests()[0]; first.url != "http://outside.example/in" || first.body != creation {
		t.Errorf("the proxy got %+v", first)
	}
	if strings.Contains(w.log.String(), "s3cret") {
		t.Error("the log names the proxy's password")
	}
}

// TestEgressRanges: each range is refused from its first address to its last, and the one before and the one after
// it are judged by another range, or let through.
func TestEgressRanges(t *testing.T) {
	guard := newEgress(nil, nil)
	seen := map[netip.Prefix]bool{}
	for i, r := range refused {
		if r.prefix != r.prefix.Masked() || seen[r.prefix] {
			t.Errorf("%s is no range, or there twice", r.prefix)
		}
		seen[r.prefix] = true
		last := lastOf(r.prefix)
		for _, addr := range []netip.Addr{r.prefix.Addr(), last} {
			if guard.allowed(netip.AddrPortFrom(addr, 443)) == nil {
				t.Errorf("%s of %s is let through", addr, r.prefix)
			}
		}
		for _, beside := range []netip.Addr{r.prefix.Addr().Prev(), last.Next()} {
			err, refusal := guard.allowed(netip.AddrPortFrom(beside, 443)), (*egressError)(nil)
			if beside.IsValid() && err != nil && errors.As(err, &refusal) && refusal.rule == r {
				t.Errorf("%s is refused as %s, and lies beside it", beside, r.prefix)
			}
		}
		for _, wider := range refused[:i] {
			if wider.prefix.Overlaps(r.prefix) && wider.prefix.Bits() <= r.prefix.Bits() {
				t.Errorf("%s is never named: %s comes before it", r.prefix, wider.prefix)
			}
		}
	}
}

// lastOf is a range's last address.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}
