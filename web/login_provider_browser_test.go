package web

import (
	"testing"

	"github.com/chromedp/chromedp"

	"recall/oidc"
	"recall/store"
)

// The whole log-in as a person does it, at a provider of another site, and a token made after it; axe finds nothing on the way.
func TestBrowserProviderLogIn(t *testing.T) {
	t.Parallel()
	s, h := newProviderSite(t, func(_ *Options, o *oidc.Options) {
		o.Name = "Müller & Söhne <b>Verlagsgesellschaft</b> für Zeitschriften"
	})
	h.add("1", "berta", "recall-admins")
	script := axeScript(t)
	b := s.openTab(t)
	b.do(chromedp.EmulateViewport(390, 844))
	look := func(path string) {
		t.Helper()
		b.open(path)
		for _, f := range b.axe(script) {
			t.Errorf("%s: %s: %s: %s", path, f.ID, f.Help, f.Target)
		}
		if over := asks[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
			t.Errorf("%s at 390 pixels is %d too wide", path, over)
		}
	}
	look("/login/once")
	look("/login?next=/sources")
	b.sees("a.button", "Log in with Müller & Söhne <b>Verlagsgesellschaft</b>")
	b.do(chromedp.Click("a.button[href^='/login/oidc']"), chromedp.WaitVisible("#username"))
	if at := asks[string](b, "location.origin"); at != h.URL {
		t.Errorf("the log-in goes on at %s, want %s", at, h.URL)
	}
	b.do(chromedp.SendKeys("#username", "berta"), chromedp.SendKeys("#password", testPassword), chromedp.Click("button[type=submit]"))
	b.sees("h1", "Sources")
	if at := asks[string](b, "location.href"); at != s.URL+"/sources" {
		t.Errorf("it ends at %s", at)
	}

	look("/account")
	b.sees("main", "You log in at Müller")
	b.do(chromedp.Click("#tokens details summary"), chromedp.SendKeys("#token-name", "crm-sync"), chromedp.Click("#tokens form button"))
	b.sees("#token-text", store.TokenPrefix)
	for _, f := range b.axe(script) {
		t.Errorf("a token that was made: %s: %s: %s", f.ID, f.Help, f.Target)
	}
	b.do(chromedp.Click("main .panel a.button"))
	b.sees("table.tokens", "crm-sync")
	look("/tokens")
	look("/users")
	b.do(chromedp.Click(".menu summary"), chromedp.Click(".logout button"))
	b.sees(".notice", "still logged in at Müller")
	look("/login")
	b.do(chromedp.Click(".notice a.button"))
	b.sees(".notice", "You are logged out here and at Müller")
	if len(h.ended) != 1 {
		t.Errorf("ended at the provider: %q", h.ended)
	}
	b.quiet()
}
