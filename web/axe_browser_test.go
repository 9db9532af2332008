package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// axe-core, by Deque, tells what keeps people from using a page. It is put into each page from outside, past the page's own
// security policy, and is part of no release.
func axeScript(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/axe/axe.min.js")
	must(t, err)
	return string(b)
}

// finding is what axe has to say of one place.
type finding struct{ ID, Help, Target string }

// axe looks at the page that is open.
func (b *tab) axe(script string) []finding {
	b.t.Helper()
	asks[bool](b, script+"\n;true")
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(
		r.violations.flatMap(v => v.nodes.map(n => ({ID: v.id, Help: v.help, Target: n.target.join(" ")})))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	var found []finding
	must(b.t, json.Unmarshal([]byte(text), &found))
	return found
}

// Every page, in both themes: axe finds nothing, the console is silent, and nothing is wider than a telephone.
func TestBrowserAxeFindsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Demo = true })
	e := s.record(t, customerBody)
	bad := s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"7"}`, rejected(verify.ReasonSignatureMismatch))
	other := s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"8"}`, rejected(verify.ReasonSignatureMismatch))
	evil := s.record(t, `{"a":"`+hostile+`"}`, func(e *store.Event) {
		e.Envelope = plenigo.Envelope{IsJSON: true, EntityType: plenigo.Clean(hostile), CallbackType: "X", EntityID: plenigo.Clean(hostile)}
	})
	_, err := s.sent.Redispatch(t.Context(), store.Redispatch{EventID: e.ID, Destination: "crm", By: "anna", Reason: "lost"})
	must(t, err)
	s.addUser(t, "root", store.RoleAdmin)
	root := s.as(t, "root")
	if a := root.post("/views", url.Values{"name": {"Rejected"}, "q": {"verdict:rejected"}, "shared": {"1"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	for _, form := range []url.Values{{"customer": {"48377"}, "reason": {hostile}}, {"event": {bad.ID.String()}, "reason": {"by mistake"}}} {
		if a := root.post("/erasures", form); a.StatusCode != http.StatusSeeOther {
			t.Fatal(a.Status)
		}
	}
	s.workErasures(t, 1, store.ErasureOpen)
	s.workErasures(t, 2, store.ErasureOpen)
	must(t, s.db.ConfirmErasure(t.Context(), 2, "checked", store.AuditEntry{Actor: "root"}))
	s.workErasures(t, 2, store.ErasureClosed)

	s.alert(t, "silence", "shop", "Nothing was accepted.")
	s.alert(t, "spool_in_use", "", hostile+strings.Repeat("x", 300), func(a *store.Alert) { a.Instance = "host:/" + strings.Repeat("folder/", 30) })
	must(t, s.db.SaveAlertChannel(t.Context(), &store.AlertChannel{Name: "ops", Kind: store.ChannelWebhook, Webhook: store.WebhookSettings{URL: "https://hooks.example/x"}}, store.AuditEntry{Actor: "root"}))

	script := axeScript(t)
	for _, theme := range []string{"light", "dark"} {
		t.Run(theme, func(t *testing.T) {
			t.Parallel()
			b := s.openTab(t)
			b.logIn("root")
			b.do(chromedp.EmulateViewport(390, 844))
			b.open("/events")
			b.do(chromedp.Click(".menu summary"), chromedp.Click("button[value="+theme+"]"))
			b.sees("html[data-theme="+theme+"] h1", "Events")
			for _, path := range []string{
				"/events", "/events?live=1&cols=none", "/events?q=-verdict:late+after:2h+nonsense:", "/events?q=-verdict:verified+after:2h&cols=size,id,signature,version&view=1", "/events?q=customer:none",
				"/views", "/volume", "/overview", "/events/" + e.ID.String(), "/events/" + bad.ID.String(), "/events/" + other.ID.String(), "/events/" + evil.ID.String() + "?view=hex",
				"/events/_compare?id=" + e.ID.String() + "&id=" + evil.ID.String(), "/erasures", "/erasures/new", "/erasures/report", "/erasures/1", "/erasures/2", "/erasures/2/certificate", "/entities/customer/48377", "/customers/48377",
				"/failures?state=all", "/reverify", "/reverify/new?q=verdict:rejected", "/sources", "/sources/_new", "/sources/shop", "/sources/shop/edit",
				"/events/" + e.ID.String() + "/edit", "/redispatch/new?q=verdict:rejected", "/replays", "/replays/new", "/masking", "/retention",
				"/destinations", "/destinations/crm", "/exhausted", "/audit", "/account", "/users", "/tokens", "/alerts", "/health", "/alerts/channels/_new?kind=mail", "/alerts/channels/ops", // not an address that is none: browsers complain of its status
			} {
				b.open(path)
				for _, f := range b.axe(script) {
					t.Errorf("%s, %s: %s: %s: %s", path, theme, f.ID, f.Help, cut(f.Target, 150))
				}
				if over := asks[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
					t.Errorf("%s at 390 pixels is %d too wide", path, over)
				}
			}
			b.quiet("status of 410 (Gone)") // of the tombstone
		})
	}
}
