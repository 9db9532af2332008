package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"recall/store"
)

type destinationCmd struct {
	Add    destinationAddCmd    `cmd:"" help:"Add a destination."`
	List   destinationListCmd   `cmd:"" help:"List the destinations."`
	Show   destinationShowCmd   `cmd:"" help:"Show a destination's settings; header values stay hidden."`
	Pause  destinationPauseCmd  `cmd:"" help:"Send nothing to a destination for now; deliveries wait."`
	Resume destinationResumeCmd `cmd:"" help:"Send to a paused or broken destination again."`
	Remove destinationRemoveCmd `cmd:"" help:"Remove a destination; what was sent to it stays on record."`
}

type destinationAddCmd struct {
	Name       string        `required:"" placeholder:"NAME" help:"Name of the destination: lower-case letters, digits and hyphens."`
	URL        string        `name:"url" required:"" placeholder:"URL" help:"Where to send, by POST. Private addresses are refused when sending, unless RECALL_EGRESS_ALLOW names them."`
	Match      *string       `placeholder:"FILTER" help:"Send arriving events that fulfil this filter; an empty one sends every accepted event. Without it events are only sent by hand."`
	Signing    string        `default:"plenigo" help:"plenigo: a fresh plenigo-signature by the source's secret, so that consumers built for plenigo accept it; or none."`
	Timeout    time.Duration `default:"30s" help:"How long an answer may take."`
	Retry      *string       `placeholder:"WAITS" help:"How long to wait before each retry, such as 30s,2m,10m; an empty text for no retry. 30s,2m,10m,1h,6h,24h if left out."`
	Header     []string      `sep:"none" placeholder:"'Name: value'" help:"A header to send along, once for each; \"-\" reads standard input, one a line. Other users of this machine can see a flag."`
	HeaderFile []string      `sep:"none" placeholder:"FILE" help:"The same from a file, one a line."`
}

func (destinationAddCmd) Help() string {
	return filterHelp("--match='-type:invoice'") + `
Examples:

    recall destination add --name crm --url https://crm.example.com/hook --match 'source:shop type:customer.*'
    recall destination add --name audit --url https://audit.example.com/in --header-file headers --retry '30s,10m'`
}

func (c *destinationAddCmd) Run(ctx context.Context, a *app) error {
	d, err := c.read(a)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(db *store.DB) error {
		if err := db.CreateDestination(ctx, d); err != nil {
			return err
		}
		if err := audit(ctx, db, "destination.add", d.Name, destinationDetail(d)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "The destination %s was added: %s.\n", d.Name, getsWords(d))
		return err
	})
}

// read turns the flags into a destination that is right in all.
func (c *destinationAddCmd) read(a *app) (*store.Destination, error) {
	d := &store.Destination{
		Name: c.Name, URL: c.URL, Signing: store.Signing(c.Signing), Timeout: c.Timeout,
		RetrySchedule: store.DefaultRetrySchedule(), State: store.DestinationActive,
	}
	if c.Match != nil {
		if _, err := readRule("--match", *c.Match, a.now()); err != nil {
			return nil, err
		}
		d.Match = new(strings.TrimSpace(*c.Match))
	}
	var err error
	if c.Retry != nil {
		if d.RetrySchedule, err = parseRetry(*c.Retry); err != nil {
			return nil, err
		}
	}
	pairs, err := (&secretReader{in: a.in}).lines("--header", c.Header, c.HeaderFile)
	if err != nil {
		return nil, err
	}
	if d.Headers, err = parseHeaders("--header", pairs); err != nil {
		return nil, err
	}
	if err := d.Validate(a.now()); err != nil {
		return nil, usagef("%v", err)
	}
	return d, nil
}

// parseRetry reads waits with commas between.
func parseRetry(text string) ([]time.Duration, error) {
	waits := []time.Duration{}
	for _, word := range split(text) {
		wait, err := time.ParseDuration(word)
		if err != nil {
			return nil, usagef("--retry: %q is no time; write the waits as '30s,2m,10m'", word)
		}
		waits = append(waits, wait)
	}
	return waits, nil
}

// destinationDetail is what the audit list keeps of a destination: no header value.
func destinationDetail(d *store.Destination) map[string]any {
	return map[string]any{
		"url": d.URL, "match": d.Match, "signing": d.Signing, "timeout": d.Timeout.String(), "retry": retryWords(d.RetrySchedule),
		"headers": headerNames(d.Headers), "state": d.State,
	}
}

func retryWords(waits []time.Duration) string {
	words := make([]string, len(waits))
	for i, wait := range waits {
		words[i] = span(wait)
	}
	return or(strings.Join(words, ","), "none")
}

// getsWords says which events a destination gets.
func getsWords(d *store.Destination) string {
	switch {
	case d.Match == nil:
		return "it gets what is redispatched to it by hand"
	case *d.Match == "":
		return "it gets every accepted event that arrives from now on"
	}
	return "it gets accepted events that arrive from now on and fulfil " + harmless(*d.Match)
}

type destinationListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

// destinationJSON is a destination without its header values.
type destinationJSON struct {
	Name           string    `json:"name"`
	URL            string    `json:"url"`
	Match          *string   `json:"match"` // null: manual only
	Signing        string    `json:"signing"`
	State          string    `json:"state"`
	TimeoutSeconds float64   `json:"timeout_seconds"`
	RetrySeconds   []int64   `json:"retry_seconds"`
	Headers        []string  `json:"headers"`
	Demo           bool      `json:"demo"`
	CreatedAt      time.Time `json:"created_at"`
}

func (c *destinationListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		destinations, err := db.ListDestinations(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"NAME", "STATE", "MATCH", "SIGNING", "TIMEOUT", "RETRIES", "URL"}}
		for _, d := range destinations {
			if c.JSON {
				if err := jsonLine(a.out, newDestinationJSON(d)); err != nil {
					return err
				}
				continue
			}
			rows = append(rows, []string{d.Name, destinationState(d), matchWords(d), string(d.Signing), span(d.Timeout), retryWords(d.RetrySchedule), harmless(d.URL)})
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

func newDestinationJSON(d *store.Destination) destinationJSON {
	j := destinationJSON{
		Name: d.Name, URL: d.URL, Match: d.Match, Signing: string(d.Signing), State: string(d.State), TimeoutSeconds: d.Timeout.Seconds(),
		RetrySeconds: []int64{}, Headers: headerNames(d.Headers), Demo: d.Demo, CreatedAt: d.CreatedAt,
	}
	for _, wait := range d.RetrySchedule {
		j.RetrySeconds = append(j.RetrySeconds, int64(wait/time.Second))
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
