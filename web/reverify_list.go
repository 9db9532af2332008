package web

import "net/http"

// reverifyListView is the runs, newest first.
type reverifyListView struct {
	page
	Runs      []runRow
	MayCreate bool
}

type runRow struct {
	URL      string
	ID       int64
	State    mood
	Filter   string
	Created  timeView
	By       string
	Reason   string
	Counts   []runCount
	Releases bool
}

// shownRuns are far more than anybody looks through.
const shownRuns = 100

func (s *server) reverifyList(w http.ResponseWriter, r *http.Request) error {
	runs, err := s.DB.ListReverifyRuns(r.Context(), shownRuns)
	if err != nil {
		return err
	}
	v := reverifyListView{page: s.newRunPage(r, "Re-verifications")}
	v.MayCreate = v.maySend()
	for i := range runs {
		run := &runs[i]
		v.Runs = append(v.Runs, runRow{
			URL: runURL(run.ID), ID: run.ID, State: runMood(run.State), Filter: run.Filter, Created: newTime(run.CreatedAt, v.Now),
			By: run.RequestedBy, Reason: run.Reason, Counts: runCounts(run), Releases: run.Release,
		})
	}
	return s.render(w, r, http.StatusOK, reverifyListPage(v))
}
