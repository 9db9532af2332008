package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"recall/filter"
	"recall/store"
)

// destinationView is a destination as its pages show it; nothing secret is in it.
type destinationView struct {
	Name         string
	PageURL      string
	URL          string // without its query
	Method       string
	State        mood
	Active       bool
	Paused       bool
	Since        timeView // zero: since it was added
	Because      string
	Demo         bool
	Unreadable   bool
	Matches      string // what is sent automatically, in words
	Match        string // the rule as text; "" when there is none to show
	Signing      string
	Headers      []string // secret ones
	ClearHeaders []headerView
	PassOriginal bool
	Timeout      string
	Schedule     []string
	Rate         string
	Concurrency  string
	Order        string
	EventsURL    string
	WaitingURL   string
	ExhaustedURL string
	Waiting      string // how many deliveries, as of now; "" unknown
	Exhausted    string // "" none
}

func destinationURL(name string) string { return "/destinations/" + name }

func newDestinationView(d *store.Destination, open openDeliveries, now time.Time) destinationView {
	v := destinationView{
		Name: d.Name, PageURL: destinationURL(d.Name), URL: d.ShownURL(), Method: d.Method, State: destinationMood(d),
		Active: d.State == store.DestinationActive, Paused: d.State == store.DestinationPaused,
		Because: d.StateReason, Demo: d.Demo, Unreadable: d.Unreadable, Matches: "nothing; by hand only", Signing: signingWords(d),
		PassOriginal: d.PassSignature, Timeout: span(d.Timeout), Rate: "no limit", Concurrency: "no limit of its own", Order: "any",
		EventsURL: filterURL(filter.KeyDelivery, d.Name+"/*"), WaitingURL: waitingURL(d.Name),
		ExhaustedURL: "/exhausted?" + url.Values{"destination": {d.Name}}.Encode(),
		Waiting:      counted(open.waiting, store.MostBacklog),
	}
	if !d.StateSince.IsZero() {
		v.Since = newTime(d.StateSince, now)
	}
	if open.exhausted > 0 {
		v.Exhausted = counted(open.exhausted, store.MostExhausted)
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
	for _, h := range d.ClearHeaders {
		v.ClearHeaders = append(v.ClearHeaders, headerView{Name: h.Name, Value: cut(h.Value, maxHeaderValue)})
	}
	for _, wait := range d.RetrySchedule {
		v.Schedule = append(v.Schedule, span(wait))
	}
	if d.MaxRate > 0 {
		v.Rate = rateWords(d.MaxRate)
	}
	if d.MaxConcurrency > 0 {
		v.Concurrency = plural(d.MaxConcurrency, "attempt at the same time", "attempts at the same time")
	}
	if d.Ordering == store.OrderEntity {
		v.Order = "one after the other per entity; one that fails holds back only its own"
	}
	return v
}

// waitingURL is the list of the events that are still to be delivered to a destination.
func waitingURL(name string) string {
	var values []string
	for _, state := range []store.DeliveryState{store.DeliveryPending, store.DeliverySending, store.DeliveryWaiting} {
		values = append(values, name+"/"+string(state))
	}
	return eventQuery{Text: string(filter.KeyDelivery) + ":" + strings.Join(values, ",")}.url()
}

func destinationMood(d *store.Destination) mood {
	switch {
	case d.Unreadable:
		return mood{toneBad, "cross", "settings cannot be decrypted"}
	case d.State == store.DestinationPaused:
		return mood{toneWarn, "dash", "paused"}
	case d.State == store.DestinationBroken:
		return mood{toneBad, "cross", "broken"}
	}
	return mood{toneGood, "check", "active"}
}

func signingWords(d *store.Destination) string {
	switch {
	case d.Signing == store.SigningPlenigo && len(d.Secrets) == 0:
		return "as plenigo signs, with the source’s secret"
	case d.Signing == store.SigningPlenigo:
		return "as plenigo signs, with a secret of its own"
	case d.Signing == store.SigningStandardWebhooks:
		return "Standard Webhooks, with a secret of its own"
	case d.Signing == store.SigningNone:
		return "not signed"
	}
	return string(d.Signing)
}

// rateWords says a rate as people count: so many a second, or one every so many.
func rateWords(rate float64) string {
	if rate < 1 {
		return "1 attempt every " + span(time.Duration(float64(time.Second)/rate).Round(100*time.Millisecond))
	}
	text := strconv.FormatFloat(rate, 'f', -1, 64)
	if text == "1" {
		return "1 attempt a second"
	}
	return text + " attempts a second"
}

// openDeliveries is how much is open of a destination's deliveries, counted up to a bound.
type openDeliveries struct{ waiting, exhausted int }

// counted is a number that was counted up to a bound.
func counted(n, most int) string {
	if n >= most {
		return grouped(int64(most)) + " or more"
	}
	return grouped(int64(n))
}

// headerLines are headers as one text, for whoever looks for them.
func (v destinationView) headerLines() string {
	names := slices.Clone(v.Headers)
	for _, h := range v.ClearHeaders {
		names = append(names, h.Name)
	}
	return strings.Join(names, ", ")
}
