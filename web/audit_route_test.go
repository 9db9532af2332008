package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"recall/store"
	"recall/verify"
)

// unaudited are the forms that change nothing which others see or which anybody would ask about later, each with the reason.
var unaudited = map[string]string{
	"POST /theme":            "a cookie of the reader's own browser",
	"POST /account/habits":   "likewise",
	"POST /views/{id}/start": "what the reader's own list begins with",
}

// step is one form, filled in so that it is done.
type step struct {
	route, path string
	form        url.Values
	action      string // of the audit entry that must come of it
}

// sentAgain stands for the entry that dispatch writes with each delivery it makes; its own tests look for that.
const sentAgain = "dispatch"

// Every form writes down who did what, in the list that is served. A new form fails here until it has its step below.
func TestEveryFormIsAudited(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "ada", store.RoleAdmin)
	s.addUser(t, "carl", store.RoleViewer)
	ada := s.as(t, "ada")
	e := s.record(t, `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"7","entity":{"customerId":"7","email":"a@example.org"}}`)
	gift := s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"3","entity":{"invoiceCustomerId":"555","items":[{"deliveryCustomerId":"7"}]}}`).ID.String()
	bad := s.signedBy(t, "s3cret-forged", time.Now())
	s.gaveUp(t, 500, "")
	s.gaveUp(t, 0, "no way")
	cause := s.server.Reverify.(interface {
		LikelyCause(*store.Event) verify.Cause
	}).LikelyCause
	for n := 0; n == 0; { // what another test holds open is counted a moment later
		must(t, s.db.Rollup(t.Context(), cause))
		must(t, s.db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM failure_groups`).Scan(&n))
	}
	group := ada.show("/exhausted").all("[name=group]")[0].attr("value")
	id := e.ID.String()
	secret := ""
	s.alert(t, "source_silent", "shop", "Nothing was accepted since noon.")
	_, gone, err := s.db.LogInByProvider(t.Context(), store.ProviderLogIn{Issuer: "https://id.example", Subject: "1", Name: "emil", Role: store.RoleViewer})
	must(t, err)
	must(t, s.db.RemoveUser(t.Context(), "emil"))

	reason := func(pairs ...string) url.Values {
		v := url.Values{"reason": {"a test"}}
		for i := 0; i+1 < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	edited := func() url.Values {
		return filled(t, ada.show("/sources/shop/edit"), ".sheet", url.Values{"tolerance": {"7m"}})
	}
	steps := []step{
		{"POST /events/export", "/events/export", reason("format", "csv"), "event.export"},
		{"POST /reveals", "/reveals", reason("of", "event:"+id), "event.reveal"},
		{"POST /reveals/end", "/reveals/end", nil, "event.hide"},
		{"POST /events/{id}/redispatch", "/events/" + id + "/redispatch", reason("destination", "crm"), sentAgain},
		{"POST /events/{id}/edit", "/events/" + id + "/edit", reason("to", "crm", "body", "{}"), "event.edited_test"},
		{"POST /redispatch", "/redispatch", reason("id", id, "to", "crm", "do."+id, "send"), sentAgain},
		{"POST /events/{id}/reverify", "/events/" + bad.ID.String() + "/reverify", reason(), "event.reverify"},
		{"POST /reverify", "/reverify", reason("q", "source:bare"), "reverify.plan"},
		{"POST /reverify/{id}/start", "/reverify/1/start", reason(), "reverify.start"},
		{"POST /reverify/{id}/cancel", "/reverify/1/cancel", reason(), "reverify.cancel"},
		{"POST /replays", "/replays", reason("q", "source:shop", "to", "crm", "order", "all", "rate", "50", "canary", "1", "stop", "10"), "replay.plan"},
		{"POST /replays/{id}/{action}", "/replays/1/cancel", reason(), "replay.cancel"},
		{"POST /failures/{id}/{action}", "/failures/1/resolve", reason(), "failure.resolved"},
		{"POST /sources/{slug}/test", "/sources/shop/test", url.Values{}, "source.test"},
		{"POST /sources/{slug}/enabled", "/sources/shop/enabled", url.Values{"enabled": {"false"}}, "source.set"},
		{"POST /sources/{slug}", "/sources/shop", nil, "source.set"},
		{"POST /sources/{slug}/secrets", "/sources/shop/secrets", url.Values{"secret": {"s3cret-2"}, "name": {"second"}}, "source.set"},
		{"POST /sources/{slug}/rotate", "/sources/shop/rotate", url.Values{"secret": {"s3cret-3"}, "name": {"third"}, "overlap": {"1h"}}, "source.set"},
		{"POST /sources/{slug}/secret", "/sources/shop/secret", url.Values{"name": {"second"}, "end": {"now"}}, "source.set"},
		{"POST /sources/{slug}/secret/remove", "/sources/shop/secret/remove", url.Values{"name": {"second"}}, "source.set"},
		{"POST /sources/{slug}/reveal", "/sources/shop/reveal", reason("what", "secret", "name", "third"), "source.reveal"},
		{"POST /sources", "/sources", nil, "source.add"},
		{"POST /sources/{slug}/unreadable", "/sources/shop/unreadable", nil, "source.give_up"},
		{"POST /sources/{slug}/remove", "/sources/bare/remove", reason(), "source.remove"},
		{"POST /destinations", "/destinations", destinationForm(url.Values{"signing": {"standard-webhooks"}}), "destination.add"},
		{"POST /destinations/{name}", "/destinations/bus", nil, "destination.set"},
		{"POST /destinations/{name}/state", "/destinations/bus/state", reason("state", "paused"), "destination.pause"},
		{"POST /destinations/{name}/test", "/destinations/crm/test", url.Values{}, "destination.test"},
		{"POST /destinations/{name}/secret", "/destinations/bus/secret", url.Values{"overlap": {"1h"}}, "destination.set"},
		{"POST /destinations/{name}/reveal", "/destinations/bus/reveal", reason(), "destination.reveal"},
		{"POST /destinations/{name}/remove", "/destinations/bus/remove", reason(), "destination.remove"},
		{"POST /exhausted/redispatch", "/exhausted/redispatch", reason("group", group, "status", "500"), sentAgain},
		{"POST /exhausted/let-go", "/exhausted/let-go", reason("group", group, "status", "0", "error", "no way"), "delivery.let_go"},
		{"POST /retention", "/retention", reason("class", "accepted", "how", "days", "days", "30"), "retention.set"},
		{"POST /retention/holds", "/retention/holds", reason("event", id), "event.hold"},
		{"POST /retention/holds/{id}/release", "/retention/holds/1/release", reason(), "hold.release"},
		{"POST /masking", "/masking", reason("type", "ORDER", "path", "entity.items.price", "class", "personal"), "mask.set"},
		{"POST /masking/reset", "/masking/reset", url.Values{"type": {"ORDER"}, "path": {"entity.items.price"}}, "mask.reset"},
		{"POST /erasures/settings", "/erasures/settings", reason("automatic", "true", "grace", "24", "backups", "30"), "erasure.set"},
		{"POST /erasures", "/erasures", reason("customer", "7"), "erasure.open"},
		{"POST /erasures/{id}/{action}", "/erasures/1/search", reason(), "erasure.search"},
		{"POST /erasures/{id}/{action}", "/erasures/1/decide", reason("do", "leave", "all", "true"), "erasure.decide"},
		{"POST /erasures/{id}/{action}", "/erasures/1/cancel", reason(), "erasure.cancel"},
		{"POST /erasures", "/erasures", reason("event", gift), "erasure.open"},
		{"POST /erasures/{id}/{action}", "/erasures/2/confirm", reason("sure", "erase"), "erasure.confirm"},
		{"POST /erasures/list", "/erasures/list", url.Values{}, "erasure.list"},
		{"POST /erasures/report", "/erasures/report", reason("customer", "7"), "customer.report"},
		{"POST /alerts/acknowledge", "/alerts/acknowledge", reason("id", "1"), "alert.acknowledge"},
		{"POST /alerts/channels", "/alerts/channels", url.Values{"kind": {"webhook"}, "name": {"chat"}, "url": {"https://hooks.example/"}, "format": {"slack"}}, "alert.channel.add"},
		{"POST /alerts/channels/{name}", "/alerts/channels/chat", url.Values{"name": {"chat"}, "url": {""}, "format": {"json"}}, "alert.channel.set"},
		{"POST /alerts/channels/{name}/test", "/alerts/channels/chat/test", url.Values{}, "alert.test"},
		{"POST /alerts/channels/{name}/remove", "/alerts/channels/chat/remove", reason(), "alert.channel.remove"},
		{"POST /removed-users/{id}/restore", "/removed-users/" + strconv.FormatInt(gone.ID, 10) + "/restore", reason(), "user.restore"},
		{"POST /audit/export", "/audit/export", url.Values{"format": {"jsonl"}}, "audit.export"},
		{"POST /audit/check", "/audit/check", url.Values{}, "audit.check"},
		{"POST /account/tokens", "/account/tokens", url.Values{"name": {"sync"}, "right": {"metadata"}, "days": {"30"}}, "token.add"},
		{"POST /account/tokens/{id}/revoke", "/account/tokens/1/revoke", reason(), "token.revoke"},
		{"POST /account/tokens", "/account/tokens", url.Values{"name": {"sync 2"}, "right": {"metadata"}, "days": {"30"}}, "token.add"},
		{"POST /tokens/{id}/revoke", "/tokens/2/revoke", reason(), "token.revoke"},
		{"POST /views", "/views", url.Values{"name": {"Rejected"}, "q": {"verdict:rejected"}, "shared": {"1"}}, "view.add"},
		{"POST /views/{id}", "/views/1", url.Values{"name": {"Forged"}, "shared": {"1"}}, "view.set"},
		{"POST /views/{id}/remove", "/views/1/remove", url.Values{}, "view.remove"},
		{"POST /users", "/users", url.Values{"name": {"dora"}, "password": {"quite another thing"}, "role": {"viewer"}}, "user.add"},
		{"POST /users/{name}/{action}", "/users/carl/role", url.Values{"role": {"operator"}}, "user.role"},
		{"POST /users/{name}/{action}", "/users/carl/password", url.Values{"password": {"quite another thing"}}, "user.password"},
		{"POST /users/{name}/{action}", "/users/carl/sessions", reason(), "user.end_session"},
		{"POST /users/{name}/{action}", "/users/carl/second-factor", reason(), "user.second_factor_remove"},
		{"POST /users/{name}/{action}", "/users/carl/remove", reason(), "user.remove"},
		{"POST /account/sessions", "/account/sessions", url.Values{}, "user.end_session"},
		{"POST /account/second-factor/begin", "/account/second-factor/begin", url.Values{}, ""},
		{"POST /account/second-factor", "/account/second-factor", nil, "user.second_factor"},
		{"POST /logout", "/logout", url.Values{}, "user.logout"},
		{"POST /login/once", "/login/once", nil, "user.login"},
		{"POST /logout", "/logout", url.Values{}, "user.logout"},
		{"POST /login", "/login", url.Values{"name": {"ada"}, "password": {"wrong wrong wrong"}}, "user.login_failed"},
		{"POST /login", "/login", url.Values{"name": {"ada"}, "password": {testPassword}}, ""},
		{"POST /login/code", "/login/code", nil, "user.login"},
		{"POST /account/second-factor/remove", "/account/second-factor/remove", url.Values{"password": {testPassword}}, "user.second_factor_remove"},
		{"POST /account/password", "/account/password", url.Values{"current": {testPassword}, "password": {"quite another thing"}, "again": {"quite another thing"}}, "user.password"},
	}
	code := func(ahead time.Duration) string {
		c, err := totp.GenerateCode(secret, s.server.Now().Add(ahead))
		must(t, err)
		return c
	}
	newest := func() int64 {
		list, err := s.db.FindAudit(t.Context(), store.AuditQuery{Limit: 1})
		must(t, err)
		if len(list) == 0 {
			return 0
		}
		return list[0].ID
	}
	done := map[string]bool{}
	for _, step := range steps {
		done[step.route] = true
		form := step.form
		switch step.route { // what only shows when it comes to it
		case "POST /reveals/end":
			form = url.Values{"id": {ada.show(eventURL(e.ID)).one(t, "form#hidden input[name=id]").attr("value")}}
		case "POST /reverify/{id}/start":
			s.carryOut(t) // it is planned
		case "POST /sources":
			form = filled(t, ada.show("/sources/_new"), ".sheet", url.Values{"slug": {"blog"}, "name": {"Blog"}, "secret": {"s3cret"}})
		case "POST /sources/{slug}":
			form = edited()
		case "POST /sources/{slug}/unreadable":
			_, err := s.db.Pool().Exec(t.Context(), `UPDATE source_headers SET sealed = '\x00'`)
			must(t, err)
			form = url.Values{}
		case "POST /destinations/{name}":
			form = filled(t, ada.show("/destinations/bus/edit"), "#destination-form", url.Values{"timeout": {"6s"}})
		case "POST /alerts/channels/{name}":
			form.Set("revision", ada.show(step.path).one(t, "[name=revision]").attr("value"))
		case "POST /login/once":
			code, err := s.db.CreateLoginCode(t.Context(), "ada")
			must(t, err)
			form = url.Values{"code": {code}}
		case "POST /account/second-factor":
			form = url.Values{"code": {code(0)}}
		case "POST /login/code":
			s.ahead.Add(int64(31 * time.Second)) // a code is good for one use
			form = url.Values{"code": {code(0)}}
		}
		if strings.HasPrefix(step.path, "/erasures/1/") || strings.HasPrefix(step.path, "/erasures/2/") {
			id, err := strconv.ParseInt(step.path[len("/erasures/"):][:1], 10, 64)
			must(t, err)
			s.workErasures(t, id, store.ErasureOpen)
		}
		before, sent := newest(), len(s.sent.asked())
		a := ada.post(step.path, form)
		if a.StatusCode >= 400 && step.action != "user.login_failed" {
			t.Errorf("%s is not done: %s %s\n%s", step.path, a.Status, a.page().one(t, "main").text(), s.log)
			continue
		}
		if step.route == "POST /account/second-factor/begin" {
			secret = strings.ReplaceAll(a.page().one(t, ".secret-text").text(), " ", "")
		}
		if step.action == "" {
			continue // a first half: the second one writes it down
		}
		if step.action == sentAgain {
			if asked := s.sent.asked()[sent:]; len(asked) != 1 || asked[0].By != "ada" || asked[0].Reason != "a test" {
				t.Errorf("%s: asked for %+v", step.path, asked)
			}
			continue
		}
		var after []string
		list, err := s.db.FindAudit(t.Context(), store.AuditQuery{Limit: 100})
		must(t, err)
		found := false
		for _, entry := range list {
			if entry.ID > before {
				after = append(after, fmt.Sprintf("%s by %s", entry.Action, entry.Actor))
				found = found || entry.Action == step.action && entry.Actor == "ada" && !entry.At.IsZero()
			}
		}
		if !found {
			t.Errorf("%s %v: the audit list gained %q, and not %s by ada", step.path, form, after, step.action)
		}
	}
	for _, r := range s.server.routes() {
		if strings.HasPrefix(r.pattern, http.MethodPost+" ") && !done[r.pattern] && unaudited[r.pattern] == "" {
			t.Errorf("%s: say above which audit entry comes of it, or why none does", r.pattern)
		}
		if method, _, has := strings.Cut(r.pattern, " "); has && method != http.MethodGet && method != http.MethodPost {
			t.Errorf("%s: forms are sent by POST", r.pattern)
		}
	}
}
