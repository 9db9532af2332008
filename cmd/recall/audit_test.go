package main

import (
	"path/filepath"
	"strings"
	"testing"

	"recall/store"
)

// From an entry to one that was changed past Recall.
func TestAuditCommands(t *testing.T) {
	t.Parallel()
	h, dir := newHouse(t), t.TempDir()
	h.args = append(h.args, "--data-dir", dir)
	h.run("", "audit", "verify").want(t, 0, "no entry has its place yet")
	h.run("s3cret", "source", "add", "--slug", "shop", "--secret", "-").want(t, 0)
	h.run("", "source", "set", "shop", "--name", "The shop").want(t, 0)
	h.run("", "audit", "list", "--action", "source", "--until", "yesterday").want(t, 2, "is no day")
	h.run("", "audit", "list", "--action", "source", "--from", "2020-01-01", "--until", "2999-12-31", "--text", "the SHOP").want(t, 0, "source.set", actor())
	if r := h.run("", "audit", "list", "--json", "--limit", "0"); strings.Count(r.out, "\n") != 2 || !strings.Contains(r.out, `"subject":"shop"`) || strings.Contains(r.out, "s3cret") {
		t.Errorf("exported %s", r.out)
	}
	h.run("", "audit", "list", "--actor", "nobody").want(t, 0)
	h.db.KeepAudit = filepath.Join(dir, "audit.head")
	if err := h.db.SealAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	end, err := store.ReadAuditHead(h.db.KeepAudit)
	if err != nil {
		t.Fatal(err)
	}
	h.run("", "audit", "verify", "--checkpoint", "2").want(t, 2, "PLACE:HASH")
	h.run("", "audit", "verify", "--checkpoint", "2:"+end.Hash).want(t, 0, "2 entries, places 1 to 2")
	h.run("", "audit", "verify", "--checkpoint", "3:"+end.Hash).want(t, 1, "went up to place 3")
	if f := findings(t, h.run("", "doctor", "--json"))["audit list"]; f.State != "ok" {
		t.Errorf("doctor: %+v", f)
	}
	if _, err := h.db.Pool().Exec(t.Context(), `DELETE FROM audit_chain WHERE position = 2`); err != nil {
		t.Fatal(err)
	}
	if _, err := h.db.Pool().Exec(t.Context(), `DELETE FROM audit_checkpoints`); err != nil {
		t.Fatal(err)
	}
	h.run("", "audit", "verify").want(t, 1, "no checkpoint of this program's key")
	if f := findings(t, h.run("", "doctor", "--json"))["audit list"]; f.State != "fail" || f.Do == "" {
		t.Errorf("doctor: %+v", f)
	}
	h.run("", "audit", "accept", "--reason", " ").want(t, 2, "say why")
	h.run("", "audit", "accept", "--reason", "a test").want(t, 0, "says so")
	h.run("", "audit", "list", "--action", "audit.accept").want(t, 0, "a test")
}
