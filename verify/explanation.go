package verify

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Facts is what surrounds a callback and this room cannot know. All of it may be left out; the more there is, the more
// can be explained.
type Facts struct {
	Others []Other // the other sources
	Nearby []Skew  // authentic callbacks of other sources that arrived within minutes of this one, fresh ones included
}

// Other is another source of ours.
type Other struct {
	Name     string // as people know it
	Settings Settings
}

// Skew is how far off the time of one authentic callback was.
type Skew struct {
	Source  string
	Seconds int64 // as Result.SkewSeconds
}

// Explanation says why a callback got its result. No secret, password or value of a header asked for is in it.
type Explanation struct {
	Result   Result    `json:"result"`              // what Check says, always
	Steps    []Step    `json:"steps"`               // the checks in their order, from the header as seen to each authentication
	Signed   *Signed   `json:"signed,omitempty"`    // what the signature covers; nil where the headers do not say
	Finding  Finding   `json:"finding"`             // the most likely cause; with an empty Cause, what that means
	Further  []Finding `json:"further,omitempty"`   // of the other checks that fail, where their cause is known
	Tried    []Trial   `json:"tried,omitempty"`     // what was tried and does not fit
	NotTried []string  `json:"not_tried,omitempty"` // what was left out, and why
}

// Signed shows the text that was signed: what comes before the body, and the body. First and Last hold bytes of the
// body, which are personal data; the caller decides who may see them.
type Signed struct {
	Size  int    `json:"size"`  // bytes
	First string `json:"first"` // printable, of at most 24 bytes
	Last  string `json:"last"`  // likewise; empty where First is all
}

// Finding is one cause in a sentence, with what to do.
type Finding struct {
	Cause Cause   `json:"cause"`
	With  []Cause `json:"with,omitempty"` // what else must be so for the first to fit
	Words string  `json:"words"`
	Do    string  `json:"do,omitempty"`
}

// Trial is one explanation that was tried.
type Trial struct {
	Cause    Cause `json:"cause"`
	Variants int   `json:"variants"` // in how many ways
}

// Explain judges the callback as Check does, walks its steps, and looks for the cause where it is not verified. Give it
// the time of arrival. Work is bounded, for the largest body to less than about a second. A body that was too large to be
// kept cannot be explained: its Result says so by itself.
func (p *Policy) Explain(header http.Header, body []byte, now time.Time, facts Facts) Explanation {
	s := newSearch(p, header, body, now, facts)
	e := Explanation{Result: p.Check(header, body, now)}
	e.Steps, e.Signed = s.walk(e.Result)
	if e.Result.Verdict == Verified {
		e.Finding.Words = "The callback is authentic and fresh: these settings accept it."
		return e
	}
	for _, f := range s.findings(e.Result) {
		switch {
		case e.Finding.Words == "":
			e.Finding = f
		case f.Cause != "":
			e.Further = append(e.Further, f)
		}
	}
	e.Tried, e.NotTried = s.tried(e.Finding, e.Further), s.left
	return e
}

// findings are one for each check that fails, in the order in which they decide (Settings.judge).
func (s *search) findings(r Result) []Finding {
	var all []Finding
	switch r.Reason {
	case ReasonSourceDisabled:
		all = append(all, Finding{Cause: CauseSourceDisabled, Words: "The source is disabled.", Do: "Enable it, then verify the callback again."})
	case ReasonSettingsUnreadable:
		all = append(all, Finding{
			Cause: CauseSettingsUnreadable, Words: "A secret or password of the source cannot be decrypted with this program's key.",
			Do: "Start the program with the key that it had when the secret was entered, or enter the secret again; then verify the callback again.",
		})
	}
	tooOld := r.Signature == Expired && r.skew() > s.p.settings.LateWindow
	switch {
	case r.Signature == Future || tooOld:
		all = append(all, s.freshness(r))
	case r.Signature != Valid && r.Signature != Expired:
		all = append(all, s.signature(r))
	}
	if r.Basic != Valid && r.Basic != NotRequired {
		all = append(all, s.basic(r.Basic))
	}
	for i, h := range r.Headers {
		if h.Status != Valid {
			all = append(all, s.authHeader(i, h.Status))
		}
	}
	if r.Signature == Expired && !tooOld {
		all = append(all, s.freshness(r))
	}
	return all
}

// search looks for what explains one callback. Explanations are tried in a fixed order, so that the same callback always
// gets the same answer.
type search struct {
	p      *Policy
	c      *compiled
	header http.Header
	body   []byte
	now    time.Time
	facts  Facts
	veil   veil

	trials []Trial
	left   []string // what was left out
	work   int      // bytes read, made or digested in this phase
}

// maxOthers bounds the other sources that are looked at.
const maxOthers = 200

func newSearch(p *Policy, header http.Header, body []byte, now time.Time, facts Facts) *search {
	s := &search{p: p, c: p.scheme, header: header, body: body, now: now, facts: facts}
	if n := len(facts.Others); n > maxOthers {
		s.facts.Others = facts.Others[:maxOthers]
		s.left = append(s.left, fmt.Sprintf("The secrets of %d more sources, past the first %d.", n-maxOthers, maxOthers))
	}
	all := []Settings{p.settings}
	for _, other := range facts.Others { // what is not tried is hidden all the same
		all = append(all, other.Settings)
	}
	s.veil = newVeil(all...)
	return s
}

// try counts one way in which an explanation was tried.
func (s *search) try(cause Cause) {
	i := slices.IndexFunc(s.trials, func(t Trial) bool { return t.Cause == cause })
	if i < 0 {
		i = len(s.trials)
		s.trials = append(s.trials, Trial{Cause: cause})
	}
	s.trials[i].Variants++
}

// tried leaves out what was found.
func (s *search) tried(found Finding, further []Finding) []Trial {
	return slices.DeleteFunc(s.trials, func(t Trial) bool {
		is := func(f Finding) bool { return f.Cause == t.Cause || slices.Contains(f.With, t.Cause) }
		return is(found) || slices.ContainsFunc(further, is)
	})
}
