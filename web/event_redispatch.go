package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"recall/store"
)

// maxReason bounds the reason of a redispatch, in characters.
const maxReason = 500

// redispatchView is the form that sends an event again, or why it cannot be.
type redispatchView struct {
	URL          string
	Destinations []destinationChoice
	Why          string // why it is not possible; "" when it is
	Rejected     bool   // it is not even shown
}

// destinationChoice is a destination in the form; one that is not active cannot be chosen.
type destinationChoice struct {
	choice
	Active bool
}

// newRedispatchView makes the form for an event that is accepted by now, or is not.
func newRedispatchView(e *store.Event, accepted bool, destinations []*store.Destination, role string) redispatchView {
	v := redispatchView{URL: eventURL(e.ID) + "/redispatch", Rejected: !accepted}
	for _, d := range destinations {
		word, active := d.Name, d.State == store.DestinationActive
		if !active {
			word += " (" + string(d.State) + ")"
		}
		v.Destinations = append(v.Destinations, destinationChoice{choice{d.Name, word}, active})
	}
	inactive := !slices.ContainsFunc(v.Destinations, func(d destinationChoice) bool { return d.Active })
	switch {
	case !accepted:
		v.Why = "A rejected event was not proven genuine, so it is not sent on. If it is genuine, mend the cause and check it again."
	case len(destinations) == 0:
		v.Why = "There is no destination yet. An admin may add one under Destinations."
	case role == string(store.RoleViewer):
		v.Why = "Your role is viewer. An operator or admin may send events again."
	case inactive:
		v.Why = "No destination is active, so nothing can be sent."
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
	if destination.State != store.DestinationActive {
		return mistake("The destination " + to + " is " + string(destination.State) + ": nothing is sent to it until it is active again.")
	}
	_, err = s.Redispatch.Redispatch(r.Context(), store.Redispatch{
		EventID: e.ID, Destination: to, By: userOf(r).Name, Reason: reason,
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
