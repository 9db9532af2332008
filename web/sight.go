package web

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"recall/diff"
	"recall/mask"
	"recall/plenigo"
	"recall/store"
)

// sight is what who looks at a page sees of bodies and headers: what is personal or secret is hidden, unless this session
// has revealed it.
type sight struct {
	rules   *mask.Rules
	reveals []store.Reveal // that hold now
	may     bool           // reveal
	back    string         // this page, to come back to
	now     time.Time
	habits  habits
}

// sight asks for the rules and the reveals of now. Where it fails no page with bodies is shown.
func (s *server) sight(r *http.Request) (sight, error) {
	rules, err := s.DB.MaskRules(r.Context())
	if err != nil {
		return sight{}, err
	}
	l := sight{rules: rules, may: userOf(r).Role.May(store.RightReveal), back: "/events", now: s.Now(), habits: habitsOf(r.Context())}
	if r.Method == http.MethodGet {
		l.back = r.URL.RequestURI()
	}
	if session := sessionOf(r); session != nil && l.may {
		l.reveals, err = s.DB.ListReveals(r.Context(), session.ID)
	}
	return l, err
}

// of is what is revealed of an event.
func (l sight) of(e *store.Event) mask.Reveal {
	var reveal mask.Reveal
	for _, r := range l.reveals {
		if r.Covers(e) {
			reveal.Personal, reveal.Secrets = true, reveal.Secrets || r.Secrets
		}
	}
	return reveal
}

// body is an event's body in clear as far as it is seen, what is to be said of one that came packed, and how much of it is
// hidden or would be. Of one that is hidden whole there is nothing.
func (l sight) body(e *store.Event, maxBody int64) (body []byte, note string, found mask.Found) {
	plain, note := unpacked(e, maxBody)
	body, found = l.rules.Body(plain, l.of(e))
	return body, note, found
}

// hides tells whether something of an event's body stays hidden.
func (l sight) hides(e *store.Event, maxBody int64) bool {
	_, _, found := l.body(e, maxBody)
	return found.Hides(l.of(e))
}

// tree is a body taken apart, with what is hidden covered; nil where it is no JSON.
func (l sight) tree(e *store.Event, maxBody int64) (root *diff.Value, found mask.Found) {
	plain, _ := unpacked(e, maxBody)
	root, isJSON := diff.Parse(plain)
	if !isJSON {
		return nil, mask.Found{Whole: len(plain) > 0}
	}
	return root, l.rules.Tree(root, l.of(e))
}

// header tells how a header of an event is treated. What the source itself asks for lets someone in, and what it is signed
// with is harmless.
func (l sight) header(source *store.Source) func(name string) mask.Class {
	return func(name string) mask.Class {
		name = http.CanonicalHeaderKey(name)
		if source != nil {
			for _, h := range source.Headers {
				if http.CanonicalHeaderKey(h.Name) == name {
					return mask.Secret
				}
			}
			for _, signs := range []string{source.Scheme.Header, source.Scheme.TimeHeader, source.Scheme.IDHeader} {
				if signs != "" && http.CanonicalHeaderKey(signs) == name && !plenigo.SensitiveHeader(name) {
					return mask.Shown
				}
			}
		}
		return l.rules.Header(name)
	}
}

// hiddenView says that something on a page is hidden and lets it be shown, or that it is shown and lets it be hidden.
type hiddenView struct {
	Says    string   // "" nothing is hidden here
	Of      []string // what a reveal would be of, as the form sends it
	Secrets bool     // there are secrets that it can be asked for
	May     bool
	For     string // how long it lasts, in words
	Until   string // while something is revealed: its end
	Left    string
	Ends    []string // ids of the reveals
	Back    string
}

// hidden makes the view of a page that shows something of these events. of is what a reveal is to be of; secrets says whether
// some are hidden.
func (l sight) hidden(says string, secrets bool, lasts time.Duration, of []string, events ...*store.Event) hiddenView {
	v := hiddenView{Says: says, Of: of, Secrets: secrets, May: l.may, For: span(lasts), Back: l.back}
	var until time.Time
	for _, r := range l.reveals {
		covers := false
		for _, e := range events {
			covers = covers || r.Covers(e)
		}
		for _, one := range of {
			covers = covers || one == revealOf(r.Scope, r.Subject)
		}
		if covers {
			v.Ends = append(v.Ends, fmt.Sprint(r.ID))
			if until.IsZero() || r.Until.Before(until) {
				until = r.Until
			}
		}
	}
	if !until.IsZero() {
		until = until.In(l.habits.zone())
		v.Until = until.Format("15:04 ") + zoneWord(until)
		v.Left = leftWords(until.Sub(l.now))
	}
	return v
}

func leftWords(d time.Duration) string {
	if d < time.Minute {
		return "less than a minute left"
	}
	return plural(int(math.Ceil(d.Minutes())), "minute", "minutes") + " left"
}

// renew lets the browser load the page again once something on it is to be hidden. It is the header, since this works
// without scripts and asks for nothing on the page.
func (l sight) renew(w http.ResponseWriter) {
	var first time.Time
	for _, r := range l.reveals {
		if first.IsZero() || r.Until.Before(first) {
			first = r.Until
		}
	}
	if !first.IsZero() {
		w.Header().Set("Refresh", fmt.Sprint(int(first.Sub(l.now).Seconds())+1))
	}
}

// hiddenWords say how much of a body is hidden.
func hiddenWords(found mask.Found, reveal mask.Reveal) string {
	personal, secret := found.Personal, found.Secret
	if reveal.Personal {
		personal = 0
	}
	if reveal.Secrets {
		secret = 0
	}
	switch {
	case found.Whole && !reveal.Personal:
		return "The body is hidden: it is no JSON, so nothing tells what in it is personal."
	case personal > 0 && secret > 0:
		return plural(personal, "personal value", "personal values") + " and " + plural(secret, "secret", "secrets") + " hidden."
	case personal > 0:
		return plural(personal, "personal value", "personal values") + " hidden."
	case secret > 0:
		return plural(secret, "secret", "secrets") + " hidden."
	}
	return ""
}

// seen notes that who is logged in saw payloads.
func (s *server) seen(r *http.Request, action, subject string) error {
	return s.DB.NoteView(r.Context(), s.note(r, action, subject, "", nil))
}
