package web

import (
	"fmt"
	"testing"
	"time"
)

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/events?q=source:shop":    "/events?q=source:shop",
		"/events/0192#payload":     "/events/0192#payload",
		"/sources":                 "/sources",
		"":                         "/events",
		"events":                   "/events",
		"//evil.example":           "/events",
		"///evil.example":          "/events",
		`/\evil.example`:           "/events",
		`\\evil.example`:           "/events",
		"/\t/evil.example":         "/events",
		"/\n/evil.example":         "/events",
		"https://evil.example/":    "/events",
		"javascript:alert(1)":      "/events",
		"/%2f%2fevil.example/%zz":  "/events",
		"/login?next=/login":       "/events",
		"/logout":                  "/events",
		"http:evil.example/events": "/events",
	} {
		if got := localPath(next); got != want {
			t.Errorf("localPath(%q) = %q, want %q", next, got, want)
		}
	}
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	throttle := newThrottle(func() time.Time { return now })
	anna := throttleKey{"203.0.113.7", "anna"}
	for range freeFailures - 1 {
		throttle.failed(anna)
	}
	if wait := throttle.wait(anna); wait != 0 {
		t.Fatalf("after %d failures: wait %s", freeFailures-1, wait)
	}
	want := firstLock
	for range 12 {
		throttle.failed(anna)
		if wait := throttle.wait(anna); wait != want {
			t.Fatalf("wait %s, want %s", wait, want)
		}
		now = now.Add(want)
		if wait := throttle.wait(anna); wait != 0 {
			t.Fatalf("after the lock: wait %s", wait)
		}
		want = min(2*want, longestLock)
	}
	throttle.failed(anna)
	if wait := throttle.wait(throttleKey{"203.0.113.8", "anna"}); wait != 0 {
		t.Errorf("another address waits %s", wait)
	}
	throttle.succeeded(anna)
	if wait := throttle.wait(anna); wait != 0 {
		t.Errorf("after a success: wait %s", wait)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	throttle := newThrottle(func() time.Time { return now })
	for i := range maxThrottled + 3 {
		now = now.Add(time.Millisecond)
		throttle.failed(throttleKey{"203.0.113.7", fmt.Sprint(i)})
	}
	if n := len(throttle.pairs); n != maxThrottled {
		t.Errorf("%d pairs, want %d", n, maxThrottled)
	}
	now = now.Add(2 * failureMemory)
	throttle.failed(throttleKey{"203.0.113.7", "last"})
	if n := len(throttle.pairs); n != 1 {
		t.Errorf("%d pairs after they were forgotten, want 1", n)
	}
}
