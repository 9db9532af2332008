//go:build screenshots

package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

func init() { tabTime = 30 * time.Minute }

// furnish fills a site with something of everything, and lists what there is to see: the paths of each route that shows a page.
func (s *site) furnish(t *testing.T) map[string][]string {
	t.Helper()
	s.addUser(t, "keeper", store.RoleAdmin)
	root := s.as(t, "keeper")
	post := func(path string, form url.Values) string {
		t.Helper()
		a := root.post(path, form)
		if a.StatusCode != http.StatusSeeOther {
			t.Fatalf("POST %s: %s: %s", path, a.Status, a.page().one(t, "main").text())
		}
		return a.Header.Get("Location")
	}
	must(t, s.db.CreateSource(t.Context(), &store.Source{Slug: "news", Name: "News", Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow}))
	var first *store.Event
	for round := range 3 {
		for _, sample := range plenigo.Samples() {
			e := s.record(t, strings.Replace(string(sample.Body), "}", strings.Repeat(" ", round)+"}", 1))
			if first == nil && strings.HasPrefix(sample.Name, "customer.change") {
				first = e
			}
		}
	}
	again := s.record(t, strings.Replace(string(first.Body), `"firstName"`, `"changed":true,"firstName"`, 1))
	bad := s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"7"}`, rejected(verify.ReasonSignatureMismatch))
	evil := s.record(t, `{"a":"`+hostile+`"}`, func(e *store.Event) {
		e.Envelope = plenigo.Envelope{IsJSON: true, EntityType: plenigo.Clean(hostile), CallbackType: "X", EntityID: plenigo.Clean(hostile)}
	})
	must(t, s.db.Rollup(t.Context(), func(*store.Event) verify.Cause { return "" }))
	_, err := s.sent.Redispatch(t.Context(), store.Redispatch{EventID: first.ID, Destination: "crm", By: "anna", Reason: "lost"})
	must(t, err)
	s.gaveUp(t, http.StatusBadGateway, "")

	edited := root.postParts("/events/"+first.ID.String()+"/edit", url.Values{"to": {"crm"}, "body": {"{}"}, "header": {""}, "reason": {"try"}}).Header.Get("Location")
	reverify := post("/reverify", url.Values{"q": {"verdict:rejected"}, "reason": {"mended"}})
	replay := post("/replays", url.Values{"q": {"source:shop"}, "to": {"crm"}, "order": {"all"}, "rate": {"50"}, "canary": {"5"}, "stop": {"10"}})
	post("/views", url.Values{"name": {"Rejected"}, "q": {"verdict:rejected"}, "shared": {"1"}})
	if a := root.post("/destinations", url.Values{"name": {"bus"}, "url": {"https://bus.example/in"}, "method": {"POST"}, "sends": {"all"}, "signing": {"standard-webhooks"}, "timeout": {"10s"}, "retry": {"1m"}, "ordering": {"any"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	post("/alerts/channels", url.Values{"kind": {"webhook"}, "name": {"chat"}, "url": {"https://hooks.example/x"}, "format": {"slack"}})
	s.alerts.err = fmt.Errorf("the webhook answered 404 Not Found")
	post("/alerts/channels/chat/test", nil)
	s.alert(t, "silence", "shop", "Nothing was accepted since 2026-11-24 10:00 UTC. In the same hours of the last 5 weeks there were 120 to 310 callbacks.")
	s.alert(t, "spool_in_use", "", "7 wait for the database, the oldest since 2026-11-24 09:00 UTC.", func(a *store.Alert) { a.Instance = "one:/var/lib/recall/spool" })
	s.alert(t, "replay_stopped", "1", "The replay to crm stopped by itself.", func(a *store.Alert) { a.ResolvedAt, a.TellAt = s.db.Now(), time.Time{} })
	post("/alerts/acknowledge", url.Values{"id": {"1"}, "reason": {"the shop is being moved"}})
	open := post("/erasures", url.Values{"customer": {"48377"}, "reason": {"asked by letter"}})
	var closed string
	if c, err := s.db.FindErasure(t.Context(), 1); err == nil {
		s.workErasures(t, c.ID, store.ErasureOpen)
	}
	gone := s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"erased"}`)
	closed = post("/erasures", url.Values{"event": {gone.ID.String()}, "reason": {"sent by mistake"}})
	var number int64
	fmt.Sscanf(closed, "/erasures/%d", &number)
	s.workErasures(t, number, store.ErasureOpen)
	post(closed+"/confirm", url.Values{"reason": {"sent by mistake"}, "sure": {"erase"}})
	s.workErasures(t, number, store.ErasureClosed)

	id := "/events/" + first.ID.String()
	return map[string][]string{
		"/{$}": {"/"}, "/overview": {"/overview", "/overview?range=7d"}, "/volume": {"/volume"},
		"/events":      {"/events", "/events?q=verdict:rejected&live=1", "/events?q=nonsense:", "/events?q=customer:none", "/events?cols=size,id,signature,version"},
		"/events/{id}": {id, "/events/" + bad.ID.String(), "/events/" + evil.ID.String(), "/events/" + gone.ID.String()}, "/events/_compare": {"/events/_compare?id=" + first.ID.String() + "&id=" + again.ID.String()},
		"/events/{id}/compare/previous": {"/events/" + again.ID.String() + "/compare/previous"}, "/events/{id}/compare/{other}": {id + "/compare/" + again.ID.String()},
		"/events/{id}/edit": {id + "/edit"}, "/events/{id}/tests/{test}": {edited},
		"/entities/{type}/{id}": {"/entities/customer/48377", "/entities/customer/none"}, "/customers/{id}": {"/customers/48377", "/customers/none"},
		"/reveals/new": {"/reveals/new?of=event:" + first.ID.String()}, "/failures": {"/failures?state=all"},
		"/reverify": {"/reverify"}, "/reverify/new": {"/reverify/new?q=verdict:rejected"}, "/reverify/{id}": {reverify},
		"/redispatch/new": {"/redispatch/new?id=" + first.ID.String()}, "/replays": {"/replays"}, "/replays/new": {"/replays/new?q=source:shop"}, "/replays/{id}": {replay},
		"/sources": {"/sources"}, "/sources/_new": {"/sources/_new"}, "/sources/{slug}": {"/sources/shop", "/sources/news"}, "/sources/{slug}/edit": {"/sources/shop/edit"},
		"/sources/{slug}/secrets": {"/sources/shop/secrets"}, "/sources/{slug}/rotate": {"/sources/shop/rotate"}, "/sources/{slug}/secret": {"/sources/shop/secret?name=first"},
		"/sources/{slug}/reveal": {"/sources/shop/reveal?what=secret&name=first"}, "/sources/{slug}/remove": {"/sources/shop/remove"},
		"/destinations": {"/destinations"}, "/destinations/_new": {"/destinations/_new"}, "/destinations/{name}": {"/destinations/crm", "/destinations/bus"}, "/destinations/{name}/edit": {"/destinations/crm/edit"},
		"/destinations/{name}/secret": {"/destinations/crm/secret"}, "/destinations/{name}/reveal": {"/destinations/bus/reveal"}, "/destinations/{name}/remove": {"/destinations/crm/remove"},
		"/exhausted": {"/exhausted"}, "/alerts": {"/alerts", "/alerts?state=past"}, "/alerts/channels/_new": {"/alerts/channels/_new?kind=mail", "/alerts/channels/_new?kind=webhook"},
		"/alerts/channels/{name}": {"/alerts/channels/chat"}, "/alerts/channels/{name}/remove": {"/alerts/channels/chat/remove"},
		"/audit": {"/audit"}, "/retention": {"/retention"}, "/masking": {"/masking"}, "/views": {"/views"}, "/account": {"/account"}, "/users": {"/users"}, "/tokens": {"/tokens"},
		"/account/second-factor/remove": {"/account/second-factor/remove"},
		"/erasures":                     {"/erasures"}, "/erasures/new": {"/erasures/new?customer=48377"}, "/erasures/report": {"/erasures/report"}, "/erasures/{id}": {open, closed}, "/erasures/{id}/certificate": {closed + "/certificate"},
		"/sources/{slug}/unreadable": nil, // only of one whose secrets another key has sealed
		// No pages for people, or pages that who is logged in does not see.
		"/health/details": nil, "/metrics": nil, "/events/count": nil, "/events/suggest": nil, "/events/tail": nil, "/events/{id}/raw": nil, "/erasures/{id}/certificate.json": nil,
		"/login": nil, "/login/code": nil, "/login/oidc": nil, "/login/oidc/callback": nil, "/login/once": nil,
	}
}
