package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"recall/filter"
	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// pageLength is how many events a page of the list shows.
const pageLength = 50

// eventListView is the model of the list of events.
type eventListView struct {
	page
	Query     string // what stands in the search box
	Base      string // the filter the list shows
	Problem   *filterProblem
	TooSlow   bool // the search was stopped; the list is empty for that
	Fields    map[filter.Key]string
	Narrowed  bool // some field is set
	Sources   []string
	Verdicts  []choice
	Types     []string
	Days      []eventDay
	Count     int
	NewestURL string // "" on the first page
	NewerURL  string // "" where there are none
	OlderURL  string
	Live      bool   // the list renews itself
	LiveURL   string // switches Live; "" where it cannot be
	Setup     *setupView
	ClearURL  string
	Reverify  bool // some event of the page can be re-verified, and the reader may do it
}

// eventDay is the rows of one day.
type eventDay struct {
	Name string
	Rows []eventRow
}

// eventRow is one event in the list.
type eventRow struct {
	URL          string
	ID           string
	Clock, Milli string
	Time         timeView
	Verdict      mood
	Reason       string
	Recheck      bool   // it can be re-verified
	Reverified   mood   // no word: it was not, or nothing else came of it
	Entity       string // what the callback is about, in words
	Callback     string // what happened
	EntityID     string
	EntityURL    string
	Repeat       string // "2nd arrival"; "" on a first one
	NewType      bool   // not in the table of what plenigo sends
	Unexpected   bool   // the source did not expect this type
	Test         bool   // a test callback of ours
	Customers    []link
	More         int // customers not listed
	Source       link
	Answered     int
	AnsweredTone string
	Deliveries   []deliveryTally
}

// link is a text that leads somewhere.
type link struct{ Text, URL string }

// choice is a value and the word for it.
type choice struct{ Value, Word string }

// deliveryTally is how many deliveries are in a state.
type deliveryTally struct {
	mood
	Count int
}

// setupView says how to get the first event.
type setupView struct {
	Sources []setupSource
	Command string // adds a source, where there is none
}

type setupSource struct{ Name, Slug, URL, Simulate string }

// verdictChoices are the field's, in the order of trust.
var verdictChoices = []choice{
	{string(verify.Verified), "Verified"}, {string(verify.Late), "Late"},
	{string(verify.Verified) + "," + string(verify.Late), "Verified or late"}, {string(verify.Rejected), "Rejected"},
}

func (s *server) eventList(w http.ResponseWriter, r *http.Request) error {
	values := r.URL.Query()
	if isSearch(values) {
		http.Redirect(w, r, mergeSearch(values, s.Now()).url(), http.StatusSeeOther)
		return nil
	}
	q, err := parseEventQuery(values)
	if err != nil {
		return err
	}
	v := eventListView{page: s.newPage(r, "Events"), Verdicts: verdictChoices, Types: typeChoices()}
	v.Messages = s.takeFlashes(w, r)

	f, err := filter.Parse(q.Text, s.Now())
	if err != nil {
		v.Problem = newFilterProblem(q.Text, err)
		if f, err = filter.Parse(q.Base, s.Now()); err != nil {
			f = filter.Filter{}
		}
	}
	sources, err := s.DB.ListSources(r.Context())
	if err != nil {
		return fmt.Errorf("listing sources: %w", err)
	}
	events, err := s.DB.ListEvents(r.Context(), store.EventQuery{Filter: f, Limit: pageLength, Before: q.Before, After: q.After})
	if errors.Is(err, store.ErrTooSlow) { // said in place, so that the search can be changed
		v.TooSlow = true
		v.fill(eventQuery{Text: q.Text, Before: q.Before, After: q.After}, f, store.EventPage{}, sources, s.PublicURL)
		v.Live, v.LiveURL = false, ""
		return s.render(w, r, http.StatusServiceUnavailable, eventListPage(v))
	}
	if err != nil {
		return fmt.Errorf("listing events: %w", err)
	}
	v.fill(q, f, events, sources, s.PublicURL)
	return s.render(w, r, http.StatusOK, eventListPage(v))
}

// fill makes the view of what was found.
func (v *eventListView) fill(q eventQuery, f filter.Filter, events store.EventPage, sources []*store.Source, publicURL string) {
	v.Query = q.Text
	v.Base = f.Text()
	v.Fields = fieldValues(f)
	for _, key := range fieldKeys {
		v.Narrowed = v.Narrowed || v.Fields[key] != ""
	}
	for _, source := range sources {
		v.Sources = append(v.Sources, source.Slug)
	}
	v.Days = eventDays(events.Events, v.Now)
	v.Count = len(events.Events)
	v.Reverify = v.Role != string(store.RoleViewer) &&
		slices.ContainsFunc(events.Events, func(e store.EventSummary) bool { return e.Verdict != verify.Verified })

	firstPage := q.Before == [16]byte{} && q.After == [16]byte{} || !events.Newer && len(events.Events) > 0
	if !firstPage {
		v.NewestURL = eventQuery{Text: v.Base}.url()
	}
	if len(events.Events) > 0 {
		if events.Newer {
			v.NewerURL = eventQuery{Text: v.Base, After: events.Events[0].ID}.url()
		}
		if events.Older {
			v.OlderURL = eventQuery{Text: v.Base, Before: events.Events[len(events.Events)-1].ID}.url()
		}
	}
	if firstPage && v.Problem == nil {
		v.Live = q.Live
		v.LiveURL = eventQuery{Text: v.Base, Live: !q.Live}.url()
	}
	if len(events.Events) == 0 && len(f.Terms) == 0 && firstPage && !v.TooSlow {
		v.Setup = newSetupView(sources, publicURL)
	}
	v.ClearURL = "/events"
}

// eventDays groups the rows of a page by day.
func eventDays(events []store.EventSummary, now time.Time) []eventDay {
	var days []eventDay
	for i := range events {
		name := dayName(events[i].ReceivedAt, now)
		if len(days) == 0 || days[len(days)-1].Name != name {
			days = append(days, eventDay{Name: name})
		}
		last := &days[len(days)-1]
		last.Rows = append(last.Rows, newEventRow(&events[i], now))
	}
	return days
}

// shownCustomers are as many as fit a row.
const shownCustomers = 3

func newEventRow(e *store.EventSummary, now time.Time) eventRow {
	at := e.ReceivedAt.UTC()
	row := eventRow{
		URL:          eventURL(e.ID),
		ID:           e.ID.String(),
		Recheck:      e.Verdict != verify.Verified,
		Clock:        at.Format("15:04:05"),
		Milli:        at.Format(".000"),
		Time:         newTime(e.ReceivedAt, now),
		Verdict:      verdictMood(e.Verdict),
		Reason:       reasonWords(e.Reason),
		EntityID:     e.EntityID,
		Source:       link{e.Source, filterURL(filter.KeySource, e.Source)},
		Answered:     e.Answered,
		AnsweredTone: statusTone(e.Answered),
	}
	row.Entity, row.Callback = typeWords(e.EntityType, e.CallbackType)
	row.NewType = isNewType(e.EntityType, e.CallbackType)
	row.Unexpected, row.Test = e.UnexpectedType, e.EntityType == store.TestEntityType
	if e.EntityID != "" {
		row.EntityURL = entityURL(e.EntityType, e.EntityID)
	}
	if e.Reverified != "" && e.Reverified.Accepted() != e.Verdict.Accepted() {
		row.Reverified = reverifiedMood(e.Reverified)
	}
	if e.Arrival > 1 {
		row.Repeat = ordinal(e.Arrival) + " arrival"
	}
	for i, id := range e.Customers {
		if i == shownCustomers {
			row.More = len(e.Customers) - i
			break
		}
		row.Customers = append(row.Customers, link{id, filterURL(filter.KeyCustomer, id)})
	}
	for _, d := range e.Deliveries {
		row.Deliveries = append(row.Deliveries, deliveryTally{deliveryMood(d.State), d.Count})
	}
	return row
}

// isNewType tells a type that Recall has no description of from a body that names none.
func isNewType(entityType, callbackType string) bool {
	return entityType != "" && callbackType != "" && entityType != store.TestEntityType && !plenigo.Known(entityType, callbackType)
}

// entityURL lists everything that arrived about one entity.
func entityURL(entityType, id string) string {
	if entityType == "" {
		return filterURL(filter.KeyEntity, id)
	}
	return filterURL(filter.KeyEntity, strings.ToLower(entityType)+"/"+id)
}

// typeChoices are offered while a type is typed.
func typeChoices() []string {
	var types []string
	for _, t := range plenigo.Types {
		types = append(types, strings.ToLower(t.EntityType+"."+t.CallbackType))
	}
	return types
}

func newSetupView(sources []*store.Source, publicURL string) *setupView {
	v := &setupView{Command: addSourceCommand}
	for _, source := range sources {
		if source.Enabled {
			url := callbackURL(publicURL, source.Slug)
			v.Sources = append(v.Sources, setupSource{source.Name, source.Slug, url, simulateCommand(url)})
		}
	}
	return v
}

// callbackURL is what plenigo is told to call.
func callbackURL(publicURL, slug string) string { return publicURL + "/callbacks/" + slug }

func simulateCommand(url string) string {
	return "recall simulate --to " + url + " --secret SECRET"
}
