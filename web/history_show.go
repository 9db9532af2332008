package web

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// historyLength is how many callbacks a page of a history shows.
const historyLength = 50

// historyView is the model of the history of an entity or a customer.
type historyView struct {
	page
	Customer    bool   // of a customer, over all entities
	Kind        string // what it is, in words
	ID          string
	At          string // what stands in the field for a moment; "" now
	Zone        string // in which the field is read
	AtExact     string // the moment in words; "" now
	AtProblem   string
	NowURL      string
	ListURL     string // the same callbacks in the list of events
	CustomerURL string // of a customer's entity: everything that names the customer
	Source      string // the one source it is narrowed to
	Sources     []link // to narrow to, where the page has several
	AllURL      string
	Erasure     link // the case about this customer; URL "" none, or the reader may not see it
	State       *stateView
	Entities    []entityRow
	AllEntities bool
	Days        []historyDay
	Count       int
	Fold        link // switches whether what is not set is told apart
	Apart       bool
	NewestURL   string
	NewerURL    string
	OlderURL    string
	hidden      url.Values // of the form, beside the moment
	Hidden      hiddenView
	look        sight
}

// stateView is the newest state that was known.
type stateView struct {
	Event    string // its page
	Callback string
	Of       timeView // what time the state is of
	OfExact  string
	Received timeView
	Payload  payloadView
	SinceURL string // compares it with the state of today; "" where that is the one
}

// entityRow is one of the entities that a customer's callbacks are about.
type entityRow struct {
	link
	Kind   string
	ID     string
	Events int
	Last   timeView
}

type historyDay struct {
	Name string
	Rows []historyRow
}

// historyRow is one callback in a history.
type historyRow struct {
	eventRow
	Current    bool      // the newest state that is known
	Changed    *timeView // the entity's own time
	ChangedAt  string    // likewise, where the reader's clock stands
	Stale      string    // why it must not overwrite what is known
	Against    string    // page of the event it is compared with
	AgainstAge string    // when that arrived
	Brief      []briefChange
	More       int
	Note       string // in place of differences
	Table      *changeTable
	CompareURL string
}

func (s *server) entityShow(w http.ResponseWriter, r *http.Request) error {
	key := store.EntityKey{Type: asciiUpper(r.PathValue("type")), ID: r.PathValue("id")}
	kind, _ := typeWords(key.Type, "")
	v := historyView{page: s.newPage(r, cut(kind+" "+key.ID, 100)), Kind: plainText(cut(kind, 100)), ID: key.ID}
	if key.Type == "CUSTOMER" {
		v.CustomerURL = customerURL(key.ID)
	}
	term := filter.Term{Key: filter.KeyEntity, Values: []filter.Value{
		{EntityType: key.Type, ID: key.ID, Text: asciiLower(key.Type) + "/" + key.ID},
	}}
	q, err := v.read(r, entityURL(key.Type, key.ID), term)
	if err != nil {
		return err
	}

	if err := s.lookAt(w, r, &v, store.RevealEntity, store.EntitySubject(key.Type, key.ID)); err != nil {
		return err
	}
	state, of, err := s.DB.FindState(r.Context(), key, q.known(), q.sources()...)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return err
	default:
		if v.State, err = s.newStateView(r, key, q, state, of, v.look); err != nil {
			return err
		}
	}
	var current uuid.UUID
	if state != nil {
		current = state.ID
	}
	return s.history(w, r, v, q, term, current)
}

func (s *server) customerShow(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	v := historyView{page: s.newPage(r, cut("Customer "+id, 100)), Customer: true, Kind: "Customer", ID: id}
	term := filter.Term{Key: filter.KeyCustomer, Values: []filter.Value{{ID: id, Text: id}}}
	q, err := v.read(r, customerURL(id), term)
	if err != nil {
		return err
	}
	if err := s.lookAt(w, r, &v, store.RevealCustomer, id); err != nil {
		return err
	}
	entities, all, err := s.DB.CustomerEntities(r.Context(), id, q.known())
	if err != nil {
		return err
	}
	v.AllEntities = all
	if v.mayErase() {
		switch c, err := s.DB.FindErasureOf(r.Context(), id); {
		case err == nil:
			v.Erasure = link{fmt.Sprintf("Case %d", c.ID), erasureURL(c.ID)}
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	for _, e := range entities {
		kind, _ := typeWords(e.Type, "")
		row := entityRow{Kind: kind, ID: e.ID, Events: e.Events, Last: newTime(e.Last, v.Now)}
		row.URL = historyQuery{base: entityURL(e.Type, e.ID), atText: q.atText}.url()
		if e.Type == "" {
			row.URL = entityURL(e.Type, e.ID)
		}
		v.Entities = append(v.Entities, row)
	}
	return s.history(w, r, v, q, term, uuid.Nil)
}

// lookAt finds what may be seen of a history, and notes that it is looked at.
func (s *server) lookAt(w http.ResponseWriter, r *http.Request, v *historyView, scope store.RevealScope, subject string) error {
	look, err := s.sight(r)
	if err != nil {
		return err
	}
	if err := s.seen(r, string(scope)+".view", subject); err != nil {
		return err
	}
	v.look = look
	v.Hidden = look.hidden("What is personal is hidden. What changed is told all the same.", true, s.RevealFor, []string{revealOf(scope, subject)})
	if v.Hidden.Until != "" {
		v.Hidden.Says = ""
	}
	look.renew(w)
	return nil
}

// read takes what the address says into the view.
func (v *historyView) read(r *http.Request, base string, term filter.Term) (historyQuery, error) {
	q, problem, err := parseHistoryQuery(r, base)
	if err != nil {
		return q, err
	}
	h := habitsOf(r.Context())
	v.Section = "events"
	v.AtProblem, v.Zone = problem, h.zone().String()
	if !q.at.IsZero() {
		v.At, v.AtExact = q.at.In(h.zone()).Format("2006-01-02T15:04:05"), h.exact(q.at)
	}
	v.Source, v.Apart = q.source, q.apart
	v.ListURL = eventQuery{Text: filter.Filter{Terms: q.terms(term)}.Text()}.url()
	now := q.newest()
	now.at, now.atText = time.Time{}, ""
	v.NowURL = now.url()
	v.hidden = now.values()
	all := q.newest()
	all.source = ""
	v.AllURL = all.url()
	fold := q
	fold.apart = !q.apart
	v.Fold.URL = fold.url()
	return q, nil
}

// history adds the callbacks to a view, and shows it.
func (s *server) history(w http.ResponseWriter, r *http.Request, v historyView, q historyQuery, term filter.Term, current uuid.UUID) error {
	query := store.HistoryQuery{Filter: filter.Filter{Terms: q.terms(term)}, Limit: historyLength, Before: q.before, After: q.after}
	if query.Before == uuid.Nil && query.After == uuid.Nil && !q.at.IsZero() {
		query.Before = q.known()
	}
	events, err := s.DB.History(r.Context(), query)
	if err != nil {
		return err
	}
	v.fill(q, events, current, s.MaxBody, habitsOf(r.Context()))
	return s.render(w, r, http.StatusOK, historyPage(v))
}

// fill makes the view of what was found.
func (v *historyView) fill(q historyQuery, events store.HistoryPage, current uuid.UUID, maxBody int64, h habits) {
	v.Count = len(events.Events)
	for id, e := range events.Bodies { // what a reveal is told by
		plain, _ := unpacked(e, maxBody)
		e.ID, e.Envelope = id, plenigo.Read(plain)
	}
	slugs := map[string]bool{}
	for i := range events.Events {
		e := &events.Events[i]
		if !slugs[e.Source] && e.Source != "" {
			slugs[e.Source] = true
			one := q.newest()
			one.source = e.Source
			v.Sources = append(v.Sources, link{e.Source, one.url()})
		}
		name := h.dayName(e.ReceivedAt, v.Now)
		if len(v.Days) == 0 || v.Days[len(v.Days)-1].Name != name {
			v.Days = append(v.Days, historyDay{Name: name})
		}
		day := &v.Days[len(v.Days)-1]
		day.Rows = append(day.Rows, newHistoryRow(e, events.Bodies, q.apart, v.look, maxBody, v.Now, h))
		last := &day.Rows[len(day.Rows)-1]
		last.Current = e.ID == current && e.ID != uuid.Nil
	}
	if len(v.Sources) < 2 || v.Source != "" {
		v.Sources = nil
	}
	if q.before != uuid.Nil || q.after != uuid.Nil {
		v.NewestURL = q.newest().url()
	}
	if v.Count > 0 {
		if events.Newer {
			newer := q
			newer.before, newer.after = uuid.Nil, events.Events[0].ID
			v.NewerURL = newer.url()
		}
		if events.Older {
			older := q
			older.before, older.after = events.Events[v.Count-1].ID, uuid.Nil
			v.OlderURL = older.url()
		}
	}
	v.Fold.Text = "Tell empty values apart"
	if v.Apart {
		v.Fold.Text = "Take empty values for one"
	}
}

// briefLength is how many differences a row names.
const briefLength = 3

func newHistoryRow(e *store.HistoryEvent, bodies map[uuid.UUID]*store.Event, apart bool, look sight, maxBody int64, now time.Time, h habits) historyRow {
	row := historyRow{eventRow: newEventRow(&e.EventSummary, eventQuery{}, now, h)}
	if !e.ChangedAt.IsZero() {
		at := newTime(e.ChangedAt, now)
		row.Changed, row.ChangedAt = &at, h.exact(e.ChangedAt)
	}
	if e.Held != uuid.Nil {
		row.Against, row.AgainstAge = eventURL(e.Held), h.exact((&store.Event{ID: e.Held}).ReceivedAt())
		row.CompareURL = compareURL(e.Held, e.ID)
	}
	if !e.AcceptedNow() {
		row.Note = "Not accepted, so no part of the history: what it says was never taken for true."
		return row
	}
	if e.Stale {
		row.Stale = "Out of date when it came: the state of " + h.exact(e.HeldAt) + " was known already."
	}
	if e.Held == uuid.Nil {
		if e.EntityType == "" || e.EntityID == "" {
			row.Note = "It names no entity."
		} else {
			row.Note = "First state that is known."
		}
		return row
	}
	older, newer := bodies[e.Held], bodies[e.ID]
	if older == nil || newer == nil {
		row.Note = "Too large to be compared in a list."
		return row
	}
	result := compareBodies(older, newer, look, maxBody, apart, false)
	if result == nil {
		row.Note = hiddenDifferences
		return row
	}
	var all int
	row.Brief, row.More, all = briefChanges(result, briefLength)
	if all > 0 {
		row.Table = newChangeTable(result, maxChanges)
	}
	switch {
	case len(row.Brief) > 0:
	case all > 0:
		row.Note = "Nothing but who changed it, when, or the kind of callback."
	case result.Folded > 0:
		row.Note = "Nothing but how “not set” is written, in " + plural(result.Folded, "place", "places") + "."
	default:
		row.Note = "The same state once more."
	}
	return row
}

func (s *server) newStateView(r *http.Request, key store.EntityKey, q historyQuery, e *store.Event, of time.Time, look sight) (*stateView, error) {
	now := s.Now()
	v := &stateView{
		Event: eventURL(e.ID), Of: newTime(of, now), OfExact: habitsOf(r.Context()).exact(of), Received: newTime(e.ReceivedAt(), now),
		Payload: newPayloadView(e, "", look, s.MaxBody),
	}
	_, v.Callback = typeWords(e.Envelope.EntityType, e.Envelope.CallbackType)
	if !q.at.IsZero() {
		today, _, err := s.DB.FindState(r.Context(), key, uuid.Max, q.sources()...)
		if err != nil {
			return nil, fmt.Errorf("the state of today: %w", err)
		}
		if today.ID != e.ID {
			v.SinceURL = compareURL(e.ID, today.ID)
		}
	}
	return v, nil
}

// staleMood marks what would overwrite newer with older.
var staleMood = mood{toneWarn, "clock", "Out of date"}

// rail is how a row looks on the line of states.
func (r historyRow) rail() string {
	switch {
	case r.Verdict.Word == verdictMood(verify.Rejected).Word && r.Reverified.Word == "":
		return "out"
	case r.Stale != "":
		return "stale"
	case r.Current:
		return "current"
	}
	return "in"
}

// asciiUpper changes ASCII letters only, as filters compare types.
func asciiUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}, s)
}

// action is where the form of the moment goes.
func (v historyView) action() string {
	path, _, _ := strings.Cut(v.NowURL, "?")
	return path
}

func (v historyView) hiddenNames() []string { return slices.Sorted(maps.Keys(v.hidden)) }
