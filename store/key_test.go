package store_test

import (
	"errors"
	"strings"
	"testing"

	"recall/seal"
	"recall/store"
	"recall/store/storetest"
)

// sealedWith counts what is sealed by key.
func sealedWith(t *testing.T, db *store.DB) map[string]int64 {
	t.Helper()
	counts, _, err := db.SealedCounts(t.Context())
	must(t, err)
	keys := map[string]int64{}
	for _, c := range counts {
		keys[c.KeyID] += c.Rows
	}
	return keys
}

// A key is changed while instances run: those that have both go on whichever is the database's; then the old one is of no use.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	url, old, fresh := storetest.URL(t), storetest.Key(), otherKey(t)
	first, _ := open(t, url, old)
	must(t, first.CreateSource(t.Context(), shop()))
	must(t, first.CreateDestination(t.Context(), crm()))
	u, err := first.CreateUser(t.Context(), "anna", "correct horse battery", store.RoleAdmin)
	must(t, err)
	_, err = first.BeginSecondFactor(t.Context(), u)
	must(t, err)
	must(t, first.AddAudit(t.Context(), store.AuditEntry{Actor: "anna", Action: "source.add"}))
	must(t, first.SealAudit(t.Context()))
	if _, err := first.RotateKey(t.Context(), store.AuditEntry{}); err == nil {
		t.Error("rotated with one key")
	}

	both, _ := open(t, url, fresh.WithPrevious(old))
	must(t, both.CheckKey(t.Context()))
	second := shop()
	second.Slug = "club"
	must(t, both.CreateSource(t.Context(), second)) // by the database's key, so that instances with the old one alone read it
	if s, err := first.FindSource(t.Context(), "club"); err != nil || s.Unreadable {
		t.Errorf("before the rotation: %+v, %v", s, err)
	}
	before := sealedWith(t, both)
	if len(before) != 1 || before[old.ID()] < 8 {
		t.Fatalf("sealed with %v", before)
	}
	n, err := both.RotateKey(t.Context(), store.AuditEntry{Actor: "cli:root"})
	if err != nil || n != before[old.ID()] {
		t.Errorf("%d sealed anew, %v; want %d", n, err, before[old.ID()])
	}
	if n, err := both.RotateKey(t.Context(), store.AuditEntry{Actor: "cli:root"}); err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
	if after := sealedWith(t, both); len(after) != 1 || after[fresh.ID()] != before[old.ID()] {
		t.Errorf("sealed with %v", after)
	}
	must(t, both.SealAudit(t.Context()))

	alone, _ := open(t, url, fresh)
	must(t, alone.CheckKey(t.Context()))
	for _, slug := range []string{"shop", "club"} {
		if s, err := alone.FindSource(t.Context(), slug); err != nil || s.Unreadable || len(s.Secrets) != 2 || s.Basic == nil || len(s.Headers) != 1 {
			t.Errorf("%s by the new key: %+v, %v", slug, s, err)
		}
	}
	if d, err := alone.FindDestination(t.Context(), "crm"); err != nil || d.Unreadable || len(d.Secrets) != 2 {
		t.Errorf("crm by the new key: %+v, %v", d, err)
	}
	for name, db := range map[string]*store.DB{"both": both, "the new one": alone} {
		if checked, _, fault := checkAudit(t, db); fault != nil || checked != 2 {
			t.Errorf("audit list by %s: %d, %v", name, checked, fault)
		}
	}
	if err := first.CheckKey(t.Context()); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("the old one alone: %v", err)
	}
}

// A lost key loses what it sealed and nothing else; it is given up by a command, and everything is closed rather than open.
func TestKeyGivenUp(t *testing.T) {
	t.Parallel()
	url, lost := storetest.URL(t), storetest.Key()
	first, _ := open(t, url, lost)
	must(t, first.CreateSource(t.Context(), shop()))
	d := crm()
	d.State = store.DestinationActive
	must(t, first.CreateDestination(t.Context(), d))
	u, err := first.CreateUser(t.Context(), "anna", "correct horse battery", store.RoleAdmin)
	must(t, err)
	_, err = first.BeginSecondFactor(t.Context(), u)
	must(t, err)
	must(t, first.AddAudit(t.Context(), store.AuditEntry{Actor: "anna", Action: "source.add"}))
	must(t, first.SealAudit(t.Context()))

	db, _ := open(t, url, otherKey(t))
	if err := db.CheckKey(t.Context()); !errors.Is(err, seal.ErrWrongKey) || !strings.Contains(err.Error(), "give-up") {
		t.Fatalf("with another key: %v", err)
	}
	if s, err := db.FindSource(t.Context(), "shop"); err != nil || !s.Unreadable {
		t.Errorf("the source by another key: %+v, %v", s, err)
	}
	for name, id := range map[string]string{"ours": otherKey(t).ID(), "none": "x", "of nothing": "01020304"} {
		if _, err := db.GiveUpKey(t.Context(), id, store.AuditEntry{}); err == nil {
			t.Errorf("%s was given up", name)
		}
	}
	removed, err := db.GiveUpKey(t.Context(), lost.ID(), store.AuditEntry{Actor: "cli:root", Reason: "lost"})
	if err != nil || len(removed) != 6 {
		t.Errorf("%+v, %v", removed, err)
	}
	must(t, db.CheckKey(t.Context()))
	if left := sealedWith(t, db); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	s, err := db.FindSource(t.Context(), "shop")
	if err != nil || s.Unreadable || s.Enabled || len(s.Secrets) != 0 {
		t.Errorf("the source: %+v, %v", s, err)
	}
	if d, err := db.FindDestination(t.Context(), "crm"); err != nil || d.Unreadable || d.State != store.DestinationPaused {
		t.Errorf("the destination: %+v, %v", d, err)
	}
	if u, err := db.FindUser(t.Context(), u.ID); err != nil || u.SecondFactor {
		t.Errorf("the user: %+v, %v", u, err)
	}
	must(t, db.SealAudit(t.Context()))
	if _, _, fault := checkAudit(t, db); fault != nil {
		t.Error(fault)
	}
	if got, err := db.ListAudit(t.Context(), "key "+lost.ID(), 1); err != nil || len(got) != 1 || got[0].Reason != "lost" {
		t.Errorf("audited %+v, %v", got, err)
	}
}
