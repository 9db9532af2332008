package api

import (
	"context"
	"net/http"
	"time"

	"recall/store"
)

// runJSON is a re-verification of many events.
type runJSON struct {
	ID         int64               `json:"id"`
	State      store.ReverifyState `json:"state" enum:"counting,counted,running,done,cancelled"`
	Filter     string              `json:"filter"`
	Release    bool                `json:"release"`
	By         string              `json:"by"`
	Reason     string              `json:"reason"`
	CreatedAt  time.Time           `json:"created_at"`
	FinishedAt *time.Time          `json:"finished_at"`
	Counted    int64               `json:"counted" doc:"Rejected and late events that the filter found."`
	Checked    int64               `json:"checked"`
	Accepted   int64               `json:"accepted" doc:"Genuine by today's settings."`
	Rejected   int64               `json:"rejected"`
	Releasable int64               `json:"releasable" doc:"Genuine, and not sent on yet."`
	Released   int64               `json:"released"`
}

func newRunJSON(r *store.ReverifyRun) runJSON {
	j := runJSON{
		ID: r.ID, State: r.State, Filter: r.Filter, Release: r.Release, By: r.RequestedBy, Reason: r.Reason, CreatedAt: r.CreatedAt.UTC(), Counted: r.Counted,
		Checked: r.Checked, Accepted: r.Accepted, Rejected: r.Rejected, Releasable: r.Releasable, Released: r.Released,
	}
	if r.FinishedAt != nil {
		j.FinishedAt = orNull(*r.FinishedAt)
	}
	return j
}

type NumberPath struct {
	ID int64 `path:"id" minimum:"1"`
}

type runList struct {
	Runs []runJSON `json:"runs"`
}

func (s *server) reverifyOperations() {
	const path = "/reverifications"
	add(s, operation{id: "reverification-list", method: http.MethodGet, path: path, need: store.RightMetadata, summary: "List re-verifications, newest first"}, s.runList)
	add(s, operation{id: "reverification-plan", method: http.MethodPost, path: path, need: store.RightRedispatch, status: http.StatusCreated,
		summary: "Count what would come of checking rejected and late events again", more: "Nothing is changed before it is started."}, s.runPlan)
	add(s, operation{id: "reverification-status", method: http.MethodGet, path: path + "/{id}", need: store.RightMetadata, summary: "Show a re-verification", fails: []int{404}}, s.runShow)
	add(s, operation{id: "reverification-start", method: http.MethodPost, path: path + "/{id}/start", need: store.RightRedispatch, summary: "Carry a counted re-verification out", fails: []int{404, 409}}, s.runStart)
	add(s, operation{id: "reverification-cancel", method: http.MethodPost, path: path + "/{id}/cancel", need: store.RightRedispatch, summary: "End a re-verification; what it has done stays", fails: []int{404, 409}}, s.runCancel)
}

func (s *server) runList(ctx context.Context, in *struct {
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"20"`
}) (*body[runList], error) {
	found, err := s.DB.ListReverifyRuns(ctx, in.Limit)
	list := runList{Runs: []runJSON{}}
	for i := range found {
		list.Runs = append(list.Runs, newRunJSON(&found[i]))
	}
	return &body[runList]{list}, err
}

func (s *server) runPlan(ctx context.Context, in *struct {
	Body struct {
		ReasonBody
		Filter string `json:"filter" maxLength:"4096" doc:"Which events; an empty text for all."`
	}
}) (*body[runJSON], error) {
	if _, err := s.readFilter(ctx, in.Body.Filter); err != nil {
		return nil, err
	}
	run, err := s.DB.CreateReverifyRun(ctx, in.Body.Filter, actor(ctx), in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return answer(newRunJSON(run))
}

func (s *server) runShow(ctx context.Context, in *NumberPath) (*body[runJSON], error) {
	run, err := s.DB.FindReverifyRun(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(newRunJSON(run))
}

func (s *server) runStart(ctx context.Context, in *struct {
	NumberPath
	Body *struct {
		Release bool `json:"release,omitempty" doc:"Send on what is genuine and was not sent on yet."`
	}
}) (*body[runJSON], error) {
	if err := s.DB.StartReverifyRun(ctx, in.ID, in.Body != nil && in.Body.Release, actor(ctx)); err != nil {
		return nil, err
	}
	return s.runShow(ctx, &in.NumberPath)
}

func (s *server) runCancel(ctx context.Context, in *NumberPath) (*body[runJSON], error) {
	if err := s.DB.CancelReverifyRun(ctx, in.ID, actor(ctx)); err != nil {
		return nil, err
	}
	return s.runShow(ctx, in)
}
