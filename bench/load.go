package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"recall/plenigo"
	"recall/verify"
)

// secret is the one every measured server knows.
const secret = "bench-callback-secret"

// entity is as long as the ids that stand in its place.
const entity = `"4000000000000"`

// template is plenigo's documented example, made anew for each callback by another customer id: equal bodies would be
// repeats of one callback.
var template = func() []byte {
	for _, s := range plenigo.Samples() {
		if s.Name == "customer.creation" {
			own := []byte(`"` + plenigo.Read(s.Body).EntityID + `"`)
			if body := bytes.ReplaceAll(s.Body, own, []byte(entity)); !bytes.Equal(body, s.Body) {
				return body
			}
		}
	}
	panic("no sample whose id can be replaced")
}()

var serial atomic.Uint64

// callback is the bytes of one signed request, as plenigo sends it (REFERENCE §2).
func callback(path string) []byte {
	id := fmt.Sprintf(`"4%012d"`, serial.Add(1))
	body := bytes.ReplaceAll(template, []byte(entity), []byte(id))
	var b bytes.Buffer
	b.Grow(len(body) + 512)
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: recall.example\r\nUser-Agent: go-resty/2.15.3 (https://github.com/go-resty/resty)\r\n"+
		"Content-Length: %d\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\nContent-Type: application/json\r\n"+
		"Plenigo-Signature: %s\r\nX-Plenigo-Api-Version: 20240827\r\n\r\n", path, len(body), verify.Sign(secret, time.Now(), body))
	b.Write(body)
	return b.Bytes()
}

// load is one measurement of a server.
type load struct {
	addr, path  string
	connections int
	rate        int // callbacks a second; 0: as many as are answered
	time        time.Duration
}

// result of a load. Latencies are in rising order.
type result struct {
	rate      float64 // answered 2xx, a second
	failed    int
	latencies []time.Duration
}

func (r result) percentile(p float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(len(r.latencies)-1, int(float64(len(r.latencies))*p/100))]
}

// run sends callbacks over keep-alive connections, each waiting for its answer before the next. With a fixed rate, a
// callback that should have left earlier but found every connection busy counts from the time it should have left.
func (l load) run(ctx context.Context) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, l.time)
	defer cancel()
	var mu sync.Mutex
	var all result
	var firstErr error
	var next atomic.Int64
	start := time.Now()
	var wg sync.WaitGroup
	for range l.connections {
		wg.Go(func() {
			latencies, failed, err := l.connection(ctx, start, &next)
			mu.Lock()
			defer mu.Unlock()
			all.latencies = append(all.latencies, latencies...)
			all.failed += failed
			if err != nil && firstErr == nil {
				firstErr = err
			}
		})
	}
	wg.Wait()
	slices.Sort(all.latencies)
	all.rate = float64(len(all.latencies)) / time.Since(start).Seconds()
	if len(all.latencies) == 0 {
		return all, fmt.Errorf("nothing was answered 2xx: %w", errors.Join(firstErr, ctx.Err()))
	}
	return all, nil
}

func (l load) connection(ctx context.Context, start time.Time, next *atomic.Int64) (latencies []time.Duration, failed int, err error) {
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return nil, 1, err
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for ctx.Err() == nil {
		from := time.Now()
		if l.rate > 0 {
			due := start.Add(time.Duration(next.Add(1)) * time.Second / time.Duration(l.rate))
			if wait := time.Until(due); wait > 0 {
				select {
				case <-ctx.Done():
					return latencies, failed, nil
				case <-time.After(wait):
				}
				from = time.Now()
			} else {
				from = due
			}
		}
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := conn.Write(callback(l.path)); err != nil {
			return latencies, failed + 1, err
		}
		status, err := readStatus(reader)
		if err != nil {
			return latencies, failed + 1, err
		}
		if status/100 != 2 {
			failed++
			continue
		}
		latencies = append(latencies, time.Since(from))
	}
	return latencies, failed, nil
}

// readStatus reads one answer to its end. It knows as much of HTTP as the measured servers use: Content-Length bodies.
func readStatus(r *bufio.Reader) (int, error) {
	status, length := 0, 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first {
			if len(line) < 12 {
				return 0, fmt.Errorf("%q is no status line", line)
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, err
			}
			continue
		}
		if len(line) == 0 {
			_, err := io.CopyN(io.Discard, r, int64(length))
			return status, err
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
}
