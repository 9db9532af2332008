package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"recall/dispatch"
	"recall/receive"
	"recall/reverify"
	"recall/store"
	"recall/verify"
)

// counter is a destination that counts each body it gets.
type counter struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]int
}

func newCounter(t *testing.T) *counter {
	c := &counter{seen: map[string]int{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.seen[string(body)]++
	}))
	t.Cleanup(c.Close)
	return c
}

// newWholeSite is a site that really sends and re-verifies.
func newWholeSite(t *testing.T) (*site, *store.Live) {
	t.Helper()
	var live *store.Live
	s := newSite(t, func(o *Options) {
		var err error
		live, err = o.DB.Live(t.Context())
		must(t, err)
		dispatcher, err := dispatch.New(o.DB, dispatch.Options{Live: live, Workers: 2, EgressAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
		must(t, err)
		o.DB.OnRecord(dispatcher.EnqueueTx)
		must(t, dispatcher.Start(t.Context()))
		t.Cleanup(func() { dispatcher.Stop(t.Context()) })
		reverifier := reverify.New(o.DB, live, nil)
		go reverifier.Run(t.Context())
		o.Redispatch, o.Reverify = dispatcher, reverifier
	})
	return s, live
}

// The secrets of two sources were mixed up for an hour. The page names the cause, the secret is added, what was rejected is
// re-verified and released, and the destination has each callback once: those of the hour, a repeat of one of them, and one
// that came after.
func TestBrowserWrongSecretForAnHour(t *testing.T) {
	t.Parallel()
	const shopSecret, blogSecret = "what plenigo shows for the shop", "what plenigo shows for the blog"
	s, live := newWholeSite(t)
	s.addUser(t, "chief", store.RoleAdmin)
	crm := newCounter(t)
	everything := ""
	must(t, s.db.CreateDestination(t.Context(), &store.Destination{
		Name: "counter", URL: crm.URL, Match: &everything, Signing: store.SigningPlenigo, Timeout: 5 * time.Second, State: store.DestinationActive,
	}))
	s.source.Secrets, s.source.Basic, s.source.Headers = []verify.Secret{{Name: "first", Key: blogSecret}}, nil, nil
	must(t, s.db.UpdateSource(t.Context(), s.source))
	blog := &store.Source{
		Slug: "blog", Name: "Blog", Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{{Name: "first", Key: shopSecret}},
	}
	must(t, s.db.CreateSource(t.Context(), blog))
	must(t, live.Renew(t.Context()))

	began := time.Now().Add(-61 * time.Minute)
	now := began
	receiver, err := receive.NewHandler(receive.Options{Recorder: s.db, Sources: live, Now: func() time.Time { return now }})
	must(t, err)
	arrive := func(n int) int {
		t.Helper()
		body := fmt.Appendf(nil, `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"%d","entity":{"changedDate":"2026-03-04T12:00:00Z"}}`, n)
		r := httptest.NewRequest(http.MethodPost, "/callbacks/shop", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(verify.HeaderSignature, verify.Sign(shopSecret, now, body))
		w := httptest.NewRecorder()
		receiver.ServeHTTP(w, r)
		return w.Code
	}
	const callbacks = 12
	for n := range callbacks {
		now = began.Add(time.Duration(n) * 5 * time.Minute)
		if status := arrive(n); status != http.StatusUnauthorized {
			t.Fatalf("answered %d", status)
		}
	}
	now = began.Add(time.Hour)
	arrive(0) // plenigo's second try of the first

	b := s.openTab(t)
	b.logIn("chief")
	b.open("/events?q=source:shop+verdict:rejected")
	b.do(chromedp.Click(".row a.open"))
	b.sees("#why .cause", `The signature fits when the secret "first" of the source "Blog" is used`)
	b.sees("#arrivals", "2nd arrival, this one")
	b.do(chromedp.Click("#why-steps summary"))
	b.sees("#why-steps", "Digest")
	b.do(chromedp.Click("#why .finding-links a"), chromedp.Click(`a[href="/sources/shop/secrets"]`))
	b.do(chromedp.SendKeys("#secret", shopSecret), chromedp.SetValue("#name", "second"), chromedp.Click("main button[type=submit]"))
	b.sees("[role=status]", "The secret is added")
	if source, err := s.db.FindSource(t.Context(), "shop"); err != nil || len(source.Secrets) != 2 {
		t.Fatalf("the secret was not added: %v\n%s", err, b.dump())
	}

	b.open("/events?q=source:shop+verdict:rejected")
	b.do(chromedp.Click("[form=marked][formaction]"))
	b.do(chromedp.SendKeys("#reason", "the secrets were mixed up"), chromedp.Click("main button.primary"))
	b.sees("#run .badge", "waits for your word")
	b.sees(".run-counts", "genuine 13")
	if n := len(crm.all()); n != 0 {
		t.Errorf("%d callbacks were sent on by counting", n)
	}
	b.do(chromedp.Click("#start [name=release]"), chromedp.Click("#start button"))
	b.sees("#run .badge", "done")
	b.sees(".run-counts", "released 12")

	must(t, live.Renew(t.Context()))
	now = time.Now()
	if status := arrive(callbacks); status != http.StatusOK {
		t.Errorf("after the secret was added: answered %d", status)
	}
	b.open("/events?q=source:shop+verdict:rejected")
	b.sees(".row .c-deliveries", "succeeded")
	b.sees(".row td:nth-child(2)", "re-verified: genuine")
	for len(crm.all()) < callbacks+1 {
		select {
		case <-b.ctx.Done():
			t.Fatalf("only %d callbacks arrived", len(crm.all()))
		case <-time.After(20 * time.Millisecond):
		}
	}
	for body, n := range crm.all() {
		if n != 1 {
			t.Errorf("%d times: %s", n, body)
		}
	}
	var deliveries int
	must(t, s.db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM deliveries`).Scan(&deliveries))
	if deliveries != callbacks+1 {
		t.Errorf("%d deliveries", deliveries)
	}
	b.quiet()
}

// all is what arrived so far.
func (c *counter) all() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[string]int, len(c.seen))
	for body, n := range c.seen {
		seen[body] = n
	}
	return seen
}
