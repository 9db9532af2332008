package web

import (
	"net/http"
	"net/url"
	"strings"

	"recall/filter"
)

// volumePageView is the chart with its table.
type volumePageView struct {
	page
	Volume    volumeView
	Query     string
	EventsURL string
}

// volumeURL is the address of the table of a chart.
func volumeURL(text string) string {
	return strings.Replace(eventQuery{Text: text}.url(), "/events", "/volume", 1)
}

// volumeShow says in numbers what the chart draws.
func (s *server) volumeShow(w http.ResponseWriter, r *http.Request) error {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	f, err := filter.Parse(text, s.Now())
	if err != nil {
		return mistake("In the address, the filter q cannot be read: " + err.Error())
	}
	v := volumePageView{page: s.newPage(r, "Volume"), Query: text, EventsURL: eventQuery{Text: text}.url()}
	v.Section = "events"
	v.Volume = s.volume(r.Context(), f, habitsOf(r.Context()))
	v.Volume.TableURL = ""
	for i := range v.Volume.Ranges { // stay on this page
		v.Volume.Ranges[i].URL = toVolume(v.Volume.Ranges[i].URL)
	}
	v.Volume.OutURL = toVolume(v.Volume.OutURL)
	return s.render(w, r, http.StatusOK, volumePage(v))
}

// toVolume leads to the table where a link led to the list.
func toVolume(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Path != "/events" {
		return address
	}
	u.Path = "/volume"
	return u.String()
}
