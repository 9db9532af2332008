package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"recall/receive"
)

const (
	mostMemory  = 256 << 20 // recall's peak of resident memory, whatever comes; PostgreSQL's is not in it
	slowClients = 10_000
	slowNetwork = 3 // addresses they come from: together they may hold 3,072 of the 4,096 connections
	floods      = 64
)

// TestMemoryIsBounded has ten thousand clients that never end their request, and as many bytes of too large bodies as fit
// through the loopback, while genuine callbacks come over old and new connections. In the long form it goes on for 30 s.
func TestMemoryIsBounded(t *testing.T) {
	long := os.Getenv("RECALL_SOAK_FAULTS") != ""
	attack := 5 * time.Second
	if long {
		attack = 30 * time.Second
	}
	clients := raiseFiles(t)
	w := newWorld(t, dataDir(t), false)
	w.waitProgress(10)
	quiet := w.peakMemory()

	ctx, stop := context.WithTimeout(t.Context(), attack)
	defer stop()
	h := &hostile{target: strings.TrimPrefix(strings.TrimSuffix(w.loader.url, "/callbacks/shop"), "http://")}
	const each = 250 // connections of one goroutine
	for n := 0; n < clients; n += each {
		from := fmt.Sprintf("127.0.0.%d", 2+n/each%slowNetwork)
		h.running.Go(func() { h.slow(ctx, from, min(each, clients-n)) })
	}
	for n := range floods {
		h.running.Go(func() { h.flood(ctx, "127.0.0.9", n%2 == 0) })
	}
	fresh := startFresh(ctx, w.loader)
	before := len(w.loader.promised())
	<-ctx.Done()
	h.running.Wait()
	newcomers := <-fresh
	answered := len(w.loader.promised()) - before

	peak := w.peakMemory()
	t.Logf("%s: %d slow clients had %d connections at once, %d were turned away; %.1f GiB of too large bodies in %d requests; "+
		"%d genuine callbacks answered 2xx, %d of them over a new connection; peak of resident memory %d MiB, %d MiB before",
		attack, clients, h.most.Load(), h.refused.Load(), float64(h.bytes.Load())/(1<<30), h.floods.Load(),
		answered, newcomers, peak>>20, quiet>>20)
	if peak > mostMemory {
		t.Errorf("recall took %d MiB of memory, more than %d MiB", peak>>20, mostMemory>>20)
	}
	if h.most.Load() < 1000 || h.floods.Load() == 0 {
		t.Errorf("the attack was none: %d connections, %d floods", h.most.Load(), h.floods.Load())
	}
	if answered == 0 || newcomers == 0 {
		t.Errorf("%d genuine callbacks were answered 2xx during the attack, %d over new connections", answered, newcomers)
	}
	promised := w.loader.promised() // it goes on sending
	w.waitFor("every genuine callback answered 2xx is in the database", func() bool {
		stored, err := w.stored()
		for id, hash := range promised {
			if stored[id] != hash {
				return false
			}
		}
		return err == nil
	})
}

// raiseFiles lets this process and its children open as many files as the system allows, and returns how many clients that
// is enough for.
func raiseFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max >= slowClients+1000 {
		return slowClients
	}
	t.Logf("this system lets a process open %d files: fewer clients", limit.Max)
	return max(1500, int(limit.Max)-1000)
}

// hostile is everybody who means harm.
type hostile struct {
	target  string // host and port
	running sync.WaitGroup

	open, most atomic.Int64 // connections of slow clients, now and at most
	refused    atomic.Int64
	floods     atomic.Int64 // requests
	bytes      atomic.Int64 // of them that were taken off us
}

func (h *hostile) dial(ctx context.Context, from string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Second}
	return dialer.DialContext(ctx, "tcp", h.target)
}

// slow keeps some connections open with requests that never end, and opens those anew that are closed. Half of them are in
// the middle of a large header, half in a body.
func (h *hostile) slow(ctx context.Context, from string, n int) {
	header := "POST /callbacks/shop HTTP/1.1\r\nHost: recall\r\n"
	starts := []string{
		header + "X-Slow: " + strings.Repeat("x", receive.MaxHeaderBytes-1<<10),
		header + "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 2<<10),
	}
	conns := make([]net.Conn, n)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
				h.open.Add(-1)
			}
		}
	}()
	for ctx.Err() == nil {
		for i, c := range conns {
			text := "x"
			if c == nil {
				var err error
				if c, err = h.dial(ctx, from); err != nil {
					continue
				}
				conns[i], text = c, starts[i%2]
				h.grew()
			}
			c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := io.WriteString(c, text); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) || turnedAway(c) {
				c.Close()
				conns[i] = nil
				h.open.Add(-1)
				h.refused.Add(1)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (h *hostile) grew() {
	now := h.open.Add(1)
	for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
	}
}

// turnedAway looks whether the other side has closed.
func turnedAway(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(100 * time.Microsecond))
	_, err := c.Read(make([]byte, 256))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// flood sends one body after another that is far too large, announced as 1 GiB or in chunks that never end.
func (h *hostile) flood(ctx context.Context, from string, announced bool) {
	start, piece := "Transfer-Encoding: chunked\r\n\r\n", "10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n"
	if announced {
		start, piece = "Content-Length: 1073741824\r\n\r\n", strings.Repeat("x", 1<<16)
	}
	for ctx.Err() == nil {
		c, err := h.dial(ctx, from)
		if err != nil {
			continue
		}
		h.floods.Add(1)
		c.SetDeadline(time.Now().Add(5 * time.Second))
		_, err = io.WriteString(c, "POST /callbacks/shop HTTP/1.1\r\nHost: recall\r\n"+start)
		for err == nil && ctx.Err() == nil {
			var n int
			n, err = io.WriteString(c, piece)
			h.bytes.Add(int64(n))
		}
		c.Close()
	}
}

// startFresh sends callbacks over a new connection each until ctx ends, and then tells how many were answered 2xx.
func startFresh(ctx context.Context, l *loader) <-chan int {
	done := make(chan int, 1)
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		n := 0
		for ctx.Err() == nil {
			if l.send(client) {
				n++
			}
		}
		done <- n
	}()
	return done
}

// peakMemory is the most resident memory that recall has had.
func (w *world) peakMemory() int64 {
	w.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.serve.Process.Pid))
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, "VmHWM:"); is {
			n, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return n << 10
		}
	}
	w.t.Fatal("the system does not tell a process's peak of memory")
	return 0
}
