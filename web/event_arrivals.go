package web

import (
	"fmt"
	"time"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// arrivalsView is the way of one callback: how often it came, how each arrival ended, and whether it comes again.
type arrivalsView struct {
	Says   string // all of it in a sentence; "" where it would be too long
	List   []arrivalView
	More   int    // arrivals not listed
	Coming string // when plenigo sends it again, or that it does not; "" where that does not matter
	Last   string // when its last try comes
}

// arrivalView is one of the equal callbacks.
type arrivalView struct {
	URL        string
	Name       string
	This       bool
	At         string
	Time       timeView
	Verdict    mood
	Reverified mood // no word: not checked again
	Answered   int
}

const (
	shownArrivals = 20        // plenigo sends at most four, a broken sender any number
	saidArrivals  = 4         // as many fit a sentence
	lateTry       = time.Hour // how much later than planned plenigo may try
)

// newArrivalsView needs the arrivals of one callback, oldest first. It is empty for a callback that came once and was
// accepted. plenigos: the source signs as plenigo does, so it repeats as plenigo does.
func newArrivalsView(events []store.EventSummary, this string, plenigos bool, now time.Time, h habits) arrivalsView {
	var v arrivalsView
	if len(events) == 0 {
		return v
	}
	if plenigos {
		v.Coming, v.Last = comingTries(events, now, h)
	}
	if len(events) == 1 && v.Coming == "" {
		return v
	}
	if len(events) > 1 && len(events) <= saidArrivals {
		v.Says = arrivalsSentence(events)
	}
	for i := range events {
		if i == shownArrivals {
			v.More = len(events) - i
			break
		}
		e := &events[i]
		a := arrivalView{
			URL: eventURL(e.ID), Name: ordinal(e.Arrival) + " arrival", This: e.ID.String() == this,
			At: h.exact(e.ReceivedAt), Time: newTime(e.ReceivedAt, now), Verdict: verdictMood(e.Verdict), Answered: e.Answered,
		}
		if e.Reverified != "" {
			a.Reverified = reverifiedMood(e.Reverified)
		}
		v.List = append(v.List, a)
	}
	return v
}

// arrivalsSentence is such as "Rejected 10:02, arrived again 11:02, accepted."
func arrivalsSentence(events []store.EventSummary) string {
	text, accepted := "", false
	clock := "15:04"
	for i := range events[1:] {
		if events[i+1].ReceivedAt.Sub(events[i].ReceivedAt) < time.Minute {
			clock = "15:04:05"
		}
	}
	var day string
	for i := range events {
		e := &events[i]
		at := e.ReceivedAt.UTC().Format(clock)
		if d := e.ReceivedAt.UTC().Format("2 Jan"); d != day && i > 0 {
			at = d + " " + at
		}
		day = e.ReceivedAt.UTC().Format("2 Jan")
		result := arrivalWord(e, accepted)
		if i == 0 {
			text = upperFirst(result) + " " + at
		} else {
			text += ", arrived again " + at + ", " + result
		}
		if e.Reverified.Accepted() && !e.Verdict.Accepted() {
			text += " and found genuine later"
		}
		accepted = accepted || e.Verdict.Accepted()
	}
	return text + "."
}

func arrivalWord(e *store.EventSummary, accepted bool) string {
	switch {
	case e.Verdict.Accepted() && accepted:
		return "only a repeat"
	case e.Verdict == verify.Late:
		return "accepted late"
	case e.Verdict.Accepted():
		return "accepted"
	}
	return "rejected"
}

func upperFirst(text string) string { return string(text[0]-'a'+'A') + text[1:] }

// comingTries says when plenigo sends a callback again that was never accepted, and when for the last time.
func comingTries(events []store.EventSummary, now time.Time, h habits) (coming, last string) {
	for i := range events {
		if events[i].Verdict.Accepted() {
			return "", ""
		}
		if status := events[i].Answered; status >= 200 && status < 300 {
			return fmt.Sprintf("It was answered %d, so that plenigo takes it for delivered and does not send it again.", status), ""
		}
	}
	first, seen := events[0].ReceivedAt, len(events)
	number, from, to, ok := plenigo.NextTry(first, seen)
	if !ok {
		return fmt.Sprintf("plenigo tries %d times at most, and so often it came: it is not sent again. Find the cause, then check it again here.", plenigo.Tries), ""
	}
	when := h.between(from, to)
	switch {
	case now.After(to.Add(lateTry)):
		coming = fmt.Sprintf("plenigo’s %s try was due %s and has not come: its callback log says what became of it.", ordinal(number), when)
	case number == plenigo.Tries:
		coming = fmt.Sprintf("If it is plenigo’s, it comes once more %s: that is the last of %d tries.", when, plenigo.Tries)
	default:
		coming = fmt.Sprintf("If it is plenigo’s, it comes again %s: the %s of %d tries.", when, ordinal(number), plenigo.Tries)
	}
	if number < plenigo.Tries {
		if _, from, to, ok := plenigo.NextTry(first, plenigo.Tries-1); ok {
			last = fmt.Sprintf("The last try, the %s, comes %s.", ordinal(plenigo.Tries), h.between(from, to))
		}
	}
	return coming, last
}

// between is a time, or the two times between which something happens, since when plenigo begins to count is unknown.
func (h habits) between(from, to time.Time) string {
	if from.Equal(to) {
		return "about " + h.minute(from)
	}
	return "between " + h.minute(from) + " and " + h.minute(to)
}
