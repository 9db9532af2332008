package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"recall/store"
)

// failureActions are what people say of a group of failures.
var failureActions = []struct {
	path, name, done string
	to               store.FailureState
}{
	{"acknowledge", "Acknowledge", "Acknowledged: somebody is at it.", store.FailureAcknowledged},
	{"resolve", "Resolve", "Resolved. If it comes again, it opens again.", store.FailureResolved},
	{"reopen", "Reopen", "It is open again.", store.FailureOpen},
}

// failureChange sets the state of one group.
func (s *server) failureChange(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return missing("“" + cut(r.PathValue("id"), 60) + "” is not the number of a failure.")
	}
	reason, err := formReason(r)
	if err != nil {
		return err
	}
	for _, a := range failureActions {
		if a.path != r.PathValue("action") {
			continue
		}
		err := s.DB.SetFailureState(r.Context(), id, a.to, userOf(r).Name, reason)
		if errors.Is(err, store.ErrNotFound) {
			return missing(fmt.Sprintf("There is no failure %d, or not any more.", id))
		}
		if err != nil {
			return err
		}
		s.pulses.forget() // the mark in the navigation
		if err := s.flash(w, r, a.done); err != nil {
			return fmt.Errorf("keeping a message: %w", err)
		}
		back := r.PostForm.Get("back")
		if back != "/failures" && !strings.HasPrefix(back, "/failures?") {
			back = "/failures"
		}
		http.Redirect(w, r, back, http.StatusSeeOther)
		return nil
	}
	return missing("There is no page at this address.")
}
