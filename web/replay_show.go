package web

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"recall/store"
)

// replayShowView is one replay: its plan, and how far it is.
type replayShowView struct {
	page
	ID          int64
	State       mood
	Says        string
	Filter      string
	EventsURL   string
	Until       string
	Destination link
	Which       string
	By          string
	Reason      string
	Created     timeView
	Started     timeView
	Finished    timeView
	Pace        string // rate and time left, or how long it will take
	Counts      []runCount
	Types       []namedCount // of what is on the list
	Verdicts    []namedCount
	LeftOut     []namedCount
	Skipped     []namedCount
	Passed      int64 // of the list
	Total       int64 // of the progress; 0: there is none
	Poll        string
	MayChange   bool // the reader's role
	Startable   bool
	AsksReason  bool
	Pausable    bool
	Resumable   bool
	Endable     bool
	URL         string
	Standstill  string // why it would not get far now; "": nothing stands in its way
	AgainURL    string // plans another, where that would do more; "" otherwise
}

// namedCount is one line of a list of counts.
type namedCount struct {
	Count string
	Name  string
}

func (s *server) replayShow(w http.ResponseWriter, r *http.Request) error {
	replay, err := s.findReplay(r)
	if err != nil {
		return err
	}
	v := newReplayShowView(s.newReplayPage(r, fmt.Sprintf("Replay %d", replay.ID)), replay, s.DB.ReasonAbove)
	if v.Startable || v.Resumable {
		destination, err := s.DB.FindDestinationByID(r.Context(), replay.DestinationID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		v.Standstill = replayStandstill(destination)
	}
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, replayShowPage(v))
}

func (s *server) findReplay(r *http.Request) (*store.Replay, error) {
	text := r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != text {
		return nil, missing("“" + cut(text, 60) + "” is not the number of a replay.")
	}
	replay, err := s.DB.FindReplay(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, missing("There is no replay " + text + ".")
	}
	return replay, err
}

func newReplayShowView(p page, r *store.Replay, reasonAbove int) replayShowView {
	v := replayShowView{
		page: p, ID: r.ID, State: replayMood(r.State), Says: replaySentence(r), Filter: r.Filter, EventsURL: eventQuery{Text: r.Filter}.url(),
		Until: p.habits.exact(r.Until), Destination: link{r.Destination, "/destinations/" + r.Destination}, Which: replayWhich(r),
		By: r.RequestedBy, Reason: r.Reason, Created: newTime(r.CreatedAt, p.Now), Counts: replayCounts(r),
		Types: typeCounts(r.Counts.Types), Verdicts: namedCounts(r.Counts.Verdicts, func(name string) string { return name }),
		LeftOut: namedCounts(r.Counts.LeftOut, store.LeftInWords), Skipped: namedCounts(r.Skipped, store.LeftInWords),
		Passed: r.Passed(), MayChange: p.maySend(), URL: replayURL(r.ID),
	}
	if r.StartedAt != nil {
		v.Started, v.Total = newTime(*r.StartedAt, p.Now), r.Events
	}
	if r.FinishedAt != nil {
		v.Finished = newTime(*r.FinishedAt, p.Now)
	}
	rate := strconv.FormatFloat(r.Rate, 'g', 4, 64)
	switch r.State {
	case store.ReplayPlanning:
		v.Poll, v.Endable = "every 1s", true
	case store.ReplayPlanned:
		v.Startable, v.Endable = r.Events > 0, true
		v.AsksReason = r.Reason == "" && reasonAbove > 0 && r.Events > int64(reasonAbove)
		if r.Events > 0 {
			v.Pace = "about " + replayTime(r.Left(p.Now)) + " at " + rate + " a second, " + plural(int(min(int64(r.Canary), r.Events)), "event", "events") + " first"
		}
	case store.ReplayCanary, store.ReplayRunning:
		v.Poll, v.Pausable, v.Endable = "every 1s", true, true
		v.Pace = replayPace(r, p.Now) + ", about " + replayTime(r.Left(p.Now)) + " left"
	case store.ReplayPaused, store.ReplayStopped:
		v.Resumable, v.Endable = true, true
		if r.UnderWay() > 0 {
			v.Poll = "every 2s"
		}
	case store.ReplayDone, store.ReplayCancelled:
		if r.Retrying > 0 {
			v.Poll = "every 10s"
		}
		v.AgainURL = replayNewURL(r.Filter, r.Destination)
	}
	if v.Poll != "" {
		v.Refresh = 5
	}
	return v
}

// replayPace is the measured rate beside the one asked for; until there is one, what it may be by now.
func replayPace(r *store.Replay, now time.Time) string {
	asked := strconv.FormatFloat(r.Rate, 'g', 4, 64)
	if rate := r.RateOfLate(); rate > 0 {
		return strconv.FormatFloat(rate, 'f', 1, 64) + " a second of late, " + asked + " asked for"
	}
	return "up to " + strconv.FormatFloat(r.RateAt(now), 'f', 1, 64) + " of " + asked + " a second"
}

func replayWhich(r *store.Replay) string {
	text := "All events of an entity, in the order of arrival"
	if r.Latest {
		text = "Only the newest event of each entity"
	}
	if r.Again {
		return text + "; also what was delivered before"
	}
	return text + "; only what was not delivered yet"
}

// shownKinds are the most frequent ones.
const shownKinds = 12

func typeCounts(counts map[string]int64) []namedCount {
	list := namedCounts(counts, func(name string) string { return name })
	if len(list) > shownKinds {
		return append(list[:shownKinds], namedCount{grouped(int64(len(list) - shownKinds)), "more types"})
	}
	return list
}

func namedCounts(counts map[string]int64, word func(string) string) (list []namedCount) {
	for _, name := range store.Sorted(counts) {
		list = append(list, namedCount{grouped(counts[name]), word(name)})
	}
	return list
}

func replaySentence(r *store.Replay) string {
	switch r.State {
	case store.ReplayPlanning:
		return "The list is being made, from the newest event back. Nothing is sent by planning."
	case store.ReplayPlanned:
		if r.Events == 0 {
			return "Nothing of what the filter finds is to be sent, so there is nothing to do."
		}
		return "This is what would be sent. The list is frozen, and nothing was sent so far."
	case store.ReplayCanary:
		if r.Why != "" {
			return "It waits: " + r.Why + "."
		}
		return "The first few are sent, and their answers awaited. If too many fail, it stops."
	case store.ReplayRunning:
		if r.Why != "" {
			return "It waits: " + r.Why + "."
		}
		return "The list is being sent, oldest first. It stops by itself if too much fails."
	case store.ReplayPaused:
		return "It is paused: nothing more is sent until somebody resumes it."
	case store.ReplayStopped:
		return "It has stopped by itself: " + r.Why + ". See why at the destination; once that is mended, resume it, and it begins with a few again."
	case store.ReplayCancelled:
		return "It was cancelled. What was sent by then stays sent."
	}
	if r.Retrying > 0 {
		return "Everything on the list was sent. What failed at first is still tried again."
	}
	return "Everything on the list was sent."
}

// replayStandstill says what would become of a replay that begins, or goes on, now; nil: its destination was removed.
func replayStandstill(d *store.Destination) string {
	switch {
	case d == nil:
		return "The destination was removed, so nothing can be sent to it. Cancel this one, and plan another."
	case d.State == store.DestinationPaused:
		return "The destination is paused: the replay would wait until somebody resumes it."
	case d.State == store.DestinationBroken:
		return "The destination is broken, so the replay would stop at once. It is probed meanwhile, and becomes active by itself; begin then."
	}
	return ""
}

// replayChange starts, pauses, resumes or cancels. Somebody else may have been faster.
func (s *server) replayChange(w http.ResponseWriter, r *http.Request) error {
	change, done := s.DB.StartReplay, "It has begun."
	switch r.PathValue("action") {
	case "start":
	case "pause":
		change, done = s.DB.PauseReplay, "It is paused."
	case "resume":
		change, done = s.DB.ResumeReplay, "It goes on, with a few first."
	case "cancel":
		change, done = s.DB.CancelReplay, "It is cancelled."
	default:
		return missing("There is no page at this address.")
	}
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	replay, err := s.findReplay(r)
	if err != nil {
		return err
	}
	reason, err := formReason(r)
	if err != nil {
		return err
	}
	err = change(r.Context(), replay.ID, userOf(r).Name, reason)
	switch {
	case errors.Is(err, store.ErrRunState):
		return mistake("This replay is not in a state any more in which that can be done. Open its page again to see where it stands.")
	case errors.Is(err, store.ErrReasonNeeded):
		return mistake("Say why, when so many events are sent again: it stands in the audit list and at each delivery.")
	case err != nil:
		return err
	}
	return s.done(w, r, replayURL(replay.ID), done)
}
