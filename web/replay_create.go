package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

// replayCreateView is the form that plans a replay.
type replayCreateView struct {
	page
	Query        string
	Problem      *filterProblem
	Selected     int // events that were marked one by one; then the filter is their ids
	Destinations []choice
	To           string
	Latest       bool
	Again        bool
	Rate         string
	Canary       string
	StopAbove    string
	Reason       string
	Wrong        string // what of it cannot be; ""
}

// What stands in the form at first.
const (
	usualRate      = "50"
	usualCanary    = "10"
	usualStopAbove = "10"
)

func (s *server) newReplayCreateView(r *http.Request) (replayCreateView, error) {
	destinations, err := s.DB.ListDestinations(r.Context())
	if err != nil {
		return replayCreateView{}, fmt.Errorf("listing destinations: %w", err)
	}
	v := replayCreateView{page: s.newReplayPage(r, "Plan a replay"), Rate: usualRate, Canary: usualCanary, StopAbove: usualStopAbove}
	for _, d := range destinations {
		v.Destinations = append(v.Destinations, destinationChoice(d))
	}
	return v, nil
}

// replayNew shows the form for what was found or marked in the list.
func (s *server) replayNew(w http.ResponseWriter, r *http.Request) error {
	v, err := s.newReplayCreateView(r)
	if err != nil {
		return err
	}
	values := r.URL.Query()
	v.Query, v.To = strings.TrimSpace(values.Get("q")), values.Get("to")
	if ids := values["id"]; len(ids) > 0 {
		for _, id := range ids {
			if _, err := uuid.Parse(id); err != nil || len(ids) > pageLength {
				return mistake("In the address, id must be the id of an event, and there at most " + plural(pageLength, "time", "times") + ".")
			}
		}
		v.Query, v.Selected = string(filter.KeyID)+":"+strings.Join(ids, ","), len(ids)
	}
	return s.render(w, r, http.StatusOK, replayCreatePage(v))
}

// replayCreate begins to plan.
func (s *server) replayCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	reason, err := formReason(r)
	if err != nil {
		return err
	}
	v, err := s.newReplayCreateView(r)
	if err != nil {
		return err
	}
	form := r.PostForm
	v.Query, v.To, v.Latest, v.Again = strings.TrimSpace(form.Get("q")), form.Get("to"), form.Get("order") == "latest", form.Get("again") == "true"
	v.Rate, v.Canary, v.StopAbove, v.Reason = form.Get("rate"), form.Get("canary"), form.Get("stop"), reason
	wish := store.ReplayWish{Filter: v.Query, Destination: v.To, Latest: v.Latest, Again: v.Again, By: userOf(r).Name, Reason: reason}
	var stop float64
	var errs [3]error
	wish.Rate, errs[0] = strconv.ParseFloat(v.Rate, 64)
	wish.Canary, errs[1] = strconv.Atoi(v.Canary)
	stop, errs[2] = strconv.ParseFloat(v.StopAbove, 64)
	wish.StopAbove = stop / 100
	err = errors.Join(errs[:]...)
	if err != nil {
		v.Wrong = "The rate, the first few and the share to stop above must be numbers."
	} else if err = wish.Validate(); err != nil {
		v.Wrong = upper(err.Error())
	}
	var replay *store.Replay
	if err == nil {
		replay, err = s.DB.CreateReplay(r.Context(), wish)
		var wrong *filter.Error
		switch {
		case errors.As(err, &wrong):
			v.Problem = newFilterProblem(v.Query, err)
		case errors.Is(err, store.ErrNotFound):
			v.Wrong = "Choose a destination."
		case err != nil:
			return fmt.Errorf("planning a replay: %w", err)
		}
	}
	if err != nil {
		return s.render(w, r, http.StatusBadRequest, replayCreatePage(v))
	}
	http.Redirect(w, r, replayURL(replay.ID), http.StatusSeeOther)
	return nil
}

// replayNewURL is the form for what a filter finds, to a destination where it is known.
func replayNewURL(text, to string) string {
	values := url.Values{"q": {text}}
	if to != "" {
		values.Set("to", to)
	}
	return "/replays/new?" + values.Encode()
}
