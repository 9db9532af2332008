package api

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
	"recall/verify"
)

// searchPatience is how long a page of events is searched for before it is answered with what was found so far.
const searchPatience = 3 * time.Second

// maxPage bounds the events of one page.
const maxPage = 1000

// EventPath is the path of one event.
type EventPath struct {
	ID string `path:"id" format:"uuid" example:"0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b"`
}

func (in *EventPath) parse() uuid.UUID { return uuid.MustParse(in.ID) } // the form was checked

// PageQuery are the parameters of a list.
type PageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50" doc:"At most so many."`
	Cursor string `query:"cursor" maxLength:"200" doc:"The next of the page before."`
}

type eventListQuery struct {
	Filter string `query:"filter" maxLength:"4096" example:"verdict:rejected after:2h" doc:"Which events, in the words of recall event list; all where it is left out."`
	PageQuery
}

// eventPage is a page of events.
type eventPage struct {
	Events     []store.EventJSON `json:"events" doc:"Newest first."`
	Next       *string           `json:"next" doc:"Cursor of the next page; null where there is none."`
	Further    bool              `json:"further" doc:"The search was cut short: what next leads to was not searched yet, and may hold nothing."`
	SearchedTo *time.Time        `json:"searched_to" doc:"Up to which time the search came; null where it was not cut short."`
}

// eventDetail is one event without what it carried.
type eventDetail struct {
	store.EventJSON
	AcceptedNow     bool                 `json:"accepted_now" doc:"When it came, or by its latest re-verification."`
	UnexpectedType  bool                 `json:"unexpected_type"`
	Sender          *string              `json:"sender" doc:"Address; null where it is not known."`
	ChangedAt       *time.Time           `json:"changed_at" doc:"The entity's own changedDate."`
	Customers       []customerJSON       `json:"customers"`
	Verification    []stepJSON           `json:"verification" doc:"Each check, in words."`
	Why             *whyJSON             `json:"why,omitempty" doc:"Of one that was rejected or late: the most likely cause by today's settings; left out where there is nothing to look at."`
	Reverifications []reverificationJSON `json:"reverifications"`
	Holds           []store.HoldJSON     `json:"holds" doc:"What keeps it whatever the rules of retention say."`
	DeliveryList    []deliveryJSON       `json:"delivery_list" doc:"Oldest first."`
}

type customerJSON struct {
	ID   string `json:"id"`
	Path string `json:"path"`
}

type stepJSON struct {
	Name   string        `json:"name"`
	Status verify.Status `json:"status,omitempty"`
	Words  string        `json:"words"`
}

type whyJSON struct {
	Cause verify.Cause `json:"cause"`
	Words string       `json:"words"`
	Do    string       `json:"do,omitempty"`
}

type reverificationJSON struct {
	At       time.Time      `json:"at"`
	By       string         `json:"by"`
	Verdict  verify.Verdict `json:"verdict"`
	Reason   verify.Reason  `json:"reason"`
	Released bool           `json:"released" doc:"It was sent on to its destinations by this."`
}

func newReverificationJSON(r *store.Reverification) reverificationJSON {
	return reverificationJSON{r.At.UTC(), r.RequestedBy, r.Verification.Verdict, r.Verification.Reason, r.Released}
}

// ReasonBody is why something is done, for the audit list.
type ReasonBody struct {
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the audit list."`
}

// why is the reason where a body was sent.
func (b *ReasonBody) why() string {
	if b == nil {
		return ""
	}
	return b.Reason
}

func (s *server) eventOperations() {
	add(s, operation{id: "event-list", method: http.MethodGet, path: "/events", need: store.RightMetadata, summary: "List events, newest first",
		more: "A filter that looks into bodies or headers needs `payloads` too."}, s.eventList)
	add(s, operation{id: "event-show", method: http.MethodGet, path: "/events/{id}", need: store.RightMetadata, summary: "Show an event: facts, verification in words, deliveries",
		fails: []int{404, 410}}, s.eventShow)
	add(s, operation{id: "event-arrivals", method: http.MethodGet, path: "/events/{id}/arrivals", need: store.RightMetadata, summary: "List the arrivals of the same callback, oldest first",
		fails: []int{404}}, s.eventArrivals)
	add(s, operation{id: "event-deliveries", method: http.MethodGet, path: "/events/{id}/deliveries", need: store.RightMetadata, summary: "List an event's deliveries with their attempts, oldest first",
		fails: []int{404, 410}}, s.eventDeliveries)
	add(s, operation{id: "event-redispatch", method: http.MethodPost, path: "/events/{id}/redispatch", need: store.RightRedispatch, summary: "Send an event to a destination again",
		more: "Where newer events of its entity exist the answer is 409 with the choices, unless stale says what to do.", fails: []int{404, 409, 410}}, s.eventRedispatch)
	add(s, operation{id: "event-reverify", method: http.MethodPost, path: "/events/{id}/reverify", need: store.RightRedispatch, summary: "Check an event again with today's settings",
		fails: []int{404, 409, 410}}, s.eventReverify)
}

// readFilter parses a filter. One that looks at what callbacks carried would tell it bit by bit, so it takes the right to see that.
func (s *server) readFilter(ctx context.Context, text string) (filter.Filter, error) {
	f, err := filter.Parse(strings.TrimSpace(text), s.Now())
	if err != nil {
		return f, err
	}
	for _, t := range f.Terms {
		if slices.Contains([]filter.Key{filter.KeyText, filter.KeyPayload, filter.KeyHeader}, t.Key) {
			if p := allow(ctx, store.RightPayloads); p != nil {
				p.Detail = "This filter looks into bodies or headers. " + p.Detail
				return f, p
			}
		}
	}
	return f, nil
}

// cursor is a place in a list of events, opaque to who gets it.
func cursor(id uuid.UUID) *string {
	if id == uuid.Nil {
		return nil
	}
	text := base64.RawURLEncoding.EncodeToString(append([]byte("e"), id[:]...))
	return &text
}

func readCursor(text string) (uuid.UUID, error) {
	if text == "" {
		return uuid.Nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != 17 || raw[0] != 'e' {
		return uuid.Nil, errCursor()
	}
	return uuid.UUID(raw[1:]), nil
}

func errCursor() error {
	return wrong("query.cursor", "this is no cursor: take the next of the page before as it is, or begin without one")
}

func (s *server) eventList(ctx context.Context, in *eventListQuery) (*body[eventPage], error) {
	f, err := s.readFilter(ctx, in.Filter)
	if err != nil {
		return nil, err
	}
	return s.listEvents(ctx, f, in.PageQuery)
}

func (s *server) listEvents(ctx context.Context, f filter.Filter, in PageQuery) (*body[eventPage], error) {
	before, err := readCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := s.DB.ListEvents(ctx, store.EventQuery{Filter: f, Limit: in.Limit, Before: before, Patience: searchPatience})
	if err != nil {
		return nil, err
	}
	page := eventPage{Events: eventsJSON(found.Events)}
	switch {
	case found.Further != uuid.Nil:
		to := found.SearchedTo()
		page.Next, page.Further, page.SearchedTo = cursor(found.Further), true, &to
	case found.Older:
		page.Next = cursor(found.Events[len(found.Events)-1].ID)
	}
	return answer(page)
}

func eventsJSON(events []store.EventSummary) []store.EventJSON {
	list := make([]store.EventJSON, len(events))
	for i := range events {
		list[i] = events[i].JSON()
	}
	return list
}

// findEvent finds an event, or says where it went.
func (s *server) findEvent(ctx context.Context, id uuid.UUID) (*store.Event, error) {
	e, err := s.DB.FindEvent(ctx, id)
	if !errors.Is(err, store.ErrNotFound) {
		return e, err
	}
	stone, err := s.DB.FindTombstone(ctx, id)
	switch {
	case err == nil:
		return nil, &Problem{Status: http.StatusGone, Type: "erased", Detail: sentence(stone.Words())}
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	words, err := s.DB.WordsOfGone(ctx, id)
	switch {
	case err == nil:
		return nil, &Problem{Status: http.StatusGone, Type: "removed", Detail: sentence(words)}
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	return nil, &Problem{Status: http.StatusNotFound, Type: "not-found", Detail: fmt.Sprintf("There is no event %s; it may have been erased, or its time to be kept is over.", id)}
}

func (s *server) eventShow(ctx context.Context, in *EventPath) (*body[eventDetail], error) {
	e, err := s.findEvent(ctx, in.parse())
	if err != nil {
		return nil, err
	}
	summary, err := s.DB.FindEventSummary(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	v := eventDetail{
		EventJSON: summary.JSON(), AcceptedNow: summary.AcceptedNow(), UnexpectedType: e.UnexpectedType, ChangedAt: orNull(e.Envelope.ChangedAt),
		Customers: []customerJSON{}, Reverifications: []reverificationJSON{}, Holds: []store.HoldJSON{},
	}
	if e.Sender.IsValid() {
		v.Sender = new(e.Sender.String())
	}
	for _, c := range e.Envelope.Customers {
		v.Customers = append(v.Customers, customerJSON{c.CustomerID, c.Path})
	}
	for _, step := range e.Verification.Explain() {
		v.Verification = append(v.Verification, stepJSON{step.Name, step.Status, step.Words})
	}
	if v.Why, err = s.why(ctx, e); err != nil {
		return nil, err
	}
	again, err := s.DB.ListReverifications(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	for i := range again {
		v.Reverifications = append(v.Reverifications, newReverificationJSON(&again[i]))
	}
	holds, err := s.DB.HoldsOf(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	for i := range holds {
		v.Holds = append(v.Holds, holds[i].JSON())
	}
	if v.DeliveryList, err = s.deliveries(ctx, e.ID); err != nil {
		return nil, err
	}
	return answer(v)
}

// why is the cause in words. What else an explanation holds may be bytes of the body, and stays here.
func (s *server) why(ctx context.Context, e *store.Event) (*whyJSON, error) {
	if e.Verification.Verdict == verify.Verified {
		return nil, nil
	}
	explanation, err := s.Reverify.Explain(ctx, e)
	if err != nil || explanation == nil {
		return nil, err
	}
	f := explanation.Finding
	return &whyJSON{f.Cause, f.Words, f.Do}, nil
}

type arrivals struct {
	Events []store.EventJSON `json:"events"`
}

func (s *server) eventArrivals(ctx context.Context, in *EventPath) (*body[arrivals], error) {
	events, err := s.DB.Arrivals(ctx, in.parse())
	if err != nil {
		return nil, err
	}
	return answer(arrivals{eventsJSON(events)})
}

type redispatchInput struct {
	EventPath
	Body struct {
		ReasonBody
		To    string `json:"to" minLength:"1" maxLength:"63" example:"crm" doc:"The destination's name."`
		Stale string `json:"stale,omitempty" enum:"newest,anyway,skip" doc:"What to do where newer events of the entity exist: send the newest instead, send this one all the same (with a reason), or send nothing."`
	}
}

type redispatched struct {
	Sent       bool       `json:"sent" doc:"A delivery is in the queue; false where it was to be skipped."`
	EventID    uuid.UUID  `json:"event_id" format:"uuid" doc:"The event that is sent: another one where the newest was asked for."`
	DeliveryID *uuid.UUID `json:"delivery_id" nullable:"true"`
}

func (s *server) eventRedispatch(ctx context.Context, in *redispatchInput) (*body[redispatched], error) {
	e, err := s.findEvent(ctx, in.parse())
	if err != nil {
		return nil, err
	}
	if _, err := s.findDestination(ctx, in.Body.To); err != nil {
		return nil, err
	}
	wish := store.Redispatch{EventID: e.ID, Destination: in.Body.To, By: actor(ctx), Reason: in.Body.Reason, Anyway: in.Body.Stale == "anyway"}
	if wish.Anyway && strings.TrimSpace(wish.Reason) == "" {
		return nil, wrong("body.reason", "to send it anyway takes a reason: it may put an old state over a newer one")
	}
	delivery, err := s.Redispatch.Redispatch(ctx, wish)
	if newest, stale := newestOf(err); stale {
		switch in.Body.Stale {
		case "skip":
			return answer(redispatched{EventID: e.ID})
		case "newest":
			wish.EventID = newest
			delivery, err = s.Redispatch.Redispatch(ctx, wish)
		}
	}
	if err != nil {
		return nil, err
	}
	return answer(redispatched{true, wish.EventID, &delivery.ID})
}

type reverifyInput struct {
	EventPath
	Body *struct {
		ReasonBody
		Release bool `json:"release,omitempty" doc:"Send it on to its destinations if it is genuine now and was not sent on yet."`
	}
}

func (s *server) eventReverify(ctx context.Context, in *reverifyInput) (*body[reverificationJSON], error) {
	e, err := s.findEvent(ctx, in.parse())
	if err != nil {
		return nil, err
	}
	if e.Verification.Verdict == verify.Verified {
		return nil, &Problem{Status: http.StatusConflict, Type: "verified", Detail: "The event was verified when it came: there is nothing to check again."}
	}
	release, reason := false, ""
	if in.Body != nil {
		release, reason = in.Body.Release, in.Body.Reason
	}
	done, err := s.Reverify.Reverify(ctx, e.ID, release, actor(ctx), reason)
	if err != nil {
		return nil, err
	}
	return answer(newReverificationJSON(done))
}

// orNull is null for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
