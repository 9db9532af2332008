package web

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	keyboard "github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"recall/static"
	"recall/store"
	"recall/store/storetest"
)

// press presses keys, one after the other, as a keyboard does: what a page prevents is not typed either.
func (b *tab) press(keys string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for _, key := range keys {
			events := kb.Encode(key)
			down, up := events[0], events[len(events)-1]
			if len(events) == 3 { // the text that chromedp sends past the page's scripts
				down.Text, down.UnmodifiedText = events[1].Text, events[1].UnmodifiedText
			}
			for _, event := range []*keyboard.DispatchKeyEventParams{down, up} {
				if _, err := cdp.Call(ctx, target, keyboard.DispatchKeyEvent, *event); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}

// focused is what the keyboard is at, for the messages of a test.
const focused = `(e => e.tagName + ' ' + (e.id || e.getAttribute('href') || e.textContent.trim().slice(0, 40)))(document.activeElement)`

// tabTo goes with the Tab key to a place. Each place on the way can be seen to have the focus, and has a name to be read out.
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 120 {
		b.press(kb.Tab)
		if asks[bool](b, fmt.Sprintf("document.activeElement.matches(%s)", jsText(b.t, selector))) {
			return
		}
		if missing := asks[string](b, `(() => {
			const e = document.activeElement;
			if (e === document.body || e.closest('[aria-hidden=true]')) return '';
			const lined = (s) => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0;
			const seen = lined(getComputedStyle(e)) || lined(getComputedStyle(e, '::after'));
			const name = e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.title || (e.labels && e.labels.length && e.labels[0].textContent) || e.textContent;
			return (seen ? '' : 'no focus ring') + (name.trim() ? '' : ' no name');
		})()`); missing != "" {
			b.t.Errorf("%s: %s", asks[string](b, focused), missing)
		}
	}
	b.t.Fatalf("Tab does not lead to %s, but to %s\n%s", selector, asks[string](b, focused), b.dump())
}

// An operator without a mouse logs in, finds an event, sends it again, plans a replay and starts it.
func TestBrowserByKeyboardAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 4 {
		s.record(t, fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d"}`, i))
	}
	e := s.record(t, customerBody)
	s.ahead.Store(int64(time.Second))
	b := s.openTab(t)
	script := axeScript(t)
	accessible := func() {
		t.Helper()
		for _, f := range b.axe(script) {
			t.Errorf("%s: %s: %s", f.ID, f.Help, cut(f.Target, 150))
		}
	}

	b.open("/login")
	b.becomes("document.activeElement.id === 'name'")
	b.press("anna")
	b.tabTo("#password")
	b.press(testPassword + kb.Enter)
	b.sees("#events .panel-head", "5 events")

	// The first stop skips the frame.
	b.press(kb.Tab)
	b.becomes("document.activeElement.matches('.skip') && document.activeElement.getBoundingClientRect().top >= 0")
	b.press(kb.Enter)
	b.becomes("document.activeElement.id === 'main'")

	// What opens gives the focus back: the help, and a menu.
	b.tabTo("#columns summary")
	b.press(kb.Enter)
	b.sees("#columns[open]", "Time zone of this list")
	accessible()
	b.press(kb.Escape)
	b.becomes("!document.getElementById('columns').open && document.activeElement.matches('#columns summary')")
	b.press("?")
	b.becomes("document.getElementById('keys').open && document.getElementById('keys').contains(document.activeElement)")
	accessible()
	b.press(kb.Escape)
	b.becomes("!document.getElementById('keys').open && document.activeElement.matches('#columns summary')")

	// To an event by a filter and the keys of the list.
	b.press("/")
	b.becomes("document.activeElement.id === 'q'")
	b.press("type:customer.creation" + kb.Escape + kb.Enter)
	b.sees("#events .panel-head", "matching")
	b.press("j" + kb.Enter)
	b.sees("#verification", "Signature")
	b.becomes("location.pathname === '/events/" + e.ID.String() + "'")

	// It is sent again. The list of deliveries renews itself around the focus, and not while somebody types in it.
	b.tabTo("#reason")
	b.press("lost on Monday" + kb.Enter)
	b.sees("main > [role=status]", "Sending to crm")
	b.becomes("document.activeElement.matches('main > [role=status]')")
	deliveries, err := s.db.ListDeliveries(t.Context(), e.ID)
	must(t, err)
	attempt := storetest.Begin(t, s.db, deliveries[0])
	attempt.RequestURL, attempt.Status, attempt.ResponseBody = s.crm.URL, http.StatusBadGateway, []byte("no")
	storetest.End(t, s.db, deliveries[0], attempt, store.DeliveryWaiting, time.Now().Add(time.Second))
	b.sees("#delivery-list", "502 Bad Gateway")
	b.tabTo(".attempt summary")
	b.press(kb.Enter)
	b.sees(".attempt[open]", "Sent to")
	asks[bool](b, "!!(window.before = document.getElementById('delivery-list'))")
	attempt = storetest.Begin(t, s.db, deliveries[0])
	attempt.RequestURL, attempt.Status = s.crm.URL, http.StatusOK
	storetest.End(t, s.db, deliveries[0], attempt, store.DeliverySucceeded, time.Time{})
	b.sees("#delivery-list", "succeeded")
	b.becomes("window.before !== document.getElementById('delivery-list') && document.activeElement.matches('.attempt[open] > summary')")
	b.becomes("document.querySelector('body > [role=status]').textContent === 'succeeded'")
	accessible()

	// To the replays by two keys; the plan is made, and started.
	b.press("gr")
	b.sees("main", "None yet")
	b.tabTo("main a[href='/replays/new']")
	b.press(kb.Enter)
	b.sees("h1", "Plan a replay")
	b.tabTo("#q")
	b.press("type:order.creation")
	b.tabTo("#reason")
	b.press("crm was down" + kb.Enter)
	b.sees("#run", "The list is being made")
	s.drive(t)
	b.sees("#run", "4 on the list")
	b.tabTo("#start button")
	b.press(kb.Enter)
	b.sees("#run", "The first few are sent")
	accessible()
	r, err := s.db.FindReplay(t.Context(), 1)
	must(t, err)
	if r.State == store.ReplayPlanning || r.State == store.ReplayPlanned || r.Events != 4 {
		t.Errorf("%+v", r)
	}
	b.quiet()
}

// The help names every key that is listened to.
func TestHelpNamesEveryKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	help := s.as(t, "anna").show("/events").one(t, "#keys").text()
	script, err := static.FS.ReadFile("js/keys.js")
	must(t, err)
	keys := regexp.MustCompile(`case "(.)"`).FindAllSubmatch(script, -1)
	_, places, _ := strings.Cut(string(script), "places = {")
	places, _, _ = strings.Cut(places, "}")
	keys = append(keys, regexp.MustCompile(`(\w): "/`).FindAllSubmatch([]byte(places), -1)...)
	if len(keys) < 12 {
		t.Fatalf("%d keys are found in keys.js", len(keys))
	}
	for _, key := range keys {
		if !regexp.MustCompile(`(^| )` + regexp.QuoteMeta(string(key[1])) + ` `).MatchString(help) {
			t.Errorf("%s is not in the help: %s", key[1], help)
		}
	}
}
