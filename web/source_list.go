package web

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"recall/filter"
	"recall/store"
	"recall/verify"
)

// sourceView is a source as its pages show it; no secret is in it.
type sourceView struct {
	Name        string
	Slug        string
	URL         string // of its page
	EventsURL   string
	CallbackURL string
	State       mood
	Demo        bool
	Asks        []string // what a callback must carry, in words
	Secrets     []secretView
	Basic       string // user name; "" when not asked for
	Headers     []string
	Tolerance   string
	LateWindow  string
	Rejected    string // what happens to rejected callbacks
	Simulate    string
	Unreadable  bool
}

// secretView is a secret's name and validity.
type secretView struct {
	Name     string
	State    mood
	Validity string
}

type sourceListView struct {
	page
	Sources []sourceView
	Command string
}

type sourceShowView struct {
	page
	Source sourceView
}

func (s *server) sourceList(w http.ResponseWriter, r *http.Request) error {
	sources, err := s.DB.ListSources(r.Context())
	if err != nil {
		return fmt.Errorf("listing sources: %w", err)
	}
	v := sourceListView{page: s.newPage(r, "Sources"), Command: addSourceCommand}
	v.Messages = s.takeFlashes(w, r)
	for _, source := range sources {
		v.Sources = append(v.Sources, newSourceView(source, s.PublicURL, v.Now))
	}
	return s.render(w, r, http.StatusOK, sourceListPage(v))
}

func (s *server) sourceShow(w http.ResponseWriter, r *http.Request) error {
	source, err := s.DB.FindSource(r.Context(), r.PathValue("slug"))
	if errors.Is(err, store.ErrNotFound) {
		return missing("There is no source “" + cut(r.PathValue("slug"), 80) + "”.")
	}
	if err != nil {
		return fmt.Errorf("finding source: %w", err)
	}
	v := sourceShowView{page: s.newPage(r, source.Name)}
	v.Source = newSourceView(source, s.PublicURL, v.Now)
	return s.render(w, r, http.StatusOK, sourceShowPage(v))
}

const addSourceCommand = `recall source add --slug shop --name "Shop" --secret -`

func newSourceView(source *store.Source, publicURL string, now time.Time) sourceView {
	v := sourceView{
		Name:        source.Name,
		Slug:        source.Slug,
		URL:         "/sources/" + source.Slug,
		EventsURL:   filterURL(filter.KeySource, source.Slug),
		CallbackURL: callbackURL(publicURL, source.Slug),
		State:       mood{toneGood, "check", "enabled"},
		Demo:        source.Demo,
		Asks:        []string{"signature"},
		Tolerance:   span(source.Tolerance),
		LateWindow:  span(source.LateWindow),
		Rejected:    "answered 401, so plenigo’s callback log shows the failure; kept here, never sent on",
		Unreadable:  source.Unreadable,
	}
	v.Simulate = simulateCommand(v.CallbackURL)
	if source.LateWindow == 0 {
		v.LateWindow = "off: whatever is older than the tolerance is rejected"
	}
	if source.Observe {
		v.Rejected = "observed only: answered 2xx, kept here as rejected, never sent on"
	}
	if source.Basic != nil {
		v.Basic = source.Basic.User
		v.Asks = append(v.Asks, "basic authentication")
	}
	for _, h := range source.Headers {
		v.Headers = append(v.Headers, h.Name)
	}
	if len(v.Headers) > 0 {
		v.Asks = append(v.Asks, plural(len(v.Headers), "header", "headers"))
	}
	usable := false
	for _, secret := range source.Secrets {
		view := newSecretView(secret, now)
		usable = usable || view.State.Tone == toneGood
		v.Secrets = append(v.Secrets, view)
	}
	switch {
	case !source.Enabled:
		v.State = mood{toneIdle, "dash", "disabled"}
	case source.Unreadable:
		v.State = mood{toneBad, "cross", "settings cannot be decrypted"}
	case !usable:
		v.State = mood{toneBad, "cross", "no valid secret"}
	case source.Observe:
		v.State = mood{toneWarn, "info", "observing"}
	}
	return v
}

func newSecretView(secret verify.Secret, now time.Time) secretView {
	v := secretView{Name: secret.Name, State: mood{toneGood, "check", "valid"}, Validity: "no end"}
	if !secret.Until.IsZero() {
		v.Validity = "until " + exact(secret.Until)
	}
	switch {
	case !secret.From.IsZero() && now.Before(secret.From):
		v.State = mood{toneIdle, "clock", "not yet"}
		v.Validity = "from " + exact(secret.From)
	case !secret.Until.IsZero() && !now.Before(secret.Until):
		v.State = mood{toneIdle, "dash", "over"}
	}
	return v
}
