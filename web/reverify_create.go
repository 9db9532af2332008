package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

// reverifyCreateView is the form that plans the re-verification of many events.
type reverifyCreateView struct {
	page
	Query    string // the filter
	Problem  *filterProblem
	Selected int // events that were marked one by one; then the filter is their ids
	Reason   string
}

// reverifyNew shows what was found or marked in the list, to be counted.
func (s *server) reverifyNew(w http.ResponseWriter, r *http.Request) error {
	values := r.URL.Query()
	v := reverifyCreateView{page: s.newRunPage(r, "Re-verify events"), Query: strings.TrimSpace(values.Get("q"))}
	if ids := values["id"]; len(ids) > 0 {
		for _, id := range ids {
			if _, err := uuid.Parse(id); err != nil || len(ids) > pageLength {
				return mistake("In the address, id must be the id of an event, and there at most " + plural(pageLength, "time", "times") + ".")
			}
		}
		v.Query, v.Selected = string(filter.KeyID)+":"+strings.Join(ids, ","), len(ids)
	}
	return s.render(w, r, http.StatusOK, reverifyCreatePage(v))
}

// reverifyCreate begins to count.
func (s *server) reverifyCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	reason, err := formReason(r)
	if err != nil {
		return err
	}
	text := strings.TrimSpace(r.PostForm.Get("q"))
	run, err := s.DB.CreateReverifyRun(r.Context(), text, userOf(r).Name, reason)
	var wrong *filter.Error
	if errors.As(err, &wrong) {
		v := reverifyCreateView{page: s.newRunPage(r, "Re-verify events"), Query: text, Problem: newFilterProblem(text, err), Reason: reason}
		return s.render(w, r, http.StatusBadRequest, reverifyCreatePage(v))
	}
	if err != nil {
		return fmt.Errorf("planning a re-verification: %w", err)
	}
	http.Redirect(w, r, runURL(run.ID), http.StatusSeeOther)
	return nil
}

// newRunPage is newPage for what belongs to the events.
func (s *server) newRunPage(r *http.Request, title string) page {
	p := s.newPage(r, title)
	p.Section = "events"
	return p
}

// reverifyURL is the form for what a filter finds.
func reverifyURL(text string) string {
	return "/reverify/new?" + url.Values{"q": {text}}.Encode()
}

func runURL(id int64) string { return fmt.Sprintf("/reverify/%d", id) }

// runMood is where a run stands.
func runMood(state store.ReverifyState) mood {
	switch state {
	case store.ReverifyCounting:
		return mood{toneInfo, "dots", "counting"}
	case store.ReverifyCounted:
		return mood{toneWarn, "question", "waits for your word"}
	case store.ReverifyRunning:
		return mood{toneInfo, "retry", "under way"}
	case store.ReverifyDone:
		return mood{toneGood, "check", "done"}
	case store.ReverifyCancelled:
		return mood{toneIdle, "dash", "cancelled"}
	}
	return mood{toneIdle, "question", string(state)}
}
