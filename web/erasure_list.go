package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"recall/erasure"
	"recall/store"
)

// Reporter writes what is held about a person as one file; erasure.Eraser is one.
type Reporter interface {
	WriteReport(ctx context.Context, w io.Writer, person string, sources []int64) (erasure.ReportCounts, error)
}

// shownErasures is how many cases a page of the list has.
const shownErasures = 100

// erasureListView is the page of all cases, and of how those behave that callbacks open.
type erasureListView struct {
	page
	Rows      []erasureRow
	OlderURL  string
	NewestURL string
	Settings  erasureSettingsView
}

type erasureRow struct {
	URL     string
	ID      string
	About   erasureSubject
	State   mood
	Waits   string   // for what, in words; "" for nothing
	Runs    timeView // by itself; zero: it does not
	Since   timeView
	Opened  timeView
	By      string
	Reason  string
	Sources string // "" all
}

// erasureSubject is what a case is about.
type erasureSubject struct {
	Kind string // customer, event, person
	ID   string
	URL  string // "" none
}

// erasureSettingsView is the form of how cases behave.
type erasureSettingsView struct {
	store.ErasureSettings
	Several bool // there are several sources, which may be of several companies
	Problem string
}

func (s *server) erasureList(w http.ResponseWriter, r *http.Request) error {
	before, err := beforeNumber(r)
	if err != nil {
		return err
	}
	v, err := s.newErasureListView(r, before)
	if err != nil {
		return err
	}
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, erasureListPage(v))
}

// beforeNumber reads where a page of the list begins.
func beforeNumber(r *http.Request) (int64, error) {
	text := r.URL.Query().Get("before")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, mistake("In the address, before must be the number of a case.")
	}
	return n, nil
}

func (s *server) newErasureListView(r *http.Request, before int64) (v erasureListView, err error) {
	cases, err := s.DB.ListErasures(r.Context(), before, shownErasures+1)
	if err != nil {
		return v, err
	}
	sources, err := s.sourceNames(r)
	if err != nil {
		return v, err
	}
	v.page = s.newPage(r, "Erasures")
	if before > 0 {
		v.NewestURL = "/erasures"
	}
	if len(cases) > shownErasures {
		cases = cases[:shownErasures]
		last := cases[shownErasures-1]
		older := last.ID
		if !last.State.Over() { // more are open than a page has; those that are over follow
			older = 1 << 62
		}
		v.OlderURL = fmt.Sprintf("/erasures?before=%d", older)
	}
	for _, c := range cases {
		v.Rows = append(v.Rows, newErasureRow(c, v.page, sources))
	}
	v.Settings.ErasureSettings, err = s.DB.ErasureSettings(r.Context())
	v.Settings.Several = len(sources) > 1
	return v, err
}

func newErasureRow(c *store.ErasureCase, p page, sources map[int64]string) erasureRow {
	row := erasureRow{
		URL: erasureURL(c.ID), ID: strconv.FormatInt(c.ID, 10), About: newErasureSubject(c), State: erasureMood(c.State), Waits: erasureWaits(c),
		Since: newTime(c.Since, p.Now), Opened: newTime(c.OpenedAt, p.Now), By: c.OpenedBy, Reason: c.Reason, Sources: namesOf(c.Sources, sources),
	}
	if c.State == store.ErasureWaiting {
		row.Runs = newTime(c.AutomaticAt, p.Now)
	}
	return row
}

func newErasureSubject(c *store.ErasureCase) erasureSubject {
	switch {
	case c.Single():
		return erasureSubject{"event", c.EventID.String(), eventURL(c.EventID)}
	case c.Person != "":
		return erasureSubject{"customer", c.Person, customerURL(c.Person)}
	}
	return erasureSubject{"person", store.Pseudonym(c.PersonHash), ""}
}

// erasureWaits says what a case waits for.
func erasureWaits(c *store.ErasureCase) string {
	switch {
	case c.State == store.ErasureCancelled:
		return ""
	case c.Why != "":
		return c.Why
	case c.State == store.ErasureOpen:
		return "somebody to decide and confirm"
	case c.State == store.ErasureWaiting:
		return "its grace time"
	}
	return ""
}

func erasureURL(id int64) string { return fmt.Sprintf("/erasures/%d", id) }

// erasureMood is where a case stands.
func erasureMood(state store.ErasureState) mood {
	switch state {
	case store.ErasureFinding:
		return mood{toneInfo, "search", "looking"}
	case store.ErasureOpen:
		return mood{toneWarn, "question", "waits for your word"}
	case store.ErasureWaiting:
		return mood{toneWarn, "clock", "grace time"}
	case store.ErasureRunning:
		return mood{toneInfo, "retry", "under way"}
	case store.ErasureClosed:
		return mood{toneGood, "check", "erased"}
	case store.ErasureCancelled:
		return mood{toneIdle, "dash", "cancelled"}
	}
	return mood{toneIdle, "question", string(state)}
}

// sourceNames are the names of the sources there are, by their ids.
func (s *server) sourceNames(r *http.Request) (map[int64]string, error) {
	list, err := s.DB.ListSources(r.Context())
	if err != nil {
		return nil, fmt.Errorf("listing sources: %w", err)
	}
	names := map[int64]string{}
	for _, source := range list {
		names[source.ID] = source.Name
	}
	return names, nil
}

// namesOf lists sources; "" where there are none, which are all.
func namesOf(ids []int64, names map[int64]string) string {
	var list []string
	for _, id := range ids {
		name := names[id]
		if name == "" {
			name = fmt.Sprintf("source %d, removed", id)
		}
		list = append(list, name)
	}
	return enumerate(list)
}

// erasureSettingsSet sets how cases behave that callbacks open, and what certificates say of backups.
func (s *server) erasureSettingsSet(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	reason, err := readReason(r)
	if err != nil {
		return err
	}
	now, err := s.DB.ErasureSettings(r.Context())
	if err != nil {
		return err
	}
	now.Automatic, now.OneCompany = r.PostForm.Get("automatic") == "true", r.PostForm.Get("one_company") == "true"
	if now.GraceHours, err = strconv.Atoi(strings.TrimSpace(r.PostForm.Get("grace"))); err != nil {
		return mistake("The grace time is a number of hours, from 1 to 8760.")
	}
	if text := strings.TrimSpace(r.PostForm.Get("backups")); text == "" {
		now.BackupsDays = 0
	} else if now.BackupsDays, err = strconv.Atoi(text); err != nil {
		return mistake("For how long backups are kept is a number of days; empty where nobody knows.")
	}
	if err := s.DB.SetErasure(r.Context(), now, s.note(r, "", "", reason, nil)); err != nil {
		return saidOf(err)
	}
	return s.done(w, r, "/erasures", "Set.")
}

// eraseURL is where a case about one event is opened.
func eraseURL(id uuid.UUID) string { return "/erasures/new?event=" + id.String() }
