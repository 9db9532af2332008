package dispatch

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"recall/store"
	"recall/verify"
)

func TestSuccess(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(http.StatusAccepted, "X-Seen", "yes"))
	w.destination("crm", to.URL+"/in?token=hidden", func(d *store.Destination) {
		d.Headers = []verify.Header{{Name: "X-Api-Key", Value: "kept-value"}}
	})
	d := w.start(w.options(to.URL))
	delivery := w.reach(w.redispatch(d, "crm"), store.DeliverySucceeded)

	got := to.requests()
	if len(got) != 1 || got[0].method != http.MethodPost || got[0].url != "/in?token=hidden" || got[0].body != creation {
		t.Fatalf("%+v", got)
	}
	destination, _ := w.db.FindDestination(t.Context(), "crm")
	want := http.Header{
		"Content-Type": {"application/json"}, "X-Plenigo-Api-Version": {"20240827"}, "User-Agent": {"Recall/test"},
		"Recall-Event": {delivery.EventID.String()}, "Recall-Delivery": {delivery.ID.String()}, "Recall-Attempt": {"1"},
		"Recall-Trigger": {"manual"}, "Recall-Received-At": {"2026-03-04T12:00:00Z"}, "Recall-Source": {"shop"},
		"Idempotency-Key": {idempotencyKey(delivery.EventID, destination.ID)},
	}
	for name, values := range want {
		if !slices.Equal(got[0].header[name], values) {
			t.Errorf("%s: %q, want %q", name, got[0].header[name], values)
		}
	}
	if got[0].header.Get("X-Api-Key") != "kept-value" {
		t.Errorf("the destination's own header: %q", got[0].header["X-Api-Key"])
	}
	for _, name := range []string{"Authorization", "Accept-Encoding"} {
		if got[0].header.Get(name) != "" {
			t.Errorf("%s was sent: %q", name, got[0].header[name])
		}
	}
	policy, err := verify.NewPolicy(w.source.Settings())
	if err != nil {
		t.Fatal(err)
	}
	if r := policy.Check(got[0].header, []byte(got[0].body), noon); r.Verdict != verify.Verified {
		t.Errorf("a receiver built for plenigo says %+v", r)
	}

	if len(delivery.History) != 1 || delivery.Attempts != 1 || !delivery.FinishedAt.Equal(noon) || delivery.LastStatus != 202 {
		t.Fatalf("%+v", delivery)
	}
	a := delivery.History[0]
	if a.Number != 1 || !a.StartedAt.Equal(noon) || a.Duration != 0 || a.Status != 202 || a.Error != "" || string(a.ResponseBody) != "answer" ||
		a.ResponseTruncated || a.ResponseHeader.Get("X-Seen") != "yes" || a.RequestURL != to.URL+"/in?…" {
		t.Errorf("%+v", a)
	}
	want["Plenigo-Signature"] = got[0].header["Plenigo-Signature"]
	want["X-Api-Key"] = []string{"(kept secret)"}
	for name, values := range want {
		if !slices.Equal(a.RequestHeader[name], values) {
			t.Errorf("recorded %s: %q, want %q", name, a.RequestHeader[name], values)
		}
	}
	if len(a.RequestHeader) != len(want) {
		t.Errorf("recorded %v", a.RequestHeader)
	}
}

// TestNothingSecretIsWrittenDown: neither header values nor a URL's query nor what an event says, in no table and no log.
func TestNothingSecretIsWrittenDown(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(http.StatusInternalServerError), status(http.StatusFound, "Location", "/elsewhere?session=kept-session"))
	w.destination("crm", to.URL+"/in?token=kept-token", func(d *store.Destination) {
		d.Headers = []verify.Header{{Name: "X-Api-Key", Value: "kept-value"}}
		d.RetrySchedule = []time.Duration{time.Second}
	})
	d := w.start(w.options(to.URL))
	w.reach(w.redispatch(d, "crm"), store.DeliveryExhausted)
	if got := to.requests(); len(got) != 2 || got[1].header.Get("X-Api-Key") != "kept-value" {
		t.Fatalf("%+v", got)
	}

	written := map[string]string{
		"log":      w.log.String(),
		"attempts": one[string](w, `SELECT string_agg(concat_ws(' ', request_url, convert_from(request_header, 'UTF8'), error), ' ') FROM attempts`),
		"jobs":     one[string](w, `SELECT string_agg(river_job::text, ' ') FROM river_job`),
		"audit":    one[string](w, `SELECT string_agg(audit_entries::text, ' ') FROM audit_entries`),
		"delivery": one[string](w, `SELECT string_agg(deliveries::text, ' ') FROM deliveries`),
	}
	for where, text := range written {
		if text == "" {
			t.Errorf("%s: nothing there", where)
		}
		for _, secret := range []string{"kept-", "Niemand", "48213", "example-callback-secret", "cGxlbmlnbzpnZWhlaW0="} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: %q in %s", where, secret, text)
			}
		}
	}
}

// TestHistory: each attempt at its time, each wait as the schedule or the destination says.
func TestHistory(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(500), status(429, "Retry-After", "300"), status(503, "Retry-After", "1"), status(200))
	w.destination("crm", to.URL)
	o := w.options(to.URL)
	var mu sync.Mutex
	var waits []time.Duration
	o.Jitter = func(wait time.Duration) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		waits = append(waits, wait)
		return wait + time.Second
	}
	delivery := w.redispatch(w.start(o), "crm")

	at := noon
	var starts []time.Time
	for i, wait := range []time.Duration{30 * time.Second, 300 * time.Second, 10 * time.Minute} {
		starts = append(starts, at)
		w.until("attempt", func() bool {
			got := w.find(delivery)
			return got.State == store.DeliveryWaiting && got.Attempts == i+1
		})
		got := w.find(delivery)
		at = at.Add(wait + time.Second)
		if !got.NextAttemptAt.Equal(at) {
			t.Fatalf("after attempt %d: next %s, want %s", i+1, got.NextAttemptAt, at)
		}
		w.clock.set(at)
	}
	starts = append(starts, at)
	got := w.reach(delivery, store.DeliverySucceeded)
	for i, want := range []int{500, 429, 503, 200} {
		a := got.History[i]
		if a.Number != i+1 || a.Status != want || !a.StartedAt.Equal(starts[i]) {
			t.Errorf("attempt %d: number %d, status %d at %s; want %d at %s", i+1, a.Number, a.Status, a.StartedAt, want, starts[i])
		}
	}
	if len(got.History) != 4 || !got.NextAttemptAt.IsZero() {
		t.Errorf("%+v", got)
	}
	if want := []time.Duration{30 * time.Second, 5 * time.Minute, 10 * time.Minute}; !slices.Equal(waits, want) {
		t.Errorf("waits %v, want %v", waits, want)
	}
	requests := to.requests()
	key := requests[0].header.Get("Idempotency-Key")
	for i, r := range requests {
		if n := r.header.Get("Recall-Attempt"); n != string(rune('1'+i)) || r.header.Get("Idempotency-Key") != key || key == "" {
			t.Errorf("request %d: attempt %s, key %s, first %s", i+1, n, r.header.Get("Idempotency-Key"), key)
		}
	}
}

// TestNotBeforeItsTime: what waits is sent when its time has come, and not before.
func TestNotBeforeItsTime(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(500), status(200))
	w.destination("crm", to.URL, match(""))
	o := w.options(to.URL)
	o.Jitter = nil
	d := w.start(o)
	delivery := w.reach(w.redispatch(d, "crm"), store.DeliveryWaiting)
	wait := delivery.NextAttemptAt.Sub(noon)
	if wait < 30*time.Second || wait > 33*time.Second {
		t.Errorf("waits %s, want 30s and up to a tenth more", wait)
	}
	w.clock.set(delivery.NextAttemptAt.Add(-time.Millisecond))
	w.reach(w.redispatch(d, "crm"), store.DeliverySucceeded) // the lane has looked
	if got := w.find(delivery); got.State != store.DeliveryWaiting || len(got.History) != 1 {
		t.Errorf("%+v", got)
	}
	w.clock.set(delivery.NextAttemptAt)
	w.reach(delivery, store.DeliverySucceeded)
}

func TestExhausted(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(http.StatusBadRequest), status(http.StatusNotFound))
	w.destination("crm", to.URL, func(d *store.Destination) { d.RetrySchedule = []time.Duration{time.Second, time.Minute} })
	got := w.reach(w.redispatch(w.start(w.options(to.URL)), "crm"), store.DeliveryExhausted)
	if len(got.History) != 3 || got.History[0].Status != 400 || got.History[2].Status != 404 || got.LastStatus != 404 || got.FinishedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	if n := len(to.requests()); n != 3 {
		t.Errorf("%d requests", n)
	}
}

// TestLogLine: one full line per attempt.
func TestLogLine(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(500), status(200))
	w.destination("crm", to.URL)
	delivery := w.reach(w.redispatch(w.start(w.options(to.URL)), "crm"), store.DeliverySucceeded)
	var found []map[string]any
	for line := range strings.Lines(w.log.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		found = append(found, m)
	}
	if len(found) != 2 {
		t.Fatalf("the log:\n%s", w.log)
	}
	for i, want := range []map[string]any{
		{"level": "WARN", "attempt": 1.0, "status": 500.0, "state": "waiting"},
		{"level": "INFO", "attempt": 2.0, "status": 200.0, "state": "succeeded"},
	} {
		want["msg"], want["event_id"], want["delivery_id"] = "attempt", delivery.EventID.String(), delivery.ID.String()
		want["source"], want["destination"], want["duration"] = "shop", "crm", 0.0
		for key, value := range want {
			if found[i][key] != value {
				t.Errorf("line %d: %s is %v, want %v", i+1, key, found[i][key], value)
			}
		}
	}
}
