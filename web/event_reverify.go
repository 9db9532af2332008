package web

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"recall/store"
	"recall/verify"
)

// reverifyView is the form that checks one event again, and what came of it before.
type reverifyView struct {
	URL      string // "" where there is nothing to check again: the event was verified
	Why      string // why it is not possible; "" when it is
	Release  string // why releasing is not possible; "" when it is
	Late     bool   // accepted already
	Receives string // where a release goes, in words
	List     []reverificationView
	More     int // results not listed
}

// reverificationView is one later result beside the first.
type reverificationView struct {
	Result   mood
	Reason   string
	At       string
	Time     timeView
	By       string
	Run      link // no URL: by hand
	Released bool
	Steps    []checkView
	ID       string
}

// shownReverifications bounds the list of later results.
const shownReverifications = 10

func newReverifyView(e *store.Event, source *store.Source, list []store.Reverification, arrivals []store.EventSummary, destinations []*store.Destination, p page) reverifyView {
	v := reverifyView{Late: e.Verification.Accepted(), Receives: receiversWords(destinations)}
	for i := range list {
		if i == shownReverifications {
			v.More = len(list) - i
			break
		}
		v.List = append(v.List, newReverificationView(&list[i], p))
	}
	if e.Verification.Verdict == verify.Verified {
		return v
	}
	v.URL = eventURL(e.ID) + "/reverify"
	switch {
	case e.Verification.Reason == verify.ReasonBodyTooLarge:
		v.Why = "The body was too large to be kept, so there is nothing to check."
	case source.Slug == "" || !source.RemovedAt.IsZero():
		v.Why = "The source was removed, so there are no settings to check it by."
	case !p.maySend():
		v.Why = p.maySendNot("check events again")
	}
	v.Release = whyNoRelease(e, list, arrivals)
	return v
}

// whyNoRelease says why a callback is not sent on any more: it was already. The store makes sure of it anyway.
func whyNoRelease(e *store.Event, list []store.Reverification, arrivals []store.EventSummary) string {
	if e.Verification.Accepted() {
		return "It was accepted when it came."
	}
	for _, r := range list {
		if r.Released {
			return "It was released already."
		}
	}
	for _, a := range arrivals {
		if a.Verdict.Accepted() {
			return "Another arrival of this callback was accepted, so it was sent on already."
		}
	}
	return ""
}

// receiversWords says where released events go.
func receiversWords(destinations []*store.Destination) string {
	var names []string
	for _, d := range destinations {
		if d.Match == nil {
			continue
		}
		name := d.Name
		if d.State != store.DestinationActive {
			name += " (" + string(d.State) + ")"
		}
		names = append(names, name)
	}
	switch {
	case len(names) == 0:
		return "No destination has a matching rule, so nothing would be sent by it: redispatch by hand instead."
	case len(names) > 5:
		return fmt.Sprintf("Those of the %d destinations with a matching rule that fit.", len(names))
	}
	return "Destinations with a matching rule: " + strings.Join(names, ", ") + "."
}

func newReverificationView(r *store.Reverification, p page) reverificationView {
	v := reverificationView{
		Result: verdictMood(r.Verification.Verdict), Reason: reasonWords(r.Verification.Reason), At: p.habits.exact(r.At), Time: newTime(r.At, p.Now),
		By: r.RequestedBy, Released: r.Released, Steps: checkViews(r.Verification), ID: "reverification-" + r.ID.String(),
	}
	if r.RunID != 0 {
		v.Run = link{fmt.Sprintf("re-verification %d", r.RunID), runURL(r.RunID)}
	}
	return v
}

// reverifiedMood is how the latest re-verification looks beside the first result.
func reverifiedMood(verdict verify.Verdict) mood {
	if verdict.Accepted() {
		return mood{toneGood, "check", "re-verified: genuine"}
	}
	return mood{toneBad, "cross", "re-verified: rejected"}
}

func (s *server) eventReverify(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	e, err := s.findEvent(r)
	if err != nil {
		return err
	}
	reason, err := formReason(r)
	if err != nil {
		return err
	}
	if e.Verification.Verdict == verify.Verified {
		return mistake("This event was verified when it came: there is nothing to check again.")
	}
	done, err := s.Reverify.Reverify(r.Context(), e.ID, r.PostForm.Get("release") == "1", userOf(r).Name, reason)
	if err != nil {
		return fmt.Errorf("re-verifying event %s: %w", e.ID, err)
	}
	return s.done(w, r, eventURL(e.ID)+"#verification", s.reverifiedWords(r, e, done))
}

// reverifiedWords says what came of it, and of the wish to release it.
func (s *server) reverifiedWords(r *http.Request, e *store.Event, done *store.Reverification) string {
	switch {
	case !done.Verification.Accepted():
		return "Checked again: it is still rejected, " + reasonWords(done.Verification.Reason) + "."
	case e.Verification.Accepted():
		return "Checked again: it is genuine, as it was when it came."
	case r.PostForm.Get("release") != "1":
		return "Checked again: it is genuine by today’s settings. It was not released."
	case !done.Released:
		return "Checked again: it is genuine by today’s settings. It is not sent on, since this callback was already."
	}
	if deliveries, err := s.DB.ListDeliveries(r.Context(), e.ID); err == nil && len(deliveries) == 0 {
		return "Checked again: it is genuine by today’s settings, and released; but no destination’s matching rule fits it."
	}
	return "Checked again: it is genuine by today’s settings, and released. The deliveries below show how it goes."
}

// formReason reads a form's reason.
func formReason(r *http.Request) (string, error) {
	reason := strings.TrimSpace(r.PostForm.Get("reason"))
	if utf8.RuneCountInString(reason) > maxReason {
		return "", mistake(fmt.Sprintf("The reason may have at most %d characters.", maxReason))
	}
	return plainText(reason), nil
}
