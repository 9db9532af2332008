package dispatch

import (
	"net/http"
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"

	"recall/store"
)

func TestJudge(t *testing.T) {
	d := &Dispatcher{now: func() time.Time { return noon }, jitter: func(wait time.Duration) time.Duration { return wait + time.Second }}
	schedule := []time.Duration{30 * time.Second, time.Hour}
	after := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	for _, c := range []struct {
		name    string
		attempt store.Attempt
		state   store.DeliveryState
		wait    time.Duration
	}{
		{"200", store.Attempt{Number: 1, Status: 200}, store.DeliverySucceeded, 0},
		{"299 at last", store.Attempt{Number: 3, Status: 299}, store.DeliverySucceeded, 0},
		{"200 broken off", store.Attempt{Number: 1, Status: 200, Error: "broken"}, store.DeliveryWaiting, 31 * time.Second},
		{"199", store.Attempt{Number: 1, Status: 199}, store.DeliveryWaiting, 31 * time.Second},
		{"302", store.Attempt{Number: 1, Status: 302}, store.DeliveryWaiting, 31 * time.Second},
		{"410", store.Attempt{Number: 1, Status: 410}, store.DeliveryWaiting, 31 * time.Second},
		{"no answer", store.Attempt{Number: 2, Error: "nobody"}, store.DeliveryWaiting, time.Hour + time.Second},
		{"the last", store.Attempt{Number: 3, Status: 500}, store.DeliveryExhausted, 0},
		{"past the last", store.Attempt{Number: 4, Status: 500, ResponseHeader: after("60")}, store.DeliveryExhausted, 0},
		{"longer wish", store.Attempt{Number: 1, Status: 503, ResponseHeader: after("60")}, store.DeliveryWaiting, 61 * time.Second},
		{"shorter wish", store.Attempt{Number: 1, Status: 503, ResponseHeader: after("1")}, store.DeliveryWaiting, 31 * time.Second},
		{"too long a wish", store.Attempt{Number: 1, Status: 503, ResponseHeader: after("999999")}, store.DeliveryWaiting, 24*time.Hour + time.Second},
		{"broken off by us", store.Attempt{Number: 3, Error: interrupted}, store.DeliveryWaiting, 0},
	} {
		o := d.judge(&c.attempt, schedule)
		next := time.Time{}
		if c.state == store.DeliveryWaiting {
			next = noon.Add(c.wait)
		}
		if o.state != c.state || !o.next.Equal(next) {
			t.Errorf("%s: %s, %s; want %s, %s", c.name, o.state, o.next, c.state, next)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, " 120 ": 2 * time.Minute, "86400": maxRetryAfter, "86401": maxRetryAfter,
		"99999999999999999999": maxRetryAfter, "-5": 0, "1.5": 0, "soon": 0,
		"Wed, 04 Mar 2026 12:05:00 GMT": 5 * time.Minute, "Wed, 04 Mar 2026 11:00:00 GMT": 0, "Wed, 04 Mar 2099 12:00:00 GMT": maxRetryAfter,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, noon); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"", "120", "99999999999999999999", "Wed, 04 Mar 2026 12:05:00 GMT", "-1", "+1"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if got := retryAfter(http.Header{"Retry-After": {value}}, noon); got < 0 || got > maxRetryAfter {
			t.Errorf("%q: %s", value, got)
		}
	})
}

func TestTenthMore(t *testing.T) {
	for range 1000 {
		if got := tenthMore(time.Minute); got < time.Minute || got > 66*time.Second {
			t.Fatal(got)
		}
	}
	if got := tenthMore(0); got != 0 {
		t.Error(got)
	}
}

func TestRetryPolicy(t *testing.T) {
	for attempt, want := range map[int]time.Duration{1: time.Second, 3: 9 * time.Second, 8: time.Minute, 30_000: time.Minute} {
		before := time.Now()
		got := retryPolicy{}.NextRetry(&rivertype.JobRow{Attempt: attempt})
		if got.Before(before.Add(want)) || got.After(time.Now().Add(want)) {
			t.Errorf("try %d: in %s, want %s", attempt, got.Sub(before), want)
		}
	}
}
