package web

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"recall/store"
)

// Bounds of what is shown of deliveries that wait for each other.
const (
	shownHeld      = 200 // of a destination
	shownOfEntity  = 20
	shownEventHeld = 3 // deliveries of one event of which the list is looked for
)

// heldView is what waits for an earlier event of its entity.
type heldView struct {
	Entities []heldEntity
	Cut      bool // there are more
	TooSlow  bool // it was not found in time
}

// heldEntity are the open deliveries of one entity in the order in which they go out: the first is the one the others wait for.
type heldEntity struct {
	Destination string // where that is not plain from the page; ""
	Name, URL   string
	Rows        []heldRow
	Behind      string // how many wait
	More        bool
}

type heldRow struct {
	Event   link
	State   mood
	First   bool
	This    bool // the event whose page it is
	Why     string
	Next    timeView
	Tries   string
	Created timeView
}

// heldOfDestination is what waits at a destination.
func (s *server) heldOfDestination(ctx context.Context, d *store.Destination) (heldView, error) {
	list, err := s.DB.ListHeld(ctx, d.ID, "", shownHeld)
	if errors.Is(err, store.ErrTooSlow) {
		return heldView{TooSlow: true}, nil
	}
	return s.newHeldView(list, uuid.Nil, "", len(list) == shownHeld), err
}

// heldOfEvent is, for each destination at which a delivery of the event stands in a row, who else does.
func (s *server) heldOfEvent(ctx context.Context, event uuid.UUID, deliveries []*store.Delivery) (v heldView, err error) {
	looked := map[int64]bool{}
	for _, d := range deliveries {
		open := d.State == store.DeliveryPending || d.State == store.DeliverySending || d.State == store.DeliveryWaiting
		if !open || d.Entity == "" || looked[d.DestinationID] || len(looked) == shownEventHeld {
			continue
		}
		looked[d.DestinationID] = true
		list, err := s.DB.ListHeld(ctx, d.DestinationID, d.Entity, shownOfEntity+1)
		if errors.Is(err, store.ErrTooSlow) {
			v.TooSlow = true
			continue
		}
		if err != nil {
			return v, err
		}
		v.Entities = append(v.Entities, s.newHeldView(list, event, d.Destination, false).Entities...)
	}
	return v, nil
}

// newHeldView groups what the store lists by entity.
func (s *server) newHeldView(list []*store.Delivery, this uuid.UUID, destination string, isCut bool) heldView {
	v := heldView{Cut: isCut}
	now, last := s.Now(), ""
	behind := 0
	for _, d := range list {
		if len(v.Entities) == 0 || d.Entity != last {
			last, behind = d.Entity, -1
			kind, id, _ := strings.Cut(d.Entity, " ")
			v.Entities = append(v.Entities, heldEntity{Destination: destination, Name: strings.ToLower(kind) + " " + id, URL: entityURL(kind, id)})
		}
		e := &v.Entities[len(v.Entities)-1]
		behind++
		e.Behind = plural(behind, "waits", "wait")
		if len(e.Rows) == shownOfEntity {
			e.More = true
			continue
		}
		row := heldRow{
			Event: link{newTime((&store.Event{ID: d.EventID}).ReceivedAt(), now).Age, eventURL(d.EventID) + "#deliveries"}, State: deliveryMood(d.State),
			First: behind == 0, This: d.EventID == this, Created: newTime((&store.Event{ID: d.EventID}).ReceivedAt(), now),
		}
		if row.First {
			if d.Attempts > 0 {
				row.Tries = plural(d.Attempts, "attempt", "attempts")
			}
			row.Why = d.LastError
			if row.Why == "" && d.LastStatus != 0 {
				row.Why = "It answered " + statusWords(d.LastStatus) + "."
			}
			if d.State == store.DeliveryWaiting && !d.NextAttemptAt.IsZero() {
				row.Next = newTime(d.NextAttemptAt, now)
			}
		} else {
			row.State = mood{toneWarn, "clock", "waits for it"}
		}
		e.Rows = append(e.Rows, row)
	}
	return v
}
