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
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

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
// the audit list, and in no alert or refusal, whatever happens to their events: a destination that fails and says them back, a database
// that goes away, redispatches, replays, re-verifications, exports, mistakes in all of these by the API and the pages, pages that are not there.
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
	traces, alerts := newCollector(t), &output{}
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintln(alerts, r.Header, string(body))
	}))
	t.Cleanup(hook.Close)
	s := serve(t, dir, append(traces.env(), "RECALL_ALERT_WINDOW=1s", "RECALL_LOG_LEVEL=debug", "RECALL_EGRESS_ALLOW=127.0.0.0/8", "RECALL_METRICS_TOKEN="+token))
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
	if err := db.SaveAlertChannel(t.Context(), &store.AlertChannel{Name: "ops", Kind: store.ChannelWebhook, Webhook: store.WebhookSettings{URL: hook.URL}}, store.AuditEntry{Actor: "test"}); err != nil {
		t.Fatal(err)
	}
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
	askEverything(t, s, db, first, look)
	s.wait("an alert is told", func() bool { return alerts.String() != "" })
	rows, err := db.Pool().Query(t.Context(), `
		SELECT 'job ' || j::text FROM river_job j
		UNION ALL SELECT 'audit ' || a::text FROM audit_entries a
		UNION ALL SELECT 'alert ' || a::text FROM alerts a
		UNION ALL SELECT 'replay ' || r::text FROM replays r
		UNION ALL SELECT 're-verification ' || r::text FROM reverify_runs r
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
	look("the alerts told", []byte(alerts.String()))
	if seen.Len() < 10_000 {
		t.Errorf("only %d bytes were looked through", seen.Len())
	}
}

// askEverything has an admin replay, redispatch, re-verify and export by the API and the pages, and make the mistakes that they
// answer: what is refused, and what the pages say went wrong, holds no value either.
func askEverything(t *testing.T, s *server, db *store.DB, first string, look func(what string, text []byte)) {
	t.Helper()
	_, client := logIn(s, strings.TrimPrefix(s.printed("Log in"), firstUser+"  "))
	users, err := db.ListUsers(t.Context())
	if err != nil || len(users) != 1 {
		t.Fatal(users, err)
	}
	token, err := db.CreateToken(t.Context(), &store.Token{UserID: users[0].ID, Name: "markers", Rights: store.Rights}, store.AuditEntry{Actor: "test", Action: "token.add"})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.printed("Admin UI")+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(path, "/api/"):
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/json")
		case method == http.MethodPost:
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		w, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Body.Close()
		text, _ := io.ReadAll(w.Body)
		if w.StatusCode >= 400 { // else it is what was asked for
			look(method+" "+path, text)
		}
		look("headers of "+method+" "+path, fmt.Append(nil, w.Header))
		return w.StatusCode
	}
	var rejected string
	if err := db.Pool().QueryRow(t.Context(), `SELECT id::text FROM events WHERE verdict = 'rejected' LIMIT 1`).Scan(&rejected); err != nil {
		t.Fatal(err)
	}
	none := uuid.NewString()
	const api = "/api/v1"
	for _, done := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", api + "/events/" + first + "/redispatch", `{"to":"crm","reason":"lost","stale":"anyway"}`, 200},
		{"POST", api + "/events/" + first + "/redispatch", `{"to":"none","reason":"lost"}`, 404},
		{"POST", api + "/events/" + rejected + "/redispatch", `{"to":"crm","reason":"lost"}`, 409},
		{"POST", api + "/events/" + rejected + "/reverify", `{"reason":"mended"}`, 200},
		{"POST", api + "/events/" + none + "/reverify", `{"reason":"mended"}`, 404},
		{"POST", api + "/replays", `{"filter":"source:shop","to":"crm","reason":"lost"}`, 201},
		{"POST", api + "/replays", `{"filter":"source:","to":"crm","reason":"lost"}`, 400},
		{"POST", api + "/replays/1/start", `{"reason":"lost"}`, 0},
		{"POST", api + "/reverifications", `{"filter":"verdict:rejected","reason":"mended"}`, 201},
		{"GET", api + "/events/" + first + "/payload?reveal=true", "", 0},
		{"GET", api + "/events/" + first + "/payload?reveal=true&reason=ticket+12", "", 200},
		{"GET", api + "/events/" + rejected + "/raw", "", 0},
		{"GET", api + "/events/" + none + "/raw", "", 404},
		{"GET", api + "/events/" + none, "", 404},
		{"GET", api + "/customers/none/report", "", 405},
		{"GET", api + "/events?filter=nonsense:", "", 400},
		{"POST", "/events/export", "q=source:shop&format=jsonl&payloads=1&reveal=1&secrets=1&reason=ticket+12", 200},
		{"POST", "/events/" + first + "/redispatch", "destination=none&reason=lost", 0},
		{"POST", "/events/" + rejected + "/redispatch", "destination=crm&reason=lost", 0},
		{"POST", "/events/" + first + "/redispatch", "destination=crm&reason=" + strings.Repeat("x", 600), 0},
		{"GET", "/events/" + none, "", 404},
		{"GET", "/events/" + first + "/compare/" + none, "", 404},
		{"GET", "/replays/999", "", 404},
		{"GET", "/events/" + first + "/nowhere", "", 404},
	} {
		if got := ask(done.method, done.path, done.body); got >= 500 || done.status != 0 && got != done.status {
			t.Errorf("%s %s: %d, want %d", done.method, done.path, got, done.status)
		}
	}
}
