package dispatch

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"recall/store"
	"recall/verify"
)

// TestSendEdited: what somebody made of an event is signed like every attempt, marked as a test, and kept in a record of its
// own with who, why, what was sent and the answer. The event, its deliveries and the destination's health are as they were.
func TestSendEdited(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(http.StatusTeapot, "X-Seen", "yes"), status(200))
	crm := w.destination("crm", to.URL+"/in?token=hidden", func(d *store.Destination) {
		d.Headers = []verify.Header{{Name: "X-Api-Key", Value: "kept-value"}}
		d.State = store.DestinationPaused
	})
	d := w.dispatcher(w.options(to.URL))
	e := w.event(creation)
	w.record(e)
	edit := store.Edit{
		EventID: e.ID, Destination: "crm", Body: []byte(`{"entityId":"other"}`), By: "anna", Reason: "does it take it without a type",
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "X-Debug": {"1"}},
	}
	test, err := d.SendEdited(t.Context(), edit)
	must(t, err)
	got := to.requests()[0]
	for name, want := range map[string]string{
		"Recall-Test": "true", "Recall-Trigger": "test", "Recall-Event": test.ID.String(), "Recall-Edited-From": e.ID.String(), "X-Debug": "1",
		"X-Api-Key": "kept-value", "Content-Type": "application/json; charset=utf-8", "Recall-Source": "shop", "X-Plenigo-Api-Version": "",
	} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
		}
	}
	if key := got.header.Get("Idempotency-Key"); key == "" || key == idempotencyKey(e.ID, crm.ID) {
		t.Errorf("idempotency key %q: a receiver would take it for the event", key)
	}
	policy, _ := verify.NewPolicy(w.source.Settings())
	if r := policy.Check(got.header, []byte(got.body), noon); got.body != `{"entityId":"other"}` || r.Verdict != verify.Verified {
		t.Errorf("it got %s, and says %+v", got.body, r)
	}
	kept, err := w.db.FindEditedTest(t.Context(), e.ID, test.ID)
	must(t, err)
	if kept.By != "anna" || kept.Reason != edit.Reason || !kept.Edited || string(kept.Body) != got.body || kept.Destination != "crm" || kept.Method != "POST" ||
		kept.Status != http.StatusTeapot || string(kept.ResponseBody) != "answer" || kept.ResponseHeader.Get("X-Seen") != "yes" || kept.Succeeded() ||
		kept.RequestHeader.Get("X-Api-Key") != keptSecret || strings.Contains(kept.RequestURL, "hidden") || !kept.StartedAt.Equal(noon) {
		t.Errorf("kept: %+v", kept)
	}
	audit, err := w.db.ListAudit(t.Context(), e.ID.String(), 10)
	must(t, err)
	if len(audit) != 1 || audit[0].Action != "event.edited_test" || audit[0].Actor != "anna" || audit[0].Reason != edit.Reason || audit[0].Detail["destination"] != "crm" || audit[0].Detail["test"] != test.ID.String() {
		t.Errorf("audit: %+v", audit)
	}

	edit.Body, edit.Header = nil, nil
	same, err := d.SendEdited(t.Context(), edit)
	must(t, err)
	if got := to.requests()[1]; same.Edited || got.body != creation || got.header.Get("X-Plenigo-Api-Version") != "20240827" || got.header.Get("Plenigo-Signature") == "t=1,s=00" || !same.Succeeded() {
		t.Errorf("unchanged: %+v, %v", same, got.header)
	}
	for name, list := range map[string]func() ([]*store.EditedTest, error){
		"of the event":       func() ([]*store.EditedTest, error) { return w.db.ListEditedTests(t.Context(), e.ID) },
		"of the destination": func() ([]*store.EditedTest, error) { return w.db.ListDestinationTests(t.Context(), crm.ID) },
	} {
		if tests, err := list(); err != nil || len(tests) != 2 || tests[0].ID != same.ID || tests[1].Status != http.StatusTeapot || tests[1].Body != nil {
			t.Errorf("%s: %v, %v", name, tests, err)
		}
	}
	if n := one[int](w, `SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM attempts) + (SELECT count(*) FROM lanes)`); n != 0 || one[int](w, `SELECT count(*) FROM events`) != 1 {
		t.Errorf("%d rows are left behind", n)
	}
	outside := w.destination("inside", "http://10.0.0.1/")
	edit.Destination = outside.Name
	if test, err := d.SendEdited(t.Context(), edit); err != nil || !strings.Contains(test.Error, "RECALL_EGRESS_ALLOW") {
		t.Errorf("a private address: %+v, %v", test, err)
	}
}

func TestSendEditedRefused(t *testing.T) {
	w := newWorld(t)
	w.destination("crm", "https://crm.example/")
	d := w.dispatcher(w.options())
	genuine, forged := w.event(creation), w.event("{}", rejected)
	w.record(genuine, forged)
	good := store.Edit{EventID: genuine.ID, Destination: "crm", By: "anna", Reason: "to see"}
	with := func(change func(*store.Edit)) store.Edit {
		e := good
		change(&e)
		return e
	}
	header := func(name, value string) func(*store.Edit) {
		return func(e *store.Edit) { e.Header = http.Header{name: {value}} }
	}
	for name, test := range map[string]struct {
		edit store.Edit
		says string
		is   error
	}{
		"no reason":               {with(func(e *store.Edit) { e.Reason = " " }), "takes a reason", nil},
		"a rejected event":        {with(func(e *store.Edit) { e.EventID = forged.ID }), "not proven genuine", ErrRejected},
		"no such destination":     {with(func(e *store.Edit) { e.Destination = "erp" }), `"erp"`, store.ErrNotFound},
		"a long body":             {with(func(e *store.Edit) { e.Body = make([]byte, store.MaxEditBody+1) }), "longer than 1024 KiB", nil},
		"the signature":           {with(header("plenigo-signature", "t=1,s=00")), "Plenigo-Signature", nil},
		"what marks it":           {with(header("Recall-Test", "false")), "Recall-Test", nil},
		"the idempotency key":     {with(header("idempotency-key", "x")), "Idempotency-Key", nil},
		"the connection's":        {with(header("Host", "x")), "Host", nil},
		"a line break in a value": {with(header("X-A", "b\r\nRecall-Test: false")), "X-A", nil},
		"a value of the type":     {with(header("Content-Type", "a\nb")), "", nil},
	} {
		_, err := d.SendEdited(t.Context(), test.edit)
		if err == nil || !strings.Contains(err.Error(), test.says) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := one[int](w, `SELECT (SELECT count(*) FROM edited_tests) + (SELECT count(*) FROM audit_entries)`); n != 0 {
		t.Errorf("%d rows were left behind", n)
	}
}
