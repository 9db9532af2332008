package web

import (
	"net/http"
	"strconv"

	"recall/store"
)

// eventRaw gives the exact bytes of a body, as a file that no browser tries to show. Where something in them is hidden it
// first asks for a reveal.
func (s *server) eventRaw(w http.ResponseWriter, r *http.Request) error {
	e, err := s.findEvent(r)
	if err != nil {
		return err
	}
	look, err := s.sight(r)
	if err != nil {
		return err
	}
	if look.hides(e, s.MaxBody) {
		if !look.may {
			return refused("Something in this body is hidden, and your role may not show it. The exact bytes are for those who may.")
		}
		http.Redirect(w, r, revealAskURL(revealOf(store.RevealEvent, e.ID.String()), eventURL(e.ID)), http.StatusSeeOther)
		return nil
	}
	if err := s.seen(r, "event.download", e.ID.String()); err != nil {
		return err
	}
	attachment(w, e.ID.String()+".body", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(e.Body)))
	w.Write(e.Body)
	return nil
}
