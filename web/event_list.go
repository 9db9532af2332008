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

// searchPatience is how long a page is searched for before it shows what was found so far.
const searchPatience = 3 * time.Second

// pageLength is how many events a page of the list shows.
const pageLength = 50

// eventListView is the model of the list of events.
type eventListView struct {
	page
	Query      string // what stands in the search box
	Base       string // the filter the list shows
	Problem    *filterProblem
	TooSlow    bool // the search was stopped; the list is empty for that
	Fields     map[filter.Key]string
	Sources    []string
	Verdicts   []choice
	Types      []string
	Pills      []pill
	Columns    columns
	Zone       string // of this list, where it is not the reader's own
	Zones      []choice
	View       int64
	Views      []viewView
	Opened     *viewView // the view the list was opened from; nil: none
	Changed    bool      // it shows something else by now
	Days       []eventDay
	Count      int    // on the page
	Found      string // how many there are, in words; "" not known yet …
	CountURL   string // … and what tells it, …
	CountedURL string // … and this page with it
	NewestURL  string // "" on the first page
	NewerURL   string // "" where there are none
	OlderURL   string
	Searched   string // how far the search came that was cut short; "": it came to its end
	Scanned    string // how far the events were looked through one by one for this page; "": an index helped
	IndexLag   string
	FurtherURL string // goes on from there
	Live       bool   // what is new comes by itself
	LiveURL    string // switches Live; "" where it cannot be
	TailURL    string // tells what is new, while Live
	FreshURL   string // this list, anew from its top
	Setup      *setupView
	ClearURL   string
	Volume     volumeView
	MayExport  bool
	Reverify   bool // some event of the page can be re-verified, and the reader may do it
}

// pill is one term of the filter, which can be taken away.
type pill struct {
	filter.Pill
	WithoutURL, TurnedURL string
}

// eventDay is the rows of one day.
type eventDay struct {
	Date string // by which a live list finds it
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
	Signature    string
	Version      string
	Size         string
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
	if zone, known := readZone(q.Zone); known && q.Zone != "" {
		h := habitsOf(r.Context())
		h.Zone = zone
		r = h.with(r)
	}
	v := eventListView{page: s.newPage(r, "Events"), Verdicts: verdictChoices, Types: typeChoices()}
	v.Scripts = []string{"js/search.js"}
	if q.Live {
		v.Scripts = append(v.Scripts, "js/list.js")
	}
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
	if q.Live { // before the events are read, so that none comes between
		_, since, err := s.DB.CommittedSince(r.Context(), "", 0)
		if err != nil {
			return fmt.Errorf("beginning to follow: %w", err)
		}
		v.TailURL = tailURL(q.on(f.Text()), since)
	}
	events, err := s.DB.ListEvents(r.Context(), store.EventQuery{Filter: f, Limit: pageLength, Before: q.Before, After: q.After, Patience: searchPatience})
	if errors.Is(err, store.ErrTooSlow) { // said in place, so that the search can be changed
		v.TooSlow = true
		q.Base, q.Live = "", false
		v.fill(q, f, store.EventPage{}, sources, s.PublicURL, habitsOf(r.Context()))
		v.Live, v.LiveURL = false, ""
		return s.render(w, r, http.StatusServiceUnavailable, eventListPage(v))
	}
	if err != nil {
		return fmt.Errorf("listing events: %w", err)
	}
	v.fill(q, f, events, sources, s.PublicURL, habitsOf(r.Context()))
	if v.Found == "" && values.Get("count") == "1" {
		if v.Found, err = s.countWords(r.Context(), f, searchPatience, habitsOf(r.Context())); err != nil {
			return err
		}
	}
	views, err := s.DB.ListViews(r.Context(), userOf(r).ID)
	if err != nil {
		return err
	}
	v.setViews(views, userOf(r), q)
	if v.Setup == nil {
		v.Volume = s.volume(r.Context(), f, habitsOf(r.Context()))
	}
	return s.render(w, r, http.StatusOK, eventListPage(v))
}

// fill makes the view of what was found.
func (v *eventListView) fill(q eventQuery, f filter.Filter, events store.EventPage, sources []*store.Source, publicURL string, h habits) {
	v.Query = q.Text
	v.Base = f.Text()
	v.Pills = pills(f, q)
	v.Columns, v.Zone, v.View = readColumns(q.Columns), q.Zone, q.View
	v.Zones = zoneChoices()
	v.Fields = fieldValues(f)
	for _, source := range sources {
		v.Sources = append(v.Sources, source.Slug)
	}
	v.Days = eventDays(events.Events, q, v.Now, h)
	v.Count = len(events.Events)
	v.MayExport = v.mayExport()
	v.Reverify = v.maySend() &&
		slices.ContainsFunc(events.Events, func(e store.EventSummary) bool { return e.Verdict != verify.Verified })

	firstPage := q.Before == [16]byte{} && q.After == [16]byte{} || !events.Newer && len(events.Events) > 0
	if !firstPage {
		v.NewestURL = q.on(v.Base).url()
	}
	counted := q.on(v.Base)
	counted.Before, counted.After = q.Before, q.After
	v.CountURL, v.CountedURL = eventQuery{Text: v.Base}.at("/events/count"), counted.with("count", "1")
	if firstPage && !events.Older {
		v.Found = h.plural(v.Count, "event", "events")
	}
	v.IndexLag = indexWords(events.Index, v.Now, h)
	if events.Scanned && events.Further == [16]byte{} {
		v.Scanned = "to the end"
		if events.Older && v.Count > 0 {
			v.Scanned = "back to " + h.exact(events.Events[v.Count-1].ReceivedAt)
		}
	}
	if len(events.Events) > 0 {
		if events.Newer {
			newer := q.on(v.Base)
			newer.After = events.Events[0].ID
			v.NewerURL = newer.url()
		}
		if events.Older {
			older := q.on(v.Base)
			older.Before = events.Events[len(events.Events)-1].ID
			v.OlderURL = older.url()
		}
	}
	if events.Further != [16]byte{} { // an empty page has neither side, a short one goes on behind its last event
		v.Searched = h.exact(events.SearchedTo())
		further := q.on(v.Base)
		if q.After != [16]byte{} {
			further.After = events.Further
			v.NewerURL = ""
		} else {
			further.Before = events.Further
			v.OlderURL = ""
		}
		v.FurtherURL = further.url()
	}
	if firstPage && v.Problem == nil {
		v.Live = q.Live
		fresh := q.on(v.Base)
		fresh.Live = q.Live
		v.FreshURL = fresh.url()
		fresh.Live = !q.Live
		v.LiveURL = fresh.url()
	}
	if !v.Live {
		v.TailURL = ""
	}
	v.Lean = len(events.Events) > 0 // a page without a table has the styles and drawings to say so
	if len(events.Events) == 0 && len(f.Terms) == 0 && firstPage && !v.TooSlow {
		v.Setup = newSetupView(sources, publicURL)
	}
	v.ClearURL = q.on("").url()
}

// pills are the terms of a filter, each with the way to the list without it, and turned round.
func pills(f filter.Filter, q eventQuery) []pill {
	var list []pill
	for _, p := range f.Pills() {
		without, turned := q.on(p.Without), q.on(p.Turned)
		without.Live, turned.Live = q.Live, q.Live
		list = append(list, pill{Pill: p, WithoutURL: without.url(), TurnedURL: turned.url()})
	}
	return list
}

// eventDays groups the rows of a page by day.
func eventDays(events []store.EventSummary, q eventQuery, now time.Time, h habits) []eventDay {
	var days []eventDay
	for i := range events {
		date := events[i].ReceivedAt.In(h.zone()).Format(time.DateOnly)
		if len(days) == 0 || days[len(days)-1].Date != date {
			days = append(days, eventDay{Date: date, Name: h.dayName(events[i].ReceivedAt, now)})
		}
		last := &days[len(days)-1]
		last.Rows = append(last.Rows, newEventRow(&events[i], q, now, h))
	}
	return days
}

// shownCustomers are as many as fit a row.
const shownCustomers = 3

func newEventRow(e *store.EventSummary, q eventQuery, now time.Time, h habits) eventRow {
	at := e.ReceivedAt.In(h.zone())
	only := func(text string) string { return eventQuery{Text: text, Columns: q.Columns, Zone: q.Zone}.url() }
	row := eventRow{
		URL:          eventURL(e.ID),
		ID:           e.ID.String(),
		Clock:        at.Format("15:04:05"),
		Milli:        h.milli(at),
		Time:         newTime(e.ReceivedAt, now),
		Verdict:      verdictMood(e.Verdict),
		Reason:       reasonWords(e.Reason),
		EntityID:     e.EntityID,
		Source:       link{e.Source, only(filter.TermText(string(filter.KeySource), e.Source))},
		Answered:     e.Answered,
		AnsweredTone: statusTone(e.Answered),
		Signature:    statusMood(e.Signature).Word,
		Version:      e.APIVersion,
		Size:         h.size(e.Size),
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
		row.Customers = append(row.Customers, link{id, only(filter.TermText(string(filter.KeyCustomer), id))})
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
