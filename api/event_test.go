package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/api"
	"recall/store"
	"recall/verify"
)

const orderBody = `{"entityType":"ORDER","callbackType":"CHANGE","entityId":"%s","entity":{"invoiceCustomerId":"48213","number":%d,"email":"anna@example.org"}}`

type eventPage struct {
	Events []struct {
		ID uuid.UUID `json:"id"`
	} `json:"events"`
	Next    *string `json:"next"`
	Further bool    `json:"further"`
}

// TestEventList: pages follow each other without a gap, and what is wrong with a filter is said where it stands.
func TestEventList(t *testing.T) {
	h := newHouse(t)
	var ids []uuid.UUID
	for i := range 7 {
		ids = append(ids, h.record(t, verify.Verified, fmt.Sprintf(orderBody, fmt.Sprint(i), i)))
	}
	var got []uuid.UUID
	next := ""
	for range 10 {
		var page eventPage
		h.call(t, "GET", "/events"+query("filter", "type:order", "limit", "3", "cursor", next), "").want(200).read(&page)
		for _, e := range page.Events {
			got = append(got, e.ID)
		}
		if page.Further {
			t.Error("the search of seven events was cut short")
		}
		if page.Next == nil {
			break
		}
		next = *page.Next
	}
	for i := range ids {
		if len(got) != len(ids) || got[i] != ids[len(ids)-1-i] {
			t.Fatalf("got %v, want %v from its end", got, ids)
		}
	}
	h.call(t, "GET", "/events"+query("filter", "verdict:nope"), "").want(400, "urn:recall:filter", `"position":`, "query.filter")
	h.call(t, "GET", "/events"+query("cursor", "bm9wZQ"), "").want(422, "query.cursor")
	h.call(t, "GET", "/events"+query("limit", "1001"), "").want(422, "query.limit")

	// What callbacks carried cannot be asked for bit by bit without the right to see it.
	blind := h.tokenOf(t, &store.User{ID: 1, Name: "admin"}, "blind", store.RightMetadata)
	for filter, status := range map[string]int{"anna@example.org": 403, "entity.email:anna": 403, "header.x-own:a": 403, "customer:48213": 200} {
		h.callAs(t, blind, "GET", "/events"+query("filter", filter), "").want(status)
	}
	h.call(t, "GET", "/events"+query("filter", "anna@example.org"), "").want(200, ids[0].String())
}

func TestEventShow(t *testing.T) {
	h := newHouse(t)
	id := h.record(t, verify.Verified, fmt.Sprintf(orderBody, "7", 1))
	bad := h.record(t, verify.Rejected, fmt.Sprintf(orderBody, "8", 1))
	h.call(t, "GET", "/events/"+id.String(), "").want(200, `"verdict":"verified"`, `"customer_ids":["48213"]`, `"sender":"192.0.2.1"`, `"accepted_now":true`).never(`"why"`)
	a := h.call(t, "GET", "/events/"+bad.String(), "").want(200, `"verdict":"rejected"`, `"why":{`)
	if strings.Contains(string(a.body), "anna@example.org") || strings.Contains(string(a.body), "own-value") {
		t.Errorf("facts hold what the callback carried: %s", a.body)
	}
	payload := h.call(t, "GET", "/events/"+id.String()+"/payload", "").want(200, "••••", `"is_json":true`, `"masked":true`)
	if strings.Contains(string(payload.body), "own-value") || strings.Contains(string(payload.body), "c2VjcmV0") || strings.Contains(string(payload.body), "anna@example.org") {
		t.Errorf("a credential is shown: %s", payload.body)
	}
	raw := h.call(t, "GET", "/events/"+id.String()+"/raw", "").want(200)
	if raw.header.Get("Recall-Masked") != "true" || strings.Contains(string(raw.body), "anna@") {
		t.Errorf("raw shows what is personal: %s", raw.body)
	}
	raw = h.call(t, "GET", "/events/"+id.String()+"/raw?reveal=true&reason=ticket", "").want(200)
	if string(raw.body) != fmt.Sprintf(orderBody, "7", 1) || raw.header.Get("Recall-Masked") != "false" {
		t.Errorf("revealed: %s", raw.body)
	}
	h.call(t, "GET", "/events/"+id.String()+"/payload?reveal=true&reason=ticket", "").want(200, "anna@example.org", `"masked":false`).never("own-value", "c2VjcmV0")
	h.call(t, "GET", "/events/"+id.String()+"/payload?reveal=true", "").want(422, "query.reason")
	h.call(t, "GET", "/audit?action=event.reveal", "").want(200, id.String(), "ticket")
	h.call(t, "GET", "/audit?action=event.view", "").want(200, id.String())
	masked := h.tokenOf(t, &store.User{ID: 1, Name: "admin"}, "masked", store.RightPayloads)
	h.callAs(t, masked, "GET", "/events/"+id.String()+"/raw?reveal=true&reason=ticket", "").want(403, "needs the right reveal")
	if raw.header.Get("Content-Type") != "application/octet-stream" || !strings.Contains(raw.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("raw: %v", raw.header)
	}
	h.call(t, "GET", "/events/"+id.String()+"/arrivals", "").want(200, id.String())
	h.call(t, "GET", "/events/"+uuid.NewString(), "").want(404, "There is no event")
	h.call(t, "GET", "/events/nope", "").want(422, "path.id")
	h.call(t, "GET", "/customers/48213/events", "").want(200, id.String(), bad.String())
	h.call(t, "GET", "/customers/48213/entities", "").want(200, `"type":"ORDER"`, `"all":true`)
	h.call(t, "GET", "/entities/order/7/events?source=shop", "").want(200, id.String(), `"stale":false`)
}

// TestRedispatch: an old state is not put over a newer one unless somebody says so, and the audit list names the token.
func TestRedispatch(t *testing.T) {
	h := newHouse(t)
	old := h.record(t, verify.Verified, fmt.Sprintf(orderBody, "7", 1))
	h.pass(time.Minute)
	newest := h.record(t, verify.Verified, fmt.Sprintf(orderBody, "7", 2))
	bad := h.record(t, verify.Rejected, fmt.Sprintf(orderBody, "8", 1))
	path := "/events/" + old.String() + "/redispatch"

	h.call(t, "POST", path, `{"to":"crm"}`).want(409, "urn:recall:stale", `"stale":"newest"`, `"event_id":"`+newest.String(), "anyway")
	h.call(t, "POST", path, `{"to":"crm","stale":"skip"}`).want(200, `"sent":false`)
	h.call(t, "POST", path, `{"to":"crm","stale":"anyway"}`).want(422, "body.reason")
	h.call(t, "POST", path, `{"to":"crm","stale":"anyway","reason":"it was lost"}`).want(200, `"sent":true`, old.String())
	h.call(t, "POST", path, `{"to":"crm","stale":"newest"}`).want(200, newest.String())
	h.call(t, "POST", path, `{"to":"nope"}`).want(404, "/destinations")
	h.call(t, "POST", path, ``).want(400)
	h.call(t, "POST", "/events/"+bad.String()+"/redispatch", `{"to":"crm"}`).want(409, "urn:recall:rejected", "re-verify")
	h.call(t, "GET", "/audit"+query("action", "event.redispatch", "limit", "1"), "").want(200, `"actor":"admin via token all"`, `"next":"`)
	var shown struct {
		Deliveries []struct{ ID, By, State string }
	}
	h.call(t, "GET", "/events/"+old.String()+"/deliveries", "").want(200).read(&shown)
	if len(shown.Deliveries) != 1 || shown.Deliveries[0].By != "admin via token all" || shown.Deliveries[0].State != "pending" {
		t.Fatalf("deliveries %+v", shown)
	}
	h.call(t, "GET", "/events/"+old.String()+"/deliveries/"+shown.Deliveries[0].ID+"/attempts", "").want(200, `"attempts":[]`)
	h.call(t, "POST", "/destinations/crm/pause", `{"reason":"maintenance"}`).want(200, `"state":"paused"`, `"waiting":2`)
	h.call(t, "POST", "/destinations/crm/resume", ``).want(200, `"state":"active"`)
	h.call(t, "POST", "/events/"+old.String()+"/reverify", ``).want(409, "nothing to check again")
	h.call(t, "POST", "/events/"+bad.String()+"/reverify", `{"release":true,"reason":"mended"}`).want(200, `"verdict":"rejected"`, `"released":false`)
}

// TestRateLimit: one token's haste does not slow another's.
func TestRateLimit(t *testing.T) {
	h := newHouse(t, func(o *api.Options) { o.Rate = 3 })
	other := h.tokenOf(t, &store.User{ID: 1, Name: "admin"}, "other", store.RightMetadata)
	for left := range 3 {
		a := h.call(t, "GET", "/token", "").want(200)
		if got, want := a.header.Get("RateLimit"), fmt.Sprintf(`"token";r=%d;t=%d`, 2-left, 20*(left+1)); got != want || a.header.Get("RateLimit-Policy") != `"token";q=3;w=60` {
			t.Errorf("RateLimit %s, want %s; policy %s", got, want, a.header.Get("RateLimit-Policy"))
		}
	}
	if a := h.call(t, "GET", "/token", "").want(http.StatusTooManyRequests, "RECALL_API_RATE"); a.header.Get("Retry-After") != "20" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	h.callAs(t, other, "GET", "/token", "").want(200)
	h.pass(20 * time.Second)
	h.call(t, "GET", "/token", "").want(200)
	h.call(t, "GET", "/token", "").want(429)
}

// TestUnknownTokensAreNotLookedUpForEver: who tries many is stopped before the database is asked.
func TestUnknownTokensAreNotLookedUpForEver(t *testing.T) {
	h := newHouse(t)
	gone := h.tokenOf(t, &store.User{ID: 1, Name: "admin"}, "gone", store.RightMetadata)
	h.call(t, "DELETE", "/tokens/2", "").want(204)
	for range 30 {
		h.callAs(t, gone, "GET", "/token", "").want(401)
	}
	h.callAs(t, gone, "GET", "/token", "").want(429)
	h.pass(time.Minute)
	h.call(t, "GET", "/token", "").want(200)
}
