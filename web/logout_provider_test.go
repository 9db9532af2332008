package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"recall/oidc"
)

// outThere follows the way to the provider and what it answers there.
func (v *visitor) outThere(h *providerHouse, address string) (asked url.Values, back string) {
	v.t.Helper()
	u, err := url.Parse(address)
	must(v.t, err)
	if !strings.HasPrefix(address, h.URL+"/end_session?") {
		v.t.Fatalf("the log-out goes on at %s", address)
	}
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, address, nil)
	must(v.t, err)
	w, err := c.Do(r)
	must(v.t, err)
	w.Body.Close()
	to, err := w.Location()
	if err != nil {
		return u.Query(), ""
	}
	return u.Query(), to.RequestURI()
}

// Who logged in at the provider may log out there, too, and only who has just logged out here is sent there.
func TestProviderLogOut(t *testing.T) {
	t.Parallel()
	s, h := newProviderSite(t)
	h.add("1", "berta", "recall-ops")
	v := s.visitor(t)
	a := v.through(h, "berta", "")
	for _, c := range a.Cookies() {
		if c.Name == "recall-hint" && (!c.HttpOnly || c.Path != "/login/oidc" || strings.Contains(c.Value, "eyJ")) {
			t.Errorf("the ID token is kept as %+v", c)
		}
	}
	if a := v.get(logOutThere); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/login" {
		t.Errorf("who has not logged out is sent to %s", a.Header.Get("Location"))
	}
	if a := v.post("/logout", url.Values{}); a.Header.Get("Location") != "/login" {
		t.Fatalf("logging out: %s to %s", a.Status, a.Header.Get("Location"))
	}
	login := v.show("/login")
	if link := login.one(t, ".notice a.button"); link.attr("href") != logOutThere || link.text() != "Log out at Corp" {
		t.Errorf("the page offers %q", link.text())
	}
	asked, back := v.outThere(h, v.get(logOutThere).Header.Get("Location"))
	if asked.Get("client_id") != "recall" || strings.Count(asked.Get("id_token_hint"), ".") != 2 || asked.Get("post_logout_redirect_uri") != s.URL+"/login/oidc/out" || len(asked.Get("state")) < 26 || len(asked) != 4 {
		t.Errorf("the provider is asked %v", asked)
	}
	if len(h.ended) != 1 || h.ended[0] != "1 of recall" {
		t.Errorf("ended there: %q", h.ended)
	}
	for _, forged := range []string{"/login/oidc/out", "/login/oidc/out?state=AAAA", back + "x"} {
		if a := v.get(forged); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/login" {
			t.Errorf("%s: %s", forged, a.Status)
		}
	}
	if text := v.show(back).one(t, "[role=status]").text(); text != "You are logged out here and at Corp." {
		t.Errorf("it ends with %q", text)
	}
	if a := v.get(back); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a second time: %s", a.Status)
	}
	if len(v.show("/login").all(".notice")) > 0 || v.get(logOutThere).Header.Get("Location") != "/login" {
		t.Error("it is offered again")
	}
	if text := s.log.String(); text != "" {
		t.Errorf("logged %s", text)
	}

	// A password's session is none of the provider's, and nobody is sent there without having logged out.
	anna := s.as(t, "anna")
	anna.post("/logout", url.Values{})
	if len(anna.show("/login").all(".notice")) > 0 || s.visitor(t).get(logOutThere).Header.Get("Location") != "/login" {
		t.Error("a log-out at the provider is offered to who was never there")
	}
}

// The settings, and a provider that is away, that announces nothing, and that does not know this browser's token any more.
func TestProviderLogOutOtherwise(t *testing.T) {
	t.Parallel()
	out := func(t *testing.T, s *site, h *providerHouse) *visitor {
		h.add("1", "berta", "recall-ops")
		v := s.visitor(t)
		v.through(h, "berta", "")
		v.post("/logout", url.Values{})
		return v
	}
	t.Run("always", func(t *testing.T) {
		s, h := newProviderSite(t, func(o *Options, _ *oidc.Options) { o.LogOut = LogOutAlways })
		v := out(t, s, h)
		if got := v.get("/login").Header.Get("Refresh"); got != "0; url="+logOutThere {
			t.Errorf("the page goes on by %q", got)
		}
		v.outThere(h, v.get(logOutThere).Header.Get("Location"))
		if got := v.get("/login").Header.Get("Refresh"); got != "" || len(h.ended) != 1 {
			t.Errorf("it goes on again by %q; ended there: %q", got, h.ended)
		}
	})
	t.Run("off", func(t *testing.T) {
		s, h := newProviderSite(t, func(o *Options, _ *oidc.Options) { o.LogOut = LogOutOff })
		v := out(t, s, h)
		for _, c := range v.http.Jar.Cookies(must1(url.Parse(s.URL + "/login/oidc/logout"))) {
			if c.Name != "recall" {
				t.Errorf("cookie %s is kept", c.Name)
			}
		}
		if len(v.show("/login").all(".notice")) > 0 {
			t.Error("it is offered")
		}
	})
	t.Run("away", func(t *testing.T) {
		s, h := newProviderSite(t)
		v := out(t, s, h)
		h.Close()
		s.ahead.Add(int64(2 * time.Hour)) // its description is not asked for anew, and the old one does
		if a := v.get(logOutThere); !strings.HasPrefix(a.Header.Get("Location"), h.URL+"/end_session?") {
			t.Errorf("%s to %s", a.Status, a.Header.Get("Location"))
		}
	})
	t.Run("without the token", func(t *testing.T) {
		s, h := newProviderSite(t)
		v := out(t, s, h)
		v.http.Jar.SetCookies(must1(url.Parse(s.URL)), []*http.Cookie{{Name: "recall-hint", Path: "/login/oidc", Value: "forged"}})
		asked, back := v.outThere(h, v.get(logOutThere).Header.Get("Location"))
		if asked.Has("id_token_hint") || asked.Get("client_id") != "recall" || !strings.HasPrefix(back, "/login/oidc/out?state=") {
			t.Errorf("asked %v, and back to %s", asked, back)
		}
	})
	t.Run("no provider", func(t *testing.T) {
		s := newSite(t)
		for _, path := range []string{logOutThere, loggedOut} {
			if a := s.visitor(t).get(path); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s", path, a.Status)
			}
		}
	})
}
