package alert

import (
	"strings"
	"time"

	"recall/store"
)

// Timing is when people are told.
type Timing struct {
	Window time.Duration // how long further alerts are waited for before a message goes out
	Pause  time.Duration // between two messages
	Repeat time.Duration // until what lasts is told again the first time; doubled each time
	Most   time.Duration // between two repeats
}

// wait is how long an alert that was told so often is not repeated.
func (t Timing) wait(told int) time.Duration {
	wait := t.Repeat
	for range told - 1 {
		if wait >= t.Most {
			break
		}
		wait *= 2
	}
	return min(wait, t.Most)
}

// goneAfter is how long an instance says nothing until what only it can tell is taken to be over.
const goneAfter = time.Hour

// scope is what was looked for: alerts of it that were not found are over.
type scope struct {
	shared   bool
	instance string // whose own findings; "": nobody's
	now      time.Time
	timing   Timing
}

func (s scope) holds(a *store.Alert) bool {
	if a.Instance == "" {
		return s.shared
	}
	return a.Instance == s.instance
}

// apply makes the alerts of a book those of the findings.
func (s scope) apply(book *store.AlertBook, findings []Finding) {
	found := map[*store.Alert]bool{}
	for _, f := range findings {
		about := AboutOf(string(f.Kind))
		instance := ""
		if about.Local {
			instance = s.instance
		}
		f.Level = max(f.Level, 1)
		a := openAlert(book, f, instance)
		if a == nil {
			a = &store.Alert{
				Kind: string(f.Kind), Subject: f.Subject, Instance: instance, Level: f.Level, OpenedAt: s.now, SeenAt: s.now, TellAt: s.now.Add(s.timing.Window),
			}
			book.Alerts = append(book.Alerts, a)
		}
		if f.Level > a.Level {
			a.TellAt = earlier(a.TellAt, s.now.Add(s.timing.Window))
		}
		found[a] = true
		a.Level, a.Words, a.Page, a.ClearSince = f.Level, f.Words, f.Page, time.Time{}
		if s.now.Sub(a.SeenAt) >= time.Minute {
			a.SeenAt = s.now
		}
	}
	for _, a := range book.Alerts {
		switch {
		case !a.Open() || found[a]:
		case s.holds(a):
			if a.ClearSince.IsZero() {
				a.ClearSince = s.now
			}
			if s.now.Sub(a.ClearSince) >= AboutOf(a.Kind).Hold {
				s.resolve(a, a.ClearSince)
			}
		case s.shared && a.Instance != "" && s.now.Sub(a.SeenAt) > goneAfter:
			a.Words = strings.TrimSuffix(a.Words, silentWords) + silentWords
			s.resolve(a, s.now)
		}
	}
}

const silentWords = " The instance has said nothing for an hour."

// resolve ends an alert. People who were told of it are told of its end.
func (s scope) resolve(a *store.Alert, at time.Time) {
	a.ResolvedAt, a.TellAt = at, time.Time{}
	if a.Told > 0 && !AboutOf(a.Kind).Once {
		a.TellAt = s.now.Add(s.timing.Window)
	}
}

func openAlert(book *store.AlertBook, f Finding, instance string) *store.Alert {
	for _, a := range book.Alerts {
		if a.Open() && a.Kind == string(f.Kind) && a.Subject == f.Subject && a.Instance == instance {
			return a
		}
	}
	return nil
}

// earlier is the earlier of two times; the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// digest makes the messages that are due: one a channel, of all that is new, worse, over, or due to be repeated. It makes none
// while nobody could be told.
func (s scope) digest(book *store.AlertBook, w words) {
	due := false
	for _, a := range book.Alerts {
		due = due || !a.TellAt.IsZero() && !a.TellAt.After(s.now)
	}
	if !due || len(book.Channels) == 0 || s.now.Sub(book.State.ToldAt) < s.timing.Pause {
		return
	}
	var told []*store.Alert
	for _, a := range book.Alerts {
		soon := s.now
		if a.Open() && a.Told > 0 {
			soon = soon.Add(s.timing.wait(a.Told) / 10) // what would be repeated a little later goes along
		} else {
			soon = soon.Add(s.timing.Window)
		}
		if !a.TellAt.IsZero() && !a.TellAt.After(soon) {
			told = append(told, a)
		}
	}
	for _, c := range book.Channels {
		var taken []*store.Alert
		for _, a := range told {
			if c.Takes(a.Kind) {
				taken = append(taken, a)
			}
		}
		if m := w.digest(taken, s.now); m != nil {
			m.ChannelID, m.Channel, m.NextAt = c.ID, c.Name, s.now
			book.Messages = append(book.Messages, m)
		}
	}
	for _, a := range told {
		a.TellAt = time.Time{}
		if !a.Open() {
			continue
		}
		a.ToldAt, a.Told = s.now, a.Told+1
		if a.AcknowledgedAt.IsZero() && !AboutOf(a.Kind).Once {
			a.TellAt = s.now.Add(s.timing.wait(a.Told))
		}
	}
	book.State.ToldAt = s.now
}
