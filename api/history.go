package api

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

// historyEvent is a callback of a history, with the state it met.
type historyEvent struct {
	store.EventJSON
	ChangedAt *time.Time `json:"changed_at" doc:"The entity's own changedDate."`
	Held      *uuid.UUID `json:"held" nullable:"true" doc:"The event with the newest accepted state of the entity when this one came."`
	HeldAt    *time.Time `json:"held_at" doc:"Of which time that state was."`
	Stale     bool       `json:"stale" doc:"Its state is older than the one held: it would put an old state over a newer one."`
}

type historyPage struct {
	Events []historyEvent `json:"events" doc:"Newest arrival first."`
	Next   *string        `json:"next"`
}

type HistoryQuery struct {
	Source string `query:"source" maxLength:"63" doc:"Only callbacks of this source."`
	PageQuery
}

func (s *server) historyOperations() {
	add(s, operation{id: "entity-history", method: http.MethodGet, path: "/entities/{type}/{id}/events", need: store.RightMetadata, summary: "List the callbacks about an entity, each with the state it met"}, s.entityHistory)
	add(s, operation{id: "customer-history", method: http.MethodGet, path: "/customers/{id}/events", need: store.RightMetadata, summary: "List the callbacks that name a customer, each with the state it met"}, s.customerHistory)
	add(s, operation{id: "customer-entities", method: http.MethodGet, path: "/customers/{id}/entities", need: store.RightMetadata, summary: "List the entities that a customer's newest callbacks are about"}, s.customerEntities)
}

func (s *server) entityHistory(ctx context.Context, in *struct {
	Type string `path:"type" maxLength:"100" example:"order"`
	ID   string `path:"id" maxLength:"255"`
	HistoryQuery
}) (*body[historyPage], error) {
	return s.history(ctx, filter.Term{Key: filter.KeyEntity, Values: []filter.Value{{Text: in.ID, EntityType: upper(in.Type), ID: in.ID}}}, in.HistoryQuery)
}

type CustomerPath struct {
	ID string `path:"id" maxLength:"255"`
}

func (s *server) customerHistory(ctx context.Context, in *struct {
	CustomerPath
	HistoryQuery
}) (*body[historyPage], error) {
	return s.history(ctx, filter.Term{Key: filter.KeyCustomer, Values: []filter.Value{{Text: in.ID, ID: in.ID}}}, in.HistoryQuery)
}

func (s *server) history(ctx context.Context, of filter.Term, in HistoryQuery) (*body[historyPage], error) {
	before, err := readCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	f := filter.Filter{Terms: []filter.Term{of}}
	if in.Source != "" {
		f.Terms = append(f.Terms, filter.Term{Key: filter.KeySource, Values: []filter.Value{{Text: in.Source}}})
	}
	found, err := s.DB.History(ctx, store.HistoryQuery{Filter: f, Limit: in.Limit, Before: before})
	if err != nil {
		return nil, err
	}
	page := historyPage{Events: []historyEvent{}}
	for i := range found.Events {
		e := &found.Events[i]
		j := historyEvent{EventJSON: e.JSON(), ChangedAt: orNull(e.ChangedAt), HeldAt: orNull(e.HeldAt), Stale: e.Stale}
		if e.Held != uuid.Nil {
			j.Held = &e.Held
		}
		page.Events = append(page.Events, j)
	}
	if found.Older {
		page.Next = cursor(found.Events[len(found.Events)-1].ID)
	}
	return answer(page)
}

// upper changes ASCII letters only, as filters compare types.
func upper(text string) string {
	b := []byte(text)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

type entityJSON struct {
	Type        string    `json:"type"`
	ID          string    `json:"id"`
	Events      int       `json:"events" doc:"Callbacks that name the customer, among those looked at."`
	FirstAt     time.Time `json:"first_at"`
	LastAt      time.Time `json:"last_at"`
	LastEventID uuid.UUID `json:"last_event_id" format:"uuid"`
}

type entityList struct {
	Entities []entityJSON `json:"entities" doc:"The one with the newest callback first."`
	All      bool         `json:"all" doc:"false: only the newest 1,000 callbacks were looked at, and there are more."`
}

func (s *server) customerEntities(ctx context.Context, in *CustomerPath) (*body[entityList], error) {
	found, all, err := s.DB.CustomerEntities(ctx, in.ID, uuid.Max)
	if err != nil {
		return nil, err
	}
	list := entityList{Entities: []entityJSON{}, All: all}
	for _, e := range found {
		list.Entities = append(list.Entities, entityJSON{e.Type, e.ID, e.Events, e.First.UTC(), e.Last.UTC(), e.LastID})
	}
	return answer(list)
}
