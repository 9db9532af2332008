package web

import (
	"net/http"
	"strings"
	"time"
)

// page is what every page's view model begins with.
type page struct {
	Title    string
	Section  string // the part of the site the page belongs to: events, sources, destinations, account
	User     string // who is logged in; "" on the log-in page
	Role     string
	Demo     bool
	Theme    string // light, dark, or "" for the system's
	Here     string // the page's own address, to come back to
	Now      time.Time
	Lean     bool     // goes without htmx, and without the styles and drawings of other pages
	Scripts  []string // of this page alone
	Refresh  int      // seconds after which a browser without scripts loads the page again; 0: it does not
	Messages []string // shown once, after something was done
	habits   habits   // of who reads it
	pulse    pulse    // zero where nobody is logged in
	spool    spoolView
}

// newPage fills in what does not depend on the page.
func (s *server) newPage(r *http.Request, title string) page {
	section, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	p := page{
		Title: title, Section: section, Demo: s.Demo, Theme: themeOf(r), Now: s.Now(),
		Here: "/events", habits: habitsOf(r.Context()),
	}
	if r.Method == http.MethodGet {
		p.Here = r.URL.RequestURI()
	}
	if user := userOf(r); user != nil {
		p.User, p.Role = user.Name, string(user.Role)
		p.pulse = s.pulse(r)
		p.spool = newSpoolView(s.spool(), p.Now)
	}
	return p
}

// banners tells whether something stands above the page that has styles of its own.
func (p page) banners() bool {
	return p.Demo || p.User != "" && (len(urgentGuards(p.pulse.Guards)) > 0 || len(p.spool) > 0)
}
