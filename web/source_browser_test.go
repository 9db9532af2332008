package web

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"recall/store"
	"recall/verify"
)

// A source is added, tried and given a new secret; with and without JavaScript.
func TestBrowserSourceFromAddingToRotation(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with JavaScript": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.addUser(t, "ada", store.RoleAdmin)
			b := s.openTab(t)
			if !scripts {
				b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
					_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
					return err
				}))
			}
			b.logIn("ada")
			b.open("/sources")
			b.do(chromedp.Click(".page-head a"))
			b.sees("h1", "Add a source")
			b.do(chromedp.SendKeys("#slug", "blog"), chromedp.SendKeys("#name", "Blog"), chromedp.SendKeys("#secret", "s3cret-1"), chromedp.SendKeys("#user", "plenigo"))
			b.do(chromedp.Click("button[name=more]"))
			b.sees(".sheet", "Empty a header")
			b.do(chromedp.SendKeys(`[id="header_name.5"]`, "X-Blog"), chromedp.SendKeys(`[id="header_value.5"]`, "s3cret-2"), chromedp.Click(".sheet-foot .primary"))
			b.sees("[role=alert]", "A user needs a password")
			if scripts { // the eye is sent there, once the page is drawn
				b.do(chromedp.WaitVisible("#password:focus"))
			}
			b.do(chromedp.SendKeys("#password", "s3cret-3"), chromedp.Click(".sheet-foot .primary"))
			b.sees("[role=status]", "The source is added")
			b.sees(".steps", "https://recall.example/callbacks/blog")
			source, err := s.db.FindSource(t.Context(), "blog")
			must(t, err)
			if source.Secrets[0].Key != "s3cret-1" || *source.Basic != (verify.BasicAuth{User: "plenigo", Password: "s3cret-3"}) || source.Headers[0] != (verify.Header{Name: "X-Blog", Value: "s3cret-2"}) {
				t.Errorf("added %+v", source)
			}

			b.do(chromedp.Click("form[action$='/test'] button"))
			b.sees("[role=status]", "This is the test callback")
			b.open("/sources/blog")
			b.do(chromedp.Click("a[href$='/rotate']"))
			b.sees("h1", "Change the secret of Blog")
			b.do(chromedp.SendKeys("#secret", "s3cret-4"), chromedp.SetValue("#name", "new"), chromedp.SetValue("#overlap", "24h"), chromedp.Click("form .primary"))
			b.sees("[aria-labelledby=secrets-title]", "new valid")
			source, err = s.db.FindSource(t.Context(), "blog")
			must(t, err)
			if len(source.Secrets) != 2 || source.Secrets[1].Key != "s3cret-4" || source.Secrets[0].Until.Sub(source.Secrets[1].From) != 24*time.Hour {
				t.Errorf("rotated: %+v", source.Secrets)
			}

			b.do(chromedp.Click("[aria-labelledby=secrets-title] tbody a"))
			b.sees("h1", "Secret new")
			b.do(chromedp.Click("main dl a[href*='/reveal?']"))
			b.do(chromedp.SendKeys("#reason", "to enter it at plenigo"), chromedp.Click("form .primary"))
			b.sees(".revealed", "s3cret-4")
			if at := asks[string](b, "location.href"); strings.Contains(at, "s3cret") {
				t.Errorf("address %s", at)
			}
		})
	}
}

// The pages of sources are no wider than their window either.
func TestBrowserSourcesNoSidewaysScrolling(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "ada", store.RoleAdmin)
	long := strings.Repeat("W", 90)
	source := s.shop(t)
	source.Name, source.Secrets[0].Name, source.Basic.User = long+long, long, long+long
	source.Headers = append(source.Headers, verify.Header{Name: "X-" + long, Value: long})
	source.ExpectedTypes = []string{strings.Repeat("w", 64) + "." + strings.Repeat("w", 64)}
	source.Scheme = verify.Plenigo
	source.Scheme.Name, source.Scheme.Header = long[:60], long
	must(t, s.db.UpdateSource(t.Context(), source))
	b := s.openTab(t)
	b.logIn("ada")
	for _, width := range []int64{390, 1280} {
		b.do(chromedp.EmulateViewport(width, 844))
		for _, path := range []string{
			"", "/_new", "/shop", "/shop/edit", "/shop/secrets", "/shop/rotate", "/shop/secret?name=" + long, "/shop/remove", "/shop/reveal?what=secret&name=" + long,
		} {
			b.open("/sources" + path)
			if over := asks[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
				t.Errorf("/sources%s at %d pixels is %d too wide", path, width, over)
			}
		}
	}
	b.quiet()
}
