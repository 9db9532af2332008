package web

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"recall/store"
)

// An operator plans a replay, sees the list, starts it, sees it stop by itself, resumes it, pauses and resumes it, and sees its
// end; with JavaScript the page follows by itself, without it is looked at again. axe finds nothing on the way.
func TestBrowserReplay(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with JavaScript": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			for i := range 40 {
				s.record(t, fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d"}`, i))
			}
			s.ahead.Store(int64(time.Second))
			b := s.openTab(t)
			script := axeScript(t)
			if !scripts {
				b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
					_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
					return err
				}))
			}
			accessible := func() {
				t.Helper()
				if !scripts {
					return
				}
				for _, f := range b.axe(script) {
					t.Errorf("%s: %s: %s", f.ID, f.Help, cut(f.Target, 150))
				}
				if over := asks[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
					t.Errorf("%d too wide", over)
				}
			}
			look := func() { // the page does it by itself where it can
				if !scripts {
					b.open("/replays/1")
				}
			}
			tick := func(end store.DeliveryState) {
				for range 3 {
					s.ahead.Add(int64(2 * time.Second))
					s.drive(t)
					s.deliver(t, end)
				}
				s.drive(t)
				look()
			}

			b.logIn("anna")
			b.open("/replays")
			b.sees("main", "None yet")
			accessible()
			b.do(chromedp.Click(".page-head a[href='/replays/new']"))
			b.sees("h1", "Plan a replay")
			accessible()
			b.do(chromedp.SetValue("#q", "type:order.creation"), chromedp.SetValue("#to", "crm"), chromedp.SetValue("#rate", "5"), chromedp.SetValue("#canary", "4"),
				chromedp.SendKeys("#reason", "crm was down"), chromedp.Click("main form.panel button.primary"))
			b.sees("#run", "The list is being made")
			accessible()
			s.drive(t)
			look()
			b.sees("#run", "40 on the list")
			b.sees("#run", "seconds at 5 a second, 4 events first")
			accessible()
			b.click("#start button")
			b.sees("#run", "The first few are sent")
			accessible()

			tick(store.DeliveryExhausted)
			b.sees("#run", "It has stopped by itself")
			accessible()
			b.click("#resume button")
			b.sees("[role=status]", "It goes on, with a few first.")
			tick(store.DeliverySucceeded)
			b.sees("#run", "The list is being sent, oldest first")
			b.sees("#run .progress", "of 40")
			accessible()
			b.click("#pause button")
			b.sees("#run", "It is paused")
			accessible()
			b.click("#resume button")
			b.sees("[role=status]", "It goes on, with a few first.")
			for range 30 {
				r, err := s.db.FindReplay(t.Context(), 1)
				must(t, err)
				if r.State == store.ReplayDone {
					break
				}
				tick(store.DeliverySucceeded)
			}
			b.sees("#run", "Everything on the list was sent.")
			b.sees("#run .progress", "40 of 40")
			accessible()
			b.click("#run p a.button")
			b.sees("h1", "Plan a replay")
			b.open("/replays")
			b.sees("tbody", "crm was down")
			accessible()
			if scripts {
				b.quiet()
			}

			r, err := s.db.FindReplay(t.Context(), 1)
			must(t, err)
			if r.State != store.ReplayDone || r.Sent != 40 || r.Failed == 0 || r.Succeeded+r.Failed != 40 {
				t.Errorf("%+v", r)
			}
			entries, err := s.db.ListAudit(t.Context(), "replay 1", 0)
			must(t, err)
			var actions []string
			for _, e := range entries {
				actions = append(actions, e.Actor+" "+e.Action)
			}
			if want := "[recall replay.done anna replay.resume anna replay.pause anna replay.resume recall replay.stop anna replay.start anna replay.plan]"; fmt.Sprint(actions) != want {
				t.Errorf("audit: %s", actions)
			}
		})
	}
}
