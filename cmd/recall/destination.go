package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"recall/store"
	"recall/verify"
)

type destinationCmd struct {
	Add    destinationAddCmd    `cmd:"" help:"Add a destination."`
	List   destinationListCmd   `cmd:"" help:"List the destinations."`
	Show   destinationShowCmd   `cmd:"" help:"Show a destination: its settings, and what waits for it."`
	Set    destinationSetCmd    `cmd:"" help:"Change a destination's settings."`
	Pause  destinationPauseCmd  `cmd:"" help:"Send nothing to a destination for now; deliveries wait."`
	Resume destinationResumeCmd `cmd:"" help:"Send to a paused or broken destination again."`
	Remove destinationRemoveCmd `cmd:"" help:"Remove a destination; what was sent to it stays on record."`
	Test   destinationTestCmd   `cmd:"" help:"Send a test request to a destination now, and show the answer."`
}

// destinationFlags are a destination's settings; nil is not given.
type destinationFlags struct {
	URL           *string        `name:"url" placeholder:"URL" help:"Where to send. Private addresses are refused when sending, unless RECALL_EGRESS_ALLOW names them. Other users of this machine can see a flag: where the URL holds a key, \"-\" reads it from standard input."`
	URLFile       *string        `name:"url-file" placeholder:"FILE" help:"The same from a file."`
	Method        *string        `placeholder:"POST" help:"POST, PUT or PATCH."`
	Match         *string        `placeholder:"FILTER" help:"Send arriving events that fulfil this filter; an empty one sends every accepted event."`
	Signing       *string        `placeholder:"plenigo" help:"plenigo: a fresh plenigo-signature, so that receivers built for plenigo accept it. standard-webhooks: webhook-id, webhook-timestamp and webhook-signature. none."`
	Secret        *string        `placeholder:"S" help:"A signing secret of the destination's own. Without one plenigo is signed by the source's secret, and for standard-webhooks one is made. \"-\" reads standard input. Other users of this machine can see a flag."`
	SecretFile    *string        `placeholder:"FILE" help:"The same from a file."`
	PassSignature *bool          `negatable:"" help:"Send the signature along that the event came with, in headers that begin with Recall-Original-."`
	Timeout       *time.Duration `placeholder:"30s" help:"How long an answer may take."`
	Retry         *string        `placeholder:"WAITS" help:"How long to wait before each retry, such as 30s,2m,10m; an empty text for no retry. 30s,2m,10m,1h,6h,24h unless told otherwise."`
	Rate          *float64       `placeholder:"N" help:"At most so many attempts a second, over all instances; 0.5 is one every two seconds; 0: no limit."`
	Concurrency   *int           `placeholder:"N" help:"At most so many attempts at the same time, over all instances; 0: no limit of its own."`
	Order         *string        `placeholder:"any" help:"any, or entity: the events of one entity go out one after the other; one that fails holds back only its own."`
	Header        []string       `sep:"none" placeholder:"'Name: value'" help:"A secret header to send along, once for each; \"-\" reads standard input, one a line. Other users of this machine can see a flag."`
	HeaderFile    []string       `sep:"none" placeholder:"FILE" help:"The same from a file, one a line."`
	ClearHeader   []string       `sep:"none" placeholder:"'Name: value'" help:"A header to send along that is no secret, and is shown, once for each."`
}

// apply makes a destination as the flags say, as far as they say anything, and returns the signing secret that they give.
func (f *destinationFlags) apply(a *app, d *store.Destination) (key string, err error) {
	r := secretReader{in: a.in}
	text, given, err := r.line("--url", f.URL, f.URLFile)
	if err != nil {
		return "", err
	}
	if given {
		d.URL = text
	}
	if key, _, err = r.line("--secret", f.Secret, f.SecretFile); err != nil {
		return "", err
	}
	if f.Match != nil {
		if _, err := readRule("--match", *f.Match, a.now()); err != nil {
			return "", err
		}
		d.Match = new(strings.TrimSpace(*f.Match))
	}
	if f.Retry != nil {
		if d.RetrySchedule, err = parseRetry(*f.Retry); err != nil {
			return "", err
		}
	}
	if f.Method != nil {
		d.Method = strings.ToUpper(*f.Method)
	}
	if f.Signing != nil {
		d.Signing = store.Signing(*f.Signing)
	}
	if f.Order != nil {
		d.Ordering = store.Ordering(*f.Order)
	}
	set(&d.PassSignature, f.PassSignature)
	set(&d.Timeout, f.Timeout)
	set(&d.MaxRate, f.Rate)
	set(&d.MaxConcurrency, f.Concurrency)
	return key, f.applyHeaders(&r, d)
}

func (f *destinationFlags) applyHeaders(r *secretReader, d *store.Destination) error {
	secret, err := r.lines("--header", f.Header, f.HeaderFile)
	if err != nil {
		return err
	}
	for _, list := range []struct {
		flag   string
		pairs  []string
		secret bool
	}{{"--clear-header", f.ClearHeader, false}, {"--header", secret, true}} {
		headers, err := parseHeaders(list.flag, list.pairs)
		if err != nil {
			return err
		}
		for i, h := range headers {
			if slices.ContainsFunc(headers[:i], func(other verify.Header) bool { return strings.EqualFold(other.Name, h.Name) }) {
				return usagef("%s: the header %.80s is there twice", list.flag, h.Name)
			}
			d.SetHeader(h, list.secret)
		}
	}
	return nil
}

type destinationAddCmd struct {
	Name string `required:"" placeholder:"NAME" help:"Name of the destination: lower-case letters, digits and hyphens."`
	destinationFlags
}

func (destinationAddCmd) Help() string {
	return `Without --match events are only sent by hand. docs/destinations.md says how a receiver checks what it gets.

` + filterHelp("--match='-type:invoice'") + `
Examples:

    recall destination add --name crm --url https://crm.example.com/hook --match 'source:shop type:customer.*'
    recall destination add --name audit --url https://audit.example.com/in --header-file headers --retry '30s,10m'
    recall destination add --name bus --url https://bus.example.com/in --match '' --signing standard-webhooks --rate 20 --order entity`
}

func (c *destinationAddCmd) Run(ctx context.Context, a *app) error {
	d, made, err := c.read(a)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(db *store.DB) error {
		if err := db.CreateDestination(ctx, d, destinationNote("destination.add", d.Name, store.DestinationChanges(nil, d))); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "The destination %s was added: %s.\n", d.Name, getsWords(d))
		return sayMade(a, d.Name, made)
	})
}

// read turns the flags into a destination that is right in all, and returns the signing secret where one was made.
func (c *destinationAddCmd) read(a *app) (d *store.Destination, made string, err error) {
	d = &store.Destination{
		Name: c.Name, Signing: store.SigningPlenigo, Timeout: store.DefaultTimeout,
		RetrySchedule: store.DefaultRetrySchedule(), State: store.DestinationActive,
	}
	if c.URL == nil && c.URLFile == nil {
		return nil, "", usagef("--url or --url-file is missing: where to send")
	}
	key, err := c.apply(a, d)
	switch {
	case err != nil:
		return nil, "", err
	case key != "" && d.Signing == store.SigningNone:
		return nil, "", usagef("--secret signs nothing where --signing is none")
	case key == "" && d.Signing == store.SigningStandardWebhooks:
		key = store.NewSigningSecret()
		made = key
	}
	if key != "" {
		d.Rotate(key, 0, a.now())
	}
	if err := d.Validate(a.now()); err != nil {
		return nil, "", usagef("%v", err)
	}
	return d, made, nil
}

// sayMade shows a signing secret that was made, this once.
func sayMade(a *app, name, key string) error {
	if key == "" {
		return nil
	}
	_, err := fmt.Fprintf(a.out, "Its signing secret, for the receiver to check with: %s\nIt is not shown again, but by: %s destination show %s --reveal\n", key, program(), name)
	return err
}

func destinationNote(action, name string, detail map[string]any) store.AuditEntry {
	return store.AuditEntry{Actor: actor(), Action: action, Subject: name, Detail: detail}
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
