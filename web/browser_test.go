package web

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// chromium starts one browser for all tests of this package.
var chromium = sync.OnceValues(func() (context.Context, error) {
	path, err := chromiumPath()
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses to run as root with one
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	stopChromium = cancel
	ctx, _ = chromedp.NewContext(ctx)
	return ctx, chromedp.Do(ctx)
})

var stopChromium context.CancelFunc

func TestMain(m *testing.M) {
	code := m.Run()
	if stopChromium != nil {
		stopChromium()
	}
	os.Exit(code)
}

// chromiumPath looks where the project keeps one, and where a system does.
func chromiumPath() (string, error) {
	if path := os.Getenv("RECALL_CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	path, err := filepath.Abs("../.tools/chromium/bin/chromium")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("no Chromium: set RECALL_CHROMIUM, or install chromium (Debian: apt-get install chromium)")
	}
	return path, nil
}

// tab is a browser window of a test's own, with cookies of its own.
type tab struct {
	t    *testing.T
	site *site
	ctx  context.Context

	mu       sync.Mutex
	messages []string
}

// tabTime is what a tab may take; past it what is waited for will not come.
var tabTime = time.Minute

func (s *site) openTab(t *testing.T) *tab {
	t.Helper()
	return s.openTabFor(t, tabTime)
}

// openTabFor is for a test of many pages.
func (s *site) openTabFor(t *testing.T, most time.Duration) *tab {
	t.Helper()
	browser, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	b := &tab{t: t, site: s}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancelTime := context.WithTimeout(ctx, most)
	t.Cleanup(cancelTime)
	must(t, chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900)))
	b.ctx = ctx
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.messages = append(b.messages, m.String())
			b.mu.Unlock()
		}
	}()
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.dump())
	}
}

func (b *tab) dump() string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), 5*time.Second)
	defer cancel()
	html, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body.innerText"))
	return html
}

func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.site.URL + path))
}

// sees waits until an element of a page that is whole, its scripts too, has a text in it.
func (b *tab) sees(selector, text string) {
	b.t.Helper()
	b.becomes(fmt.Sprintf("document.readyState === 'complete' && [...document.querySelectorAll(%q)].map(e => e.innerText).join(' ').replace(/\\s+/g, ' ').includes(%s)", selector, jsText(b.t, text)))
}

// becomes waits until an expression is true. What follows a click, a key or a navigation is true only after a while.
func (b *tab) becomes(expression string) {
	b.t.Helper()
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression)) // fails in a page that is being left
		if err == nil && ok {
			return
		}
		select {
		case <-b.ctx.Done():
			b.t.Fatalf("never true: %s\n%s", expression, b.dump())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// click clicks on what may be renewed in that moment.
func (b *tab) click(selector string) {
	b.t.Helper()
	for {
		err := chromedp.Do(b.ctx, chromedp.Click(selector))
		if err == nil {
			return
		}
		if b.ctx.Err() != nil {
			b.t.Fatalf("%s: %v\n%s", selector, err, b.dump())
		}
	}
}

// asks evaluates an expression in the page, once: ask for what can be no other any more, and use becomes for the rest.
func asks[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *tab) logIn(name string) {
	b.t.Helper()
	b.open("/login")
	b.do(
		chromedp.SendKeys("#name", name),
		chromedp.SendKeys("#password", testPassword),
		chromedp.Click("button[type=submit]"),
	)
	b.becomes("document.readyState === 'complete' && !!document.getElementById('events')")
}

// showHidden reveals what is hidden of the event whose page is open.
func (b *tab) showHidden() {
	b.t.Helper()
	b.do(chromedp.Click("#hidden summary"), chromedp.SendKeys("#reveal-reason", "ticket 12"), chromedp.Click("#hidden form button"))
	b.sees("form#hidden", "minutes left")
}

// quiet fails the test when the browser had anything to complain about: a script that failed, a file that is missing, a
// style or script that the security policy refused. What holds one of the texts is as it should be.
func (b *tab) quiet(but ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.messages {
		if !slices.ContainsFunc(but, func(text string) bool { return strings.Contains(m, text) }) {
			b.t.Errorf("console: %s", m)
		}
	}
}

func TestBrowserWholeWay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"7"}`, rejected(verify.ReasonSignatureMismatch))
	e := s.record(t, customerBody)
	b := s.openTab(t)

	b.open("/events")
	b.sees("h1", "Log in")
	b.logIn("anna")
	b.sees("#events", "Order")

	b.do(chromedp.SendKeys("#q", "type:customer.creation customer:48377\r"))
	b.sees("#events .panel-head", "matching")
	if n := asks[int](b, "document.querySelectorAll('.row').length"); n != 1 {
		t.Errorf("%d rows", n)
	}
	if got := asks[string](b, "location.search"); got != "?q=type:customer.creation+customer:48377" {
		t.Errorf("address %s", got)
	}
	b.do(chromedp.Click(".row a.open"))
	b.sees("#verification", "Signature")
	if got := asks[string](b, "location.pathname"); got != "/events/"+e.ID.String() {
		t.Errorf("address %s", got)
	}

	b.showHidden()
	b.do(chromedp.Click("#payload nav a:last-child"))
	b.sees("#payload .hex", "7b 22 65 6e")
	if asks[bool](b, "document.querySelector('[data-copy]').hidden") != asks[bool](b, "!navigator.clipboard") {
		t.Error("the copy button does not follow what is possible")
	}

	b.do(chromedp.SetValue("#destination", "crm"), chromedp.SendKeys("#reason", "lost on Monday"), chromedp.Click(".redispatch button"))
	b.sees("[role=status]", "Sending to crm")
	b.sees("#delivery-list", "pending")

	// The list of deliveries renews itself; what is open stays open.
	deliveries, err := s.db.ListDeliveries(t.Context(), e.ID)
	must(t, err)
	for i, state := range []store.DeliveryState{store.DeliveryWaiting, store.DeliverySucceeded} {
		attempt := storetest.Begin(t, s.db, deliveries[0])
		attempt.RequestURL = s.crm.URL
		attempt.Duration, attempt.Status, attempt.ResponseBody = time.Millisecond, []int{http.StatusBadGateway, http.StatusOK}[i], []byte("thanks")
		storetest.End(t, s.db, deliveries[0], attempt, state, time.Now().Add(time.Second))
		b.sees("#delivery-list", string(state))
		if i == 0 {
			b.click(".attempt summary")
			b.sees(".attempt[open]", "502 Bad Gateway")
		}
	}
	b.sees(".attempt[open]", "502 Bad Gateway")

	// The address of an attempt shows it unfolded.
	b.open("/events/" + e.ID.String() + "#delivery-" + deliveries[0].ID.String() + "-1")
	b.sees(".attempt[open]", "502 Bad Gateway")
	b.quiet()
}

func TestBrowserLiveListAndPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range pageLength + 5 {
		s.record(t, fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d"}`, 1000+i))
	}
	b := s.openTab(t)
	b.logIn("anna")
	b.do(chromedp.Click(".panel-head a[rel=next]"))
	b.sees("#events", "1000")
	b.sees(".panel-head", "Newest")
	if got := asks[string](b, "location.search"); !strings.HasPrefix(got, "?before=") {
		t.Errorf("address %s", got)
	}
	asks[bool](b, "history.back() === undefined")
	b.sees("#events", "1054")
	b.open("/events?live=1")
	s.record(t, `{"entityType":"VOUCHER_CAMPAIGN","callbackType":"FINISHED","entityId":"77"}`)
	b.sees("#events tbody tr:nth-child(2)", "Voucher campaign")
	b.sees("#tail-heard", "heard")
	b.do(chromedp.Click("#tail-pause"))
	b.sees("#tail-state", "Paused")
	s.record(t, `{"entityType":"VOUCHER_CHANNEL","callbackType":"CREATION","entityId":"78"}`)
	b.sees("#tail-more", "1 new, show")
	if got := asks[string](b, "document.title"); got != "(1) Events · Recall" {
		t.Errorf("title %q", got)
	}
	b.do(chromedp.Click("#tail-more"))
	b.sees("#events tbody tr:nth-child(2)", "Voucher channel")
	s.recordMany(t, 300)
	b.sees("#tail-more", "more, show")
	if n := asks[int](b, "document.querySelectorAll('.row').length"); n > 200 {
		t.Errorf("%d rows on the page", n)
	}

	b.open("/sources")
	b.do(chromedp.Click(".menu summary"), chromedp.Click("button[value=dark]"))
	b.sees("html[data-theme=dark] h1", "Sources")
	if got := asks[string](b, "getComputedStyle(document.documentElement).colorScheme"); got != "dark" {
		t.Errorf("colour scheme %s", got)
	}
	b.quiet()
}

// Every page works without JavaScript.
func TestBrowserWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"7"}`, rejected(verify.ReasonSignatureMismatch))
	s.record(t, customerBody)
	b := s.openTab(t)
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.logIn("anna")
	b.do(chromedp.SetValue("#set-verdict", "verified"), chromedp.SendKeys("#set-customer", "48377"), chromedp.Click(".search button[type=submit]"))
	b.sees("#events .panel-head", "verdict:verified customer:48377")
	b.do(chromedp.Click(".row a.open"))
	b.sees("#payload", "sortKey")
	b.showHidden()
	b.do(chromedp.Click("#payload nav a:last-child"))
	b.sees("#payload .hex", "7b 22 65 6e")
	b.do(chromedp.SetValue("#destination", "crm"), chromedp.Click(".redispatch button"))
	b.sees("[role=status]", "Sending to crm")
	b.sees("#delivery-list", "pending")
	b.do(chromedp.Click(".menu summary"), chromedp.Click(".logout button"))
	b.sees("h1", "Log in")
}

// No page is wider than its window, whatever stands in it.
func TestBrowserNoSidewaysScrolling(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Demo = true })
	plain := s.record(t, customerBody)
	long := strings.Repeat("W", 250)
	evil := s.record(t, `{"`+long+`":"`+long+`"}`, func(e *store.Event) {
		e.Header = http.Header{"X-" + long: {long + hostile}}
		e.Envelope = plenigo.Envelope{EntityType: long, CallbackType: plenigo.Clean(hostile), EntityID: long, Customers: []plenigo.CustomerLink{{CustomerID: long, Path: long}}}
	})
	_, err := s.sent.Redispatch(t.Context(), store.Redispatch{EventID: evil.ID, Destination: "crm", By: "anna", Reason: long})
	must(t, err)
	refused := s.record(t, long, rejected(verify.ReasonSignatureMalformed), func(e *store.Event) { e.Header = http.Header{verify.HeaderSignature: {long}} })
	_, err = s.db.Reverify(t.Context(), refused, verify.Result{Verdict: verify.Rejected, Reason: verify.ReasonSignatureMismatch}, false, long, "")
	must(t, err)
	run, err := s.db.CreateReverifyRun(t.Context(), "customer:"+long, long, long)
	must(t, err)
	must(t, s.db.AddUnstored(t.Context(), nil, []store.UnknownRequest{{Path: "/callbacks/" + long, Sender: "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", ContentType: long}}))
	must(t, s.db.Rollup(t.Context(), func(*store.Event) verify.Cause { return verify.CauseBodyUnicodeEscapes }))
	b := s.openTab(t)
	b.logIn("anna")
	for _, width := range []int64{390, 1280} {
		b.do(chromedp.EmulateViewport(width, 844))
		for _, path := range []string{
			"/events", "/events?q=" + long, "/events?q=customer:1", "/events/" + plain.ID.String(), "/events/" + evil.ID.String(),
			"/events/" + evil.ID.String() + "?view=hex", "/events/" + refused.ID.String(), "/reverify", runURL(run.ID), "/reverify/new?q=" + long, "/failures?state=all", "/overview", "/overview?source=shop", "/volume", "/sources", "/sources/shop", "/destinations", "/destinations/crm", "/account", "/nowhere",
		} {
			b.open(path)
			if over := asks[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
				t.Errorf("%s at %d pixels is %d too wide", path, width, over)
			}
		}
	}
}
