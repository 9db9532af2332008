package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"recall/plenigo"
)

type simulateCmd struct {
	To string `placeholder:"URL" help:"Where to send: the callback URL of a source, such as http://127.0.0.1:8080/callbacks/shop."`
	secretFlags
	credentialFlags
	Type       []string `placeholder:"NAME" help:"Send this sample, such as customer.creation; may be repeated. All of them if left out."`
	APIVersion string   `name:"api-version" default:"20240827" help:"The value of X-Plenigo-Api-Version."`
	List       bool     `help:"List the samples and send nothing."`
	JSON       bool     `name:"json" help:"Print the summary as one JSON object, and nothing else."`
	Seed       *uint64  `placeholder:"N" help:"Decides which callbacks are faulty or lost, and how the bodies differ: the same seed, the same run. Another one in each run if left out; the summary names it."`
	paceFlags
	faultFlags
	repeatFlags
}

// paceFlags are how many callbacks are sent, and how fast.
type paceFlags struct {
	Count       *int           `placeholder:"N" help:"How many callbacks to send, going round the samples; one of each if neither this nor --duration is given."`
	Duration    *time.Duration `placeholder:"D" help:"Begin callbacks for so long, such as 10m, or until --count; repeats may come later."`
	Rate        *float64       `placeholder:"N" help:"Callbacks a second, at a steady pace. Each connection sends the next one as soon as it has its answer if left out."`
	Connections *int           `placeholder:"N" help:"How many callbacks are under way at once at most: 1 if left out, 16 with --rate."`
	Vary        *bool          `negatable:"" help:"Give each callback an entityId and a changedDate of its own, all other bytes as in the sample; if left out, where more callbacks are sent than there are samples. Without it (--no-vary) an equal body sent again is what a receiver takes for a repeat."`
}

// faultFlags are what is wrong with how many.
type faultFlags struct {
	Fault      []string      `placeholder:"KIND=SHARE" help:"Make so many callbacks faulty, such as wrong-secret=5%; may be repeated. Kinds: wrong-secret, stale (older than the tolerance), expired (older than the late window), future, altered-body, missing-signature, doubled-signature, malformed-signature, wrong-basic, missing-basic, wrong-header, missing-header."`
	Tolerance  time.Duration `default:"5m" help:"The source's tolerance, by which the time of a signature is made wrong, and answers are expected."`
	LateWindow time.Duration `name:"late-window" default:"32h" help:"The source's late window, likewise."`
}

// repeatFlags are what is done with what is not delivered.
type repeatFlags struct {
	Repeats     bool           `help:"Repeat what is not answered 2xx, as plenigo does: after 1, 6 and 24 hours, then never again."`
	Hour        *time.Duration `placeholder:"D" help:"How long an hour lasts until a repeat comes: 2s if left out, 1h for plenigo's own pace."`
	RepeatsFrom *string        `name:"repeats-from" placeholder:"first|previous" help:"From which try the hours of a repeat count; which of them plenigo means is not known. From the first if left out."`
	Resign      *bool          `negatable:"" help:"Sign repeats anew, or (--no-resign) repeat the first try's time; which of them plenigo does is not known. Anew if left out."`
	LostAnswers *string        `name:"lost-answers" placeholder:"SHARE" help:"Repeat so many of those answered 2xx too, such as 1%, as if the answer had been lost."`
}

func (simulateCmd) Help() string {
	return `Each callback is sent with go-resty, the client that plenigo uses, with the headers of plenigo's documented example.
The samples are invented people and orders. A fault is one of the callback and of its repeats alike. Repeats come on a
fast clock that the receiver does not share: one that is not signed anew carries the first try's time, moved back by the
hours that were left out, so that it looks as old as it would be.

Exit status 0 says that every good callback was answered 2xx and no faulty one was accepted; a stale one is late, and
accepted. Ctrl-C ends with the summary.

Examples:

    recall simulate --to http://127.0.0.1:8080/callbacks/shop --secret-file secret
    recall simulate --to https://callbacks.example.com/callbacks/shop --secret-file secret \
        --header 'X-Shop: tea' --type customer.creation --type order.creation --count 10
    recall simulate --to http://127.0.0.1:8080/callbacks/shop --secret-file secret --rate 50 --duration 10m \
        --fault wrong-secret=5% --fault stale=1% --fault missing-signature=0.5%
    recall simulate --to http://127.0.0.1:8080/callbacks/shop --secret-file secret --count 1000 \
        --repeats --hour 1s --no-resign --lost-answers 1%
    recall simulate --list`
}

// manyTries is up to how many callbacks each try has a line of its own.
const manyTries = 100

// mostExamples bounds the lines of unexpected answers in a longer run.
const mostExamples = 10

func (c *simulateCmd) Run(ctx context.Context, a *app) error {
	if c.List {
		return listSamples(a)
	}
	m, err := c.simulation(a)
	if err != nil {
		return err
	}
	each := m.count > 0 && m.count <= manyTries && !c.JSON
	examples := 0
	m.said = func(t *callback, got answer, err error, met bool) {
		show := each
		if !met && !c.JSON && examples < mostExamples {
			show = true
			examples++
		}
		if show {
			fmt.Fprintln(a.out, m.line(t, got, err))
		}
	}
	m.progress = func() {
		if !each && !c.JSON {
			fmt.Fprintf(a.errw, "%d sent so far, %d answered unexpectedly\n", m.report.Sent, m.report.Unexpected)
		}
	}
	m.run(ctx)
	if err := c.summary(ctx, a, m, each); err != nil {
		return err
	}
	return ctx.Err()
}

// line is a try on one line: which sample, what is wrong with it, and the answer.
func (m *simulation) line(c *callback, got answer, err error) string {
	what := m.samples[c.n%int64(len(m.samples))].Name
	if c.fault > 0 {
		what += ", " + faultKinds[c.fault].name
	}
	if c.tries > 1 {
		what += fmt.Sprintf(", try %d", c.tries)
	}
	said := got.String()
	if err != nil {
		said = harmless(err.Error())
	}
	return fmt.Sprintf("%-44s %s", what, said)
}

// summary prints what came of it, in one sentence where nothing was asked for but the callbacks.
func (c *simulateCmd) summary(ctx context.Context, a *app, m *simulation, each bool) error {
	r := m.report
	plain := each && len(c.Fault) == 0 && !c.Repeats && ctx.Err() == nil
	switch {
	case c.JSON:
		if err := r.writeJSON(a.out); err != nil {
			return err
		}
	case !plain:
		if err := r.write(a.out, m.rate); err != nil {
			return err
		}
	case r.Unexpected == 0:
		fmt.Fprintf(a.out, "%s sent, all answered 2xx.\n", plural(int(r.Sent), "callback", "callbacks"))
	}
	switch {
	case r.Unexpected == 0:
		return nil
	case plain:
		return fmt.Errorf("%d of %s not accepted", r.Unexpected, plural(int(r.Sent), "callback was", "callbacks were"))
	}
	return fmt.Errorf("%d of %s not as expected", r.Unexpected, plural(int(r.Sent), "answer was", "answers were"))
}

// judgement is an answer's status, and what Recall made of the callback.
func (a answer) judgement() string {
	words := []string{fmt.Sprint(a.Status)}
	for _, word := range []string{string(a.Verdict), string(a.Reason)} {
		if word != "" {
			words = append(words, harmless(word))
		}
	}
	return strings.Join(words, " ")
}

// String is an answer on one line: the judgement, and the event's id.
func (a answer) String() string {
	if a.Event == uuid.Nil {
		return a.judgement()
	}
	return a.judgement() + " " + a.Event.String()
}

// chooseSamples finds samples by name, all of them where none is named.
func chooseSamples(names []string) ([]plenigo.Sample, error) {
	all := plenigo.Samples()
	if len(names) == 0 {
		return all, nil
	}
	var chosen []plenigo.Sample
	for _, name := range names {
		i := slices.IndexFunc(all, func(s plenigo.Sample) bool { return strings.EqualFold(s.Name, name) })
		if i < 0 {
			known := make([]string, len(all))
			for i, s := range all {
				known[i] = s.Name
			}
			return nil, usagef("--type: there is no sample %q; there are %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func listSamples(a *app) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, s := range plenigo.Samples() {
		fmt.Fprintf(w, "%s\t%s\t%d bytes\n", s.Name, s.Kind, len(s.Body))
	}
	return w.Flush()
}

// checkURL makes sure that a URL can be sent to. Credentials have no place in it: URLs are shown and logged.
func checkURL(flag, text string) error {
	u, err := url.Parse(text)
	var parse *url.Error
	switch {
	case errors.As(err, &parse):
		return usagef("%s: %q is not a URL: %v", flag, text, parse.Err)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return usagef("%s: %q is not a URL such as https://example.com/path", flag, text)
	case u.User != nil:
		return usagef("%s: user and password have no place in a URL; give them with --basic or --header", flag)
	case u.Fragment != "":
		return usagef("%s: a URL to send to has no #%s", flag, u.Fragment)
	}
	return nil
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
