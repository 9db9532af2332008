package api

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"recall/dispatch"
	"recall/store"
)

// deliveryJSON is a delivery and its attempts, without what was sent and answered.
type deliveryJSON struct {
	ID          uuid.UUID           `json:"id" format:"uuid"`
	Destination string              `json:"destination"`
	Trigger     store.Trigger       `json:"trigger" enum:"automatic,manual,replay"`
	State       store.DeliveryState `json:"state" enum:"pending,sending,succeeded,waiting,exhausted,cancelled"`
	By          string              `json:"by" doc:"Who asked for it; empty where nobody did."`
	Reason      string              `json:"reason"`
	CreatedAt   time.Time           `json:"created_at"`
	NextAttempt *time.Time          `json:"next_attempt_at"`
	FinishedAt  *time.Time          `json:"finished_at"`
	Attempts    []AttemptJSON       `json:"attempts" doc:"Oldest first."`
}

type AttemptJSON struct {
	Number         int       `json:"number"`
	StartedAt      time.Time `json:"started_at"`
	DurationMillis *int64    `json:"duration_ms" doc:"null: under way, or broken off."`
	URL            string    `json:"url" doc:"Without its query."`
	Status         int       `json:"status" doc:"0: no answer."`
	Error          string    `json:"error"`
}

func newAttemptJSON(a *store.Attempt) AttemptJSON {
	j := AttemptJSON{Number: a.Number, StartedAt: a.StartedAt.UTC(), URL: store.PlainURL(a.RequestURL), Status: a.Status, Error: a.Error}
	if a.Duration >= 0 {
		j.DurationMillis = new(a.Duration.Milliseconds())
	}
	return j
}

type deliveryList struct {
	Deliveries []deliveryJSON `json:"deliveries"`
}

func (s *server) eventDeliveries(ctx context.Context, in *EventPath) (*body[deliveryList], error) {
	e, err := s.findEvent(ctx, in.parse())
	if err != nil {
		return nil, err
	}
	list, err := s.deliveries(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	return answer(deliveryList{list})
}

func (s *server) deliveries(ctx context.Context, event uuid.UUID) ([]deliveryJSON, error) {
	found, err := s.DB.ListDeliveries(ctx, event)
	if err != nil {
		return nil, err
	}
	list := []deliveryJSON{}
	for _, d := range found {
		j := deliveryJSON{
			ID: d.ID, Destination: d.Destination, Trigger: d.Trigger, State: d.State, By: d.RequestedBy, Reason: d.Reason, CreatedAt: d.CreatedAt.UTC(),
			NextAttempt: orNull(d.NextAttemptAt), FinishedAt: orNull(d.FinishedAt), Attempts: []AttemptJSON{},
		}
		for i := range d.History {
			j.Attempts = append(j.Attempts, newAttemptJSON(&d.History[i]))
		}
		list = append(list, j)
	}
	return list, nil
}

// newestOf is the newest event of the entity, where an error says that the one asked for is stale.
func newestOf(err error) (uuid.UUID, bool) {
	var stale *dispatch.StaleError
	if errors.As(err, &stale) {
		return stale.Newest, true
	}
	return uuid.Nil, false
}
