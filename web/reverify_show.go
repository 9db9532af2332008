package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"recall/store"
)

// reverifyShowView is one run: counted first, then carried out.
type reverifyShowView struct {
	page
	ID         int64
	State      mood
	Filter     string
	EventsURL  string
	Until      string
	By         string
	Reason     string
	Created    timeView
	Finished   timeView
	Says       string
	Counts     []runCount
	Checked    int64
	Total      int64 // of the progress; 0: unknown
	Poll       string
	Startable  bool
	Releasable int64
	Receives   string
	MayChange  bool   // the reader's role
	Endable    bool   // the run can be cancelled
	URL        string // the page without anything behind it
	AgainURL   string // plans another run, where one would do more; "" otherwise
}

// runCount is one figure of a run.
type runCount struct {
	mood
	Name  string
	Count string
	Hint  string
}

func (s *server) reverifyShow(w http.ResponseWriter, r *http.Request) error {
	run, err := s.findRun(r)
	if err != nil {
		return err
	}
	destinations, err := s.DB.ListDestinations(r.Context())
	if err != nil {
		return fmt.Errorf("listing destinations: %w", err)
	}
	v := newReverifyShowView(s.newRunPage(r, fmt.Sprintf("Re-verification %d", run.ID)), run, destinations)
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, reverifyShowPage(v))
}

func (s *server) findRun(r *http.Request) (*store.ReverifyRun, error) {
	text := r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != text {
		return nil, missing("“" + cut(text, 60) + "” is not the number of a re-verification.")
	}
	run, err := s.DB.FindReverifyRun(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing("There is no re-verification " + text + ".")
	}
	return run, err
}

func newReverifyShowView(p page, run *store.ReverifyRun, destinations []*store.Destination) reverifyShowView {
	v := reverifyShowView{
		page: p, ID: run.ID, State: runMood(run.State), Filter: run.Filter, EventsURL: eventQuery{Text: run.Filter}.url(),
		Until: p.habits.exact(run.Until), By: run.RequestedBy, Reason: run.Reason, Created: newTime(run.CreatedAt, p.Now),
		Checked: run.Checked, Releasable: run.Releasable, Receives: receiversWords(destinations),
		MayChange: p.maySend(), URL: runURL(run.ID),
	}
	if run.FinishedAt != nil {
		v.Finished = newTime(*run.FinishedAt, p.Now)
	}
	v.Says = runSentence(run)
	switch run.State {
	case store.ReverifyCounting:
		v.Poll, v.Endable = "every 1s", true
	case store.ReverifyCounted:
		v.Startable, v.Endable = run.Counted > 0, true
	case store.ReverifyRunning:
		v.Poll, v.Endable, v.Total = "every 1s", true, run.Counted
	case store.ReverifyDone:
		if !run.Release && run.Releasable > 0 {
			v.AgainURL = reverifyURL(run.Filter)
		}
	case store.ReverifyCancelled:
		v.AgainURL = reverifyURL(run.Filter)
	}
	v.Counts = runCounts(run)
	return v
}

func runSentence(run *store.ReverifyRun) string {
	switch run.State {
	case store.ReverifyCounting:
		return "Every rejected or late event that the filter finds is checked by today’s settings. Nothing is changed or sent by counting."
	case store.ReverifyCounted:
		if run.Counted == 0 {
			return "The filter finds no event that was rejected or late, so there is nothing to do."
		}
		return "This is what would come of it. Nothing was changed or sent so far."
	case store.ReverifyRunning:
		if run.Release {
			return "The results are being kept beside the first ones, and what is genuine is released, oldest first."
		}
		return "The results are being kept beside the first ones. Nothing is sent on."
	case store.ReverifyCancelled:
		return "It was cancelled. What it had done by then stays."
	}
	if run.Release {
		return "The results are kept beside the first ones, and what is genuine was released."
	}
	return "The results are kept beside the first ones. Nothing was sent on, as wished."
}

func runCounts(run *store.ReverifyRun) []runCount {
	counts := []runCount{
		{mood{toneIdle, "search", ""}, "looked at", grouped(run.Checked), "rejected or late when they came"},
		{mood{toneGood, "check", ""}, "genuine", grouped(run.Accepted), "by today’s settings"},
		{mood{toneBad, "cross", ""}, "rejected", grouped(run.Rejected), "still"},
	}
	if run.Release && run.State != store.ReverifyCounting && run.State != store.ReverifyCounted {
		return append(counts, runCount{mood{toneInfo, "send", ""}, "released", grouped(run.Released), "one arrival of each callback"})
	}
	return append(counts, runCount{mood{toneInfo, "send", ""}, "not sent on yet", grouped(run.Releasable), "genuine, and of callbacks that were never accepted; each can go once"})
}

func (s *server) reverifyStart(w http.ResponseWriter, r *http.Request) error {
	return s.changeRun(w, r, "It has begun.", func(run *store.ReverifyRun) error {
		return s.DB.StartReverifyRun(r.Context(), run.ID, r.PostForm.Get("release") == "1", userOf(r).Name)
	})
}

func (s *server) reverifyCancel(w http.ResponseWriter, r *http.Request) error {
	return s.changeRun(w, r, "It is cancelled.", func(run *store.ReverifyRun) error {
		return s.DB.CancelReverifyRun(r.Context(), run.ID, userOf(r).Name)
	})
}

// changeRun does what a form of the run's page asks for. Somebody else may have been faster.
func (s *server) changeRun(w http.ResponseWriter, r *http.Request, done string, change func(*store.ReverifyRun) error) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	run, err := s.findRun(r)
	if err != nil {
		return err
	}
	err = change(run)
	if errors.Is(err, store.ErrRunState) {
		return mistake("This re-verification is not in a state any more in which that can be done. Open its page again to see where it stands.")
	}
	if err != nil {
		return err
	}
	return s.done(w, r, runURL(run.ID), done)
}
