package web

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// A destination is added with its rule tried, tested, paused and resumed, and what was given up is sent again; with and
// without JavaScript.
func TestBrowserDestinationFromAddingToSendingAgain(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with JavaScript": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.addUser(t, "ada", store.RoleAdmin)
			s.tried.preview = store.RulePreview{Events: 1000, Matched: 120, Newest: []store.PreviewEvent{{ID: uuid.Must(uuid.NewV7()), Source: "shop", EntityType: "ORDER"}}}
			s.tried.trial = store.Trial{Body: []byte("{}"), Attempt: store.Attempt{Status: http.StatusOK, ResponseBody: []byte("thanks")}}
			b := s.openTab(t)
			if !scripts {
				b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
					_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
					return err
				}))
			}
			b.logIn("ada")
			b.open("/destinations")
			b.do(chromedp.Click(".page-head a[href='/destinations/_new']"))
			b.sees("h1", "Add a destination")
			b.do(chromedp.SendKeys("#name", "bus"), chromedp.SendKeys("#url", "https://bus.example/in"), chromedp.SendKeys("#match", "tpye:order"), chromedp.Click("button[name=preview]"))
			b.sees("#rule mark", "tpye")
			b.do(chromedp.SetValue("#match", "type:order"), chromedp.Click("button[name=preview]"))
			b.sees("#rule", "120 of the last 1,000 accepted events")
			b.do(chromedp.Click("input[value=standard-webhooks]"), chromedp.SendKeys(`[id="header_name.0"]`, "X-Key"), chromedp.SendKeys(`[id="header_value.0"]`, "s3cret"),
				chromedp.SendKeys("#rate", "fast"), chromedp.Click(".sheet-foot .primary"))
			b.sees("[role=alert]", "is no number")
			b.do(chromedp.SetValue("#rate", "5"), chromedp.Click(".sheet-foot .primary"))
			b.sees(".revealed", "whsec_")
			d := s.destination(t, "bus")
			if *d.Match != "type:order" || d.MaxRate != 5 || d.Headers[0] != (verify.Header{Name: "X-Key", Value: "s3cret"}) || !strings.HasPrefix(d.Secrets[0].Key, "whsec_") {
				t.Errorf("added %+v", d)
			}
			b.open("/destinations/bus")
			b.do(chromedp.Click("form[action$='/test'] button"))
			b.sees("main", "It was taken")
			b.open("/destinations/bus")
			b.do(chromedp.SendKeys("#reason", "it moves"), chromedp.Click("button[value=paused]"))
			b.sees(".notice.tone-warn", "it moves")
			b.do(chromedp.Click("button[value=active]"))
			b.sees("[role=status]", "active again")

			s.gaveUp(t, http.StatusBadGateway, "")
			b.open("/destinations")
			b.do(chromedp.Click(".notice a"))
			b.sees(".exhausted", "It answered 502 Bad Gateway.")
			b.do(chromedp.Click(".change summary"), chromedp.SendKeys("input[name=reason]", "mended"), chromedp.Click("button[formaction$=redispatch]"))
			b.sees("[role=status]", "1 event is being sent again to crm")
			b.sees("main", "Nothing was given up")
		})
	}
}

// The pages of destinations are no wider than their window either.
func TestBrowserDestinationsNoSidewaysScrolling(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "ada", store.RoleAdmin)
	long := strings.Repeat("W", 90)
	d := s.destination(t, "crm")
	d.Name = strings.Repeat("w", 63)
	d.URL = "https://" + strings.Repeat("w", 60) + ".example/" + long + long
	d.Match = new("entity:" + long + long)
	d.Headers = []verify.Header{{Name: "X-" + long, Value: long}}
	d.ClearHeaders = []verify.Header{{Name: "Y-" + long, Value: long + long}}
	d.Signing = store.SigningStandardWebhooks
	d.Rotate(store.NewSigningSecret(), 0, s.server.Now())
	must(t, s.db.UpdateDestination(t.Context(), d))
	s.gaveUp(t, 0, "could not connect to "+long+long)
	_, err := s.db.SetDestinationState(t.Context(), d.ID, store.DestinationPaused, long+long)
	must(t, err)
	s.tried.trial = store.Trial{Body: []byte(long + long), Attempt: store.Attempt{
		Status: 200, ResponseBody: []byte(long + long), ResponseHeader: http.Header{"X-" + long: {long + long}}, RequestHeader: http.Header{"Y-" + long: {long + long}},
	}}
	b := s.openTab(t)
	b.logIn("ada")
	for _, width := range []int64{390, 1280} {
		b.do(chromedp.EmulateViewport(width, 844))
		for _, path := range []string{
			"/destinations", "/destinations/_new", "/destinations/" + d.Name, "/destinations/" + d.Name + "/edit", "/destinations/" + d.Name + "/secret",
			"/destinations/" + d.Name + "/reveal", "/destinations/" + d.Name + "/remove", "/exhausted", "test",
		} {
			if path == "test" {
				b.open("/destinations/" + d.Name)
				b.do(chromedp.Click("form[action$='/test'] button"))
				b.sees("main", "It was taken")
			} else {
				b.open(path)
			}
			if over := asks[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
				t.Errorf("%s at %d pixels is %d too wide", path, width, over)
			}
		}
	}
	b.quiet()
}
