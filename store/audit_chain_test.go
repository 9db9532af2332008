package store_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/store"
	"recall/store/storetest"
)

// checkAudit checks the whole list.
func checkAudit(t *testing.T, db *store.DB) (checked int64, erased int, fault *store.AuditFault) {
	t.Helper()
	for from := ""; ; {
		s, err := db.CheckAudit(t.Context(), from)
		must(t, err)
		checked, erased = checked+s.Checked, erased+s.Erased
		if s.Fault != nil || s.Next == "" {
			return checked, erased, s.Fault
		}
		from = s.Next
	}
}

// listed makes a sealed list of ten entries, in two turns.
func listed(t *testing.T) *store.DB {
	t.Helper()
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	for turn := range 2 {
		for i := range 5 {
			must(t, db.AddAudit(t.Context(), store.AuditEntry{
				At: noon.AddDate(0, 0, 5*turn+i-60), Actor: "anna", Action: "source.set", Subject: fmt.Sprint("shop", i), Reason: "because", Detail: map[string]any{"n": i},
			}))
		}
		must(t, db.SealAudit(t.Context()))
	}
	return db
}

// Whatever is done to the list past the program is found, and the first place that does not fit is named.
func TestAuditChainFinds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sql  string
		want string
	}{
		"nothing done":              {`SELECT 1`, ""},
		"reason altered":            {`UPDATE audit_entries SET reason = 'other' WHERE id = 3`, "entry 3 of the audit list, at place 3: its subject, reason or detail was changed"},
		"detail altered":            {`UPDATE audit_entries SET detail = '{"n": 7}' WHERE id = 3`, "at place 3: its subject"},
		"actor altered":             {`UPDATE audit_entries SET actor = 'ben' WHERE id = 4`, "at place 4: its time, actor or action"},
		"time altered":              {`UPDATE audit_entries SET at = at + interval '1 microsecond' WHERE id = 1`, "at place 1: its time"},
		"entry deleted":             {`DELETE FROM audit_entries WHERE id = 2`, "entry 2 of the audit list, at place 2: it was removed"},
		"entry and place deleted":   {`DELETE FROM audit_entries WHERE id = 2; DELETE FROM audit_chain WHERE position = 2`, "place 2 of the audit list: it was removed"},
		"the first deleted":         {`DELETE FROM audit_entries WHERE id = 1; DELETE FROM audit_chain WHERE position = 1`, "place 1 of the audit list: it was removed"},
		"two exchanged":             {`UPDATE audit_chain SET entry_id = -entry_id WHERE entry_id IN (6, 7); UPDATE audit_chain SET entry_id = 13 + entry_id WHERE entry_id < 0`, "at place 6: its time"},
		"two ids exchanged":         {`UPDATE audit_entries SET id = DEFAULT WHERE id = 6`, "entry 6"},
		"entry added":               {`INSERT INTO audit_entries (actor, action, subject) VALUES ('ben', 'user.login', 'ben')`, "entry 11 of the audit list: it was added past this program"},
		"entry and place added":     {`INSERT INTO audit_entries (actor, action, subject) VALUES ('ben', 'user.login', 'ben'); INSERT INTO audit_chain VALUES (11, 11, '\x00', '\x00')`, "at place 11"},
		"place before the first":    {`INSERT INTO audit_chain VALUES (-3, 99, '\x00', '\x00')`, "place -3 of the audit list: it was added"},
		"tail cut":                  {`DELETE FROM audit_entries WHERE id > 8; DELETE FROM audit_chain WHERE position > 8`, "place 8 of the audit list: the list was cut: it went up to place 10"},
		"tail and checkpoint cut":   {`DELETE FROM audit_entries WHERE id > 8; DELETE FROM audit_chain WHERE position > 8; DELETE FROM audit_checkpoints WHERE position > 8`, "the last place that was is 5"},
		"all checkpoints gone":      {`DELETE FROM audit_checkpoints`, "no checkpoint of this program's key covers the end"},
		"checkpoint of another key": {`UPDATE audit_checkpoints SET mac = '\x00' WHERE position = 10`, "not of this program"},
		"all cut":                   {`DELETE FROM audit_entries; DELETE FROM audit_chain`, "the list was cut: it went up to place 10"},
		"anchor made up":            {`INSERT INTO audit_checkpoints (kind, position, hash, at, key_id, mac) SELECT 'anchor', position, hash, at, key_id, mac FROM audit_checkpoints WHERE position = 5; DELETE FROM audit_entries WHERE id < 6; DELETE FROM audit_chain WHERE position < 6`, "the anchor, which says what retention removed, is not of this program"},
		"beginning cut":             {`DELETE FROM audit_entries WHERE id < 6; DELETE FROM audit_chain WHERE position < 6`, "place 1 of the audit list: it was removed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := listed(t)
			_, err := db.Pool().Exec(t.Context(), test.sql, pgx.QueryExecModeSimpleProtocol)
			must(t, err)
			_, _, fault := checkAudit(t, db)
			switch {
			case fault == nil && test.want != "":
				t.Error("it fits")
			case fault != nil && (test.want == "" || !strings.Contains(fault.Error(), test.want)):
				t.Errorf("got %q, want %q", fault, test.want)
			}
		})
	}
}

// Who knows how the hashes are made, but not the key, writes the list anew from an entry on: the checkpoints do not fit.
func TestAuditChainWrittenAnewByAnother(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	db, _ := open(t, url, storetest.Key())
	other, _ := open(t, url, otherKey(t))
	for range 3 {
		must(t, db.AddAudit(t.Context(), store.AuditEntry{Actor: "anna", Action: "source.set"}))
	}
	must(t, db.SealAudit(t.Context()))
	_, err := db.Pool().Exec(t.Context(), `
		UPDATE audit_entries SET actor = 'ben' WHERE id = 2;
		DELETE FROM audit_chain; DELETE FROM audit_checkpoints; INSERT INTO audit_pending SELECT id FROM audit_entries; UPDATE settings_revision SET key_id = NULL`, pgx.QueryExecModeSimpleProtocol)
	must(t, err)
	must(t, other.SealAudit(t.Context()))
	if _, _, fault := checkAudit(t, other); fault != nil {
		t.Errorf("by the other key: %v", fault)
	}
	if _, _, fault := checkAudit(t, db); fault == nil || !strings.Contains(fault.Error(), "no checkpoint of this program's key") {
		t.Errorf("by the program's key: %v", fault)
	}
}

// Nobody who acts waits for the chain, and whoever commits late comes late.
func TestAuditChainFollowsCommits(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	tx, err := db.Pool().Begin(t.Context())
	must(t, err)
	defer tx.Rollback(t.Context())
	must(t, db.AddAuditTx(t.Context(), tx, store.AuditEntry{Actor: "late", Action: "source.set"}))
	must(t, db.AddAudit(t.Context(), store.AuditEntry{Actor: "early", Action: "source.set"}))
	must(t, db.SealAudit(t.Context()))
	if checked, _, fault := checkAudit(t, db); checked != 1 || fault != nil {
		t.Errorf("%d checked, %v; want the early one", checked, fault)
	}
	must(t, tx.Commit(t.Context()))
	must(t, db.SealAudit(t.Context()))
	if checked, _, fault := checkAudit(t, db); checked != 2 || fault != nil {
		t.Errorf("%d checked, %v; want both", checked, fault)
	}
	var order string
	must(t, db.Pool().QueryRow(t.Context(), `SELECT string_agg(actor, ' ' ORDER BY position) FROM audit_chain c JOIN audit_entries e ON e.id = c.entry_id`).Scan(&order))
	if order != "early late" {
		t.Errorf("the order is %s", order)
	}
	_, err = db.Pool().Exec(t.Context(), `INSERT INTO audit_pending VALUES (99)`)
	must(t, err)
	if _, _, fault := checkAudit(t, db); fault == nil || !strings.Contains(fault.Error(), "removed before it got its place") {
		t.Errorf("gone before it was sealed: %v", fault)
	}
}

// What is remembered outside of the database shows a cut that takes the checkpoints along, until somebody accepts it.
func TestAuditEndIsRemembered(t *testing.T) {
	t.Parallel()
	db := listed(t)
	db.KeepAudit = filepath.Join(t.TempDir(), "audit.head")
	must(t, db.SealAudit(t.Context()))
	kept, err := store.ReadAuditHead(db.KeepAudit)
	if err != nil || kept.Position != 10 {
		t.Fatalf("kept %+v, %v", kept, err)
	}
	must(t, db.CompareAudit(t.Context(), kept))
	_, err = db.Pool().Exec(t.Context(), `DELETE FROM audit_entries WHERE id > 5; DELETE FROM audit_chain WHERE position > 5; DELETE FROM audit_checkpoints WHERE position > 5`, pgx.QueryExecModeSimpleProtocol)
	must(t, err)
	if _, _, fault := checkAudit(t, db); fault != nil {
		t.Errorf("the database by itself: %v", fault)
	}
	for range 2 { // also once more entries have come
		if err := db.SealAudit(t.Context()); !errors.Is(err, store.ErrAuditCut) {
			t.Errorf("sealing: %v", err)
		}
		for range 6 {
			must(t, db.AddAudit(t.Context(), store.AuditEntry{Actor: "anna", Action: "source.set"}))
		}
	}
	must(t, db.AcceptAuditEnd(t.Context(), db.KeepAudit, store.AuditEntry{Actor: "anna", Reason: "restored"}))
	must(t, db.SealAudit(t.Context()))
	last, err := db.ListAudit(t.Context(), "audit list", 1)
	if err != nil || len(last) != 1 || last[0].Action != "audit.accept" {
		t.Errorf("%+v, %v", last, err)
	}
}

// What retention removes leaves an anchor, so that the rest can be checked; and it does not hide what was done before.
func TestAuditChainAfterRetention(t *testing.T) {
	t.Parallel()
	db := listed(t)
	db.KeepAudit = filepath.Join(t.TempDir(), "audit.head")
	setRetention(t, db, 0, store.RetainAudit, days(45))
	must(t, db.RunRetention(t.Context(), "anna"))
	must(t, db.SealAudit(t.Context()))
	checked, _, fault := checkAudit(t, db)
	s, err := db.CheckAudit(t.Context(), "")
	must(t, err)
	if fault != nil || s.First < 2 || s.First > 10 || checked != s.End-s.First+1 {
		t.Errorf("%d checked of places %d to %d, %v", checked, s.First, s.End, fault)
	}
	if n := count(t, db, "audit_entries"); int64(n) != checked {
		t.Errorf("%d entries, %d checked", n, checked)
	}
	setRetention(t, db, 0, store.RetainAudit, days(1))
	db.Now = func() time.Time { return noon.AddDate(0, 0, 60) }
	must(t, db.RunRetention(t.Context(), "anna"))
	must(t, db.SealAudit(t.Context()))
	if checked, _, fault := checkAudit(t, db); fault != nil || checked != 1 {
		t.Errorf("%d checked, %v; want what retention said last", checked, fault)
	}

	db = listed(t)
	_, err = db.Pool().Exec(t.Context(), `UPDATE audit_entries SET reason = 'other' WHERE id = 2`)
	must(t, err)
	setRetention(t, db, 0, store.RetainAudit, days(45))
	if err := db.RunRetention(t.Context(), "anna"); err == nil || !strings.Contains(err.Error(), "entry 2 of the audit list") {
		t.Errorf("removing a list that does not fit: %v", err)
	}
	if _, _, fault := checkAudit(t, db); fault == nil {
		t.Error("retention hid what was done")
	}
}

// What an entry says can be erased on purpose; its place still fits.
func TestAuditEntryErased(t *testing.T) {
	t.Parallel()
	db := listed(t)
	must(t, db.AddAudit(t.Context(), store.AuditEntry{Actor: "anna", Action: "event.export", Detail: map[string]any{"filter": "customer:48213"}}))
	must(t, pgx.BeginFunc(t.Context(), db.Pool(), func(tx pgx.Tx) error {
		return db.EraseAuditTx(t.Context(), tx, []int64{3, 11}, "case 7")
	}))
	must(t, db.SealAudit(t.Context()))
	checked, erased, fault := checkAudit(t, db)
	if checked != 11 || erased != 2 || fault != nil {
		t.Errorf("%d checked, %d erased, %v", checked, erased, fault)
	}
	if found, err := db.FindAudit(t.Context(), store.AuditQuery{Text: "48213"}); err != nil || len(found) != 0 {
		t.Errorf("still there: %+v, %v", found, err)
	}
	if found, err := db.FindAudit(t.Context(), store.AuditQuery{Text: "CASE 7"}); err != nil || len(found) != 2 {
		t.Errorf("by text: %d, %v", len(found), err)
	}
	if found, err := db.FindAudit(t.Context(), store.AuditQuery{Text: "%"}); err != nil || len(found) != 0 {
		t.Errorf("a sign of LIKE's finds %d, %v", len(found), err)
	}
	if _, err := db.CheckAudit(t.Context(), "place-x"); err == nil {
		t.Error("a step that is none was taken")
	}
}
