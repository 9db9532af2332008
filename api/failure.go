package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// failureJSON is a group of rejected events that are one trouble.
type failureJSON struct {
	ID           int64              `json:"id"`
	Source       string             `json:"source"`
	Reason       verify.Reason      `json:"reason"`
	Cause        verify.Cause       `json:"cause" doc:"The most likely one; empty where none fits."`
	Sender       *string            `json:"sender" doc:"Address; null: many, or unknown."`
	State        store.FailureState `json:"state" enum:"open,acknowledged,resolved"`
	ChangedBy    string             `json:"changed_by"`
	ChangedAt    *time.Time         `json:"changed_at"`
	Events       int64              `json:"events"`
	FirstEventID uuid.UUID          `json:"first_event_id" format:"uuid"`
	LastEventID  uuid.UUID          `json:"last_event_id" format:"uuid"`
	LastSeen     time.Time          `json:"last_seen"`
}

func newFailureJSON(f *store.Failure) failureJSON {
	j := failureJSON{
		ID: f.ID, Source: f.Source, Reason: f.Reason, Cause: f.Cause, State: f.State, ChangedBy: f.ChangedBy, ChangedAt: orNull(f.ChangedAt), Events: f.Events,
		FirstEventID: f.FirstEventID, LastEventID: f.LastEventID, LastSeen: f.LastSeen(),
	}
	if f.Sender.IsValid() {
		j.Sender = new(f.Sender.String())
	}
	return j
}

type failureList struct {
	Failures []failureJSON `json:"failures" doc:"Those with the newest event first."`
}

func (s *server) failureOperations() {
	add(s, operation{id: "failure-list", method: http.MethodGet, path: "/failures", need: store.RightMetadata, summary: "List what is rejected, in groups of one trouble"}, s.failureList)
	add(s, operation{id: "failure-set", method: http.MethodPatch, path: "/failures/{id}", need: store.RightRedispatch, summary: "Say where a failure stands: open, acknowledged, resolved", fails: []int{404}}, s.failureSet)
}

func (s *server) failureList(ctx context.Context, in *struct {
	State  []string `query:"state" enum:"open,acknowledged,resolved" doc:"Several with commas between; all where it is left out."`
	Source string   `query:"source" maxLength:"63"`
	Limit  int      `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}) (*body[failureList], error) {
	q := store.FailureQuery{Source: in.Source, Limit: in.Limit}
	for _, state := range in.State {
		q.States = append(q.States, store.FailureState(state))
	}
	found, err := s.DB.ListFailures(ctx, q)
	list := failureList{Failures: []failureJSON{}}
	for i := range found {
		list.Failures = append(list.Failures, newFailureJSON(&found[i]))
	}
	return &body[failureList]{list}, err
}

func (s *server) failureSet(ctx context.Context, in *struct {
	NumberPath
	Body struct {
		ReasonBody
		State string `json:"state" enum:"open,acknowledged,resolved"`
	}
}) (*body[failureJSON], error) {
	if err := s.DB.SetFailureState(ctx, in.ID, store.FailureState(in.Body.State), actor(ctx), in.Body.Reason); err != nil {
		return nil, err
	}
	f, err := s.DB.FindFailure(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answer(newFailureJSON(f))
}

// exhaustedJSON is what could not be delivered to one destination for one reason.
type exhaustedJSON struct {
	Destination string    `json:"destination"`
	Removed     bool      `json:"removed" doc:"The destination was."`
	Status      int       `json:"status" doc:"Of the last answer; 0: there was none."`
	Error       string    `json:"error"`
	Deliveries  int       `json:"deliveries"`
	FirstAt     time.Time `json:"first_at" doc:"When the first of them was given up."`
	LastAt      time.Time `json:"last_at"`
	NewestID    uuid.UUID `json:"newest_event_id" format:"uuid"`
	Cut         bool      `json:"cut" doc:"The destination has more than 10,000; only these were looked at."`
}

type exhaustedList struct {
	Groups []exhaustedJSON `json:"groups" doc:"The one that grew last first."`
}

// groupBody names a group as the list does.
type groupBody struct {
	Destination string `json:"destination" minLength:"1" maxLength:"63"`
	Status      int    `json:"status" minimum:"0" maximum:"999"`
	Error       string `json:"error" maxLength:"2000"`
	Reason      string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, for the audit list."`
}

func (s *server) exhaustedOperations() {
	add(s, operation{id: "exhausted-list", method: http.MethodGet, path: "/exhausted", need: store.RightMetadata, summary: "List what could not be delivered, in groups of one destination and reason"}, s.exhaustedList)
	add(s, operation{id: "exhausted-redispatch", method: http.MethodPost, path: "/exhausted/redispatch", need: store.RightRedispatch, summary: "Send a group again, oldest first, up to 100 events at a time", fails: []int{404, 409}}, s.exhaustedRedispatch)
	add(s, operation{id: "exhausted-let-go", method: http.MethodPost, path: "/exhausted/let-go", need: store.RightRedispatch, summary: "Give a group up for good", fails: []int{404}}, s.exhaustedLetGo)
}

func (s *server) exhaustedList(ctx context.Context, _ *none) (*body[exhaustedList], error) {
	found, err := s.DB.ListExhausted(ctx)
	list := exhaustedList{Groups: []exhaustedJSON{}}
	for _, g := range found {
		list.Groups = append(list.Groups, exhaustedJSON{g.Destination, g.Removed, g.Status, g.Error, g.Deliveries, g.First, g.Last, g.Newest, g.Cut})
	}
	return &body[exhaustedList]{list}, err
}

// exhaustedBatch is how many events of a group one request sends again; exhaustedTime is for how long it does.
const (
	exhaustedBatch = 100
	exhaustedTime  = 20 * time.Second
)

type exhaustedSent struct {
	Sent   int      `json:"sent"`
	Failed []string `json:"failed" doc:"Why events were not sent, at most ten; they stay in the group."`
	More   bool     `json:"more" doc:"There are more of the group: ask again."`
}

func (s *server) exhaustedKey(ctx context.Context, in *groupBody) (store.ExhaustedKey, *store.Destination, error) {
	d, err := s.findDestination(ctx, in.Destination)
	if err != nil {
		return store.ExhaustedKey{}, nil, err
	}
	return store.ExhaustedKey{DestinationID: d.ID, Status: in.Status, Error: in.Error}, d, nil
}

func (s *server) exhaustedRedispatch(ctx context.Context, in *struct{ Body groupBody }) (*body[exhaustedSent], error) {
	key, d, err := s.exhaustedKey(ctx, &in.Body)
	if err != nil {
		return nil, err
	}
	events, err := s.DB.ExhaustedEvents(ctx, key, exhaustedBatch+1)
	if err != nil {
		return nil, err
	}
	done := exhaustedSent{Failed: []string{}, More: len(events) > exhaustedBatch}
	work, cancel := context.WithTimeout(ctx, exhaustedTime)
	defer cancel()
	for _, id := range slices.Compact(events[:min(len(events), exhaustedBatch)]) {
		_, err := s.Redispatch.Redispatch(work, store.Redispatch{EventID: id, Destination: d.Name, By: actor(ctx), Reason: in.Body.Reason})
		switch {
		case errors.Is(work.Err(), context.DeadlineExceeded):
			done.More = true
			return answer(done)
		case err == nil:
			done.Sent++
		case s.problem(ctx, err).Status >= http.StatusInternalServerError:
			return nil, err
		case len(done.Failed) < 10:
			done.Failed = append(done.Failed, err.Error())
		}
	}
	return answer(done)
}

type letGo struct {
	Deliveries int `json:"deliveries" doc:"That became cancelled, with all attempts on record."`
}

func (s *server) exhaustedLetGo(ctx context.Context, in *struct{ Body groupBody }) (*body[letGo], error) {
	key, d, err := s.exhaustedKey(ctx, &in.Body)
	if err != nil {
		return nil, err
	}
	n, err := s.DB.LetGo(ctx, key, store.MostExhausted, s.note(ctx, "delivery.let_go", d.Name, in.Body.Reason, map[string]any{"status": key.Status, "error": key.Error}))
	if err != nil {
		return nil, fmt.Errorf("letting go: %w", err)
	}
	return answer(letGo{n})
}
