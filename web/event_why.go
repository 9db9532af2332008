package web

import (
	"fmt"
	"net/http"

	"recall/store"
	"recall/verify"
)

// whyView says why a callback was not simply verified, and what to do about it.
type whyView struct {
	Title    string
	Tone     string
	Icon     string
	Accepts  bool   // today's settings accept it, and nobody has checked it again yet
	Was      string // what was found when it came, where today's settings find something else
	Cause    string
	Do       string
	Further  []findingView
	Settings link // the source's page; no URL where the source is gone
	Recheck  bool // there is a form for it on the page
	Steps    []checkView
	Signed   *signedView
	Tried    []string
	NotTried []string
}

type findingView struct{ Cause, Do string }

// signedView shows the ends of what was signed; they hold bytes of the body.
type signedView struct{ Size, First, Last string }

// findWhy explains an event that was rejected or late; nil for others. Parts of a page that renew themselves do without:
// an explanation may take a while.
func (s *server) findWhy(r *http.Request, e *store.Event, source *store.Source, list []store.Reverification) (*whyView, error) {
	if e.Verification.Verdict == verify.Verified || r.Header.Get("HX-Request") != "" {
		return nil, nil
	}
	explanation, err := s.Reverify.Explain(r.Context(), e)
	if err != nil {
		return nil, err
	}
	accepts := e.Verification.Verdict == verify.Rejected && s.Reverify.Check(e).Accepted()
	return newWhyView(e, source, explanation, accepts, len(list) > 0 && list[0].Verification.Accepted()), nil
}

// newWhyView makes the view. accepts: today's settings accept a rejected event; found: a re-verification has said so.
func newWhyView(e *store.Event, source *store.Source, explanation *verify.Explanation, accepts, found bool) *whyView {
	v := &whyView{Title: "Why it was rejected", Tone: toneBad, Icon: "cross", Accepts: accepts && !found}
	if e.Verification.Verdict == verify.Late {
		v.Title, v.Tone, v.Icon = "Why it is late", toneWarn, "clock"
	}
	if source.Slug != "" && source.RemovedAt.IsZero() {
		v.Settings = link{source.Name, "/sources/" + source.Slug}
	}
	switch {
	case e.Verification.Reason == verify.ReasonBodyTooLarge:
		v.Cause = "The body of " + size(e.Size) + " is larger than this Recall takes in, so it was not kept, and nothing could be checked."
		v.Do = "Set RECALL_MAX_BODY higher, so that plenigo’s next try is taken in."
		return v
	case explanation == nil:
		v.Cause = "When it came: " + reasonWords(e.Verification.Reason) + ". More cannot be said: the source was removed, and its settings do not count any more."
		return v
	}
	v.Recheck = true
	if now := explanation.Result; now.Reason != e.Verification.Reason || now.Verdict != e.Verification.Verdict {
		v.Was = "When it came: " + reasonWords(e.Verification.Reason) + ". The settings were changed since; by today’s:"
	}
	m := verdictMood(explanation.Result.Verdict)
	v.Tone, v.Icon = m.Tone, m.Icon
	v.Cause, v.Do = explanation.Finding.Words, explanation.Finding.Do
	if accepts {
		v.Do = "" // it was done
	}
	for _, f := range explanation.Further {
		v.Further = append(v.Further, findingView{f.Words, f.Do})
	}
	v.Steps = stepViews(explanation.Steps)
	if signed := explanation.Signed; signed != nil {
		v.Signed = &signedView{size(int64(signed.Size)), signed.First, signed.Last}
	}
	for _, t := range explanation.Tried {
		v.Tried = append(v.Tried, triedWords(t))
	}
	v.NotTried = explanation.NotTried
	return v
}

// triedWords names an explanation that does not fit, and in how many ways it was tried.
func triedWords(t verify.Trial) string {
	if t.Variants > 1 {
		return fmt.Sprintf("%s, in %s", t.Cause.Words(), plural(t.Variants, "way", "ways"))
	}
	return t.Cause.Words()
}
