package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"recall/filter"
	"recall/store"
)

// failureQuery is what the address of the page says.
type failureQuery struct {
	State  string // open, acknowledged, resolved, all; "" is open
	Source string // slug; "" all
}

func (q failureQuery) url() string {
	v := url.Values{}
	if q.State != "" && q.State != string(store.FailureOpen) {
		v.Set("state", q.State)
	}
	if q.Source != "" {
		v.Set("source", q.Source)
	}
	if len(v) == 0 {
		return "/failures"
	}
	return "/failures?" + v.Encode()
}

const allStates = "all"

// failureListView is the page of failures.
type failureListView struct {
	page
	Query    failureQuery
	States   []failureTab
	Sources  []choice
	Rows     []failureRow
	More     bool // further groups are not shown
	Lag      string
	Guards   []guard
	Unknown  []unknownRow
	MayAct   bool
	ClearURL string // without the source
}

type failureTab struct {
	Name, URL string
	Current   bool
}

// failureRow is one group of rejected events.
type failureRow struct {
	ID          int64
	Title       string // the likely cause, or the reason where none is known
	Reason      string // "" where the title says it
	Source      string
	SourceURL   string
	SettingsURL string // "" where the source is gone
	Sender      string
	Count       string
	Events      string
	EventsURL   string
	NewestURL   string // of the newest event, where it is explained
	ReverifyURL string
	First, Last timeView
	State       mood
	Changed     string // who set the state, and when; "" nobody
	ChangedAt   timeView
	Trend       trend
	Actions     []failureAction
}

type failureAction struct{ Name, URL string }

// unknownRow is requests for a name that is no source.
type unknownRow struct {
	Path, Sender, Type string
	Signed             bool
	Count              string
	First, Last        timeView
}

const (
	shownFailures = 100
	shownUnknown  = 50
	lagShown      = 30 * time.Second
)

func (s *server) failureList(w http.ResponseWriter, r *http.Request) error {
	q := failureQuery{State: r.URL.Query().Get("state"), Source: r.URL.Query().Get("source")}
	if q.State == "" {
		q.State = string(store.FailureOpen)
	}
	if !slices.Contains([]string{string(store.FailureOpen), string(store.FailureAcknowledged), string(store.FailureResolved), allStates}, q.State) {
		return mistake("In the address, state must be open, acknowledged, resolved or all.")
	}
	ask := store.FailureQuery{Source: q.Source, Limit: shownFailures + 1}
	if q.State != allStates {
		ask.States = []store.FailureState{store.FailureState(q.State)}
	}
	failures, err := s.DB.ListFailures(r.Context(), ask)
	if err != nil {
		return err
	}
	sources, err := s.DB.ListSources(r.Context())
	if err != nil {
		return fmt.Errorf("listing sources: %w", err)
	}
	unknown, err := s.DB.ListUnknownRequests(r.Context(), shownUnknown)
	if err != nil {
		return err
	}
	v := newFailureListView(s.newPage(r, "Failures"), q, failures, sources, unknown)
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, failureListPage(v))
}

func newFailureListView(p page, q failureQuery, failures []store.Failure, sources []*store.Source, unknown []store.UnknownRequest) failureListView {
	v := failureListView{page: p, Query: q, MayAct: p.maySend(), Lag: lagWords(p.pulse.Counts, p.Now)}
	for _, tab := range []choice{{string(store.FailureOpen), "Open"}, {string(store.FailureAcknowledged), "Acknowledged"}, {string(store.FailureResolved), "Resolved"}, {allStates, "All"}} {
		v.States = append(v.States, failureTab{tab.Word, failureQuery{tab.Value, q.Source}.url(), q.State == tab.Value})
	}
	current := map[int64]bool{}
	for _, source := range sources {
		current[source.ID] = true
		v.Sources = append(v.Sources, choice{source.Slug, source.Slug})
	}
	if q.Source != "" {
		v.ClearURL = failureQuery{State: q.State}.url()
		if !slices.Contains(v.Sources, choice{q.Source, q.Source}) {
			v.Sources = append(v.Sources, choice{q.Source, plainText(cut(q.Source, 60))})
		}
	}
	v.More = len(failures) > shownFailures
	for i := range failures[:min(len(failures), shownFailures)] {
		v.Rows = append(v.Rows, newFailureRow(&failures[i], current[failures[i].SourceID], p))
	}
	for _, g := range p.pulse.Guards {
		if q.Source == "" || g.Slug == q.Source {
			v.Guards = append(v.Guards, g)
		}
	}
	for _, u := range unknown {
		v.Unknown = append(v.Unknown, unknownRow{
			Path: cut(u.Path, 300), Sender: u.Sender, Type: cut(u.ContentType, 120), Signed: u.Signed, Count: grouped(u.Requests),
			First: newTime(u.FirstAt, p.Now), Last: newTime(u.LastAt, p.Now),
		})
	}
	return v
}

func newFailureRow(f *store.Failure, hasSettings bool, p page) failureRow {
	row := failureRow{
		ID: f.ID, Title: f.Cause.Words(), Reason: reasonWords(f.Reason), Source: f.Source, Count: grouped(f.Events),
		SourceURL: failureQuery{State: allStates, Source: f.Source}.url(),
		Sender:    "many addresses", NewestURL: eventURL(f.LastEventID) + "#why",
		First: newTime(f.FirstSeen(), p.Now), Last: newTime(f.LastSeen(), p.Now),
		State: failureMood(f.State), Trend: newTrend(f.Hours, p.Now),
	}
	if row.Title == "" {
		row.Title, row.Reason = row.Reason, ""
		if strings.HasSuffix(string(f.Reason), "_mismatch") { // others say all there is
			row.Reason = "nothing that was tried explains it"
		}
	}
	row.Title = capital(row.Title)
	text := failureFilter(f)
	row.EventsURL, row.ReverifyURL = eventQuery{Text: text}.url(), reverifyURL(text)
	if f.Sender.IsValid() {
		row.Sender = f.Sender.String()
	}
	if hasSettings {
		row.SettingsURL = "/sources/" + f.Source
	}
	if !f.ChangedAt.IsZero() && f.State != store.FailureOpen {
		row.Changed, row.ChangedAt = f.ChangedBy, newTime(f.ChangedAt, p.Now)
	}
	if !p.maySend() {
		row.ReverifyURL = ""
		return row
	}
	for _, a := range failureActions {
		if a.to != f.State && (a.to != store.FailureOpen || f.State == store.FailureResolved) {
			row.Actions = append(row.Actions, failureAction{a.name, fmt.Sprintf("/failures/%d/%s", f.ID, a.path)})
		}
	}
	return row
}

// failureFilter finds the events of a group; those of another cause are among them, since that is no key of the filter.
func failureFilter(f *store.Failure) string {
	text := filter.TermText(string(filter.KeyVerdict), "rejected") + " " + filter.TermText(string(filter.KeyReason), string(f.Reason))
	if f.Source != "" {
		text = filter.TermText(string(filter.KeySource), f.Source) + " " + text
	}
	if f.Sender != (netip.Addr{}) {
		text += " " + filter.TermText(string(filter.KeySender), f.Sender.String())
	}
	return text
}

// capital begins a text with a capital letter, where it begins with a letter.
func capital(text string) string {
	if text != "" && text[0] >= 'a' && text[0] <= 'z' {
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return text
}

func failureMood(state store.FailureState) mood {
	switch state {
	case store.FailureOpen:
		return mood{toneBad, "cross", "open"}
	case store.FailureAcknowledged:
		return mood{toneWarn, "person", "acknowledged"}
	case store.FailureResolved:
		return mood{toneGood, "check", "resolved"}
	}
	return mood{toneIdle, "question", string(state)}
}

// lagWords says how far the counts are behind; "" where it does not matter.
func lagWords(counted, now time.Time) string {
	switch lag := now.Sub(counted); {
	case counted.IsZero():
		return "Nothing was counted yet: events show here a few seconds after they arrive."
	case lag > lagShown:
		return "The counts are " + largestUnit(lag) + " behind, so newer failures are missing here. They catch up by themselves; if they do not, recall doctor and the log say why."
	}
	return ""
}
