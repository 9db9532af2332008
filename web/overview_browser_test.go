package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
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
