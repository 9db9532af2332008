package api_test

import (
	"strings"
	"testing"

	"recall/api"
	"recall/store"
	"recall/verify"
)

// never fails where an answer holds something secret.
func (a answer) never(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(string(a.body), text) {
			a.t.Errorf("%s: %q is given away in\n%s", a.call, text, a.body)
		}
	}
	return a
}

func TestSources(t *testing.T) {
	h := newHouse(t)
	h.call(t, "POST", "/sources", `{"slug":"news","name":"News","secret":"topsecret-1","basic":{"user":"plenigo","password":"topsecret-2"},"headers":[{"name":"X-Token","value":"topsecret-3"}],"expected_types":["order.*"]}`).
		want(201, `"url":"https://recall.example/callbacks/news"`, `"basic_user":"plenigo"`, `"headers":["X-Token"]`, `"tolerance_seconds":300`).never("topsecret")
	h.call(t, "POST", "/sources", `{"slug":"news"}`).want(409, "urn:recall:exists")
	h.call(t, "POST", "/sources", `{"slug":"My Shop"}`).want(422, "slug")
	h.call(t, "POST", "/sources", `{"slug":"other","scheme":"morse"}`).want(422, "body.scheme")
	h.call(t, "GET", "/sources", "").want(200, `"slug":"news"`, `"slug":"shop"`).never("topsecret", secret)
	h.call(t, "GET", "/sources/news", "").want(200, `"secret_uses":[]`).never("topsecret")
	h.call(t, "PATCH", "/sources/news", `{"name":"Newsroom","tolerance_seconds":600,"remove_headers":["x-token"],"expected_types":[],"remove_basic":true,"reason":"moved"}`).
		want(200, `"name":"Newsroom"`, `"tolerance_seconds":600`, `"headers":[]`, `"expected_types":[]`, `"basic_user":null`)
	h.call(t, "PATCH", "/sources/news", `{"remove_headers":["x-none"]}`).want(422, "asks for no header")
	h.call(t, "PATCH", "/sources/news", `{"end_secrets":["none"]}`).want(422, "has no secret")
	h.call(t, "PATCH", "/sources/news", `{"scheme":"standard-webhooks"}`).want(422, "base64")
	h.call(t, "PATCH", "/sources/nope", `{"name":"x"}`).want(404)
	h.call(t, "POST", "/sources/news/rotate", `{"secret":"topsecret-4","name":"autumn","overlap_seconds":3600}`).want(200, `"name":"autumn"`).never("topsecret")
	h.call(t, "POST", "/sources/news/rotate", `{"secret":"topsecret-4"}`).want(422, "has already").never("topsecret")
	h.call(t, "POST", "/sources/news/pause", ``).want(200, `"enabled":false`)
	h.call(t, "POST", "/sources/news/resume", `{"reason":"back"}`).want(200, `"enabled":true`)
	h.call(t, "POST", "/sources/news/test", ``).want(200, `"event_id":"`)
	h.call(t, "DELETE", "/sources/news?reason=over", ``).want(204)
	h.call(t, "DELETE", "/sources/news", ``).want(404)
	h.call(t, "GET", "/audit?subject=news", "").want(200, "source.add", "source.set", "source.remove", "source.test", "moved", "over").never("topsecret")
}

func TestDestinations(t *testing.T) {
	h := newHouse(t)
	h.call(t, "GET", "/destinations/crm", "").want(200, `"headers":["X-Key"]`).never("topsecret")
	h.call(t, "POST", "/destinations", `{"name":"bus","url":"https://bus.example/in","match":"source:shop","signing":"standard-webhooks","secret":"`+store.NewSigningSecret()+`","retry_seconds":[30,600],"max_rate":20,"order":"entity","headers":[{"name":"X-Key","value":"topsecret"}],"clear_headers":{"X-Room":"one"}}`).
		want(201, `"match":"source:shop"`, `"retry_seconds":[30,600]`, `"own_secret":true`, `"clear_headers":{"X-Room":"one"}`).never("topsecret", "whsec_")
	h.call(t, "POST", "/destinations", `{"name":"bus","url":"https://bus.example/in"}`).want(409)
	h.call(t, "POST", "/destinations", `{"name":"other"}`).want(422, "body.url")
	h.call(t, "POST", "/destinations", `{"name":"other","url":"https://a.example","signing":"standard-webhooks"}`).want(422, "whsec_")
	h.call(t, "POST", "/destinations", `{"name":"other","url":"https://a.example","match":"verdict:nope"}`).want(422, "body.match")
	h.call(t, "POST", "/destinations", `{"name":"other","url":"ftp://a.example"}`).want(422)
	h.call(t, "PATCH", "/destinations/bus", `{"manual_only":true,"max_rate":0,"rename":"bus-2","remove_headers":["x-key"],"timeout_seconds":5}`).
		want(200, `"match":null`, `"max_rate":null`, `"name":"bus-2"`, `"headers":[]`, `"timeout_seconds":5`)
	h.call(t, "PATCH", "/destinations/bus", `{}`).want(404)
	h.call(t, "PATCH", "/destinations/bus-2", `{"match":"","manual_only":true}`).want(422)
	h.call(t, "POST", "/destinations/bus-2/rotate", `{"secret":"`+store.NewSigningSecret()+`"}`).want(200).never("whsec_")
	h.call(t, "POST", "/destinations/crm/test", ``).want(200, `"succeeded":true`, `"status":200`).never("topsecret")
	h.call(t, "POST", "/destinations/crm/test", `{"source":"nope"}`).want(404)
	h.call(t, "GET", "/destinations", "").want(200, `"name":"crm"`, `"name":"bus-2"`).never("topsecret", "whsec_")
	h.call(t, "DELETE", "/destinations/bus-2?reason=over", ``).want(204)
	h.call(t, "GET", "/destinations/bus-2", ``).want(404)
	h.call(t, "GET", "/audit?action=destination", "").want(200, "destination.add", "destination.set", "destination.test", "destination.remove").never("topsecret", "whsec_")
}

func TestReplays(t *testing.T) {
	h := newHouse(t)
	h.record(t, verify.Verified, `{"entityType":"ORDER","callbackType":"CHANGE","entityId":"1"}`)
	h.call(t, "POST", "/replays", `{"filter":"type:order","to":"crm","rate":20,"reason":"crm was down"}`).want(201, `"state":"planning"`, `"by":"admin via token all"`, `"id":1`)
	h.call(t, "POST", "/replays", `{"filter":"verdict:nope","to":"crm"}`).want(400)
	h.call(t, "POST", "/replays", `{"filter":"","to":"nope"}`).want(404)
	h.call(t, "POST", "/replays", `{"filter":"","to":"crm","rate":0.01}`).want(422, "rate")
	h.call(t, "POST", "/replays/1/start", ``).want(409, "urn:recall:state")
	h.call(t, "POST", "/replays/2/start", ``).want(404)
	for i := 0; ; i++ {
		if worked, err := h.db.StepReplays(t.Context(), nil); err != nil || i > 100 {
			t.Fatal("planning", err)
		} else if !worked {
			break
		}
	}
	h.call(t, "GET", "/replays/1", "").want(200, `"state":"planned"`, `"events":1`)
	h.call(t, "POST", "/replays/1/start", ``).want(200, `"state":"canary"`)
	h.call(t, "POST", "/replays/1/pause", `{"reason":"wait"}`).want(200, `"state":"paused"`)
	h.call(t, "POST", "/replays/1/resume", ``).want(200, `"state":"canary"`)
	h.call(t, "POST", "/replays/1/cancel", ``).want(200, `"state":"cancelled"`)
	h.call(t, "GET", "/replays", "").want(200, `"id":1`)

	h.call(t, "POST", "/reverifications", `{"filter":"source:shop"}`).want(201, `"state":"counting"`)
	h.call(t, "POST", "/reverifications/1/start", ``).want(409)
	h.call(t, "POST", "/reverifications/1/cancel", ``).want(200, `"state":"cancelled"`)
	h.call(t, "GET", "/reverifications", "").want(200, `"id":1`)
}

func TestTroubles(t *testing.T) {
	h := newHouse(t)
	h.record(t, verify.Rejected, `{"entityType":"ORDER","callbackType":"CHANGE","entityId":"1"}`)
	must(t, h.db.Rollup(t.Context(), func(*store.Event) verify.Cause { return "" }))
	h.call(t, "GET", "/failures?state=open,acknowledged", "").want(200, `"state":"open"`, `"events":1`, `"sender":"192.0.2.1"`)
	h.call(t, "GET", "/failures?state=none", "").want(422)
	h.call(t, "PATCH", "/failures/1", `{"state":"acknowledged","reason":"on it"}`).want(200, `"state":"acknowledged"`, `"changed_by":"admin via token all"`)
	h.call(t, "PATCH", "/failures/2", `{"state":"resolved"}`).want(404)
	h.call(t, "GET", "/exhausted", "").want(200, `"groups":[]`)
	h.call(t, "POST", "/exhausted/redispatch", `{"destination":"crm","status":500,"error":"","reason":"again"}`).want(200, `"sent":0`, `"more":false`)
	h.call(t, "POST", "/exhausted/let-go", `{"destination":"crm","status":500,"error":"","reason":"not needed"}`).want(200, `"deliveries":0`)
	h.call(t, "GET", "/overview?range=week", "").want(200, `"rejected":1`, `"open_failures":0`, `"source":"shop"`, `"destination":"crm"`)
	h.call(t, "GET", "/overview?source=nope", "").want(404)
	h.call(t, "GET", "/health", "").want(200, `"state":"ok"`)
}

// What the identity provider says of its users, the API does not say: no password at all, and no role where groups give roles.
func TestProviderUsersBelongToTheProvider(t *testing.T) {
	t.Parallel()
	const issuer = "https://id.example"
	for _, test := range []struct {
		name, rolesFrom string
		role            int
	}{{"the provider says roles", issuer, 409}, {"another provider does", "https://other.example", 200}, {"it does not", "", 200}} {
		h := newHouse(t, func(o *api.Options) { o.RolesFrom = test.rolesFrom })
		_, u, err := h.db.LogInByProvider(t.Context(), store.ProviderLogIn{Issuer: issuer, Subject: "1", Name: "paula", Host: "id.example", Role: store.RoleViewer})
		must(t, err)
		h.call(t, "PATCH", "/users/"+u.Name, `{"role":"admin"}`).want(test.role)
		h.call(t, "PUT", "/users/"+u.Name+"/password", `{"password":"correct horse battery"}`).want(409, "identity provider")
		want := store.RoleViewer
		if test.role == 200 {
			want = store.RoleAdmin
		}
		if u, err := h.db.FindUser(t.Context(), u.ID); err != nil || u.Role != want {
			t.Errorf("%s: %+v, %v", test.name, u, err)
		}
		if u, err := h.db.CheckPassword(t.Context(), u.Name, "correct horse battery"); err == nil {
			t.Errorf("%s: %s has a password here", test.name, u.Name)
		}
	}
}

func TestUsersAndRetention(t *testing.T) {
	h := newHouse(t)
	id := h.record(t, verify.Verified, `{"entityType":"ORDER","callbackType":"CHANGE","entityId":"1"}`)
	h.call(t, "POST", "/users", `{"name":"anna","password":"correct horse battery","role":"viewer"}`).want(201, `"role":"viewer"`).never("horse")
	h.call(t, "POST", "/users", `{"name":"berta","password":"short","role":"viewer"}`).want(422, "password").never(`"short"`)
	h.call(t, "PATCH", "/users/anna", `{"role":"operator"}`).want(200, `"role":"operator"`)
	h.call(t, "PATCH", "/users/admin", `{"role":"viewer"}`).want(409, "last admin")
	h.call(t, "PUT", "/users/anna/password", `{"password":"correct horse battery 2"}`).want(204)
	h.call(t, "DELETE", "/users/anna", ``).want(204)
	h.call(t, "DELETE", "/users/anna", ``).want(404)
	h.call(t, "GET", "/users", "").want(200, `"name":"admin"`)
	h.call(t, "GET", "/audit?subject=anna", "").want(200, `"user.add"`, `"before":"viewer"`, `"after":"operator"`, `"user.password"`, `"user.remove"`).never("horse")

	h.call(t, "PUT", "/retention/accepted", `{"days":400,"reason":"agreed"}`).want(200, `"days":400`, `"source":null`)
	h.call(t, "PUT", "/retention/rejected", `{"days":30,"source":"shop"}`).want(200, `"source":"shop"`)
	h.call(t, "PUT", "/retention/rejected", `{"days":null,"source":"shop","inherit":true}`).want(200)
	h.call(t, "PUT", "/retention/audit", `{"days":30,"source":"shop"}`).want(422)
	h.call(t, "PUT", "/retention/accepted", `{"days":0}`).want(422)
	h.call(t, "PUT", "/retention/answers", `{"days":30}`).want(200, `"class":"answers"`)
	h.call(t, "GET", "/retention", "").want(200, `"days":400`, `"undecided":["rejected","audit"]`, `"last_run":{"ended_at":null,"done_at":null,"error":""}`)
	h.call(t, "GET", "/retention/preview", "").want(200, `"class":"accepted"`)
	h.call(t, "POST", "/retention/holds", `{"event_id":"`+id.String()+`","reason":"court"}`).want(201, `"events":1`, `"placed_by":"admin via token all"`)
	h.call(t, "POST", "/retention/holds", `{"reason":"court"}`).want(422)
	h.call(t, "GET", "/events/"+id.String(), "").want(200, "court")
	h.call(t, "POST", "/retention/holds/1/release", `{"reason":"over"}`).want(204)
	h.call(t, "GET", "/retention/holds", "").want(200, `"released_by":"admin via token all"`)
}
