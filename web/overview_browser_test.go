package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestBrowserOverview(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 3 {
		s.record(t, fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d"}`, i))
	}
	s.countAll(t, 3)
	b := s.openTab(t)
	b.logIn("anna")
	b.open("/overview?range=1h")
	b.sees(".volume-head", "3 events")

	// Dragging chooses the time under it, and nothing else.
	bars := func(share float64) (x, y float64) {
		return asks[float64](b, fmt.Sprintf("(r => r.left + r.width * %v)(document.querySelector('.volume-bars').getBoundingClientRect())", share)),
			asks[float64](b, "(r => r.top + r.height / 2)(document.querySelector('.volume-bars').getBoundingClientRect())")
	}
	fromX, y := bars(0.51)
	toX, _ := bars(0.99)
	b.do(chromedp.MouseEvent(chromedp.MousePressed, fromX, y, chromedp.ButtonLeft), chromedp.MouseEvent(chromedp.MouseMoved, (fromX+toX)/2, y, chromedp.ButtonLeft), chromedp.MouseEvent(chromedp.MouseMoved, toX, y, chromedp.ButtonLeft))
	if width := asks[float64](b, "+document.querySelector('.volume-drag').getAttribute('width')"); width < 500 || width > 640 {
		t.Errorf("%v of 1200 are marked", width)
	}
	b.do(chromedp.MouseEvent(chromedp.MouseReleased, toX, y, chromedp.ButtonLeft))
	b.sees("#events", "Order")
	if search := asks[string](b, "location.search"); !strings.Contains(search, "after:20") || !strings.Contains(search, "before:") {
		t.Errorf("it leads to %s", search)
	}

	// A bar is a link, and the whole is small.
	b.open("/overview?range=1h")
	b.sees(".volume-head", "3 events")
	b.do(chromedp.Click(".volume-hits a:last-child rect"))
	b.sees("#events", "Order")
	b.open("/volume")
	b.sees(".volume-table", "Verified")
	b.quiet()
}

// The search box suggests keys and, once one is taken, its values; the list is gone through by keys.
func TestBrowserSuggestionsAndKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 3 {
		s.record(t, fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d","entity":{"status":"DONE"}}`, i))
	}
	b := s.openTab(t)
	b.logIn("anna")
	b.sees("#count", "3 events")

	// Keys of the list.
	at := "(document.activeElement.closest('tr.row') || {}).rowIndex"
	for _, step := range []struct {
		key  string
		want int
	}{{"j", 2}, {"j", 3}, {"k", 2}} {
		b.press(step.key)
		if got := asks[int](b, at); got != step.want {
			t.Errorf("after %s row %d has the focus, want %d", step.key, got, step.want)
		}
	}
	b.press("x")
	if !asks[bool](b, "document.querySelector('tr:nth-child(2) [name=id]').checked") {
		t.Error("x marks nothing")
	}
	b.press("?")
	b.sees("#keys[open]", "Next and previous event")
	b.press(kb.Escape)
	b.press("/")
	if got := asks[string](b, "document.activeElement.id"); got != "q" {
		t.Errorf("/ leads to %q", got)
	}

	// Suggestions.
	b.do(chromedp.SendKeys("#q", "tri"))
	b.sees("#q-list [role=option]", "trigger:")
	b.do(chromedp.Click("#q-list [role=option]:first-child")) // with the mouse
	b.becomes("document.getElementById('q').value === 'trigger:' && document.activeElement.id === 'q'")
	b.sees("#q-list [role=option]", "redispatched by somebody")
	b.press(kb.Escape)
	b.becomes("document.getElementById('q-list').hidden && document.getElementById('q').getAttribute('aria-expanded') === 'false'")

	asks[string](b, "document.getElementById('q').value = ''")
	b.do(chromedp.SendKeys("#q", "verd")) // and with the keys
	b.sees("#q-list [role=option]", "verdict:")
	b.press(kb.ArrowDown)
	b.becomes("document.querySelector('#q-list [aria-selected=true]').id === document.getElementById('q').getAttribute('aria-activedescendant')")
	b.press(kb.Enter)
	b.becomes("document.getElementById('q').value === 'verdict:' && location.search === ''")
	b.press("reje")
	b.sees("#q-list [role=option]:first-child", "rejected")
	b.press(kb.ArrowDown + kb.Enter)
	b.becomes("document.getElementById('q').value === 'verdict:rejected '")
	b.press(kb.Enter)
	b.sees("#events", "Nothing matches")
	b.open("/events?q=entity.status:DONE")
	b.sees("#events", "Order")
	b.press("j" + kb.Enter)
	b.sees("#verification", "Signature")
	b.quiet()
}
