package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"recall/alert"
	"recall/store"
)

// A week of simulated time, with holes, bursts and outages, after five weeks of habit: which alerts fire, when they are over,
// and which must not fire. Nothing but the clock is made up: events are recorded and counted as always, and told by a
// webhook that is there.
func TestWeek(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC) // a Monday
	const step = 15 * time.Minute
	w := newWorld(t, start.AddDate(0, 0, -7*5))
	for _, slug := range []string{"shop", "press", "batch", "rare", "partner", "forged"} {
		w.source(slug)
	}
	crm := &store.Destination{Name: "crm", URL: "https://crm.example/in", Signing: store.SigningPlenigo, Timeout: 5 * time.Second, State: store.DestinationActive}
	must(t, w.db.CreateDestination(t.Context(), crm))
	at := func(day, hour, minute int) time.Time {
		return start.AddDate(0, 0, day).Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	const mon, tue, wed, thu, fri, sat = 0, 1, 2, 3, 4, 5

	// usual is what a source sends in an hour.
	usual := func(slug string, hour time.Time) (n int) {
		office := hour.Hour() >= 6 && hour.Hour() < 22
		weekend := hour.Weekday() == time.Saturday || hour.Weekday() == time.Sunday
		switch slug {
		case "shop": // busy by day, less at the weekend, little by night
			switch {
			case !office:
				return 1
			case weekend:
				return 8
			}
			return 24
		case "press": // one or two an hour, on weekdays only
			if office && !weekend {
				return 1 + hour.Hour()%2
			}
		case "batch": // once a night
			if hour.Hour() == 3 {
				return 30
			}
		case "rare": // three times a week
			if hour.Hour() == 11 && (hour.Weekday() == time.Monday || hour.Weekday() == time.Wednesday || hour.Weekday() == time.Saturday) {
				return 1
			}
		case "partner", "forged":
			if office && !weekend {
				return 2
			}
		}
		return 0
	}
	type hole struct {
		source   string // "": all of them, and Recall itself
		from, to time.Time
	}
	holes := []hole{
		{"shop", at(mon, 10, 0), at(mon, 14, 0)},   // plenigo, or the way to us, is down: missed
		{"press", at(mon, 12, 0), at(mon, 15, 0)},  // three hours are nothing unusual for it
		{"partner", at(tue, 8, 0), at(thu, 9, 0)},  // disabled, and enabled again
		{"", at(wed, 1, 0), at(wed, 5, 30)},        // we ourselves are away, while the nightly batch would have come
		{"batch", at(thu, 0, 0), at(thu, 23, 0)},   // it does not come: missed
		{"rare", at(mon, 0, 0), at(sat+1, 23, 0)},  // a whole week: nobody can tell
		{"shop", at(thu, 15, 0), at(thu, 17, 0)},   // a wrong secret: all are rejected, but they come
		{"shop", at(fri, 20, 40), at(fri, 21, 10)}, // half an hour
	}
	in := func(slug string, t time.Time) bool {
		return slices.ContainsFunc(holes, func(h hole) bool {
			return (h.source == slug || h.source == "") && !t.Before(h.from) && t.Before(h.to)
		})
	}
	for hour := w.now; hour.Before(at(7, 0, 0)); hour = hour.Add(time.Hour) {
		for slug := range w.ids {
			n := usual(slug, hour)
			for i := range n {
				if when := hour.Add(time.Hour * time.Duration(2*i+1) / time.Duration(2*n)); !in(slug, when) {
					w.event(slug, when, false)
				}
			}
		}
	}
	w.spread("shop", at(thu, 15, 0), 2*time.Hour, 240, true)
	w.spread("shop", at(fri, 10, 0), time.Hour, 6, true) // a few rejected ones are no burst
	for _, day := range []int{tue, wed, thu} {           // a scanner at night: few at a time, and a failing day for plenigo's guard
		w.spread("forged", at(day, 22, 0), time.Hour, 12, true)
	}

	hook := newSink(t)
	w.channel(hook.channel("ops"))
	w.now = start.Add(-step)
	w.flush()
	must(t, w.watch.Look(t.Context()))

	// fired are the alerts with the looks at which they were first and last seen open.
	type span struct{ from, to time.Time }
	fired := map[string][]span{}
	look := func() {
		for _, title := range w.open() {
			spans := fired[title]
			if n := len(spans); n > 0 && spans[n-1].to.Equal(w.now.Add(-step)) {
				spans[n-1].to = w.now
			} else {
				fired[title] = append(spans, span{w.now, w.now})
			}
		}
	}
	for w.now.Before(at(7, 0, 0)) {
		switch next := w.now.Add(step); {
		case next.Equal(at(tue, 8, 0)):
			w.enable("partner", false)
		case next.Equal(at(thu, 9, 0)):
			w.enable("partner", true)
		case next.Equal(at(fri, 9, 0)):
			_, err := w.db.SetDestinationState(t.Context(), crm.ID, store.DestinationBroken, "503")
			must(t, err)
		case next.Equal(at(fri, 12, 0)):
			_, err := w.db.SetDestinationState(t.Context(), crm.ID, store.DestinationActive, "")
			must(t, err)
		}
		if in("", w.now.Add(step)) && in("", w.now.Add(2*step)) {
			w.now = w.now.Add(step) // nobody is there to look
			continue
		}
		if away := w.now.Add(step); !away.Before(at(sat, 12, 0)) && away.Before(at(sat, 15, 0)) {
			// PostgreSQL takes nothing: what comes waits in the spool, is counted later, and nobody is silent meanwhile
			w.now = away
			w.local.Spool = alert.Spool{Events: 10, Oldest: at(sat, 12, 0), AwaySince: at(sat, 12, 0), Bytes: 1 << 10, MaxBytes: 1 << 20}
			must(t, w.watch.Look(t.Context()))
			w.watch.Tell(t.Context())
			look()
			continue
		}
		w.local.Spool = alert.Spool{}
		w.step(step)
		look()
	}

	type want struct{ from, by, over, overBy time.Time } // opened and over between these
	wants := map[string]want{
		"Source shop is silent":              {at(mon, 10, 45), at(mon, 11, 15), at(mon, 14, 0), at(mon, 14, 30)},
		"Source batch is silent":             {at(thu, 4, 0), at(thu, 4, 30), at(fri, 3, 0), at(fri, 3, 30)},
		"Callbacks of shop are rejected":     {at(thu, 15, 0), at(thu, 15, 30), at(thu, 17, 0), at(thu, 17, 45)},
		"plenigo may switch off forged":      {at(wed, 22, 30), at(wed, 23, 0), at(sat, 0, 0), at(sat, 0, 30)},
		"Recall was away":                    {at(wed, 5, 15), at(wed, 5, 45), at(thu, 5, 0), at(thu, 6, 0)},
		"PostgreSQL is away on one":          {at(sat, 12, 0), at(sat, 12, 15), at(sat, 15, 0), at(sat, 15, 30)},
		"Callbacks wait in the spool on one": {at(sat, 12, 0), at(sat, 12, 15), at(sat, 15, 0), at(sat, 15, 30)},
		"Destination crm keeps failing":      {at(fri, 9, 0), at(fri, 9, 15), at(fri, 12, 0), at(fri, 12, 30)},
	}
	var table strings.Builder
	for title, spans := range fired {
		for _, s := range spans {
			fmt.Fprintf(&table, "%-34s %s to %s\n", title, s.from.Format("Mon 15:04"), s.to.Format("Mon 15:04"))
		}
		wanted, is := wants[title]
		switch {
		case !is:
			t.Errorf("%s must not fire", title)
		case len(spans) != 1:
			t.Errorf("%s fired %d times", title, len(spans))
		case spans[0].from.Before(wanted.from) || spans[0].from.After(wanted.by):
			t.Errorf("%s fired at %s, want it from %s to %s", title, spans[0].from, wanted.from, wanted.by)
		case spans[0].to.Before(wanted.over.Add(-step)) || spans[0].to.After(wanted.overBy):
			t.Errorf("%s was last seen at %s, want its end from %s to %s", title, spans[0].to, wanted.over, wanted.overBy)
		}
	}
	for title := range wants {
		if len(fired[title]) == 0 {
			t.Errorf("%s did not fire", title)
		}
	}
	t.Logf("what fired in the week:\n%s", table.String())

	// Each was told as new once and as over once, in few messages.
	told := map[string]int{}
	messages := hook.got()
	for _, m := range messages {
		for _, one := range m["alerts"].([]any) {
			a := one.(map[string]any)
			told[fmt.Sprint(a["state"], " ", a["title"])]++
		}
	}
	for title := range wants {
		over := 1
		if title == "Recall was away" { // it is news, and told once
			over = 0
		}
		if told["new "+title] != 1 || told["over "+title] != over {
			t.Errorf("%s was told %d times as new and %d times as over", title, told["new "+title], told["over "+title])
		}
	}
	if n := len(messages); n > 32 {
		t.Errorf("%d messages in a week: that is a flood", n)
	}
	t.Logf("%d messages: %v", len(messages), told)
}
