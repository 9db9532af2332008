package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"recall/api"
)

// Every operation that is described, and what is no operation, answers with the headers that keep it from being stored, shown in a
// frame, run or guessed at, to whoever asks.
func TestHeadersOfEveryOperation(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		h := newHouse(t, func(o *api.Options) { o.Secure = secure })
		want := map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox", "Strict-Transport-Security": "",
		}
		if secure {
			want["Strict-Transport-Security"] = "max-age=31536000"
		}
		check := func(call string, status int, header http.Header) {
			t.Helper()
			for name, value := range want {
				if name == "Cache-Control" && call == "GET /openapi.json" {
					value = "no-cache" // the same for everybody
				}
				if got := strings.Join(header.Values(name), " and "); got != value {
					t.Errorf("%s (%d), secure %t: %s is %q, want %q", call, status, secure, name, got, value)
				}
			}
		}
		var all described
		must(t, json.Unmarshal(h.document(t), &all))
		fill := strings.NewReplacer("{slug}", "shop", "{name}", "crm", "{type}", "order", "{class}", "accepted", "{delivery}", uuid.NewString())
		asked := 0
		for path, methods := range all.Paths {
			for method := range methods {
				id := "1"
				if strings.HasPrefix(path, "/events/") {
					id = uuid.NewString()
				}
				for _, token := range []string{"", h.token} {
					a := h.callAs(t, token, strings.ToUpper(method), fill.Replace(strings.ReplaceAll(path, "{id}", id)), "")
					check(a.call, a.status, a.header)
					asked++
				}
			}
		}
		for _, path := range []string{"/openapi.json", "/nothing", "/events?filter=%22", "//events", "/events/nonsense"} {
			for _, method := range []string{http.MethodGet, http.MethodPut} {
				r, err := http.NewRequestWithContext(t.Context(), method, h.url+path, nil)
				must(t, err)
				w, err := http.DefaultTransport.RoundTrip(r)
				must(t, err)
				w.Body.Close()
				check(method+" "+path, w.StatusCode, w.Header)
			}
		}
		if asked < 120 {
			t.Errorf("%d calls", asked)
		}
	}
}
