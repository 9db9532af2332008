package receive

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
)

// lines is a listener whose connections come from where the test says.
type lines struct {
	next   chan *line
	closed chan struct{}
}

type line struct {
	net.Conn
	from string
}

func (l *line) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(l.from))
}

func (l *lines) Accept() (net.Conn, error) {
	select {
	case c := <-l.next:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *lines) Close() error   { close(l.closed); return nil }
func (l *lines) Addr() net.Addr { return nil }

func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &lines{next: make(chan *line), closed: make(chan struct{})}
		l := newListener(inner, 4, 2, func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.1") })
		accepted := make(chan net.Conn, 10)
		ended := make(chan error)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					ended <- err
					return
				}
				accepted <- c
			}
		}()
		// come connects, and tells whether it was let in (true), sent away (false), or waits.
		come := func(from string) (net.Conn, string) {
			here, there := net.Pipe()
			c := &line{Conn: there, from: from}
			select {
			case inner.next <- c:
			default:
				return nil, "waits"
			}
			synctest.Wait()
			select {
			case got := <-accepted:
				return got, "let in"
			default:
				if _, err := here.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("neither let in nor closed: %v", err)
				}
				return nil, "sent away"
			}
		}
		synctest.Wait()
		check := func(from, want string) net.Conn {
			t.Helper()
			c, got := come(from)
			if got != want {
				t.Errorf("%s: %s, want %s", from, got, want)
			}
			return c
		}
		first := check("[2001:db8::1]:1", "let in")
		second := check("[2001:db8::2]:1", "let in")
		check("[2001:db8::3]:1", "sent away")
		first.Close()
		first.Close() // gives one place back, and no more
		check("[2001:db8::3]:1", "let in")
		check("[2001:db8::4]:1", "sent away")
		check("127.0.0.1:1", "let in")
		last := check("127.0.0.1:2", "let in")
		check("127.0.0.1:3", "waits")
		last.Close()
		synctest.Wait()
		check("127.0.0.1:3", "let in")
		check("203.0.113.7:1", "waits")
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("ended with %v", err)
		}
		second.Close()
		if len(l.places) != 3 || len(l.networks) != 2 {
			t.Errorf("%d places are taken by %v", len(l.places), l.networks)
		}
	})
}
