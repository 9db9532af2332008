package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"recall/store"
)

// replayListView is the replays, newest first.
type replayListView struct {
	page
	Replays   []replayRow
	MayCreate bool
}

type replayRow struct {
	URL         string
	ID          int64
	State       mood
	Destination link
	Filter      string
	Reason      string
	Created     timeView
	By          string
	Counts      []runCount
}

func (s *server) replayList(w http.ResponseWriter, r *http.Request) error {
	replays, err := s.DB.ListReplays(r.Context(), shownRuns)
	if err != nil {
		return err
	}
	v := replayListView{page: s.newReplayPage(r, "Replays")}
	v.Messages = s.takeFlashes(w, r)
	v.MayCreate = v.maySend()
	for _, replay := range replays {
		v.Replays = append(v.Replays, replayRow{
			URL: replayURL(replay.ID), ID: replay.ID, State: replayMood(replay.State), Destination: link{replay.Destination, "/destinations/" + replay.Destination},
			Filter: replay.Filter, Reason: replay.Reason, Created: newTime(replay.CreatedAt, v.Now), By: replay.RequestedBy, Counts: replayCounts(replay),
		})
	}
	return s.render(w, r, http.StatusOK, replayListPage(v))
}

// newReplayPage is newPage for what belongs to the destinations.
func (s *server) newReplayPage(r *http.Request, title string) page {
	p := s.newPage(r, title)
	p.Section = "destinations"
	return p
}

func replayURL(id int64) string { return fmt.Sprintf("/replays/%d", id) }

// replayMood is where a replay stands.
func replayMood(state store.ReplayState) mood {
	switch state {
	case store.ReplayPlanning:
		return mood{toneInfo, "dots", "planning"}
	case store.ReplayPlanned:
		return mood{toneWarn, "question", "waits for your word"}
	case store.ReplayCanary:
		return mood{toneInfo, "send", "the first few"}
	case store.ReplayRunning:
		return mood{toneInfo, "retry", "under way"}
	case store.ReplayPaused:
		return mood{toneWarn, "clock", "paused"}
	case store.ReplayStopped:
		return mood{toneBad, "cross", "stopped by itself"}
	case store.ReplayDone:
		return mood{toneGood, "check", "done"}
	case store.ReplayCancelled:
		return mood{toneIdle, "dash", "cancelled"}
	}
	return mood{toneIdle, "question", string(state)}
}

// replayCounts are those of the plan, and once it was started of what became of it.
func replayCounts(r *store.Replay) []runCount {
	if r.StartedAt == nil {
		var left int64
		for _, n := range r.Counts.LeftOut {
			left += n
		}
		return []runCount{
			{mood{toneIdle, "search", ""}, "found", grouped(r.Looked), "by the filter"},
			{mood{toneInfo, "send", ""}, "to be sent", grouped(r.Events), "on the list, which is frozen"},
			{mood{toneIdle, "dash", ""}, "left out", grouped(left), "for the reasons below"},
		}
	}
	counts := []runCount{
		{mood{toneGood, "check", ""}, "delivered", grouped(r.Succeeded), "of " + grouped(r.Events)},
		{mood{toneInfo, "dots", ""}, "on their way", grouped(r.UnderWay()), "in the queue, or being sent"},
		{mood{toneWarn, "retry", ""}, "tried again", grouped(r.Retrying), "the first attempt failed"},
		{mood{toneBad, "cross", ""}, "given up", grouped(r.Failed), "no retry is left"},
	}
	if n := r.NotSent(); n > 0 {
		counts = append(counts, runCount{mood{toneIdle, "dash", ""}, "passed over", grouped(n), "things changed since the plan"})
	}
	return counts
}

// replayTime is a rough time in words.
func replayTime(d time.Duration) string {
	switch {
	case d < time.Minute:
		return plural(int(d.Round(time.Second)/time.Second), "second", "seconds")
	case d < 2*time.Hour:
		return plural(int(d.Round(time.Minute)/time.Minute), "minute", "minutes")
	}
	return plural(int(d.Round(time.Hour)/time.Hour), "hour", "hours")
}

// upper makes a sentence of words.
func upper(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
