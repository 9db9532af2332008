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
	"recall/verify"
)

// sourceView is a source as its pages show it; no secret is in it.
type sourceView struct {
	Name        string
	Slug        string
	URL         string // of its page
	EventsURL   string
	CallbackURL string
	Local       bool // the callback URL reaches this machine only
	State       mood
	Demo        bool
	Enabled     bool
	Asks        []string // what a callback must carry, in words
	Secrets     []secretView
	Usable      bool   // a secret is valid now
	Basic       string // user name; "" when not asked for
	Headers     []string
	Tolerance   string
	LateWindow  string
	Rejected    string // what happens to rejected callbacks
	Types       []string
	Scheme      string
	SchemeText  string // the scheme whole, where it is no shipped one
	Simulate    string
	Unreadable  bool
}

type sourceListView struct {
	page
	Sources []sourceView
	Command string
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
		Enabled:     source.Enabled,
		Types:       source.ExpectedTypes,
		Scheme:      source.Scheme.String(),
		Asks:        []string{"signature"},
		Tolerance:   span(source.Tolerance),
		LateWindow:  span(source.LateWindow),
		Rejected:    "answered 401, so plenigo’s callback log shows the failure; kept here, never sent on",
		Unreadable:  source.Unreadable,
	}
	v.Local = isLocal(v.CallbackURL)
	if strings.HasPrefix(v.Scheme, "{") {
		v.Scheme, v.SchemeText = source.Scheme.Name, v.Scheme
	}
	v.Simulate = "recall simulate --to " + v.CallbackURL + " --secret-file FILE"
	if source.LateWindow == 0 {
		v.LateWindow = "off: whatever is older than the tolerance is rejected"
	}
	if source.Observe {
		v.Rejected = "observed only: answered 2xx, kept here as rejected, never sent on"
	}
	if source.Basic != nil {
		v.Basic = source.Basic.User
		v.Simulate += " --basic-file FILE"
		v.Asks = append(v.Asks, "basic authentication")
	}
	for _, h := range source.Headers {
		v.Headers = append(v.Headers, h.Name)
	}
	if len(v.Headers) > 0 {
		v.Simulate += " --header-file FILE"
		v.Asks = append(v.Asks, plural(len(v.Headers), "header", "headers"))
	}
	for _, secret := range slices.Backward(source.Secrets) {
		view := newSecretView(secret, now)
		v.Usable = v.Usable || view.Usable
		v.Secrets = append(v.Secrets, view)
	}
	switch {
	case !source.Enabled:
		v.State = mood{toneIdle, "dash", "disabled"}
	case source.Unreadable:
		v.State = mood{toneBad, "cross", "settings cannot be decrypted"}
	case !v.Usable:
		v.State = mood{toneBad, "cross", "no valid secret"}
	case source.Observe:
		v.State = mood{toneWarn, "info", "observing"}
	}
	return v
}

// plenigo tells whether it signs as plenigo does.
func (v sourceView) plenigo() bool { return v.Scheme == verify.Plenigo.Name }

// isLocal tells whether an address reaches nobody but this machine.
func isLocal(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}
