package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"recall/store"
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

// Whoever plants a session of their own in somebody's browser has nothing of what is done there after logging in, and a new
// role holds at once for sessions that are open.
func TestSessionFixation(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "mallory", store.RoleAdmin)
	site, err := url.Parse(s.URL)
	must(t, err)
	mallory, victim := s.as(t, "mallory"), s.visitor(t)
	planted := mallory.http.Jar.Cookies(site)
	victim.http.Jar.SetCookies(site, planted)
	if a := victim.post("/login", url.Values{"name": {"anna"}, "password": {testPassword}, "next": {"/account"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("logging in over a planted session: %s", a.Status)
	}
	if text := victim.show("/account").one(t, "main .page-head").text(); !strings.Contains(text, "anna") {
		t.Errorf("the account page is of %q", text)
	}
	for _, c := range victim.http.Jar.Cookies(site) {
		for _, before := range planted {
			if c.Value == before.Value {
				t.Errorf("the cookie %s is the planted one", c.Name)
			}
		}
	}
	if a := mallory.get("/account"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the planted session goes on: %s", a.Status)
	}

	if a := victim.get("/audit"); a.StatusCode != http.StatusOK {
		t.Errorf("an operator's audit list: %s", a.Status)
	}
	must(t, s.db.SetRole(t.Context(), "anna", store.RoleViewer))
	if a := victim.get("/audit"); a.StatusCode != http.StatusForbidden {
		t.Errorf("the audit list after the role changed: %s", a.Status)
	}
}
