package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"recall/store"
)

type destinationListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

// destinationJSON is a destination without anything secret.
type destinationJSON struct {
	Name           string            `json:"name"`
	URL            string            `json:"url"` // without its query
	Method         string            `json:"method"`
	Match          *string           `json:"match"` // null: manual only
	Signing        string            `json:"signing"`
	OwnSecret      bool              `json:"own_secret"`
	PassSignature  bool              `json:"pass_signature"`
	State          string            `json:"state"`
	StateReason    string            `json:"state_reason"`
	TimeoutSeconds float64           `json:"timeout_seconds"`
	RetrySeconds   []int64           `json:"retry_seconds"`
	MaxRate        *float64          `json:"max_rate"`        // null: no limit
	MaxConcurrency *int              `json:"max_concurrency"` // null: no limit of its own
	Order          string            `json:"order"`
	Headers        []string          `json:"headers"` // secret ones: their names
	ClearHeaders   map[string]string `json:"clear_headers"`
	Waiting        int               `json:"waiting"`   // at most 10,000 are counted
	Exhausted      int               `json:"exhausted"` // and not sent again since; likewise
	Demo           bool              `json:"demo"`
	CreatedAt      time.Time         `json:"created_at"`
}

func (c *destinationListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		destinations, err := db.ListDestinations(ctx)
		if err != nil {
			return err
		}
		open, err := openDeliveries(ctx, db)
		if err != nil {
			return err
		}
		rows := [][]string{{"NAME", "STATE", "WAITING", "EXHAUSTED", "MATCH", "SIGNING", "URL"}}
		for _, d := range destinations {
			o := open[d.Name]
			if c.JSON {
				if err := jsonLine(a.out, newDestinationJSON(d, o)); err != nil {
					return err
				}
				continue
			}
			rows = append(rows, []string{
				d.Name, destinationState(d), bounded(o.waiting, store.MostBacklog), bounded(o.exhausted, store.MostExhausted),
				matchWords(d), string(d.Signing), harmless(d.ShownURL()),
			})
		}
		switch {
		case c.JSON:
			return nil
		case len(destinations) == 0:
			fmt.Fprintf(a.errw, "There is no destination yet. Add one with `%s destination add`.\n", program())
			return nil
		}
		return writeTable(a.out, rows)
	})
}

// openCount is how much is open of a destination's deliveries, counted up to a bound.
type openCount struct{ waiting, exhausted int }

// openDeliveries tells what is open by the destination's name.
func openDeliveries(ctx context.Context, db *store.DB) (map[string]openCount, error) {
	open := map[string]openCount{}
	backlogs, err := db.ListBacklogs(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range backlogs {
		open[b.Destination] = openCount{waiting: b.Waiting()}
	}
	groups, err := db.ListExhausted(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if !g.Removed {
			o := open[g.Destination]
			o.exhausted += g.Deliveries
			open[g.Destination] = o
		}
	}
	return open, nil
}

// bounded is a number that was counted up to a bound.
func bounded(n, most int) string {
	if n >= most {
		return strconv.Itoa(most) + " or more"
	}
	return strconv.Itoa(n)
}

func newDestinationJSON(d *store.Destination, o openCount) destinationJSON {
	j := destinationJSON{
		Name: d.Name, URL: d.ShownURL(), Method: d.Method, Match: d.Match, Signing: string(d.Signing), OwnSecret: len(d.Secrets) > 0,
		PassSignature: d.PassSignature, State: string(d.State), StateReason: d.StateReason, TimeoutSeconds: d.Timeout.Seconds(),
		RetrySeconds: []int64{}, Order: string(d.Ordering), Headers: headerNames(d.Headers), ClearHeaders: map[string]string{},
		Waiting: o.waiting, Exhausted: o.exhausted, Demo: d.Demo, CreatedAt: d.CreatedAt,
	}
	for _, wait := range d.RetrySchedule {
		j.RetrySeconds = append(j.RetrySeconds, int64(wait/time.Second))
	}
	for _, h := range d.ClearHeaders {
		j.ClearHeaders[h.Name] = h.Value
	}
	if d.MaxRate > 0 {
		j.MaxRate = &d.MaxRate
	}
	if d.MaxConcurrency > 0 {
		j.MaxConcurrency = &d.MaxConcurrency
	}
	return j
}

func destinationState(d *store.Destination) string {
	state := string(d.State)
	if d.Unreadable {
		state = "unreadable"
	}
	if d.Demo {
		state += ", demo"
	}
	return state
}

func matchWords(d *store.Destination) string {
	switch {
	case d.Match == nil:
		return "manual only"
	case *d.Match == "":
		return "every accepted event"
	}
	return harmless(*d.Match)
}

type destinationShowCmd struct {
	Name   string `arg:"" help:"The destination's name."`
	Reveal bool   `help:"Show its signing secrets too, and the URL whole; the audit list notes it."`
}

func (c *destinationShowCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		d, err := findDestination(ctx, db, c.Name)
		if err != nil {
			return err
		}
		open, err := openDeliveries(ctx, db)
		if err != nil {
			return err
		}
		if c.Reveal { // noted before it is shown
			note := destinationNote("destination.reveal", d.Name, map[string]any{"what": "signing secrets and URL"})
			if err := db.AddAudit(ctx, note); err != nil {
				return err
			}
		}
		return writeTable(a.out, destinationRows(d, open[d.Name], c.Reveal, a.now()))
	})
}

func destinationRows(d *store.Destination, o openCount, reveal bool, now time.Time) [][]string {
	address := d.ShownURL()
	if reveal {
		address = d.URL
	}
	rows := [][]string{{"Name", d.Name}, {"URL", d.Method + " " + harmless(address)}, {"State", destinationState(d)}}
	add := func(name, value string) { rows = append(rows, []string{name, value}) }
	if !d.StateSince.IsZero() {
		add("Since", utc(d.StateSince))
	}
	if d.StateReason != "" {
		add("Because", harmless(d.StateReason))
	}
	add("Waiting", bounded(o.waiting, store.MostBacklog))
	add("Exhausted", bounded(o.exhausted, store.MostExhausted))
	add("Match", matchWords(d))
	add("Signing", signingText(d))
	for _, s := range slices.Backward(d.Secrets) {
		text := "(hidden)"
		if reveal {
			text = harmless(s.Key)
		}
		text += ", made " + timeOr(s.MadeAt, "before")
		switch {
		case s.Until.IsZero():
		case now.Before(s.Until):
			text += ", until " + timeOr(s.Until, "")
		default:
			text += ", ended " + timeOr(s.Until, "")
		}
		add("Signing secret", text)
	}
	if d.PassSignature {
		add("Original signature", "passed along")
	}
	rate, concurrency, order := "no limit", "no limit of its own", "any"
	if d.MaxRate > 0 {
		rate = strconv.FormatFloat(d.MaxRate, 'g', -1, 64) + " attempts a second"
	}
	if d.MaxConcurrency > 0 {
		concurrency = strconv.Itoa(d.MaxConcurrency)
	}
	if d.Ordering == store.OrderEntity {
		order = "one after the other per entity"
	}
	add("Timeout", span(d.Timeout))
	add("Retries after", retryWords(d.RetrySchedule))
	add("Rate", rate)
	add("At the same time", concurrency)
	add("Order", order)
	for _, h := range d.ClearHeaders {
		add("Header", h.Name+": "+harmless(h.Value))
	}
	for _, h := range d.Headers {
		add("Header", h.Name+": (hidden)")
	}
	add("Added", utc(d.CreatedAt))
	return rows
}

func signingText(d *store.Destination) string {
	switch {
	case d.Signing == store.SigningPlenigo && len(d.Secrets) == 0:
		return "plenigo, by the source's secret"
	case d.Signing != store.SigningNone:
		return string(d.Signing) + ", by its own secret"
	}
	return string(d.Signing)
}
