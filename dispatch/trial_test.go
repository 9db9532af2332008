package dispatch

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"recall/filter"
	"recall/store"
	"recall/verify"
)

// TestTry: a trial looks like every attempt, says that it is one, and leaves nothing behind.
func TestTry(t *testing.T) {
	w := newWorld(t)
	to := newReceiver(t, status(http.StatusAccepted, "X-Seen", "yes"), status(http.StatusFound, "Location", "https://other.example/?s3cret"))
	crm := w.destination("crm", to.URL+"/in?token=hidden", func(d *store.Destination) {
		d.Headers = []verify.Header{{Name: "X-Api-Key", Value: "kept-value"}}
		d.State = store.DestinationPaused
	})
	d := w.dispatcher(w.options(to.URL))
	trial, err := d.Try(t.Context(), crm, nil)
	if err != nil {
		t.Fatal(err)
	}
	if trial.Status != http.StatusAccepted || string(trial.ResponseBody) != "answer" || trial.ResponseHeader.Get("X-Seen") != "yes" || trial.Error != "" || trial.RequestURL != to.URL+"/in?…" {
		t.Errorf("%+v", trial)
	}
	got := to.requests()[0]
	for name, want := range map[string]string{"Recall-Test": "true", "Recall-Trigger": "test", "Recall-Attempt": "1", "Recall-Source": "shop", "X-Api-Key": "kept-value", "Content-Type": "application/json"} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
		}
	}
	if trial.RequestHeader.Get("X-Api-Key") != keptSecret || !strings.Contains(got.body, `"entityType":"RECALL_TEST"`) || got.body != string(trial.Body) {
		t.Errorf("sent %s with %v", got.body, trial.RequestHeader)
	}
	policy, _ := verify.NewPolicy(w.source.Settings())
	if r := policy.Check(got.header, []byte(got.body), noon); r.Verdict != verify.Verified {
		t.Errorf("a receiver built for plenigo says %+v", r)
	}
	if trial, err = d.Try(t.Context(), crm, nil); err != nil || !strings.Contains(trial.Error, "redirects are not followed") || strings.Contains(trial.Error, "s3cret") {
		t.Errorf("redirected: %q, %v", trial.Error, err)
	}
	if n := one[int](w, `SELECT (SELECT count(*) FROM deliveries) + (SELECT count(*) FROM attempts) + (SELECT count(*) FROM events)`); n != 0 {
		t.Errorf("%d rows are left behind", n)
	}

	outside := *crm
	outside.URL = "http://10.0.0.1/"
	if trial, err = d.Try(t.Context(), &outside, nil); err != nil || !strings.Contains(trial.Error, "RECALL_EGRESS_ALLOW") {
		t.Errorf("a private address: %+v, %v", trial, err)
	}
	w.source.Secrets = nil
	if err := w.db.UpdateSource(t.Context(), w.source); err != nil {
		t.Fatal(err)
	}
	if _, err = d.Try(t.Context(), crm, nil); !errors.Is(err, ErrNoSource) {
		t.Errorf("without a secret: %v", err)
	}
	if trial, err = d.Try(t.Context(), crm, w.source); err != nil || !strings.Contains(trial.Error, "no secret that is valid now") {
		t.Errorf("by a source without a secret: %+v, %v", trial, err)
	}
	crm.Secrets = []store.SigningSecret{{Key: "own"}}
	if trial, err = d.Try(t.Context(), crm, nil); err != nil || trial.Status != http.StatusFound {
		t.Errorf("by its own secret: %+v, %v", trial, err)
	}
	crm.Unreadable = true
	if _, err = d.Try(t.Context(), crm, nil); err == nil || len(to.requests()) != 3 {
		t.Errorf("unreadable: %v, %d requests", err, len(to.requests()))
	}
}

func TestPreview(t *testing.T) {
	w := newWorld(t)
	d := w.dispatcher(Options{Now: w.clock.now})
	if p, err := d.Preview(t.Context(), ""); err != nil || p.Events != 0 || p.Matched != 0 {
		t.Errorf("without events: %+v, %v", p, err)
	}
	first := w.event(creation)
	w.record(first, w.event(creation, rejected), w.event(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"1"}`), w.event("no JSON"))
	for rule, want := range map[string]int{"": 3, "type:customer.creation": 1, "source:shop -type:customer": 2, "source:other": 0, "verdict:rejected": 0} {
		p, err := d.Preview(t.Context(), rule)
		if err != nil || p.Events != 3 || p.Matched != want || len(p.Newest) != want {
			t.Errorf("%q: %+v, %v; want %d of 3", rule, p, err, want)
		}
	}
	p, err := d.Preview(t.Context(), "type:customer.creation")
	if err != nil || p.Newest[0] != (store.PreviewEvent{ID: first.ID, Source: "shop", EntityType: "CUSTOMER", CallbackType: "CREATION"}) {
		t.Errorf("%+v, %v", p, err)
	}
	var wrong *filter.Error
	if _, err := d.Preview(t.Context(), "source:shop tpye:x"); !errors.As(err, &wrong) || wrong.Pos != 12 {
		t.Errorf("a wrong rule: %v", err)
	}
}
