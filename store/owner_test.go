package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"recall/store"
	"recall/store/storetest"
)

// The role that everything runs as can add to what is kept, and neither change nor remove it, whatever SQL it is made to send.
func TestTwoRoles(t *testing.T) {
	t.Parallel()
	owner, plain := storetest.Roles(t)
	db, _ := open(t, plain, storetest.Key())
	db.Now = func() time.Time { return noon }
	both, _ := open(t, plain, storetest.Key())
	both.Now = db.Now
	must(t, both.UseOwner(t.Context(), owner))
	must(t, both.Maintain(t.Context())) // partitions of this week
	shop := newSource(t, db, "shop")
	old, young := arrived(noon.Add(-time.Hour), "old", of(shop)), arrived(noon, "young", of(shop))
	record(t, db, old, young)
	must(t, db.AddAudit(t.Context(), store.AuditEntry{Actor: "anna", Action: "source.set"}))
	must(t, db.SealAudit(t.Context()))
	for _, sql := range []string{
		`UPDATE audit_entries SET actor = 'ben'`, `DELETE FROM audit_entries`, `TRUNCATE audit_entries`, `UPDATE audit_chain SET hash = ''`, `DELETE FROM audit_chain`,
		`DELETE FROM audit_checkpoints`, `UPDATE events SET body = ''`, `DELETE FROM events`, `TRUNCATE events`, `DELETE FROM events_2026w10`,
		`DELETE FROM attempts`, `DELETE FROM reverifications`, `DROP TABLE audit_chain`, `ALTER TABLE audit_entries DISABLE TRIGGER ALL`, `UPDATE audit_pending SET since = now()`,
		`DELETE FROM goose_db_version`, `CREATE TABLE mine ()`, `DELETE FROM retention_removed`,
	} {
		var refused *pgconn.PgError
		if _, err := db.Pool().Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	must(t, db.Migrate(t.Context())) // nothing is to be done
	must(t, db.Maintain(t.Context()))
	setRetention(t, db, 0, store.RetainAccepted, days(1))
	setRetention(t, db, 0, store.RetainAudit, days(1))
	db.Now = func() time.Time { return noon.AddDate(0, 0, 20) }
	if err := db.RunRetention(t.Context(), "anna"); !errors.Is(err, store.ErrNotOwner) {
		t.Errorf("retention without the owner: %v", err)
	}
	if h, err := db.RolesHealth(t.Context()); err != nil || !h.Two || h.Owns || len(h.Beyond) > 0 {
		t.Errorf("health %+v, %v", h, err)
	}

	if err := db.UseOwner(t.Context(), plain); err == nil || !strings.Contains(err.Error(), "the same role") {
		t.Errorf("one role twice: %v", err)
	}
	both.Now = db.Now
	must(t, both.Maintain(t.Context()))
	must(t, both.RunRetention(t.Context(), "anna"))
	must(t, both.Maintain(t.Context()))
	if kept(t, both, old) || count(t, both, "audit_entries") == 0 {
		t.Error("retention removed nothing, or too much")
	}
	must(t, both.SealAudit(t.Context()))
	if _, _, fault := checkAudit(t, both); fault != nil {
		t.Error(fault)
	}
	must(t, both.IndexEvents(t.Context()))
	if _, err := both.OwnerPool().Exec(t.Context(), `GRANT DELETE ON events TO PUBLIC`); err != nil {
		t.Fatal(err)
	}
	if h, err := db.RolesHealth(t.Context()); err != nil || strings.Join(h.Beyond, " ") != "events" {
		t.Errorf("health %+v, %v", h, err)
	}
}
