package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

// retentionView is the page of how long things are kept, what would go, and what is held.
type retentionView struct {
	page
	Rules     []retentionRow
	Sources   []choice
	Classes   []choice
	Open      string // events that stay though they are due, for a delivery; "" none
	Counted   string
	Undecided string // what nobody has decided on; "" nothing
	Wrong     string // why more is kept than the rules say; "" it is not
	LastRun   string
	Holds     []holdRow
	May       bool
}

type retentionRow struct {
	Source string
	URL    string
	Class  string
	Kept   string
	Own    bool
	Goes   string // what would go; "" nothing can
	Until  string
	Held   string
}

type holdRow struct {
	ID       string
	Events   string
	Filter   string
	Reason   string
	By       string
	At       timeView
	Released string
}

var retentionClasses = []choice{
	{string(store.RetainAccepted), "Accepted events"}, {string(store.RetainRejected), "Rejected events"},
	{string(store.RetainAttempts), "Attempts and their answers"}, {string(store.RetainAnswers), "Answers of destinations"}, {string(store.RetainAudit), "Audit list"},
}

func retentionClassWord(class store.RetentionClass) string {
	for _, c := range retentionClasses {
		if c.Value == string(class) {
			return c.Word
		}
	}
	return string(class)
}

func (s *server) retentionShow(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	rules, err := s.DB.RetentionRules(ctx)
	if err != nil {
		return err
	}
	preview, err := s.DB.PreviewRetention(ctx, rules)
	if err != nil {
		return err
	}
	sources, err := s.DB.ListSources(ctx)
	if err != nil {
		return err
	}
	holds, err := s.DB.ListHolds(ctx)
	if err != nil {
		return err
	}
	state, err := s.DB.RetentionState(ctx)
	if err != nil {
		return err
	}
	v := newRetentionView(s.newPage(r, "Retention"), rules, preview, sources, holds)
	v.setState(rules, sources, state)
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, retentionPage(v))
}

func newRetentionView(p page, rules store.RetentionRules, preview *store.Preview, sources []*store.Source, holds []store.Hold) retentionView {
	v := retentionView{page: p, Classes: retentionClasses, May: p.mayChange(), Sources: []choice{{"", "All sources"}}}
	names := map[int64]*store.Source{}
	for _, source := range sources {
		names[source.ID] = source
		v.Sources = append(v.Sources, choice{source.Slug, source.Name})
	}
	for _, class := range []store.RetentionClass{store.RetainAccepted, store.RetainRejected} {
		rule, _ := rules.Find(0, class)
		v.Rules = append(v.Rules, retentionRow{Source: "All sources", Class: retentionClassWord(class), Kept: rule.Words(), Own: true})
	}
	for _, d := range preview.List {
		row := retentionRow{Source: "All sources", Class: retentionClassWord(d.Class), Kept: store.RetentionRule{Class: d.Class, Days: d.Days}.Words(), Own: d.Own}
		if source := names[d.SourceID]; source != nil {
			row.Source, row.URL = source.Name, sourceURL(source.Slug)
		} else if d.SourceID != 0 {
			row.Source = fmt.Sprintf("source %d, removed", d.SourceID)
		}
		if !d.Until.IsZero() {
			row.Goes, row.Until = strconv.FormatInt(d.Rows, 10), d.Until.Format(time.DateOnly)
			if d.About {
				row.Goes = "about " + row.Goes
			}
			if d.Held > 0 {
				row.Held = plural(int(d.Held), "is", "are") + " kept by holds"
			}
		}
		v.Rules = append(v.Rules, row)
	}
	if preview.Open > 0 {
		v.Open = plural(int(preview.Open), "event", "events")
	}
	if !preview.CountedAt.IsZero() {
		v.Counted = exact(preview.CountedAt)
	}
	for _, h := range holds {
		row := holdRow{ID: strconv.FormatInt(h.ID, 10), Events: plural(h.Events, "event", "events"), Filter: h.Filter, Reason: h.Reason, By: h.PlacedBy, At: newTime(h.PlacedAt, p.Now)}
		if !h.ReleasedAt.IsZero() {
			row.Released = "released " + h.ReleasedAt.Format(time.DateOnly) + " by " + h.ReleasedBy
		}
		v.Holds = append(v.Holds, row)
	}
	return v
}

// setState says what nobody has decided on, and how the last runs ended.
func (v *retentionView) setState(rules store.RetentionRules, sources []*store.Source, state store.RetentionState) {
	var undecided []string
	for _, class := range rules.Undecided(sources) {
		word := strings.ToLower(retentionClassWord(class))
		if class == store.RetainAudit {
			word = "the " + word
		}
		undecided = append(undecided, word)
	}
	v.Undecided = enumerate(undecided)
	removes := slices.ContainsFunc(rules, func(r store.RetentionRule) bool { return r.Days > 0 })
	switch {
	case state.Error != "":
		v.Wrong = "The last run failed at " + exact(state.EndedAt) + ": " + sentence(state.Error)
	case removes && state.DoneAt.IsZero():
		v.Wrong = "No run has come to its end yet: a running recall serve, whose role owns the tables, looks every ten minutes."
	case removes && state.Late(v.Now):
		v.Wrong = "No run has come to its end since " + exact(state.DoneAt) + ": the log of recall serve says what hinders it, recall doctor what to do."
	}
	if !state.DoneAt.IsZero() {
		v.LastRun = exact(state.DoneAt)
	}
}

// retentionSet sets one rule.
func (s *server) retentionSet(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	class := store.RetentionClass(r.PostForm.Get("class"))
	if !slices.Contains(store.RetentionClasses, class) {
		return mistake("Say of what: accepted or rejected events, attempts, answers, or the audit list.")
	}
	id, subject := int64(0), "all sources"
	if slug := r.PostForm.Get("source"); slug != "" {
		source, err := s.DB.FindSource(r.Context(), slug)
		if errors.Is(err, store.ErrNotFound) {
			return mistake("There is no source “" + cut(plainText(slug), 60) + "”.")
		}
		if err != nil {
			return err
		}
		id, subject = source.ID, source.Slug
	}
	if class == store.RetainAudit && id != 0 {
		return mistake("The audit list is one of all sources: choose All sources for it.")
	}
	var days *int
	switch text := strings.TrimSpace(r.PostForm.Get("days")); r.PostForm.Get("how") {
	case "ever":
		days = new(int)
	case "all":
		if id == 0 {
			return mistake("Only a source can follow the rule of all sources. For all sources choose a number of days, or for ever.")
		}
	default:
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > store.MaxRetentionDays {
			return mistake("“" + cut(plainText(text), 40) + "” is no number of days: from 1 to " + strconv.Itoa(store.MaxRetentionDays) + ".")
		}
		days = &n
	}
	if err := s.DB.SetRetention(r.Context(), id, class, days, s.note(r, "retention.set", subject, reason, nil)); err != nil {
		return err
	}
	return s.done(w, r, "/retention", "Set. It holds from the next run on, within ten minutes; below is what would go.")
}

// holdCreate keeps one event, or what a filter finds.
func (s *server) holdCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	if strings.TrimSpace(reason) == "" {
		return mistake("Say why they are kept: it stands on each event and in the audit list, with your name.")
	}
	h := &store.Hold{Reason: plainText(reason), PlacedBy: userOf(r).Name}
	var chosen filter.Filter
	id, back := uuid.Nil, "/retention"
	if text := r.PostForm.Get("event"); text != "" {
		if id, err = uuid.Parse(text); err != nil {
			return mistake("The form does not say which event is meant. Open its page again.")
		}
		back = eventURL(id)
	} else {
		h.Filter = strings.TrimSpace(r.PostForm.Get("filter"))
		if h.Filter == "" {
			return mistake("Say which events, by a filter such as source:shop customer:48213.")
		}
		if chosen, err = filter.Parse(h.Filter, s.Now()); err != nil {
			return mistake(err.Error())
		}
	}
	switch err := s.DB.PlaceHold(r.Context(), h, chosen, id, s.note(r, "", "", reason, nil)); {
	case errors.Is(err, store.ErrNotFound):
		return mistake("There is no such event, so nothing is held.")
	case errors.Is(err, store.ErrTooManyHeld):
		return mistake(sentence(store.ErrTooManyHeld.Error()))
	case err != nil:
		return err
	}
	return s.done(w, r, back, "Hold "+strconv.FormatInt(h.ID, 10)+" keeps "+plural(h.Events, "event", "events")+" until it is released.")
}

func (s *server) holdRelease(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return missing("There is no such hold.")
	}
	err = s.DB.ReleaseHold(r.Context(), id, reason, s.note(r, "", "", reason, nil))
	if errors.Is(err, store.ErrNotFound) {
		return missing("There is no such hold, or it was released already.")
	}
	if err != nil {
		return err
	}
	return s.done(w, r, "/retention", "The hold is released. What is due goes with the next run.")
}

// eventHoldView is what keeps an event.
type eventHoldView struct {
	ID    string
	Holds []holdRow
	May   bool
}

func newEventHoldView(p page, id uuid.UUID, holds []store.Hold) eventHoldView {
	v := eventHoldView{ID: id.String(), May: p.mayChange()}
	for _, h := range holds {
		v.Holds = append(v.Holds, holdRow{ID: strconv.FormatInt(h.ID, 10), Reason: h.Reason, By: h.PlacedBy, At: newTime(h.PlacedAt, p.Now)})
	}
	return v
}
