package dispatch

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

func TestRedispatch(t *testing.T) {
	w := newWorld(t)
	w.destination("crm", "https://crm.example/")
	o := w.options()
	o.Workers = 0
	delivery := w.redispatch(w.dispatcher(o), "crm")
	got := w.find(delivery)
	if got.Trigger != store.TriggerManual || got.State != store.DeliveryPending || got.RequestedBy != "anna" || got.Reason != "lost on Monday" ||
		got.Destination != "crm" || !got.CreatedAt.Equal(noon) {
		t.Errorf("%+v", got)
	}
	audit, err := w.db.ListAudit(t.Context(), delivery.EventID.String(), 10)
	if err != nil || len(audit) != 1 {
		t.Fatalf("%v %v", audit, err)
	}
	a := audit[0]
	if a.Actor != "anna" || a.Action != "event.redispatch" || a.Reason != "lost on Monday" ||
		a.Detail["destination"] != "crm" || a.Detail["delivery"] != delivery.ID.String() {
		t.Errorf("%+v", a)
	}
	if jobs := one[int](w, `SELECT count(*) FROM river_job`); jobs != 1 {
		t.Errorf("%d jobs", jobs)
	}
}

func TestRedispatchRefused(t *testing.T) {
	w := newWorld(t)
	w.destination("crm", "https://crm.example/")
	w.destination("removed", "https://crm.example/")
	if err := w.db.RemoveDestination(t.Context(), "removed"); err != nil {
		t.Fatal(err)
	}
	genuine, forged := w.event(creation), w.event("{}", rejected)
	w.record(genuine, forged)
	o := w.options()
	o.Workers = 0
	d := w.dispatcher(o)
	missing := uuid.MustParse("0192b1f4-7a3c-7000-8000-000000000000")
	for _, c := range []struct {
		name, destination string
		event             uuid.UUID
		want              error
		words             string
	}{
		{"rejected event", "crm", forged.ID, ErrRejected, "correct the secret"},
		{"no such event", "crm", missing, store.ErrNotFound, missing.String()},
		{"no such destination", "erp", genuine.ID, store.ErrNotFound, `"erp"`},
		{"removed destination", "removed", genuine.ID, store.ErrNotFound, `"removed"`},
	} {
		_, err := d.Redispatch(t.Context(), store.Redispatch{EventID: c.event, Destination: c.destination, By: "anna"})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if n := one[int](w, `SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM river_job) + (SELECT count(*) FROM audit_entries)`); n != 0 {
		t.Errorf("%d rows were left behind", n)
	}
}

// TestRedispatchOfWhatIsGenuineByNow: the latest re-verification counts.
func TestRedispatchOfWhatIsGenuineByNow(t *testing.T) {
	w := newWorld(t)
	w.destination("crm", "https://crm.example/")
	o := w.options()
	o.Workers = 0
	d := w.dispatcher(o)
	e := w.event(creation, rejected)
	w.record(e)
	for _, verdict := range []verify.Verdict{verify.Verified, verify.Rejected} {
		if _, err := w.db.Reverify(t.Context(), e, verify.Result{Verdict: verdict}, false, "anna", ""); err != nil {
			t.Fatal(err)
		}
		_, err := d.Redispatch(t.Context(), store.Redispatch{EventID: e.ID, Destination: "crm", By: "anna"})
		if verdict.Accepted() && err != nil || !verdict.Accepted() && !errors.Is(err, ErrRejected) {
			t.Errorf("%s: %v", verdict, err)
		}
	}
}

// TestRedispatchIsAllOrNothing: without a job there is no delivery that would wait for ever, and no audit entry.
func TestRedispatchIsAllOrNothing(t *testing.T) {
	for _, table := range []string{"river_job", "audit_entries"} {
		t.Run(table, func(t *testing.T) {
			w := newWorld(t)
			w.destination("crm", "https://crm.example/")
			o := w.options()
			o.Workers = 0
			d := w.dispatcher(o)
			e := w.event(creation)
			w.record(e)
			w.exec(`ALTER TABLE ` + table + ` RENAME TO gone`)
			if _, err := d.Redispatch(t.Context(), store.Redispatch{EventID: e.ID, Destination: "crm", By: "anna"}); err == nil {
				t.Fatal("no error")
			}
			if n := one[int](w, `SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM gone)`); n != 0 {
				t.Errorf("%d rows were left behind", n)
			}
		})
	}
}
