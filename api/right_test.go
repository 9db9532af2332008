package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"recall/store"
)

func (r receiver) SendTest(context.Context, *store.Source) (uuid.UUID, error) {
	return store.IDAt(r.h.clock()), nil
}

// described is what the description says of operations, as far as this test asks.
type described struct {
	Paths map[string]map[string]struct {
		ID    string      `json:"operationId"`
		Right store.Right `json:"x-recall-right"`
	} `json:"paths"`
}

// TestEveryOperationAsksForItsRight runs every operation that is described without a token, with each other right alone, with its
// right, and with its right after the user has lost it.
func TestEveryOperationAsksForItsRight(t *testing.T) {
	h := newHouse(t)
	var all described
	must(t, json.Unmarshal(h.document(t), &all))
	admin, err := h.db.CreateUser(t.Context(), "anna", "correct horse battery", store.RoleAdmin)
	must(t, err)
	only := map[store.Right]string{}
	for _, right := range store.Rights {
		only[right] = h.tokenOf(t, admin, string(right), right)
	}
	demoted, err := h.db.CreateUser(t.Context(), "berta", "correct horse battery", store.RoleAdmin)
	must(t, err)
	lost := h.tokenOf(t, demoted, "all", store.Rights...)
	must(t, h.db.SetRole(t.Context(), "berta", store.RoleViewer))

	seen, operations := map[string]bool{}, 0
	fill := strings.NewReplacer("{slug}", "no-such", "{name}", "no-such", "{type}", "order", "{class}", "accepted", "{delivery}", uuid.NewString())
	for path, methods := range all.Paths {
		for method, o := range methods {
			operations++
			if seen[o.ID] || o.Right == "" {
				t.Errorf("%s %s: id %q, right %q", method, path, o.ID, o.Right)
			}
			seen[o.ID] = true
			id := "123456"
			if strings.HasPrefix(path, "/events/") {
				id = uuid.NewString()
			}
			at := fill.Replace(strings.ReplaceAll(path, "{id}", id))
			method := strings.ToUpper(method)
			ask := func(token string) answer { return h.callAs(t, token, method, at, "") }
			if a := ask("").want(http.StatusUnauthorized); a.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", a.call)
			}
			for right, token := range only {
				a := ask(token)
				refused := a.status == http.StatusForbidden
				if refused != (right != o.Right) || a.status == http.StatusUnauthorized || a.status >= 500 {
					t.Errorf("%s (%s) with the right %s alone: %d, it needs %s\n%s", a.call, o.ID, right, a.status, o.Right, a.body)
				}
			}
			if a := ask(lost); (a.status == http.StatusForbidden) == store.RoleViewer.May(o.Right) {
				t.Errorf("%s by a token of one who became a viewer: %d", a.call, a.status)
			}
		}
	}
	if operations < 60 {
		t.Errorf("%d operations are described", operations)
	}
}

// TestTokensAreRefused in every way but one of showing them.
func TestTokensAreRefused(t *testing.T) {
	h := newHouse(t)
	h.call(t, "GET", "/token", "").want(200, `"name":"all"`)
	for name, change := range map[string]func(*http.Request){
		"in the address":   func(r *http.Request) { r.URL.RawQuery = "token=" + h.token },
		"as basic":         func(r *http.Request) { r.SetBasicAuth("admin", h.token) },
		"in a cookie":      func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "recall", Value: h.token}) },
		"mistyped":         func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+h.token[:len(h.token)-1]+"!") },
		"never made":       func(r *http.Request) { r.Header.Set("Authorization", "Bearer recall_0") },
		"a user's":         func(r *http.Request) { r.Header.Set("Authorization", "Bearer correct horse battery") },
		"unknown address":  func(r *http.Request) { r.URL.Path = "/api/v1/nothing" },
		"the other scheme": func(r *http.Request) { r.Header.Set("Authorization", "Token "+h.token) },
	} {
		r, err := http.NewRequest("GET", h.url+"/token", nil)
		must(t, err)
		change(r)
		a := h.send(t, r)
		if a.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	h.call(t, "GET", "/nothing", "").want(404, "openapi.json")
	if a := h.call(t, "PUT", "/events", "").want(405); a.header.Get("Allow") != "GET" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
	h.call(t, "GET", "/events?fliter=x", "").want(422, "query.fliter")
	h.call(t, "POST", "/sources", `{"slug":"`+strings.Repeat("x", 70<<10)+`"}`).want(413)
	if a := h.call(t, "POST", "/sources", `{"slug":"a","secret":{"a":"topsecret"}}`).want(422, "body.secret"); strings.Contains(string(a.body), "topsecret") {
		t.Errorf("a problem repeats what was sent: %s", a.body)
	}
	h.call(t, "POST", "/sources", `{"slug":`).want(400)

	var tokens struct{ Tokens []struct{ ID int64 } }
	h.call(t, "GET", "/tokens", "").want(200).read(&tokens)
	other := h.tokenOf(t, &store.User{ID: 1, Name: "admin"}, "other", store.RightMetadata)
	h.callAs(t, other, "GET", "/events", "").want(200)
	h.callAs(t, other, "GET", "/tokens", "").want(403, "needs the right users")
	h.call(t, "DELETE", "/tokens/2?reason=done", "").want(204)
	h.callAs(t, other, "GET", "/events", "").want(401, "was revoked")
}
