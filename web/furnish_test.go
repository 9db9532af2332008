package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// dress says what stands in the texts that a furnished site is full of.
type dress struct {
	name func(plain string) string // a text of one line that people enter, of 60 characters at most
	text func(plain string) string // a longer one, or one that comes from outside
	body func(plain string) string // of a callback
}

// furnish fills a site with something of everything, and lists what there is to see: the paths of each route that shows a page.
// Every text that people can enter, and every one that comes from outside, goes through the dress.
func (s *site) furnish(t *testing.T, d dress) map[string][]string {
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
	must(t, s.db.CreateSource(t.Context(), &store.Source{Slug: "news", Name: d.name("News"), Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow}))
	s.source.Name, s.source.Secrets = d.name("Shop"), append(s.source.Secrets, verify.Secret{Name: d.name("second"), Key: "s3cret-2"})
	must(t, s.db.UpdateSource(t.Context(), s.source))
	outside := func(e *store.Event) {
		for _, name := range []string{"User-Agent", "X-Request-Id", "X-Plenigo-Signature"} {
			if text := d.text(""); text != "" {
				e.Header.Add(name, text)
			}
		}
	}
	var first *store.Event
	for round := range 3 {
		for _, sample := range plenigo.Samples() {
			e := s.record(t, strings.Replace(d.body(string(sample.Body)), "}", strings.Repeat(" ", round)+"}", 1), outside)
			if first == nil && strings.HasPrefix(sample.Name, "customer.change") {
				first = e
			}
		}
	}
	again := s.record(t, strings.Replace(string(first.Body), `"entity":{`, `"entity":{"changed":true,`, 1), outside)
	bad := s.record(t, d.body(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"7"}`), rejected(verify.ReasonSignatureMismatch), outside)
	evil := s.record(t, `{"a":"`+hostile+`"}`, func(e *store.Event) {
		e.Envelope = plenigo.Envelope{IsJSON: true, EntityType: plenigo.Clean(hostile), CallbackType: "X", EntityID: plenigo.Clean(hostile)}
	})
	odd := s.record(t, d.text("no JSON"), outside, func(e *store.Event) {
		text := plenigo.Clean(d.text("odd"))
		e.Envelope = plenigo.Envelope{IsJSON: true, EntityType: text, CallbackType: text, EntityID: text, Customers: []plenigo.CustomerLink{{CustomerID: text, Path: text}}}
		e.APIVersion, e.Verification.Secret = text, text
	})
	must(t, s.db.AddUnstored(t.Context(), nil, []store.UnknownRequest{{Path: "/callbacks/" + d.text("shopp"), Sender: "203.0.113.9", ContentType: d.text("text/html"), Signed: true, Requests: 1, FirstAt: s.db.Now(), LastAt: s.db.Now()}}))
	must(t, s.db.Rollup(t.Context(), func(*store.Event) verify.Cause { return "" }))
	delivery, err := s.sent.Redispatch(t.Context(), store.Redispatch{EventID: first.ID, Destination: "crm", By: "anna", Reason: d.text("lost")})
	must(t, err)
	attempt := storetest.Begin(t, s.db, delivery)
	attempt.RequestURL, attempt.RequestHeader = s.crm.URL, http.Header{"X-Sent": {d.text("sent")}}
	attempt.Status, attempt.Error, attempt.ResponseBody, attempt.ResponseHeader = http.StatusBadGateway, d.text("502"), []byte(d.text("no")), http.Header{"X-Back": {d.text("back")}, "Content-Type": {"text/html"}}
	storetest.End(t, s.db, delivery, attempt, store.DeliveryWaiting, s.db.Now().Add(time.Hour))
	s.gaveUp(t, http.StatusBadGateway, "")
	s.gaveUp(t, 0, d.text("connection refused"))
	waits := s.gaveUp(t, 0, "")
	_, err = s.db.Pool().Exec(t.Context(), `
		INSERT INTO deliveries (event_id, id, destination_id, trigger, state, created_at, entity, attempts, last_error, requested_by, reason, next_attempt_at)
		VALUES ($1, $1, $2, 'automatic', 'waiting', now(), $3, 2, $4, $5, $6, now() + interval '1 hour')`,
		waits.ID, s.crm.ID, "ORDER "+d.text("7"), d.text("refused"), d.name("anna"), d.text("lost"))
	must(t, err)

	edited := root.postParts("/events/"+first.ID.String()+"/edit", url.Values{"to": {"crm"}, "body": {"{}" + d.text("")}, "header": {""}, "reason": {d.text("try")}}).Header.Get("Location")
	found := "-customer:" + strconv.Quote(plenigo.Clean(d.text("none")))
	reverify := post("/reverify", url.Values{"q": {"verdict:rejected " + found}, "reason": {d.text("mended")}})
	replay := post("/replays", url.Values{"q": {"source:shop " + found}, "to": {"crm"}, "order": {"all"}, "rate": {"50"}, "canary": {"5"}, "stop": {"10"}, "reason": {d.text("lost")}})
	stopped := post("/replays", url.Values{"q": {"source:shop"}, "to": {"crm"}, "order": {"all"}, "rate": {"50"}, "canary": {"5"}, "stop": {"10"}, "reason": {d.text("lost")}})
	post(stopped+"/cancel", url.Values{"reason": {d.text("not wanted")}})
	post("/views", url.Values{"name": {d.name("Rejected")}, "q": {"verdict:rejected " + found}, "shared": {"1"}})
	if a := root.post("/account/tokens", url.Values{"name": {d.name("sync")}, "right": {"metadata"}, "days": {"30"}}); a.StatusCode != http.StatusOK {
		t.Fatal(a.Status)
	}
	post("/retention/holds", url.Values{"filter": {"source:shop " + found}, "reason": {d.text("a law suit")}})
	post("/retention/holds", url.Values{"event": {again.ID.String()}, "reason": {d.text("a law suit")}})
	post("/masking", url.Values{"type": {"ORDER"}, "path": {"entity." + strings.NewReplacer(".", "", "*", "").Replace(d.name("price"))}, "class": {"personal"}, "reason": {d.text("asked")}})
	if a := root.post("/destinations", url.Values{"name": {"bus"}, "url": {"https://bus.example/in"}, "method": {"POST"}, "sends": {"match"}, "match": {"source:shop " + found}, "signing": {"standard-webhooks"}, "timeout": {"10s"}, "retry": {"1m"}, "ordering": {"any"},
		"header_was": {""}, "header_name.0": {"X-Tenant"}, "header_value.0": {d.name("shop")}, "header_open.0": {"true"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status, a.page().one(t, "main").text())
	}
	post("/destinations/bus/state", url.Values{"state": {"paused"}, "reason": {d.text("moved")}})
	post("/sources/news/enabled", url.Values{"enabled": {"false"}, "reason": {d.text("moved")}})
	post("/failures/1/acknowledge", url.Values{"reason": {d.text("known")}})
	post("/alerts/channels", url.Values{"kind": {"webhook"}, "name": {"chat"}, "url": {"https://hooks.example/x"}, "format": {"slack"}})
	s.alerts.err = errors.New("the webhook answered 404 Not Found: " + d.text("nothing here"))
	post("/alerts/channels/chat/test", nil)
	s.alert(t, "silence", "shop", "Nothing was accepted since 2026-11-24 10:00 UTC. In the same hours of the last 5 weeks there were 120 to 310 callbacks.")
	s.alert(t, "spool_in_use", "", "7 wait for the database, the oldest since 2026-11-24 09:00 UTC.", func(a *store.Alert) { a.Instance = "one:" + d.text("/var/lib/recall/spool") })
	s.alert(t, "destination_broken", d.text("crm"), d.text("Ten attempts in a row failed."), func(a *store.Alert) { a.Page = d.text("/destinations/crm") })
	s.alert(t, "replay_stopped", "1", "The replay to crm stopped by itself.", func(a *store.Alert) { a.ResolvedAt, a.TellAt = s.db.Now(), time.Time{} })
	post("/alerts/acknowledge", url.Values{"id": {"1"}, "reason": {d.text("the shop is being moved")}})
	for i, role := range []store.Role{store.RoleViewer, store.RoleOperator} { // one of them is removed
		_, u, err := s.db.LogInByProvider(t.Context(), store.ProviderLogIn{
			Issuer: "https://id.example/" + d.text(""), Subject: strconv.Itoa(i), Name: d.name("emil" + strconv.Itoa(i)), Host: "id.example", Role: role, LogIn: store.LogIn{Address: "203.0.113.7", Agent: d.text("Firefox/140")},
		})
		must(t, err)
		if i == 0 {
			must(t, s.db.RemoveUser(t.Context(), u.Name))
		}
	}
	must(t, s.db.AddAudit(t.Context(), store.AuditEntry{
		At: s.db.Now(), Actor: d.name("anna"), Action: "source.set", Subject: d.text("shop"), Reason: d.text("asked"), Detail: map[string]any{d.name("name"): map[string]any{"before": d.text("a"), "after": d.text("b")}},
	}))
	open := post("/erasures", url.Values{"customer": {"48377"}, "reason": {d.text("asked by letter")}})
	s.workErasures(t, 1, store.ErasureOpen)
	gone := s.record(t, d.body(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"erased"}`), outside)
	closed := post("/erasures", url.Values{"event": {gone.ID.String()}, "reason": {d.text("sent by mistake")}})
	var number int64
	fmt.Sscanf(closed, "/erasures/%d", &number)
	s.workErasures(t, number, store.ErasureOpen)
	post(closed+"/confirm", url.Values{"reason": {d.text("sent by mistake")}, "sure": {"erase"}})
	s.workErasures(t, number, store.ErasureClosed)

	id := "/events/" + first.ID.String()
	return map[string][]string{
		"/{$}": {"/"}, "/overview": {"/overview", "/overview?range=7d"}, "/volume": {"/volume"},
		"/events":      {"/events", "/events?q=verdict:rejected&live=1", "/events?q=nonsense:", "/events?q=customer:none", "/events?cols=size,id,signature,version"},
		"/events/{id}": {id, "/events/" + bad.ID.String(), "/events/" + evil.ID.String(), "/events/" + gone.ID.String(), "/events/" + odd.ID.String(), "/events/" + waits.ID.String()}, "/events/_compare": {"/events/_compare?id=" + first.ID.String() + "&id=" + again.ID.String()},
		"/events/{id}/compare/previous": {"/events/" + again.ID.String() + "/compare/previous"}, "/events/{id}/compare/{other}": {id + "/compare/" + again.ID.String()},
		"/events/{id}/edit": {id + "/edit"}, "/events/{id}/tests/{test}": {edited},
		"/entities/{type}/{id}": {"/entities/customer/48377", "/entities/customer/none"}, "/customers/{id}": {"/customers/48377", "/customers/none"},
		"/reveals/new": {"/reveals/new?of=event:" + first.ID.String()}, "/failures": {"/failures?state=all"},
		"/reverify": {"/reverify"}, "/reverify/new": {"/reverify/new?q=verdict:rejected"}, "/reverify/{id}": {reverify},
		"/redispatch/new": {"/redispatch/new?id=" + first.ID.String()}, "/replays": {"/replays"}, "/replays/new": {"/replays/new?q=source:shop"}, "/replays/{id}": {replay, stopped},
		"/sources": {"/sources"}, "/sources/_new": {"/sources/_new"}, "/sources/{slug}": {"/sources/shop", "/sources/news"}, "/sources/{slug}/edit": {"/sources/shop/edit"},
		"/sources/{slug}/secrets": {"/sources/shop/secrets"}, "/sources/{slug}/rotate": {"/sources/shop/rotate"}, "/sources/{slug}/secret": {"/sources/shop/secret?name=first"},
		"/sources/{slug}/reveal": {"/sources/shop/reveal?what=secret&name=first"}, "/sources/{slug}/remove": {"/sources/shop/remove"},
		"/destinations": {"/destinations"}, "/destinations/_new": {"/destinations/_new"}, "/destinations/{name}": {"/destinations/crm", "/destinations/bus"}, "/destinations/{name}/edit": {"/destinations/crm/edit"},
		"/destinations/{name}/secret": {"/destinations/crm/secret"}, "/destinations/{name}/reveal": {"/destinations/bus/reveal"}, "/destinations/{name}/remove": {"/destinations/crm/remove"},
		"/exhausted": {"/exhausted"}, "/alerts": {"/alerts", "/alerts?state=past"}, "/alerts/channels/_new": {"/alerts/channels/_new?kind=mail", "/alerts/channels/_new?kind=webhook"},
		"/alerts/channels/{name}": {"/alerts/channels/chat"}, "/alerts/channels/{name}/remove": {"/alerts/channels/chat/remove"},
		"/audit": {"/audit"}, "/health": {"/health"}, "/retention": {"/retention"}, "/masking": {"/masking"}, "/views": {"/views"}, "/account": {"/account"}, "/users": {"/users"}, "/tokens": {"/tokens"},
		"/account/second-factor/remove": {"/account/second-factor/remove"},
		"/erasures":                     {"/erasures"}, "/erasures/new": {"/erasures/new?customer=48377"}, "/erasures/report": {"/erasures/report"}, "/erasures/{id}": {open, closed}, "/erasures/{id}/certificate": {closed + "/certificate"},
		"/sources/{slug}/unreadable": nil, // only of one whose secrets another key has sealed
		// No pages for people, or pages that who is logged in does not see.
		"/health/details": nil, "/metrics": nil, "/events/count": nil, "/events/suggest": nil, "/events/tail": nil, "/events/{id}/raw": nil, "/erasures/{id}/certificate.json": nil,
		"/login": nil, "/login/code": nil, "/login/oidc": nil, "/login/oidc/callback": nil, "/login/oidc/logout": nil, "/login/oidc/out": nil, "/login/once": nil,
	}
}
