package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"recall/store"
)

// maxReason bounds the reason of a redispatch, in characters.
const maxReason = 500

// redispatchView is the form that sends an event again, or why it cannot be.
type redispatchView struct {
	URL          string
	Destinations []choice
	Why          string // why it is not possible; "" when it is
}

func newRedispatchView(e *store.Event, destinations []*store.Destination, role string) redispatchView {
	v := redispatchView{URL: eventURL(e.ID) + "/redispatch"}
	for _, d := range destinations {
		word := d.Name
		if d.State != store.DestinationActive {
			word += " (" + string(d.State) + ")"
		}
		v.Destinations = append(v.Destinations, choice{d.Name, word})
	}
	switch {
	case !e.Verification.Verdict.Accepted():
		v.Why = "A rejected event was not proven genuine, so it is never sent on."
	case len(destinations) == 0:
		v.Why = "There is no destination yet. Add one on the server: recall destination add --name crm --url URL"
	case role == string(store.RoleViewer):
		v.Why = "Your role is viewer. An operator or admin may send events again."
	}
	return v
}

func (s *server) eventRedispatch(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	e, err := s.findEvent(r)
	if err != nil {
		return err
	}
	to, reason := r.PostForm.Get("destination"), strings.TrimSpace(r.PostForm.Get("reason"))
	switch {
	case to == "":
		return mistake("Choose the destination the event is to be sent to.")
	case utf8.RuneCountInString(reason) > maxReason:
		return mistake(fmt.Sprintf("The reason may have at most %d characters.", maxReason))
	case !e.Verification.Verdict.Accepted():
		return refused("This event was rejected, so it is never sent on.")
	}
	if _, err := s.DB.FindDestination(r.Context(), to); errors.Is(err, store.ErrNotFound) {
		return mistake("There is no destination “" + cut(to, 100) + "”.")
	} else if err != nil {
		return fmt.Errorf("finding destination: %w", err)
	}
	_, err = s.Redispatch.Redispatch(r.Context(), store.Redispatch{
		EventID: e.ID, Destination: to, By: userOf(r).Name, Reason: plainText(reason),
	})
	if err != nil {
		return fmt.Errorf("redispatching event %s to %s: %w", e.ID, to, err)
	}
	if err := s.flash(w, r, "Sending to "+to+". The delivery below shows how it goes."); err != nil {
		return fmt.Errorf("keeping a message: %w", err)
	}
	http.Redirect(w, r, eventURL(e.ID)+"#deliveries", http.StatusSeeOther)
	return nil
}
