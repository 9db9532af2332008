package api

import (
	"context"
	"net/http"

	"recall/store"
)

type replayList struct {
	Replays []store.ReplayJSON `json:"replays"`
}

func (s *server) replayOperations() {
	const one = "/replays/{id}"
	add(s, operation{id: "replay-list", method: http.MethodGet, path: "/replays", need: store.RightMetadata, summary: "List replays, newest first"}, s.replayList)
	add(s, operation{id: "replay-plan", method: http.MethodPost, path: "/replays", need: store.RightRedispatch, status: http.StatusCreated, summary: "Make the list of what would be sent again",
		more: "The list is made in the background: it is ready when the state is planned. Nothing is sent before it is started.", fails: []int{404}}, s.replayPlan)
	add(s, operation{id: "replay-status", method: http.MethodGet, path: one, need: store.RightMetadata, summary: "Show how far a replay is", fails: []int{404}}, s.replayShow)
	for _, change := range []struct {
		verb, words string
		do          func(*store.DB, context.Context, int64, string, string) error
	}{
		{"start", "Send what is on the list of a planned replay, a few events first", (*store.DB).StartReplay},
		{"pause", "Send no more until it is resumed; what is under way goes on", (*store.DB).PauseReplay},
		{"resume", "Go on with a replay that is paused, or has stopped by itself", (*store.DB).ResumeReplay},
		{"cancel", "End a replay; what is still in the queue is taken out", (*store.DB).CancelReplay},
	} {
		add(s, operation{id: "replay-" + change.verb, method: http.MethodPost, path: one + "/" + change.verb, need: store.RightRedispatch, summary: change.words, fails: []int{404, 409}}, s.replayChange(change.do))
	}
}

func (s *server) replayList(ctx context.Context, in *struct {
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"20"`
}) (*body[replayList], error) {
	found, err := s.DB.ListReplays(ctx, in.Limit)
	list := replayList{Replays: []store.ReplayJSON{}}
	for _, r := range found {
		list.Replays = append(list.Replays, r.JSON())
	}
	return &body[replayList]{list}, err
}

func (s *server) replayPlan(ctx context.Context, in *struct {
	Body struct {
		ReasonBody
		Filter           string   `json:"filter" maxLength:"4096" example:"source:shop after:1d" doc:"Which events, as for the list; an empty text for all that there are."`
		To               string   `json:"to" minLength:"1" maxLength:"63" example:"crm" doc:"The destination's name."`
		Latest           bool     `json:"latest,omitempty" doc:"Send only the newest state of each entity."`
		Again            bool     `json:"again,omitempty" doc:"Send also what was delivered to this destination before."`
		Rate             *float64 `json:"rate,omitempty" doc:"Events a second; 50 where it is left out."`
		Canary           *int     `json:"canary,omitempty" doc:"Events that are sent first, and their answers awaited; 10 where it is left out."`
		StopAbovePercent *float64 `json:"stop_above_percent,omitempty" doc:"Stop by itself when more than this share of the last 100 first attempts failed; 10 where it is left out."`
	}
}) (*body[store.ReplayJSON], error) {
	if _, err := s.readFilter(ctx, in.Body.Filter); err != nil {
		return nil, err
	}
	if _, err := s.findDestination(ctx, in.Body.To); err != nil {
		return nil, err
	}
	rate, canary, stop := 50.0, 10, 10.0
	give(&rate, in.Body.Rate)
	give(&canary, in.Body.Canary)
	give(&stop, in.Body.StopAbovePercent)
	wish := store.ReplayWish{
		Filter: in.Body.Filter, Destination: in.Body.To, Latest: in.Body.Latest, Again: in.Body.Again, Rate: rate, Canary: canary, StopAbove: stop / 100,
		By: actor(ctx), Reason: in.Body.Reason,
	}
	if err := wish.Validate(); err != nil {
		return nil, wrong("body", err.Error())
	}
	r, err := s.DB.CreateReplay(ctx, wish)
	if err != nil {
		return nil, err
	}
	return answer(r.JSON())
}

func (s *server) replayShow(ctx context.Context, in *NumberPath) (*body[store.ReplayJSON], error) {
	r, err := s.DB.FindReplay(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(r.JSON())
}

type numberReason struct {
	NumberPath
	Body *ReasonBody
}

func (s *server) replayChange(do func(*store.DB, context.Context, int64, string, string) error) func(context.Context, *numberReason) (*body[store.ReplayJSON], error) {
	return func(ctx context.Context, in *numberReason) (*body[store.ReplayJSON], error) {
		if err := do(s.DB, ctx, in.ID, actor(ctx), in.Body.why()); err != nil {
			return nil, err
		}
		return s.replayShow(ctx, &in.NumberPath)
	}
}
