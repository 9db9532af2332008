package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// write is one operation that changes something, called so that it is done.
type write struct {
	id     string // of the operation
	path   string
	body   string
	action string // of the audit entry that must come of it
}

// Every operation that changes something writes down who did what: the list is that of the description, so that a new
// operation fails here until it has its call below.
func TestEveryWriteIsAudited(t *testing.T) {
	h := newHouse(t)
	event := h.record(t, verify.Verified, `{"entityType":"ORDER","callbackType":"CHANGE","entityId":"1","entity":{"customerId":"7"}}`).String()
	bad := h.record(t, verify.Rejected, `{"entityType":"ORDER","callbackType":"CHANGE","entityId":"2"}`).String()
	gift := h.record(t, verify.Verified, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"3","entity":{"invoiceCustomerId":"555","items":[{"deliveryCustomerId":"7"}]}}`).String()
	must(t, h.db.Rollup(t.Context(), func(*store.Event) verify.Cause { return "" }))
	h.giveUp(t, event, 500)
	must(t, h.db.ChangeAlerts(t.Context(), func(book *store.AlertBook) error {
		book.Alerts = append(book.Alerts, &store.Alert{Kind: "source_silent", Subject: "shop", Level: 1, Words: "Nothing came.", OpenedAt: h.clock(), SeenAt: h.clock()})
		return nil
	}))
	anna, err := h.db.CreateUser(t.Context(), "anna", "correct horse battery", store.RoleAdmin)
	must(t, err)
	h.tokenOf(t, anna, "to be revoked", store.RightMetadata)
	var all described
	must(t, json.Unmarshal(h.document(t), &all))
	methods := map[string]string{}
	for _, operations := range all.Paths {
		for method, o := range operations {
			if method != "get" {
				methods[o.ID] = strings.ToUpper(method)
			}
		}
	}

	done := map[string]bool{}
	for _, w := range []write{
		{"event-redispatch", "/events/" + event + "/redispatch", `{"to":"crm","reason":"a test"}`, "event.redispatch"},
		{"event-reverify", "/events/" + bad + "/reverify", `{"reason":"a test"}`, "event.reverify"},
		{"source-add", "/sources", `{"slug":"news","name":"News","secret":"topsecret-1"}`, "source.add"},
		{"source-set", "/sources/news", `{"name":"Newsroom"}`, "source.set"},
		{"source-rotate", "/sources/news/rotate", `{"secret":"topsecret-2"}`, "source.set"},
		{"source-pause", "/sources/news/pause", ``, "source.set"},
		{"source-resume", "/sources/news/resume", ``, "source.set"},
		{"source-test", "/sources/news/test", ``, "source.test"},
		{"source-remove", "/sources/news", ``, "source.remove"},
		{"destination-add", "/destinations", `{"name":"bus","url":"https://bus.example/in","signing":"standard-webhooks","secret":"` + store.NewSigningSecret() + `"}`, "destination.add"},
		{"destination-set", "/destinations/bus", `{"timeout_seconds":6}`, "destination.set"},
		{"destination-rotate", "/destinations/bus/rotate", `{"secret":"` + store.NewSigningSecret() + `"}`, "destination.set"},
		{"destination-pause", "/destinations/bus/pause", ``, "destination.pause"},
		{"destination-resume", "/destinations/bus/resume", ``, "destination.resume"},
		{"destination-test", "/destinations/crm/test", ``, "destination.test"},
		{"destination-remove", "/destinations/bus", ``, "destination.remove"},
		{"replay-plan", "/replays", `{"filter":"type:order","to":"crm"}`, "replay.plan"},
		{"replay-start", "/replays/1/start", ``, "replay.start"},
		{"replay-pause", "/replays/1/pause", ``, "replay.pause"},
		{"replay-resume", "/replays/1/resume", ``, "replay.resume"},
		{"replay-cancel", "/replays/1/cancel", ``, "replay.cancel"},
		{"reverification-plan", "/reverifications", `{"filter":"source:shop"}`, "reverify.plan"},
		{"reverification-start", "/reverifications/1/start", ``, "reverify.start"},
		{"reverification-cancel", "/reverifications/1/cancel", ``, "reverify.cancel"},
		{"failure-set", "/failures/1", `{"state":"acknowledged"}`, "failure.acknowledged"},
		{"exhausted-redispatch", "/exhausted/redispatch", `{"destination":"crm","status":500,"error":"","reason":"a test"}`, "event.redispatch"},
		{"exhausted-let-go", "/exhausted/let-go", `{"destination":"crm","status":500,"error":"","reason":"a test"}`, "delivery.let_go"},
		{"retention-set", "/retention/accepted", `{"days":400}`, "retention.set"},
		{"hold-add", "/retention/holds", `{"event_id":"` + event + `","reason":"a test"}`, "event.hold"},
		{"hold-release", "/retention/holds/1/release", ``, "hold.release"},
		{"user-add", "/users", `{"name":"carl","password":"correct horse battery","role":"viewer"}`, "user.add"},
		{"user-role", "/users/carl", `{"role":"operator"}`, "user.role"},
		{"user-password", "/users/carl/password", `{"password":"correct horse battery 2"}`, "user.password"},
		{"user-second-factor-remove", "/users/carl/second-factor", ``, "user.second_factor_remove"},
		{"user-remove", "/users/carl", ``, "user.remove"},
		{"alert-acknowledge", "/alerts/1/acknowledge", `{"reason":"a test"}`, "alert.acknowledge"},
		{"alert-channel-add", "/alerts/channels", `{"name":"ops","webhook":{"url":"` + h.target.URL + `/hook"}}`, "alert.channel.add"},
		{"alert-channel-set", "/alerts/channels/ops", `{"alerts":["silence"]}`, "alert.channel.set"},
		{"alert-channel-test", "/alerts/channels/ops/test", ``, "alert.test"},
		{"alert-channel-remove", "/alerts/channels/ops", ``, "alert.channel.remove"},
		{"token-revoke", "/tokens/2", ``, "token.revoke"},
		{"erasure-settings-set", "/erasures/settings", `{"grace_hours":48,"reason":"a test"}`, "erasure.set"},
		{"erasure-open", "/erasures", `{"customer":"7","reason":"a test"}`, "erasure.open"},
		{"erasure-search", "/erasures/1/search", ``, "erasure.search"},
		{"erasure-decide", "/erasures/1/decide", `{"erase":false,"events":["` + gift + `"],"reason":"a test"}`, "erasure.decide"},
		{"erasure-cancel", "/erasures/1/cancel", `{"reason":"a test"}`, "erasure.cancel"},
		{"erasure-open", "/erasures", `{"event_id":"` + gift + `","reason":"a test"}`, "erasure.open"},
		{"erasure-confirm", "/erasures/2/confirm", `{"reason":"a test"}`, "erasure.confirm"},
		{"erasure-list-file", "/erasures/list", ``, "erasure.list"},
		{"customer-report", "/customers/7/report", `{"reason":"a test"}`, "customer.report"},
	} {
		done[w.id] = true
		if methods[w.id] == "" {
			t.Errorf("%s is no operation that changes something", w.id)
			continue
		}
		switch w.id {
		case "replay-start":
			for worked := true; worked; {
				var err error
				worked, err = h.db.StepReplays(t.Context(), nil)
				must(t, err)
			}
		case "reverification-start":
			for worked := true; worked; {
				var err error
				worked, err = h.db.StepReverifyRuns(t.Context(), func(*store.Event) verify.Result { return verify.Result{} })
				must(t, err)
			}
		case "erasure-search", "erasure-decide":
			h.workErasures(t, 1, store.ErasureOpen)
		case "erasure-confirm":
			h.workErasures(t, 2, store.ErasureOpen)
		case "exhausted-let-go":
			h.giveUp(t, event, 500)
		}
		before, err := h.db.FindAudit(t.Context(), store.AuditQuery{Limit: 1})
		must(t, err)
		a := h.call(t, methods[w.id], w.path, w.body)
		if a.status >= 300 {
			t.Errorf("%s is not done: %d %s", w.id, a.status, a.body)
			continue
		}
		after, err := h.db.FindAudit(t.Context(), store.AuditQuery{Limit: 50})
		must(t, err)
		found, gained := false, []string{}
		for _, e := range after {
			if len(before) > 0 && e.ID <= before[0].ID {
				break
			}
			gained = append(gained, e.Action+" by "+e.Actor)
			found = found || e.Action == w.action && e.Actor == "admin via token all"
		}
		if !found {
			t.Errorf("%s: the audit list gained %q, and not %s by admin via token all", w.id, gained, w.action)
		}
	}
	for id := range methods {
		if !done[id] {
			t.Errorf("%s: call it above, and say which audit entry comes of it", id)
		}
	}
}

// giveUp makes a delivery to crm that was given up.
func (h *house) giveUp(t *testing.T, event string, status int) {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := h.db.Pool().Exec(t.Context(), `
		INSERT INTO deliveries (event_id, id, destination_id, trigger, state, attempts, created_at, finished_at, last_status, last_error, next_attempt_at)
		SELECT $1, $2, id, 'automatic', 'exhausted', 1, now(), now(), $3, '', NULL FROM destinations WHERE name = 'crm'`, event, id, status)
	must(t, err)
	_, err = h.db.Pool().Exec(t.Context(), `
		INSERT INTO attempts (event_id, delivery_id, number, started_at, duration_ms, request_url, request_header, status, error)
		VALUES ($1, $2, 1, now(), 5, '', '', $3, '')`, event, id, status)
	must(t, err)
}
