package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// eventView is the model of one event's page.
type eventView struct {
	page
	ID           string
	Verdict      mood
	Accepted     bool   // when it came, or by its latest re-verification
	Says         string // the verdict in a sentence
	Entity       string
	Callback     string
	EntityID     string
	EntityURL    string
	Repeat       string
	NewType      bool
	Unexpected   bool
	Test         bool
	Received     timeView
	AroundURL    string // the list of what came shortly before and after
	ReceivedAt   string
	Source       link // Text is the name
	Slug         link // to the list of its events
	Customers    []customerView
	Answered     int
	AnsweredTone string
	APIVersion   string
	Sender       string
	SHA256       string
	ChangedAt    string
	Checks       []checkView
	Payload      payloadView
	Headers      []headerView
	Curl         string
	CurlLacks    bool // something is hidden in it
	Hidden       hiddenView
	Deliveries   []deliveryView
	Poll         string // how often deliveries are renewed; "" when nothing is going on
	Redispatch   redispatchView
	EditedTests  []editedTestRow
	Held         heldView
	Arrivals     arrivalsView
	Why          *whyView // nil: it was verified
	Reverify     reverifyView
	Hold         eventHoldView
	EraseURL     string // "" for who may not
	NewerURL     string
	OlderURL     string
}

type customerView struct {
	link
	Paths []string // where the body names the customer
}

type checkView struct {
	mood
	Name string
	Text string
}

func (s *server) eventShow(w http.ResponseWriter, r *http.Request) error {
	e, err := s.findEvent(r)
	var erased *erasedError
	if errors.As(err, &erased) {
		return s.tombstoneShow(w, r, erased.stone)
	}
	if err != nil {
		return err
	}
	ctx := r.Context()
	source, err := s.sourceOf(r, e.SourceID)
	if err != nil {
		return err
	}
	deliveries, err := s.DB.ListDeliveries(ctx, e.ID)
	if err != nil {
		return fmt.Errorf("listing deliveries: %w", err)
	}
	tests, err := s.DB.ListEditedTests(ctx, e.ID)
	if err != nil {
		return err
	}
	destinations, err := s.DB.ListDestinations(ctx)
	if err != nil {
		return fmt.Errorf("listing destinations: %w", err)
	}
	arrivals, err := s.DB.Arrivals(ctx, e.ID)
	if err != nil {
		return fmt.Errorf("listing arrivals: %w", err)
	}
	later, err := s.DB.ListReverifications(ctx, e.ID)
	if err != nil {
		return err
	}
	holds, err := s.DB.HoldsOf(ctx, e.ID)
	if err != nil {
		return err
	}
	why, err := s.findWhy(r, e, source, later)
	if err != nil {
		return err
	}
	older, err := s.DB.ListEvents(ctx, store.EventQuery{Limit: 1, Before: e.ID})
	if err != nil {
		return fmt.Errorf("finding the event before: %w", err)
	}
	newer, err := s.DB.ListEvents(ctx, store.EventQuery{Limit: 1, After: e.ID})
	if err != nil {
		return fmt.Errorf("finding the event after: %w", err)
	}

	look, err := s.sight(r)
	if err != nil {
		return err
	}
	if err := s.seen(r, actionView, e.ID.String()); err != nil {
		return err
	}

	v := newEventView(s.newPage(r, ""), e, source, look)
	v.Payload = newPayloadView(e, r.URL.Query().Get("view"), look, s.MaxBody)
	v.Messages = s.takeFlashes(w, r)
	v.setDeliveries(deliveries, look.rules, look.of(e))
	v.setCurl(e, look, s.MaxBody)
	v.setHidden(e, look, s.RevealFor)
	look.renew(w)
	v.EditedTests = newEditedTestRows(tests, v.page)
	if v.Held, err = s.heldOfEvent(ctx, e.ID, deliveries); err != nil {
		return err
	}
	v.setVerification(e, later)
	if v.Why = why; why != nil && v.Payload.Hides {
		why.Signed = nil // it has the ends of the body
	}
	v.Hold = newEventHoldView(v.page, e.ID, holds)
	if v.mayErase() {
		v.EraseURL = eraseURL(e.ID)
	}
	v.Reverify = newReverifyView(e, source, later, arrivals, destinations, v.page)
	v.Redispatch = newRedispatchView(e, v.Accepted, destinations, v.Role)
	v.Arrivals = newArrivalsView(arrivals, v.ID, source.Scheme == verify.Scheme{} || source.Scheme == verify.Plenigo, v.Now, v.habits)
	v.OlderURL, v.NewerURL = neighbourURL(older), neighbourURL(newer)
	return s.render(w, r, http.StatusOK, eventPage(v))
}

// findEvent finds the event that the address names.
func (s *server) findEvent(r *http.Request) (*store.Event, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil || id.String() != r.PathValue("id") {
		return nil, missing("“" + cut(r.PathValue("id"), 60) + "” is not the id of an event. Ids look like 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b.")
	}
	return s.findEventByID(r, id)
}

func (s *server) findEventByID(r *http.Request, id uuid.UUID) (*store.Event, error) {
	e, err := s.DB.FindEvent(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		stone, err := s.DB.FindTombstone(r.Context(), id)
		if err == nil {
			return nil, &erasedError{stone}
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		words, err := s.DB.WordsOfGone(r.Context(), id)
		if err == nil {
			return nil, gone(words)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		return nil, missing("There is no event " + id.String() + ". It may have been erased, or its time to be kept is over.")
	}
	if err != nil {
		return nil, fmt.Errorf("finding event %s: %w", id, err)
	}
	return e, nil
}

// sourceOf finds the source an event came to, removed or not. One that is gone for good is shown by its number.
func (s *server) sourceOf(r *http.Request, id int64) (*store.Source, error) {
	source, err := s.DB.FindSourceByID(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return &store.Source{ID: id, Name: fmt.Sprintf("source %d", id)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding source %d: %w", id, err)
	}
	return source, nil
}

// around is how long before and after an event its neighbours are looked at.
const around = 5 * time.Minute

func eventURL(id uuid.UUID) string { return "/events/" + id.String() }

func neighbourURL(p store.EventPage) string {
	if len(p.Events) == 0 {
		return ""
	}
	return eventURL(p.Events[0].ID)
}

func newEventView(p page, e *store.Event, source *store.Source, look sight) eventView {
	v := eventView{
		page:         p,
		ID:           e.ID.String(),
		Verdict:      verdictMood(e.Verification.Verdict),
		EntityID:     e.Envelope.EntityID,
		Received:     newTime(e.ReceivedAt(), p.Now),
		ReceivedAt:   p.habits.exact(e.ReceivedAt()),
		Source:       link{source.Name, "/sources/" + source.Slug},
		Slug:         link{source.Slug, filterURL(filter.KeySource, source.Slug)},
		Customers:    customerViews(e.Envelope.Customers),
		Answered:     e.Answered,
		AnsweredTone: statusTone(e.Answered),
		APIVersion:   e.APIVersion,
		SHA256:       fmt.Sprintf("%x", e.BodySHA256),
		Headers:      headerViews(e.Header, look.header(source), look.of(e)),
	}
	if source.Slug == "" {
		v.Source.URL, v.Slug.URL = "", ""
	}
	v.Entity, v.Callback = typeWords(e.Envelope.EntityType, e.Envelope.CallbackType)
	v.NewType = isNewType(e.Envelope.EntityType, e.Envelope.CallbackType)
	v.Unexpected, v.Test = e.UnexpectedType, e.Envelope.EntityType == store.TestEntityType
	if v.EntityID != "" {
		v.EntityURL = entityURL(e.Envelope.EntityType, v.EntityID)
	}
	if e.Arrival > 1 {
		v.Repeat = ordinal(e.Arrival) + " arrival"
	}
	if e.Sender.IsValid() {
		v.Sender = e.Sender.String()
	}
	if !e.Envelope.ChangedAt.IsZero() {
		v.ChangedAt = p.habits.exact(e.Envelope.ChangedAt)
	}
	at := e.ReceivedAt()
	v.AroundURL = eventQuery{Text: timedText("", filterTime(at.Add(-around)), filterTime(at.Add(around+time.Minute)))}.url()
	v.Title = eventTitle(v)
	return v
}

// setCurl makes the command of what is seen. Without what is hidden it sends something else than what came.
func (v *eventView) setCurl(e *store.Event, look sight, maxBody int64) {
	body := e.Body
	if v.CurlLacks = v.Payload.Hides; v.CurlLacks {
		if body, _, _ = look.body(e, maxBody); plenigo.Packed(e.Header) {
			body = nil
		}
	}
	v.Curl = curlCommand(e, body, v.Headers)
}

// setHidden says what is hidden on the page.
func (v *eventView) setHidden(e *store.Event, look sight, lasts time.Duration) {
	says := hiddenWords(v.Payload.Found, look.of(e))
	if n := coveredHeaders(v.Headers); n > 0 && says == "" {
		says = plural(n, "header", "headers") + " hidden."
	}
	answers := false
	for _, d := range v.Deliveries {
		for _, a := range d.Attempts {
			answers = answers || a.BodyHidden
		}
	}
	if answers && says == "" {
		says = "What destinations answered is hidden."
	}
	secrets := v.Payload.Found.Secret > 0 && !look.of(e).Secrets
	v.Hidden = look.hidden(says, secrets, lasts, []string{revealOf(store.RevealEvent, v.ID)}, e)
}

// actionView notes that somebody saw an event's payload.
const actionView = "event.view"

func eventTitle(v eventView) string {
	title := v.Entity
	if v.Callback != "" {
		title += " " + v.Callback
	}
	if title == "" {
		title = "Event"
	}
	return cut(title+" "+v.EntityID, 100)
}

// customerViews joins the places that name the same customer.
func customerViews(links []plenigo.CustomerLink) []customerView {
	var views []customerView
	at := map[string]int{}
	for _, l := range links {
		i, known := at[l.CustomerID]
		if !known {
			i = len(views)
			at[l.CustomerID] = i
			views = append(views, customerView{link: link{l.CustomerID, customerURL(l.CustomerID)}})
		}
		views[i].Paths = append(views[i].Paths, l.Path)
	}
	return views
}
