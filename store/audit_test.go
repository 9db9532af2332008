package store_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
)

func TestAudit(t *testing.T) {
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	entries := []store.AuditEntry{
		{At: noon.Add(-time.Hour), Actor: "anna", Action: "source.add", Subject: "shop", Reason: "new shop", Detail: map[string]any{"enabled": true, "secrets": []any{"first"}}},
		{Actor: "cli:root", Action: "event.redispatch", Subject: "0192b1f4"},
		{Actor: "anna", Action: "source.set", Subject: "shop"},
	}
	for _, e := range entries {
		must(t, db.AddAudit(t.Context(), e))
	}
	for i := range entries {
		if entries[i].At.IsZero() {
			entries[i].At = noon
		}
		if entries[i].Detail == nil {
			entries[i].Detail = map[string]any{}
		}
	}
	for name, test := range map[string]struct {
		subject string
		limit   int
		want    []store.AuditEntry
	}{
		"all":        {"", 0, []store.AuditEntry{entries[2], entries[1], entries[0]}},
		"newest two": {"", 2, []store.AuditEntry{entries[2], entries[1]}},
		"of one":     {"shop", 10_000, []store.AuditEntry{entries[2], entries[0]}},
		"of nothing": {"\x00", 0, []store.AuditEntry{}},
		"of no one":  {"nobody", -1, []store.AuditEntry{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := db.ListAudit(t.Context(), test.subject, test.limit)
			for i := range got {
				got[i].ID = 0
			}
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, test.want)
			}
		})
	}
}

// Whatever a person or a sender puts into an entry, it is written: made valid, and cut.
func TestAuditTakesHostileTexts(t *testing.T) {
	db := storetest.New(t)
	hostile := "\x00\xffa<script>" + strings.Repeat("ü", 10_000)
	must(t, db.AddAudit(t.Context(), store.AuditEntry{
		Actor: hostile, Action: "user.login_failed", Subject: hostile, Reason: hostile,
		Detail: map[string]any{"address": hostile, "a\x00": []string{`\u0000`, "\x00"}},
	}))
	got, err := db.ListAudit(t.Context(), hostile, 0)
	must(t, err)
	if len(got) != 1 {
		t.Fatalf("%d entries, want 1", len(got))
	}
	e := got[0]
	if !strings.HasPrefix(e.Actor, "a<script>ü") || len(e.Actor) > plenigo.MaxField || e.Subject != e.Actor {
		t.Errorf("actor %q, subject %q", e.Actor, e.Subject)
	}
	if runes := []rune(e.Reason); len(runes) != store.MaxReason || !strings.HasPrefix(e.Reason, "a<script>ü") {
		t.Errorf("a reason of %d characters, want %d", len(runes), store.MaxReason)
	}
	if err := db.AddAudit(t.Context(), store.AuditEntry{Action: "x.y", Detail: map[string]any{"f": func() {}}}); err == nil {
		t.Error("a detail that is no JSON is written")
	}
}

// An entry stands or falls with the transaction of what was done.
func TestAuditInATransaction(t *testing.T) {
	db := storetest.New(t)
	failed := errors.New("failed")
	add := func(result error) error {
		return pgx.BeginFunc(t.Context(), db.Pool(), func(tx pgx.Tx) error {
			if err := db.AddAuditTx(context.Background(), tx, store.AuditEntry{Actor: "anna", Action: "event.redispatch", Subject: "1"}); err != nil {
				return err
			}
			return result
		})
	}
	if err := add(failed); !errors.Is(err, failed) || count(t, db, "audit_entries") != 0 {
		t.Errorf("%v, %d entries; want none", err, count(t, db, "audit_entries"))
	}
	must(t, add(nil))
	if n := count(t, db, "audit_entries"); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}
