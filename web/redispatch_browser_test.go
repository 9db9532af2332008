package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"recall/store"
	"recall/verify"
)

// An operator logs in, finds an event and sends it again; a real server, which believes plenigo's signature only, takes
// the raw body.
func TestBrowserRedispatch(t *testing.T) {
	t.Parallel()
	s, live := newWholeSite(t)
	policy, err := verify.NewPolicy(verify.Settings{Secrets: s.source.Secrets, Tolerance: verify.DefaultTolerance})
	must(t, err)
	type request struct {
		header http.Header
		body   string
		result verify.Result
	}
	got := make(chan request, 1)
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Header, string(body), policy.Check(r.Header, body, time.Now())}
		io.WriteString(w, "taken, thanks")
	}))
	t.Cleanup(crm.Close)
	s.crm.URL, s.crm.Headers = crm.URL, nil
	must(t, s.db.UpdateDestination(t.Context(), s.crm))
	must(t, live.Renew(t.Context()))
	e := s.record(t, customerBody)

	b := s.openTab(t)
	b.logIn("anna")
	b.do(chromedp.SendKeys("#q", "type:customer.creation\r"))
	b.sees("#events .panel-head", "matching")
	b.do(chromedp.Click(".row a.open"))
	b.do(chromedp.SetValue("#destination", "crm"), chromedp.SendKeys("#reason", "lost on Monday"), chromedp.Click(".redispatch button"))
	b.sees("#delivery-list", string(store.DeliverySucceeded))
	b.showHidden()
	b.click(".attempt summary")
	b.sees(".attempt[open]", "taken, thanks")

	r := <-got
	if r.body != customerBody || r.result.Verdict != verify.Verified {
		t.Errorf("it got %s, which is %+v", r.body, r.result)
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "X-Plenigo-Api-Version": "20240827", "Recall-Event": e.ID.String(), "Recall-Trigger": "manual"} {
		if r.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, r.header.Get(name), want)
		}
	}
	deliveries, err := s.db.ListDeliveries(t.Context(), e.ID)
	must(t, err)
	if len(deliveries) != 1 || deliveries[0].RequestedBy != "anna" || deliveries[0].Reason != "lost on Monday" {
		t.Errorf("%+v", deliveries)
	}
	b.quiet()
}
