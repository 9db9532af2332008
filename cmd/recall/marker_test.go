package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"
	"time"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// plant puts a marker in the place of every value of a sample's entity.
func plant(t *testing.T, s plenigo.Sample, n int) plenigo.Sample {
	t.Helper()
	var body map[string]any
	decoder := json.NewDecoder(bytes.NewReader(s.Body))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		t.Fatal(err)
	}
	at := 0
	var marked func(v any) any
	marked = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name := range v {
				v[name] = marked(v[name])
			}
			return v
		case []any:
			for i := range v {
				v[i] = marked(v[i])
			}
			return v
		}
		at++
		return fmt.Sprintf("marker-%d-%d", n, at)
	}
	body["entity"] = marked(body["entity"])
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return plenigo.Sample{Name: s.Name, Body: text}
}

var markers = regexp.MustCompile(`(?i).{0,80}marker-[0-9a-z]+.{0,40}`)

// TestNoValueLeavesTheEvents: values of payloads and headers are in no log, metric, trace, error page, redirect, job or entry of
// the audit list, whatever happens to their events: a destination that fails and says them back, a database that goes away, a redispatch,
// an export, a page that is not there.
func TestNoValueLeavesTheEvents(t *testing.T) {
	t.Parallel()
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Said-Back", "marker-answer")
		w.WriteHeader(http.StatusInternalServerError)
		w.Write(body)
	}))
	t.Cleanup(crm.Close)
	dir := dataDir(t)
	const token = "a-token-for-the-metrics"
	traces := newCollector(t)
	s := serve(t, dir, append(traces.env(), "RECALL_LOG_LEVEL=debug", "RECALL_EGRESS_ALLOW=127.0.0.0/8", "RECALL_METRICS_TOKEN="+token))
	db := s.store()
	match := ""
	if err := db.CreateDestination(t.Context(), &store.Destination{
		Name: "crm", URL: crm.URL, Match: &match, Signing: store.SigningPlenigo, Timeout: store.DefaultTimeout,
		RetrySchedule: store.DefaultRetrySchedule(), State: store.DestinationActive,
	}); err != nil {
		t.Fatal(err)
	}
	shop := addShop(s, db)
	for _, name := range []string{"X-Anything", "Cookie", "X-Forwarded-For", "Referer", "From"} {
		shop.Headers = append(shop.Headers, verify.Header{Name: name, Value: "marker-header"})
	}
	shop = newSender(*shop)
	sent := 0
	var first string
	sendAll := func(with fault) {
		for _, sample := range plenigo.Samples() {
			sent++
			got, err := shop.send(t.Context(), plant(t, sample, sent), with)
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = got.Event.String()
			}
		}
	}
	sendAll(fault{})
	sendAll(fault{Unsigned: true})
	count := func(what string) (n int) {
		if err := db.Pool().QueryRow(t.Context(), what).Scan(&n); err != nil {
			return 0
		}
		return n
	}
	s.wait("a delivery of each accepted event was tried", func() bool { return count(`SELECT count(DISTINCT event_id) FROM attempts`) >= 10 })
	killPostgres(t, dir)
	sendAll(fault{})
	s.wait("what was spooled is in the database", func() bool { return count(`SELECT count(*) FROM events`) == sent })
	if n := count(`SELECT count(*) FROM events WHERE position('marker-' in convert_from(body, 'UTF8')) > 0`); n < sent/2 {
		t.Fatalf("only %d of %d events hold markers", n, sent)
	}

	var seen bytes.Buffer
	look := func(what string, text []byte) {
		if found := markers.FindAll(text, 3); len(found) > 0 {
			t.Errorf("%s: %q", what, slices.Clone(found))
		}
		seen.Write(text)
	}
	client := &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{"/metrics", "/health/details", "/health/ready", "/nowhere", "/events/" + first, "/events/" + first + "/raw"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.printed("Admin UI")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if path == "/metrics" || path == "/health/details" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(w.Body)
		w.Body.Close()
		look(path, body)
		look("redirect of "+path, []byte(w.Header.Get("Location")))
	}
	rows, err := db.Pool().Query(t.Context(), `
		SELECT 'job ' || j::text FROM river_job j
		UNION ALL SELECT 'audit ' || a::text FROM audit_entries a
		UNION ALL SELECT 'delivery ' || coalesce(last_error, '') FROM deliveries`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		look("a row", []byte(text))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	s.stop()
	look("the traces", traces.all())
	look("the log", []byte(s.errs.String()))
	look("standard output", []byte(s.out.String()))
	if seen.Len() < 10_000 {
		t.Errorf("only %d bytes were looked through", seen.Len())
	}
}
