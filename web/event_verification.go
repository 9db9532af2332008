package web

import (
	"time"

	"recall/verify"
)

// checkViews is the explanation of a verification, each step with its mood.
func checkViews(r verify.Result) []checkView {
	var checks []checkView
	for _, step := range r.Explain() {
		checks = append(checks, checkView{statusMood(step.Status), cut(step.Name, 120), step.Words})
	}
	return checks
}

// verdictSentence is the verdict in one sentence, for the head of the page.
func verdictSentence(r verify.Result) string {
	switch r.Verdict {
	case verify.Verified:
		return "Genuine and fresh: signed " + skewWords(r.SkewSeconds) + "."
	case verify.Late:
		return "Genuine, but signed " + skewWords(r.SkewSeconds) + ". It is accepted, and marked."
	}
	return "Not accepted: " + reasonWords(r.Reason) + ". It is kept here and never sent on."
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
