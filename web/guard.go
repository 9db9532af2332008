package web

import (
	"cmp"
	"slices"
	"time"

	"recall/plenigo"
	"recall/store"
)

// guardDays is how far back it is looked for a switch-off that nothing has contradicted since.
const guardDays = 45

// guard tells how near plenigo is to switching a source's callback off.
type guard struct {
	Name, Slug string
	URL        string // of the source
	Failures   string // of the failures page, for this source
	Today      int
	DaysInRow  int
	On         string // day it would be switched off; "" while there is no such day in the row
	Left       string // how long until then, in words
	Off        string // day since which it must be assumed to be switched off; "" where it need not
	Arriving   bool   // by our count it is switched off, and yet genuine callbacks arrive
	Unkept     int64  // rejected ones of the last 24 hours that were not kept
	Tone       string
	Says       string // where it stands, in one sentence
	Do         string
}

// urgent tells that every page should say so.
func (g guard) urgent() bool { return g.Off != "" || g.DaysInRow >= 2 && !g.Arriving }

// guards judges the sources that had failures of late, the most urgent first.
func guards(sources []*store.Source, answered map[int64]*store.Answered, now time.Time) []guard {
	var list []guard
	for _, source := range sources {
		if a := answered[source.ID]; a != nil {
			if g := newGuard(source, a, now); g.Today > 0 || g.DaysInRow > 0 || g.Off != "" || g.Unkept > 0 {
				list = append(list, g)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b guard) int {
		if a.Off != "" != (b.Off != "") {
			return cmp.Compare(len(b.Off), len(a.Off))
		}
		return cmp.Or(-cmp.Compare(a.DaysInRow, b.DaysInRow), -cmp.Compare(a.Today, b.Today))
	})
	return list
}

func newGuard(source *store.Source, a *store.Answered, now time.Time) guard {
	judged, off := a.Judge(now)
	g := guard{
		Name: source.Name, Slug: source.Slug, URL: "/sources/" + source.Slug, Failures: failureQuery{Source: source.Slug}.url(),
		Today: judged.Today, DaysInRow: judged.DaysInRow, Unkept: a.Unkept, Tone: toneIdle,
	}
	switch {
	case off:
		g.Off, g.Tone = guardDay(judged.Off), toneBad
		g.Says = "plenigo must be assumed to have switched this callback off on " + g.Off + ": there were " + plural(plenigo.FailuresADay, "failure", "failures") +
			" or more on " + plural(plenigo.FailureDaysInARow, "day", "days") + " in a row, and no callback was accepted since. What happens meanwhile is not sent later."
		g.Do = "Mend what fails, then tick Enabled again at plenigo (Settings > Development > Callbacks). This goes away with the first callback that is accepted."
		return g
	case judged.Over():
		g.Arriving, g.Tone = true, toneWarn
		g.Says = "By our count plenigo would have switched this callback off, but callbacks are still accepted, so it has not. Forgeries count here as well, and plenigo does not see them."
		g.Do = "See which failures come from plenigo’s addresses, and mend those."
		return g
	case judged.DaysInRow > 0:
		g.On, g.Tone = guardDay(judged.On), toneWarn
		if judged.DaysInRow >= 2 {
			g.Tone = toneBad
		}
		today := now.UTC().Truncate(24 * time.Hour)
		switch left := int(judged.On.Sub(today) / (24 * time.Hour)); {
		case left <= 0:
			g.Left = "today"
		case left == 1:
			g.Left = "tomorrow"
		default:
			g.Left = "in " + plural(left, "day", "days")
		}
		g.Says = "If it goes on, plenigo switches this callback off " + g.Left + ", on " + g.On + "."
		if judged.CountsToday() {
			g.Do = "Mend what fails, so that tomorrow stays below " + plural(plenigo.FailuresADay, "failure", "failures") + ". To win time, let the source observe: its rejected callbacks are then answered 2xx."
		} else {
			g.Do = "Mend what fails while today is still below " + plural(plenigo.FailuresADay, "failure", "failures") + ": that ends the row. To win time, let the source observe: its rejected callbacks are then answered 2xx."
		}
	case judged.Today > 0:
		g.Says = "Below " + plural(plenigo.FailuresADay, "failure", "failures") + " a day plenigo only lists them in its callback log."
		g.Do = "See what fails before more does."
	default:
		g.Says = "Rejected callbacks beyond their budget were answered and counted, but not kept."
	}
	return g
}

func guardDay(t time.Time) string { return t.UTC().Format("Monday, 2 January 2006") }

// urgentGuards are those that every page tells.
func urgentGuards(list []guard) []guard {
	return slices.DeleteFunc(slices.Clone(list), func(g guard) bool { return !g.urgent() })
}
