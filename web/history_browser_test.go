package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The way of who asks what changed: from the list to the event, its payload, its history, and two events side by side.
func TestBrowserHistory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	// At noon, far from where a day ends and the list begins a new part of its table; and never at :00 of a minute, where the
	// browser writes the field's time without its seconds.
	start := time.Now().UTC().Add(-24 * time.Hour).Truncate(24 * time.Hour).Add(12*time.Hour + 7403*time.Millisecond)
	for i, status := range []string{"ACTIVE", "PAUSED", "INACTIVE"} {
		at := start.Add(time.Duration(i) * time.Minute)
		s.record(t, subscriptionBody(status, at, fmt.Sprintf(`,"price":%d.50,"items":[{"subscriptionItemId":1,"title":"<b>&\u202e%s"}],"%s":1`, i, status, strings.Repeat("long", 30))), cameAt(at))
	}
	b := s.openTab(t)
	b.logIn("anna")

	// Two rows of the list are marked and compared.
	b.do(chromedp.Click("#events tbody tr:nth-child(2) [name=id]"), chromedp.Click("#events tbody tr:nth-child(3) [name=id]"))
	b.do(chromedp.Click(".panel-head [form=marked]"))
	b.sees("#differences-title", "4 differences")
	b.sees("#differences", `entity.status changed "PAUSED" "INACTIVE"`)
	b.sees("#differences", "entity.items[subscriptionItemId=1].title")
	b.do(chromedp.Click(".compare-tools a:not([aria-current])"))
	b.sees(".aligned", `"price": 1.50`)
	for _, width := range []int64{1280, 390} {
		b.do(chromedp.EmulateViewport(width, 900))
		if side, want := asks[bool](b, "(()=>{const [o,n]=document.querySelector('.aligned .changed').cells; return o.getBoundingClientRect().top === n.getBoundingClientRect().top})()"), width == 1280; side != want {
			t.Errorf("at %d px the two sides stand side by side: %v", width, side)
		}
		if over := asks[int](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
			t.Errorf("at %d px the comparison is %d px too wide", width, over)
		}
	}
	b.do(chromedp.EmulateViewport(1280, 900))

	// From a side to its event, whose payload folds, copies a path and filters by it.
	b.do(chromedp.Click(".side:nth-child(2) a"))
	b.sees("#payload", `"status": "INACTIVE"`)
	if asks[bool](b, "document.querySelector('.tree details').hasAttribute('open') && document.querySelectorAll('.tree script, .tree b').length === 0") == false {
		t.Error("the tree is not open, or a value became markup")
	}
	b.do(chromedp.Click(".tree summary"))
	if asks[bool](b, "document.querySelector('.tree details').open") {
		t.Error("the tree does not fold")
	}
	b.do(chromedp.Click(".tree summary"))
	if got := asks[string](b, "document.querySelector('.tree button[data-copy=\"entity.status\"]').hidden + ' ' + document.querySelector('.tree .acts:has([data-copy=\"entity.status\"]) a').getAttribute('href')"); got != "false /events?q=entity.status:INACTIVE" {
		t.Errorf("a path's actions: %s", got)
	}
	// To the history, and to what was known at a moment.
	b.do(chromedp.Click(`#payload a[href="/entities/subscription/7"]`))
	b.sees(".history", "status PAUSED → INACTIVE")
	b.do(chromedp.Click(".state-row:first-child .changes-fold summary"))
	b.sees(".state-row:first-child .changes", `"PAUSED"`)
	b.do(chromedp.EmulateViewport(390, 900))
	if over := asks[int](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		t.Errorf("the history is %d px too wide", over)
	}
	b.do(chromedp.SetValue("#at", start.Add(90*time.Second).UTC().Format("2006-01-02T15:04:05")), chromedp.Click(".moment button"))
	b.sees("#state", `"status": "PAUSED"`)
	b.sees(".history", "status ACTIVE → PAUSED")
	if n := asks[int](b, "document.querySelectorAll('.state-row').length"); n != 2 {
		t.Errorf("%d callbacks were known then", n)
	}
	b.do(chromedp.Click("#state .newest-links a:nth-child(2)"))
	b.sees("#differences", `"PAUSED" "INACTIVE"`)
	b.quiet()
}
