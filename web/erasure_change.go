package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"recall/store"
)

// erasureChange decides on what is doubtful, confirms, cancels, or has a case look again. Somebody else may have been faster.
func (s *server) erasureChange(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	c, err := s.findErasure(r)
	if err != nil {
		return err
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	ctx, note := r.Context(), s.note(r, "", "", reason, nil)
	done := ""
	switch r.PathValue("action") {
	case "decide":
		done, err = s.erasureDecide(ctx, r, c, reason, note)
	case "confirm":
		if typed := strings.TrimSpace(r.PostForm.Get("sure")); typed != sureOf(c) || typed == "" {
			return mistake("Type “" + sureOf(c) + "” to confirm: what is destroyed cannot be brought back. Nothing was done.")
		}
		if strings.TrimSpace(reason) == "" {
			return saidOf(store.ErrErasureReason)
		}
		done, err = "It runs, and cannot be stopped any more.", s.DB.ConfirmErasure(ctx, c.ID, reason, note)
	case "cancel":
		done, err = "It is cancelled; nothing was destroyed.", s.DB.CancelErasure(ctx, c.ID, reason, note)
	case "search":
		done, err = "It looks again.", s.DB.SearchErasure(ctx, c.ID, note)
	default:
		return missing("There is no page at this address.")
	}
	if err != nil {
		return saidOf(err)
	}
	return s.done(w, r, erasureURL(c.ID), done)
}

func (s *server) erasureDecide(ctx context.Context, r *http.Request, c *store.ErasureCase, reason string, note store.AuditEntry) (string, error) {
	ids, err := readEvents(r.PostForm["event"])
	if err != nil {
		return "", err
	}
	chosen := store.ErasureChoice{Events: ids, Doubts: r.PostForm["doubt"]}
	all := r.PostForm.Get("all") == "true"
	if len(chosen.Events)+len(chosen.Doubts) == 0 && !all {
		return "", mistake("Tick the events that you decide on, or all that are not decided yet.")
	}
	if all {
		chosen = store.ErasureChoice{}
	}
	switch r.PostForm.Get("do") {
	case "erase":
		return "They will be erased.", s.DB.DecideErasure(ctx, c.ID, chosen, true, reason, note)
	case "leave":
		return "They will be left.", s.DB.DecideErasure(ctx, c.ID, chosen, false, reason, note)
	}
	return "", mistake("Say whether they are erased or left.")
}

// saidOf makes what the store refuses fit for the page.
func saidOf(err error) error {
	var invalid *store.InvalidError
	for _, known := range []error{store.ErrErasureDoubts, store.ErrErasureHeld, store.ErrErasureReason, store.ErrErasurePerson} {
		if errors.Is(err, known) {
			return mistake(sentence(known.Error()))
		}
	}
	switch {
	case errors.Is(err, store.ErrErasureState):
		return mistake("This case is not in a state any more in which that can be done. Open its page again to see where it stands.")
	case errors.Is(err, store.ErrNotFound):
		return mistake("None of these is a doubtful event of this case that can be decided. Open its page again.")
	case errors.As(err, &invalid):
		return mistake(sentence(invalid.Error()))
	}
	return err
}
