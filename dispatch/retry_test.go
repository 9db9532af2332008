package dispatch

import (
	"net/http"
	"testing"
	"time"

	"recall/store"
)

func TestJudge(t *testing.T) {
	d := &Dispatcher{now: func() time.Time { return noon }, jitter: func(wait time.Duration) time.Duration { return wait + time.Second }}
	schedule := []time.Duration{30 * time.Second, time.Hour}
	after := func(value string) http.Header { return http.Header{"Retry-After": {value}} }
	const counted, spared = true, false
	for _, c := range []struct {
		name    string
		tries   int
		attempt store.Attempt
		state   store.DeliveryState
		wait    time.Duration
		counts  bool
	}{
		{"200", 0, store.Attempt{Status: 200}, store.DeliverySucceeded, 0, counted},
		{"299 at last", 2, store.Attempt{Status: 299}, store.DeliverySucceeded, 0, counted},
		{"200 broken off", 0, store.Attempt{Status: 200, Error: "broken"}, store.DeliveryWaiting, 31 * time.Second, counted},
		{"199", 0, store.Attempt{Status: 199}, store.DeliveryWaiting, 31 * time.Second, counted},
		{"302", 0, store.Attempt{Status: 302}, store.DeliveryWaiting, 31 * time.Second, counted},
		{"410", 2, store.Attempt{Status: 410}, store.DeliveryWaiting, goneWait, spared},
		{"no answer", 1, store.Attempt{Error: "nobody"}, store.DeliveryWaiting, time.Hour + time.Second, counted},
		{"the last", 2, store.Attempt{Status: 500}, store.DeliveryExhausted, 0, counted},
		{"past the last", 3, store.Attempt{Status: 500, ResponseHeader: after("60")}, store.DeliveryExhausted, 0, counted},
		{"longer wish", 0, store.Attempt{Status: 503, ResponseHeader: after("60")}, store.DeliveryWaiting, 61 * time.Second, counted},
		{"shorter wish", 0, store.Attempt{Status: 503, ResponseHeader: after("1")}, store.DeliveryWaiting, 31 * time.Second, counted},
		{"too long a wish", 0, store.Attempt{Status: 503, ResponseHeader: after("999999")}, store.DeliveryWaiting, 24*time.Hour + time.Second, counted},
		{"broken off by us", 2, store.Attempt{Error: interrupted}, store.DeliveryWaiting, 0, spared},
	} {
		for _, trigger := range []store.Trigger{store.TriggerAutomatic, store.TriggerManual} {
			for _, probing := range []bool{false, true} {
				e := &store.EndedAttempt{Delivery: &store.Delivery{Tries: c.tries, Trigger: trigger}, Attempt: &c.attempt}
				d.judge(e, schedule, probing)
				state, wait, counts, next := c.state, c.wait, c.counts, time.Time{}
				health := counts && (trigger == store.TriggerAutomatic || state == store.DeliverySucceeded)
				if probing && state != store.DeliverySucceeded {
					state, counts, health = store.DeliveryWaiting, spared, false
					if c.attempt.Status != 410 {
						wait = 0
					}
				}
				if state == store.DeliveryWaiting {
					next = noon.Add(wait)
				}
				if e.State != state || !e.Next.Equal(next) || e.Counts != counts || e.Health != health {
					t.Errorf("%s, %s, probing %v: %s, %s, counts %v, health %v; want %s, %s, %v, %v",
						c.name, trigger, probing, e.State, e.Next, e.Counts, e.Health, state, next, counts, health)
				}
			}
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
