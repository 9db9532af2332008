package web

import (
	"time"

	"recall/store"
	"recall/verify"
)

// checkViews is the explanation of a verification, each step with its mood.
func checkViews(r verify.Result) []checkView { return stepViews(r.Explain()) }

func stepViews(steps []verify.Step) []checkView {
	var checks []checkView
	for _, step := range steps {
		m := statusMood(step.Status)
		if step.Status == "" { // it only tells what was seen
			m = mood{toneIdle, "dots", ""}
		}
		checks = append(checks, checkView{m, cut(step.Name, 120), step.Words})
	}
	return checks
}

// setVerification fills in the first result and what was found since; later are the re-verifications, newest first.
func (v *eventView) setVerification(e *store.Event, later []store.Reverification) {
	v.Accepted = e.Verification.Accepted() || len(later) > 0 && later[0].Verification.Accepted()
	v.Says = verdictSentence(e.Verification, later)
	v.Checks = checkViews(e.Verification)
}

// verdictSentence is the verdict in one sentence, for the head of the page.
func verdictSentence(r verify.Result, later []store.Reverification) string {
	switch r.Verdict {
	case verify.Verified:
		return "Genuine and fresh: signed " + skewWords(r.SkewSeconds) + "."
	case verify.Late:
		return "Genuine, but signed " + skewWords(r.SkewSeconds) + ". It is accepted, and marked."
	}
	if len(later) == 0 || !later[0].Verification.Accepted() {
		return "Not accepted: " + reasonWords(r.Reason) + ". It is kept here and not sent on."
	}
	text := "Not accepted when it came: " + reasonWords(r.Reason) + ". Found genuine when it was checked again"
	for _, l := range later {
		if l.Released {
			return text + ", and released."
		}
	}
	return text + "."
}

// skewWords says how far the signing lies from the arrival.
func skewWords(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	switch {
	case seconds == 0:
		return "in the second it arrived"
	case seconds > 0:
		return span(d) + " before it arrived"
	}
	return span(-d) + " ahead of our clock"
}
