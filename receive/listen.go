package receive

import (
	"net"
	"net/netip"
	"sync"
)

// Bounds of connections. Each costs about 20 KiB, whether or not anything comes over it.
const (
	MaxConnections        = 4096
	MaxNetworkConnections = 1024 // of one network that is no trusted proxy
)

// Listener bounds the connections of the receiver's listener. When there are too many of all, new ones wait until others
// end; when there are too many of one network, its new ones are closed, so that it leaves room for others.
func (h *Handler) Listener(l net.Listener) net.Listener {
	listener := newListener(l, MaxConnections, MaxNetworkConnections, h.trusts)
	listener.refused = func() { h.meter.Refused(LimitConnections) }
	return listener
}

// AdminListener bounds those of the admin listener in the same way; what it closes is no callback, and counts as none.
func (h *Handler) AdminListener(l net.Listener) net.Listener {
	return newListener(l, MaxConnections, MaxNetworkConnections, h.trusts)
}

func newListener(l net.Listener, all, own int, trusts func(netip.Addr) bool) *listener {
	return &listener{
		Listener: l, places: make(chan struct{}, all), own: own, trusts: trusts,
		refused: func() {}, closed: make(chan struct{}), networks: map[netip.Prefix]int{},
	}
}

type listener struct {
	net.Listener
	places  chan struct{} // one for each connection
	own     int
	trusts  func(netip.Addr) bool
	refused func() // tells of a connection that was closed
	close   sync.Once
	closed  chan struct{}

	mu       sync.Mutex
	networks map[netip.Prefix]int // connections of each
}

// Accept waits for a place, and then for a connection that may take it.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			<-l.places
			return nil, err
		}
		addr, _ := parseHop(conn.RemoteAddr().String())
		if c, ok := l.admit(conn, addr); ok {
			return c, nil
		}
		l.refused()
		conn.Close()
	}
}

func (l *listener) admit(conn net.Conn, addr netip.Addr) (net.Conn, bool) {
	of := network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.networks[of] >= l.own && !l.trusts(addr) {
		return nil, false
	}
	l.networks[of]++
	return &connection{Conn: conn, leave: sync.OnceFunc(func() { l.leave(of) })}, true
}

func (l *listener) leave(of netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.networks[of]--; l.networks[of] == 0 {
		delete(l.networks, of)
	}
	<-l.places
}

// Close also ends an Accept that waits for a place.
func (l *listener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// connection gives its place back when it is closed.
type connection struct {
	net.Conn
	leave func()
}

func (c *connection) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// CloseWrite is what net/http asks for where it has answered before it has read everything: the answer gets through then.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
