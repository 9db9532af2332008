package dispatch

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
)

// newClient makes the one client for all destinations. It follows no redirect, believes no certificate that the machine does
// not, and connects to nothing that the guard refuses.
func newClient(o Options) *http.Client {
	guard := newEgress(o.EgressAllow, o.AllowAddr)
	dialer := &net.Dialer{Timeout: connectWait, Resolver: o.resolver, ControlContext: guard.control}
	direct := &http.Transport{
		Proxy:                  nil, // what the environment says would lead past the guard
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.roots},
		TLSHandshakeTimeout:    connectWait,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // the answer is kept as it came
		MaxIdleConns:           cmp.Or(o.Workers, 1),
		MaxIdleConnsPerHost:    cmp.Or(o.Workers, 1),
		IdleConnTimeout:        idleWait,
		MaxResponseHeaderBytes: maxAnswerHeader,
	}
	client := &http.Client{
		Transport:     direct,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if o.Proxy != nil {
		client.Transport = newProxied(direct, guard, o)
	}
	return client
}

// proxied sends through a proxy what the environment wants sent so, where RECALL_EGRESS_PROXY asks for it, and everything
// else directly.
//
// The proxy makes the connection and resolves the name, so the guard cannot look at the address that is dialled. It looks
// at what the URL says, and at what its name means on this machine, where it means anything here; the rest is the proxy's
// to refuse. The proxy itself may have any address.
type proxied struct {
	direct   *http.Transport
	through  *http.Transport
	guard    egress
	resolver *net.Resolver
	proxy    func(*url.URL) (*url.URL, error)
}

func newProxied(direct *http.Transport, guard egress, o Options) *proxied {
	p := &proxied{direct: direct, through: direct.Clone(), guard: guard, resolver: o.resolver, proxy: o.Proxy}
	if p.resolver == nil {
		p.resolver = net.DefaultResolver
	}
	p.through.DialContext = (&net.Dialer{Timeout: connectWait, Resolver: o.resolver}).DialContext // only ever the proxy
	p.through.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
		if answer.StatusCode != http.StatusOK {
			return &proxyError{answer.StatusCode}
		}
		return nil
	}
	p.through.Proxy = func(r *http.Request) (*url.URL, error) { return o.Proxy(r.URL) }
	return p
}

// proxyError: the proxy did not let a request through.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy of the environment (RECALL_EGRESS_PROXY) did not let it through: it answered %d", e.status)
}

// errProxy: what the environment says of proxies cannot be read.
var errProxy = errors.New("the proxy that the environment names cannot be read: set HTTP_PROXY and HTTPS_PROXY right, or RECALL_EGRESS_PROXY to off")

// proxyWords says what went wrong with the proxy, without its address, which may hold a password.
func proxyWords(err error) string {
	var refused *proxyError
	var op *net.OpError
	switch {
	case errors.As(err, &refused):
		return "not sent: " + refused.Error()
	case errors.Is(err, errProxy):
		return "not sent: " + errProxy.Error()
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "not sent: the proxy of the environment (RECALL_EGRESS_PROXY) cannot be reached"
	}
	return ""
}

func (p *proxied) RoundTrip(r *http.Request) (*http.Response, error) {
	by, err := p.proxy(r.URL)
	if err != nil {
		return nil, errProxy // its words may hold the proxy's password
	}
	if by == nil {
		return p.direct.RoundTrip(r)
	}
	if err := p.check(r.Context(), r.URL); err != nil {
		return nil, err
	}
	return p.through.RoundTrip(r)
}

// check judges where a URL leads to, as far as it can be told from here.
func (p *proxied) check(ctx context.Context, u *url.URL) error {
	port := uint64(80)
	if u.Scheme == "https" {
		port = 443
	}
	if text := u.Port(); text != "" {
		port, _ = strconv.ParseUint(text, 10, 16) // checked when it was set
	}
	addrs, err := p.resolver.LookupNetIP(ctx, "ip", u.Hostname()) // an address is its own answer
	if err != nil {
		return nil // the proxy may know the name
	}
	for _, addr := range addrs {
		if err := p.guard.allowed(netip.AddrPortFrom(addr, uint16(port))); err != nil {
			return err
		}
	}
	return nil
}

// CloseIdleConnections is asked for by http.Client.
func (p *proxied) CloseIdleConnections() {
	p.direct.CloseIdleConnections()
	p.through.CloseIdleConnections()
}
