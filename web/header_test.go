package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"recall/static"
	"recall/store"
)

// Every route has the headers, to whoever asks and whatever comes of it; the list is the one that is served.
func TestHeadersOfEveryRoute(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		headersOfEveryRoute(t, secure)
	}
}

func headersOfEveryRoute(t *testing.T, secure bool) {
	watched := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	stopping := make(chan struct{})
	close(stopping) // no list stays live
	s := newSite(t, func(o *Options) { o.Secure, o.Details, o.Metrics, o.Stopping = secure, watched, watched, stopping })
	e := s.record(t, `{"entityType":"CUSTOMER"}`)
	who := map[string]*visitor{"nobody": s.visitor(t)}
	if !secure { // a cookie for TLS does not come back without
		s.addUser(t, "ada", store.RoleAdmin)
		who["admin"] = s.as(t, "ada")
	}

	values := map[string]string{"{slug}": "shop", "{name}": "crm", "{type}": "CUSTOMER", "{action}": "nothing", "{$}": ""}
	ask := func(v *visitor, who, method, path string) {
		var form url.Values
		if method == http.MethodPost {
			form = url.Values{}
		}
		a := v.do(method, path, form)
		h := a.Header
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action '"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s %s as %s: the policy %q lacks %s", method, path, who, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s %s as %s: the policy is %q", method, path, who, policy)
		}
		want := map[string]string{
			"Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000",
		}
		if !secure {
			delete(want, "Strict-Transport-Security")
			if got := h.Get("Strict-Transport-Security"); got != "" {
				t.Errorf("%s %s as %s: Strict-Transport-Security %q without TLS", method, path, who, got)
			}
		}
		if strings.HasPrefix(path, static.Prefix) {
			delete(want, "Cache-Control") // the same for everybody
		}
		for name, value := range want {
			if got := h.Values(name); len(got) != 1 || got[0] != value {
				t.Errorf("%s %s as %s (%s): %s is %q, want %q", method, path, who, a.Status, name, got, value)
			}
		}
	}
	asked := 0
	for _, route := range s.server.routes() {
		method, pattern, found := strings.Cut(route.pattern, " ")
		if !found {
			method, pattern = http.MethodGet, "/nowhere"
		}
		if route.pattern == "POST /logout" {
			continue // asked for at the end: nobody is logged in any more then
		}
		path := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllStringFunc(pattern, func(name string) string {
			if value, ok := values[name]; ok {
				return value
			}
			return e.ID.String()
		})
		for name, v := range who {
			ask(v, name, method, path)
			asked++
		}
	}
	for name, v := range who {
		for _, path := range []string{"/events?q=%22", "/events/nonsense", "/sources/none", static.URL("css/base.css")} {
			ask(v, name, http.MethodGet, path)
		}
		ask(v, name, http.MethodPut, "/events")
		ask(v, name, http.MethodPost, "/logout")
	}
	if asked < 90 {
		t.Errorf("%d routes asked for", asked)
	}
}
