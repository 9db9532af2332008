package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/mask"
	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
)

func TestMaskRules(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	ctx, note := t.Context(), store.AuditEntry{Actor: "anna", Action: "mask.set", Reason: "agreed"}
	class := func(entityType string, path ...string) mask.Class {
		t.Helper()
		rules, err := db.MaskRules(ctx)
		must(t, err)
		return rules.Class(entityType, path...)
	}
	if class("CUSTOMER", "entity", "email") != mask.Personal || class("CUSTOMER", "entity", "status") != mask.Shown {
		t.Fatal("Recall's own rules do not hold")
	}
	must(t, db.SetMaskRule(ctx, mask.Rule{EntityType: "customer", Path: "entity.email", Class: mask.Shown}, note))
	must(t, db.SetMaskRule(ctx, mask.Rule{EntityType: "CUSTOMER", Path: "entity.status", Class: mask.Personal}, note))
	must(t, db.SetMaskRule(ctx, mask.Rule{EntityType: "CUSTOMER", Path: "entity.Status", Class: mask.Secret}, note))
	must(t, db.SetMaskRule(ctx, mask.Rule{EntityType: "CUSTOMER", Path: "entity.Status", Class: mask.Secret}, note)) // no change
	must(t, db.SetMaskRule(ctx, mask.Rule{EntityType: "*", Path: "entity.items[].x", Class: mask.Secret}, note))
	if class("CUSTOMER", "entity", "email") != mask.Shown || class("CUSTOMER", "entity", "status") != mask.Secret || class("NEW", "entity", "items", "x") != mask.Secret {
		t.Error("what was set does not hold")
	}
	if err := db.SetMaskRule(ctx, mask.Rule{EntityType: "CUSTOMER", Path: "a..b", Class: mask.Shown}, note); err == nil || !strings.Contains(err.Error(), "no path") {
		t.Errorf("a wrong rule: %v", err)
	}

	note.Action = "mask.reset"
	if n, err := db.ResetMask(ctx, "customer", "entity.STATUS", note); n != 1 || err != nil {
		t.Errorf("%d taken away: %v", n, err)
	}
	if class("CUSTOMER", "entity", "email") != mask.Shown || class("CUSTOMER", "entity", "status") != mask.Shown {
		t.Error("more was taken away, or nothing")
	}
	if n, err := db.ResetMask(ctx, "", "", note); n != 2 || err != nil {
		t.Errorf("%d taken away: %v", n, err)
	}
	if n, err := db.ResetMask(ctx, "CUSTOMER", "", note); n != 0 || err != nil {
		t.Errorf("%d taken away: %v", n, err)
	}
	if class("CUSTOMER", "entity", "email") != mask.Personal {
		t.Error("Recall's own rules do not hold again")
	}

	entries, err := db.FindAudit(ctx, store.AuditQuery{Action: "mask"})
	must(t, err)
	if len(entries) != 6 {
		t.Fatalf("%d entries", len(entries))
	}
	for at, want := range map[int]struct {
		subject, path string
		before, after string
	}{
		5: {"CUSTOMER", "entity.email", "personal by Recall’s own rule", "shown"},
		4: {"CUSTOMER", "entity.status", "no rule", "personal"},
		3: {"CUSTOMER", "entity.Status", "personal", "secret"},
		1: {"CUSTOMER", "entity.Status", "secret", "no rule"},
		0: {"", "CUSTOMER entity.email", "shown", "personal by Recall’s own rule"},
	} {
		change, _ := entries[at].Detail[want.path].(map[string]any)
		if entries[at].Subject != want.subject || entries[at].Reason != "agreed" || change["before"] != want.before || change["after"] != want.after {
			t.Errorf("entry %d: %+v", at, entries[at])
		}
	}
}

func TestReveals(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	now := noon
	db.Now = func() time.Time { return now }
	ctx := t.Context()
	user, err := db.CreateUser(ctx, "anna", "a long enough pass phrase", store.RoleOperator)
	must(t, err)
	limits := store.SessionLimits{Idle: 10 * time.Hour, Age: 10 * time.Hour}
	session := func() int64 {
		t.Helper()
		token, err := db.CreateSession(ctx, user.ID, store.LogIn{})
		must(t, err)
		s, _, err := db.FindSession(ctx, token, limits)
		must(t, err)
		return s.ID
	}
	mine, other := session(), session()
	e := &store.Event{ID: uuid.Must(uuid.NewV7()), Envelope: plenigo.Read([]byte(`{"entityType":"Order","entityId":"7","entity":{"invoiceCustomerId":"48213"}}`))}
	note := store.AuditEntry{Actor: "anna", Reason: "ticket 12"}
	for _, r := range []store.Reveal{
		{Scope: store.RevealEvent, Subject: e.ID.String(), Until: now.Add(15 * time.Minute)},
		{Scope: store.RevealEntity, Subject: "ORDER/7", Until: now.Add(20 * time.Minute)},
		{Scope: store.RevealCustomer, Subject: "48213", Until: now.Add(30 * time.Minute), Secrets: true},
		{Scope: store.RevealCustomer, Subject: "4821", Until: now.Add(5 * time.Minute)},
		{Scope: store.RevealEvent, Subject: e.ID.String(), Until: now.Add(10 * time.Minute)}, // in place of the first
	} {
		must(t, db.CreateReveal(ctx, mine, r, note))
	}
	list := func(session int64) (covering int, all []store.Reveal) {
		t.Helper()
		all, err := db.ListReveals(ctx, session)
		must(t, err)
		for _, r := range all {
			if r.Covers(e) {
				covering++
			}
		}
		return covering, all
	}
	covering, all := list(mine)
	if covering != 3 || len(all) != 4 || all[0].Subject != "48213" || !all[0].Secrets || !all[0].Until.Equal(now.Add(30*time.Minute)) {
		t.Errorf("%d of %+v", covering, all)
	}
	if _, none := list(other); len(none) > 0 {
		t.Errorf("another session sees %+v", none)
	}
	must(t, db.EndReveal(ctx, other, all[0].ID, note))
	if covering, _ := list(mine); covering != 3 {
		t.Error("another session hides what is not its own")
	}
	must(t, db.EndReveal(ctx, mine, all[0].ID, note))
	now = now.Add(10 * time.Minute)
	if covering, all := list(mine); covering != 1 || len(all) != 1 {
		t.Errorf("ten minutes later: %+v", all)
	}
	must(t, db.Maintain(ctx))
	var rows int
	must(t, db.Pool().QueryRow(ctx, `SELECT count(*) FROM reveals`).Scan(&rows))
	if rows != 2 { // one ends at this very moment
		t.Errorf("%d rows left", rows)
	}
	must(t, db.EndSession(ctx, user.ID, mine))
	if _, all := list(mine); len(all) > 0 {
		t.Errorf("after the session: %+v", all)
	}

	entries, err := db.FindAudit(ctx, store.AuditQuery{Actor: "anna"})
	must(t, err)
	if len(entries) != 6 || entries[0].Action != "customer.hide" || entries[0].Subject != "48213" || entries[3].Action != "customer.reveal" || entries[3].Subject != "48213" ||
		entries[3].Reason != "ticket 12" || entries[3].Detail["secrets"] != true || entries[3].Detail["until"] != noon.Add(30*time.Minute).UTC().Format(time.RFC3339) {
		t.Errorf("%+v", entries)
	}
}

func TestViewsAreNotedOnceAnHour(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	now := noon
	db.Now = func() time.Time { return now }
	view := func(actor, subject string) {
		t.Helper()
		must(t, db.NoteView(t.Context(), store.AuditEntry{Actor: actor, Action: "event.view", Subject: subject}))
	}
	for range 3 {
		view("anna", "1")
	}
	view("berta", "1")
	view("anna", "2\x00")
	now = now.Add(time.Hour)
	view("anna", "1")
	entries, err := db.FindAudit(t.Context(), store.AuditQuery{Action: "event.view"})
	must(t, err)
	if len(entries) != 4 {
		t.Errorf("%d entries", len(entries))
	}
	now = now.Add(24 * time.Hour)
	must(t, db.Maintain(t.Context()))
	var rows int
	must(t, db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM payload_views`).Scan(&rows))
	if rows != 0 {
		t.Errorf("%d rows left", rows)
	}
}
