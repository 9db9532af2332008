package api_test

import (
	"testing"

	"recall/store"
)

func TestAlerts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.call(t, "GET", "/alerts", "").want(200, `"alerts":[]`)
	must(t, h.db.ChangeAlerts(t.Context(), func(book *store.AlertBook) error {
		for _, kind := range []string{"silence", "replay_stopped"} {
			a := &store.Alert{Kind: kind, Subject: "7", Level: 1, Words: "It is so.", OpenedAt: h.clock(), SeenAt: h.clock(), Told: 1, ToldAt: h.clock(), TellAt: h.clock()}
			if kind == "replay_stopped" {
				a.ResolvedAt = h.clock()
			}
			book.Alerts = append(book.Alerts, a)
		}
		return nil
	}))
	h.call(t, "GET", "/alerts", "").want(200, `"title":"Source 7 is silent"`, `"runbook":"docs/runbook.md#recallsilence"`, `"resolved_at":null`)
	h.call(t, "GET", "/alerts?state=past", "").want(200, `"kind":"replay_stopped"`)
	h.call(t, "POST", "/alerts/1/acknowledge", `{"reason":"known"}`).want(200, `"acknowledged_by":"admin via token all"`, `"note":"known"`)
	h.call(t, "POST", "/alerts/2/acknowledge", "").want(409, "is over already")
	h.call(t, "POST", "/alerts/9/acknowledge", "").want(404)
	a, err := h.db.FindAlert(t.Context(), 1)
	must(t, err)
	if !a.TellAt.IsZero() {
		t.Error("it is repeated all the same")
	}
}
