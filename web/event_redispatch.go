package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"recall/store"
)

// maxReason bounds the reason of a redispatch, in characters.
const maxReason = 500

// redispatchView is the form that sends an event again, or why it cannot be.
type redispatchView struct {
	URL          string
	EditURL      string
	Destinations []choice
	Why          string // why it is not possible; "" when it is
	Rejected     bool   // it is not even shown
}

// newRedispatchView makes the form for an event that is accepted by now, or is not.
func newRedispatchView(e *store.Event, accepted bool, destinations []*store.Destination, role string) redispatchView {
	v := redispatchView{URL: eventURL(e.ID) + "/redispatch", EditURL: eventURL(e.ID) + "/edit", Rejected: !accepted}
	for _, d := range destinations {
		v.Destinations = append(v.Destinations, destinationChoice(d))
	}
	switch {
	case !accepted:
		v.Why = "A rejected event was not proven genuine, so it is not sent on. If it is genuine, mend the cause and check it again."
	case len(destinations) == 0:
		v.Why = "There is no destination yet. An admin may add one under Destinations."
	case !store.Role(role).May(store.RightRedispatch):
		v.Why = mayNot(role, store.RightRedispatch, "send events again")
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
	reason, err := formReason(r)
	if err != nil {
		return err
	}
	to := r.PostForm.Get("destination")
	if to == "" {
		return mistake("Choose the destination the event is to be sent to.")
	}
	accepted, err := s.DB.AcceptedNow(r.Context(), e)
	if err != nil {
		return err
	}
	if !accepted {
		return refused("This event was rejected, so it is not sent on. If it is genuine, mend the cause and check it again.")
	}
	destination, err := s.DB.FindDestination(r.Context(), to)
	if errors.Is(err, store.ErrNotFound) {
		return mistake("There is no destination “" + cut(to, 100) + "”.")
	}
	if err != nil {
		return fmt.Errorf("finding destination: %w", err)
	}
	anyway := r.PostForm.Get("anyway") != ""
	newer, err := s.DB.FindNewer(r.Context(), e, destination.ID)
	if err != nil {
		return err
	}
	if newer.Count > 0 && (!anyway || reason == "") {
		return s.render(w, r, http.StatusConflict, redispatchStalePage(s.newRedispatchStaleView(r, e, to, reason, newer, anyway)))
	}
	_, err = s.Redispatch.Redispatch(r.Context(), store.Redispatch{
		EventID: e.ID, Destination: to, By: userOf(r).Name, Reason: reason, Anyway: anyway,
	})
	if err != nil {
		return fmt.Errorf("redispatching event %s to %s: %w", e.ID, to, err)
	}
	message := "Sending to " + to + ". The delivery below shows how it goes."
	if words := standstillWords(destination); words != "" {
		message = "It is in the queue to " + to + ". " + words
	}
	return s.done(w, r, eventURL(e.ID)+"#deliveries", message)
}

// redispatchStaleView asks what to do with an event that newer ones of its entity have followed.
type redispatchStaleView struct {
	page
	Event       link
	Entity      string
	Words       string // what is newer
	Has         string // what of it the destination has
	Newest      link
	SendNewest  string // URL
	SendAnyway  string // URL
	Destination string
	Reason      string
	NoReason    bool // it was to be sent anyway, and none was given
}

func (s *server) newRedispatchStaleView(r *http.Request, e *store.Event, to, reason string, n store.Newer, anyway bool) redispatchStaleView {
	v := redispatchStaleView{
		page: s.newPage(r, "Newer events exist"), Event: link{e.ID.String(), eventURL(e.ID)},
		Entity: strings.ToLower(e.Envelope.EntityType) + " " + e.Envelope.EntityID,
		Newest: link{n.Newest.String(), eventURL(n.Newest)}, SendNewest: eventURL(n.Newest) + "/redispatch",
		SendAnyway: eventURL(e.ID) + "/redispatch", Destination: to, Reason: reason, NoReason: anyway,
	}
	v.Words, v.Has = newerWords(n, to, v.Now)
	return v
}
