package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"recall/filter"
	"recall/store"
)

// exhaustedBatch bounds how many deliveries one press of a button sends again or lets go.
const exhaustedBatch = 500

// exhaustedListView is the page of deliveries that were given up.
type exhaustedListView struct {
	page
	Destinations []exhaustedDestination
	Only         string // the one destination that is shown; "" all
	Total        string
	MayAct       bool
	Batch        string
}

// exhaustedDestination are the groups of one destination.
type exhaustedDestination struct {
	Name    string
	URL     string // "" where it was removed
	State   mood
	Count   string
	Cut     bool     // it has more than were looked at
	MaySend bool     // it is active
	Away    string   // why nothing can be sent to it again now; "": it can
	Became  string   // what it did then
	Since   timeView // that is so
	Resume  bool     // somebody may make it active
	Do      []link   // what to do about it
	Groups  []exhaustedGroup
}

// exhaustedGroup is what was given up for one reason.
type exhaustedGroup struct {
	ID          string // of the element
	Destination string // id
	Status      string
	Error       string
	Title       string
	Count       string
	Many        bool // more than one batch
	First, Last timeView
	Newest      string // URL of the event
}

func exhaustedURL(destination string) string {
	if destination == "" {
		return "/exhausted"
	}
	return "/exhausted?" + url.Values{"destination": {destination}}.Encode()
}

func (s *server) exhaustedList(w http.ResponseWriter, r *http.Request) error {
	groups, err := s.DB.ListExhausted(r.Context())
	if err != nil {
		return err
	}
	v := newExhaustedList(s.newPage(r, "Exhausted deliveries"), groups, r.URL.Query().Get("destination"))
	v.Section = "destinations"
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, exhaustedListPage(v))
}

// newExhaustedList sorts the groups to their destinations, in the order in which they come.
func newExhaustedList(p page, groups []store.ExhaustedGroup, only string) exhaustedListView {
	v := exhaustedListView{page: p, Only: cut(only, 63), MayAct: p.maySend(), Batch: grouped(exhaustedBatch)}
	at := map[int64]int{}
	counts := map[int64]int{}
	total := 0
	for i, g := range groups {
		if only != "" && (g.Destination != only || g.Removed) {
			continue
		}
		if _, there := at[g.DestinationID]; !there {
			at[g.DestinationID] = len(v.Destinations)
			d := exhaustedDestination{Name: g.Destination, State: destinationMood(&store.Destination{State: g.State}), MaySend: !g.Removed && g.State == store.DestinationActive}
			if g.Removed {
				d.State = mood{toneIdle, "dash", "removed"}
			} else {
				d.URL = destinationURL(g.Destination)
			}
			d.away(p, g)
			v.Destinations = append(v.Destinations, d)
		}
		d := &v.Destinations[at[g.DestinationID]]
		counts[g.DestinationID] += g.Deliveries
		total += g.Deliveries
		d.Count, d.Cut = counted(counts[g.DestinationID], store.MostExhausted), d.Cut || g.Cut
		d.Groups = append(d.Groups, exhaustedGroup{
			ID: fmt.Sprintf("group-%d", i), Destination: strconv.FormatInt(g.DestinationID, 10), Status: strconv.Itoa(g.Status), Error: g.Error,
			Title: exhaustedTitle(g), Count: grouped(int64(g.Deliveries)), Many: g.Deliveries > exhaustedBatch,
			First: newTime(g.First, p.Now), Last: newTime(g.Last, p.Now), Newest: eventURL(g.Newest) + "#deliveries",
		})
	}
	v.Total = plural(total, "delivery was", "deliveries were")
	return v
}

// away says why nothing can be sent again to a destination that is not active, and what to do.
func (d *exhaustedDestination) away(p page, g store.ExhaustedGroup) {
	if d.MaySend {
		return
	}
	why := "."
	if g.StateReason != "" {
		why = ": " + sentence(g.StateReason)
	}
	switch {
	case g.Removed:
		d.Away = "It was removed, so nothing can be sent to it any more. Its events can be sent to another destination, or these be let go."
		if p.maySend() {
			d.Do = []link{{"Plan a replay of them…", replayNewURL("delivery:"+filter.Quote(g.Destination+"/exhausted"), "")}}
		}
		return
	case g.State == store.DestinationBroken:
		d.Away = "It is broken" + why + " Deliveries to it wait, and one at a time shows whether it is back. After the first that succeeds these can be sent again; before that they would only fail anew."
		d.Became = "Found broken"
		d.Do = []link{{"See when it is probed, or send a test request", d.URL + "#test-title"}}
	default:
		d.Away = "It is paused" + why + " Nothing is sent to it until somebody resumes it; then these can be sent again."
		d.Became = "Paused"
		d.Do, d.Resume = []link{{"Look at the destination", d.URL}}, true
	}
	if g.StateSince != nil {
		d.Since = newTime(g.StateSince.UTC(), p.Now)
	}
}

// exhaustedTitle says in words why deliveries were given up.
func exhaustedTitle(g store.ExhaustedGroup) string {
	switch {
	case g.Error != "":
		return sentence(g.Error)
	case g.Status != 0:
		return "It answered " + statusWords(g.Status) + "."
	}
	return "No reason is on record."
}
