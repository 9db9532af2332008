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

func (c *destinationListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		destinations, err := db.ListDestinations(ctx)
		if err != nil {
			return err
		}
		open, err := db.CountOpen(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"NAME", "STATE", "WAITING", "EXHAUSTED", "MATCH", "SIGNING", "URL"}}
		for _, d := range destinations {
			o := open[d.Name]
			if c.JSON {
				if err := jsonLine(a.out, d.JSON(o)); err != nil {
					return err
				}
				continue
			}
			rows = append(rows, []string{
				d.Name, destinationState(d), bounded(o.Waiting, store.MostBacklog), bounded(o.Exhausted, store.MostExhausted),
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

// bounded is a number that was counted up to a bound.
func bounded(n, most int) string {
	if n >= most {
		return strconv.Itoa(most) + " or more"
	}
	return strconv.Itoa(n)
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
		open, err := db.CountOpen(ctx)
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

func destinationRows(d *store.Destination, o store.OpenCount, reveal bool, now time.Time) [][]string {
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
	add("Waiting", bounded(o.Waiting, store.MostBacklog))
	add("Exhausted", bounded(o.Exhausted, store.MostExhausted))
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
