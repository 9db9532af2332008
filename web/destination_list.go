package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"recall/store"
)

// destinationView is a destination as its pages show it; no header value is in it.
type destinationView struct {
	Name     string
	PageURL  string
	URL      string
	State    mood
	Demo     bool
	Matches  string // what is sent automatically, in words
	Match    string // the rule as text; "" when there is none to show
	Signing  string
	Headers  []string
	Timeout  string
	Schedule []string
}

type destinationListView struct {
	page
	Destinations []destinationView
	Command      string
}

type destinationShowView struct {
	page
	Destination destinationView
}

const addDestinationCommand = "recall destination add --name crm --url https://crm.example/callbacks"

func (s *server) destinationList(w http.ResponseWriter, r *http.Request) error {
	destinations, err := s.DB.ListDestinations(r.Context())
	if err != nil {
		return fmt.Errorf("listing destinations: %w", err)
	}
	v := destinationListView{page: s.newPage(r, "Destinations"), Command: addDestinationCommand}
	v.Messages = s.takeFlashes(w, r)
	for _, d := range destinations {
		v.Destinations = append(v.Destinations, newDestinationView(d))
	}
	return s.render(w, r, http.StatusOK, destinationListPage(v))
}

func (s *server) destinationShow(w http.ResponseWriter, r *http.Request) error {
	d, err := s.DB.FindDestination(r.Context(), r.PathValue("name"))
	if errors.Is(err, store.ErrNotFound) {
		return missing("There is no destination “" + cut(r.PathValue("name"), 80) + "”, or it was removed.")
	}
	if err != nil {
		return fmt.Errorf("finding destination: %w", err)
	}
	v := destinationShowView{page: s.newPage(r, d.Name), Destination: newDestinationView(d)}
	return s.render(w, r, http.StatusOK, destinationShowPage(v))
}

func newDestinationView(d *store.Destination) destinationView {
	v := destinationView{
		Name:    d.Name,
		PageURL: "/destinations/" + d.Name,
		URL:     hideUserinfo(d.URL),
		State:   mood{toneGood, "check", "active"},
		Demo:    d.Demo,
		Matches: "nothing; by hand only",
		Signing: signingWords(d.Signing),
		Timeout: span(d.Timeout),
	}
	switch d.State {
	case store.DestinationPaused:
		v.State = mood{toneWarn, "dash", "paused"}
	case store.DestinationBroken:
		v.State = mood{toneBad, "cross", "broken"}
	}
	switch {
	case d.Match == nil:
	case *d.Match == "":
		v.Matches = "every accepted event"
	default:
		v.Matches, v.Match = "accepted events that match", *d.Match
	}
	for _, h := range d.Headers {
		v.Headers = append(v.Headers, h.Name)
	}
	for _, wait := range d.RetrySchedule {
		v.Schedule = append(v.Schedule, span(wait))
	}
	return v
}

func signingWords(s store.Signing) string {
	switch s {
	case store.SigningPlenigo:
		return "as plenigo signs, with the source’s secret"
	case store.SigningStandardWebhooks:
		return "Standard Webhooks"
	case store.SigningNone:
		return "not signed"
	}
	return string(s)
}

// hideUserinfo keeps a password that stands in a URL from sight.
func hideUserinfo(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User == nil {
		return address
	}
	return u.Redacted()
}
