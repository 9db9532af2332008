package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"recall/plenigo"
	"recall/receive"
	"recall/static"
	"recall/store/storetest"
)

const metricsToken = "0123456789abcdef0123456789abcdef"

// watch asks the admin listener as a program does, with headers in pairs.
func watch(s *server, client *http.Client, path string, headers ...string) (*http.Response, string) {
	s.t.Helper()
	return watchAt(s.t, s.printed("Admin UI")+path, client, headers...)
}

func watchAt(t *testing.T, url string, client *http.Client, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w, string(text)
}

// hardened checks the headers of answers to a GET of everything that the admin listener serves: routes of its own, pages, the API,
// static files, redirects, errors. Pages and operations one by one are looked at in rooms web and api.
func hardened(t *testing.T, admin string, client *http.Client, secure bool) {
	t.Helper()
	for path, want := range map[string]int{
		"/health/live": 200, "/health/ready": 200, "/health/details": 401, "/metrics": 401, "/login": 200, "/events": 303, "/no/such/page": 303,
		"/api/v1/events": 401, "/api/v1/nothing": 401, "/api/v1/openapi.json": 200, "/api//v1/events": 0, static.URL("css/base.css"): 200, "/static/none.css": 404,
	} {
		client := *client
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for name, token := range map[string]string{"nobody": "", "a watcher": "Bearer " + metricsToken} {
			var more []string
			if token != "" {
				more = []string{"Authorization", token}
			}
			w, _ := watchAt(t, admin+path, &client, more...)
			if token == "" && want != 0 && w.StatusCode != want {
				t.Errorf("%s: %s, want %d", path, w.Status, want)
			}
			h := w.Header
			policy := h.Get("Content-Security-Policy")
			for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'"} {
				if !strings.Contains(policy, part) || strings.Contains(policy, "unsafe") {
					t.Errorf("%s by %s: the policy is %q", path, name, policy)
				}
			}
			want := map[string]string{"X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": ""}
			if secure {
				want["Strict-Transport-Security"] = "max-age=31536000"
			}
			for header, value := range want {
				if got := h.Get(header); got != value {
					t.Errorf("%s by %s (%s): %s is %q, want %q", path, name, w.Status, header, got, value)
				}
			}
			if referrer := h.Get("Referrer-Policy"); referrer != "same-origin" && referrer != "no-referrer" {
				t.Errorf("%s by %s: Referrer-Policy %q", path, name, referrer)
			}
			cache, shared := h.Get("Cache-Control"), w.StatusCode == 200 && (strings.HasPrefix(path, static.Prefix) || strings.HasSuffix(path, "openapi.json"))
			if (cache == "no-store") == shared {
				t.Errorf("%s by %s (%s): Cache-Control %q", path, name, w.Status, cache)
			}
		}
	}
}

// notified is what systemd would be told.
func notified(t *testing.T) (socket string, next func() string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return socket, func() string {
		text := make([]byte, 100)
		n, err := conn.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(text[:n])
	}
}

func TestWatched(t *testing.T) {
	t.Parallel()
	socket, next := notified(t)
	s := serve(t, dataDir(t), []string{"RECALL_METRICS_TOKEN_FILE=" + fileWith(t, metricsToken+"\n"), "RECALL_SHUTDOWN_DELAY=10m", "NOTIFY_SOCKET=" + socket})
	if got := next(); got != "READY=1" {
		t.Errorf("systemd is told %q", got)
	}
	shop := addShop(s, s.store())
	bearer := []string{"Authorization", "Bearer " + metricsToken}
	_, session := logIn(s, strings.TrimPrefix(s.printed("Log in"), firstUser+"  "))
	stranger := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

	for _, path := range []string{"/metrics", "/health/details"} {
		for _, test := range []struct {
			name    string
			client  *http.Client
			headers []string
			want    int
		}{
			{"nothing", stranger, nil, http.StatusUnauthorized},
			{"another token", stranger, []string{"Authorization", "Bearer " + metricsToken[1:]}, http.StatusUnauthorized},
			{"an empty token", stranger, []string{"Authorization", "Bearer "}, http.StatusUnauthorized},
			{"another scheme", stranger, []string{"Authorization", "Basic " + metricsToken}, http.StatusUnauthorized},
			{"a browser without a session", stranger, []string{"Accept", "text/html,*/*"}, http.StatusSeeOther},
			{"the token", stranger, bearer, http.StatusOK},
			{"a session", session, nil, http.StatusOK},
		} {
			w, text := watch(s, test.client, path, test.headers...)
			if w.StatusCode != test.want || (w.StatusCode == http.StatusUnauthorized) != (w.Header.Get("WWW-Authenticate") != "") {
				t.Errorf("%s with %s: %s %v, want %d", path, test.name, w.Status, w.Header, test.want)
			}
			if strings.Contains(text, metricsToken) {
				t.Errorf("%s with %s quotes the token", path, test.name)
			}
		}
	}
	hardened(t, s.printed("Admin UI"), stranger, false)
	if w, _ := watch(s, stranger, "/events", bearer...); w.StatusCode != http.StatusSeeOther {
		t.Errorf("the token opens the events: %s", w.Status)
	}

	// Nothing of a callback is in a scrape, and hostile ones make no series.
	payload := plenigo.Sample{Name: "private", Body: []byte(`{"entityType":"KUNDENSORTE","callbackType":"GEHEIMAKT","entityId":"entity-4711","entity":{"customerId":"kunde-0815","email":"niemand@example.org"}}`)}
	if got, err := shop.send(t.Context(), payload, fault{}); err != nil || !got.ok() {
		t.Fatalf("%+v, %v", got, err)
	}
	shop.send(t.Context(), payload, fault{Secret: "another"})
	hostile := func(from, to int) {
		for i := from; i < to; i++ {
			for _, slug := range []string{`"}%0A%23`, "shop%22,x=%22", "..%2Fshop", strings.Repeat("a", 2000), "entity-4711"} {
				r, err := http.Post(fmt.Sprintf("%s%s-xxx%d", strings.TrimSuffix(shop.URL, "shop"), slug, i), "application/json", strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				r.Body.Close()
			}
		}
	}
	hostile(0, 1)
	_, before := watch(s, stranger, "/metrics", bearer...)
	hostile(1, 20)
	_, scrape := watch(s, stranger, "/metrics", bearer...)
	for _, want := range []string{
		`recall_callbacks_total{code="200",reason="",source="shop",verdict="verified"} 1`,
		`recall_callbacks_total{code="401",reason="signature_mismatch",source="shop",verdict="rejected"} 1`,
		`recall_callbacks_total{code="404",reason="unknown_source",source="_unknown",verdict=""} `,
		`recall_batch_events_count{place="database"} 2`, `recall_ready 1`, `recall_database_takes_events 1`, `recall_spool_events 0`,
		`recall_database_connections{pool="main",state="most"} 20`, "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(scrape, want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
	if was, is := strings.Count(before, "\n"), strings.Count(scrape, "\n"); is > was+2 { // a first garbage collection may add some
		t.Errorf("hostile requests made %d lines %d:\n%s", was, is, scrape)
	}
	_, health := watch(s, stranger, "/health/details", bearer...)
	for name, text := range map[string]string{"the scrape": scrape, "details": health} {
		for _, private := range []string{"KUNDENSORTE", "GEHEIMAKT", "entity-4711", "kunde-0815", "niemand@", testSecret, "xxx", "127.0.0.1:", metricsToken} {
			if strings.Contains(text, private) {
				t.Errorf("%s holds %q", name, private)
			}
		}
	}

	var found struct {
		State    string
		Ready    bool
		Stopping bool
		Checks   []finding
	}
	if err := json.Unmarshal([]byte(health), &found); err != nil {
		t.Fatal(err)
	}
	checks := map[string]string{}
	for _, c := range found.Checks {
		checks[c.Check] = c.State
	}
	for _, want := range []string{"data folder", "spool", "database", "durability", "schema", "key fits", "partitions", "counts", "deliveries", "sources", "switch-off"} {
		if checks[want] == "" {
			t.Errorf("the details lack the check %q", want)
		}
	}
	if found.Stopping || !found.Ready || checks["database"] != "ok" {
		t.Errorf("details: %s", health)
	}

	if status, page := get(s, session, "/health"); status != http.StatusOK || !strings.Contains(page, "This instance takes callbacks") || !strings.Contains(page, "switch-off") {
		t.Errorf("the page of it: %d %s", status, page)
	}

	// It is unready from the signal on, and callbacks are still taken until the delay is over.
	s.signal(syscall.SIGTERM)
	s.logged("stopping")
	if got := next(); got != "STOPPING=1" {
		t.Errorf("systemd is told %q", got)
	}
	if w, text := watch(s, stranger, "/health/ready"); w.StatusCode != http.StatusServiceUnavailable || text != "not ready: it is stopping\n" {
		t.Errorf("ready while it is stopping: %s %s", w.Status, text)
	}
	if w, _ := watch(s, stranger, "/health/live"); w.StatusCode != http.StatusOK {
		t.Errorf("live while it is stopping: %s", w.Status)
	}
	if got, err := shop.send(t.Context(), numbered(1), fault{}); err != nil || !got.ok() {
		t.Errorf("a callback while it is stopping: %+v, %v", got, err)
	}
	if _, text := watch(s, stranger, "/metrics", bearer...); !strings.Contains(text, "recall_ready 0\n") {
		t.Error("the metrics do not tell that it is stopping")
	}
	s.signal(syscall.SIGTERM)
	s.awaitEnd()
	if status := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		t.Errorf("a second signal: ended with %v", s.cmd.ProcessState)
	}
}

// While the database was not reached yet, what is answered in the place of pages and API has the same headers.
func TestHeadersBeforeTheDatabase(t *testing.T) {
	t.Parallel()
	spool, err := receive.OpenSpool(receive.SpoolOptions{Dir: t.TempDir(), Key: storetest.Key(), Recorder: &front{}, MaxBytes: 1 << 20, MaxAge: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { spool.Close() })
	nothing := http.NotFoundHandler()
	for _, secure := range []bool{false, true} {
		f := &front{secure: secure, spool: spool, log: slog.New(slog.DiscardHandler), metricsToken: metricsToken}
		for _, path := range []string{"/", "/events", "/login", "/api/v1/events", "/api/v1", "/metrics", "/health/live", "/health/details"} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				w := httptest.NewRecorder()
				f.handler(nothing, nothing).ServeHTTP(w, httptest.NewRequest(method, path, nil))
				h := w.Header()
				if !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" ||
					(h.Get("Strict-Transport-Security") != "") != secure || h.Get("Cache-Control") != "no-store" {
					t.Errorf("%s %s, secure %t: %d %v", method, path, secure, w.Code, h)
				}
			}
		}
	}
}
