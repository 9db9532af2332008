package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"recall/dispatch"
	"recall/reverify"
	"recall/store"
	"recall/verify"
)

type eventReverifyCmd struct {
	ID      string  `arg:"" optional:"" help:"The event's id; or name many events by --filter."`
	Filter  *string `placeholder:"FILTER" help:"All rejected and late events that this filter finds, instead of one; an empty one finds all."`
	Release bool    `help:"Send on what is genuine now, each callback once, to the destinations whose matching rule it fulfils."`
	Yes     bool    `help:"With --filter: go on after counting without asking."`
	Reason  string  `placeholder:"TEXT" help:"Why, for the audit list."`
}

func (eventReverifyCmd) Help() string {
	return `An event is checked on its kept bytes with the secrets and settings of today, as of the time it arrived. Its first result stays,
the new one is kept beside it. With --release what is genuine is sent on as if it had been accepted when it came, unless an
arrival of the same callback was already. A running recall serve does the sending.

With --filter the events are counted first, and what would come of it is printed. Then it goes on with --yes, or when you type
yes at a terminal; without either nothing is changed.

Examples:

    recall event reverify 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b --release
    recall event reverify --filter 'source:shop verdict:rejected after:2h'
    recall event reverify --filter 'source:shop after:2026-11-24T10:00:00Z' --release --yes --reason "the secret was mistyped"`
}

func (c *eventReverifyCmd) Run(ctx context.Context, a *app) error {
	switch {
	case c.ID == "" && c.Filter == nil:
		return usagef("name an event by its id, or many by --filter")
	case c.ID != "" && c.Filter != nil:
		return usagef("give an event's id or --filter, not both")
	case c.ID != "" && c.Yes:
		return usagef("--yes belongs to --filter: one event is checked without asking")
	case utf8.RuneCountInString(c.Reason) > store.MaxReason:
		return usagef("--reason may have at most %d characters", store.MaxReason)
	}
	if c.ID != "" {
		id, err := parseEventID(c.ID)
		if err != nil {
			return err
		}
		return a.withReverifier(ctx, func(db *store.DB, r *reverify.Reverifier) error { return c.one(ctx, a, db, r, id) })
	}
	if _, err := readFilter("--filter", *c.Filter, a.now()); err != nil {
		return err
	}
	return a.withReverifier(ctx, func(db *store.DB, r *reverify.Reverifier) error { return c.many(ctx, a, db, r) })
}

// withReverifier is withStore with a Reverifier whose releases are put into the queue, for a running serve to send.
func (a *app) withReverifier(ctx context.Context, do func(*store.DB, *reverify.Reverifier) error) error {
	return a.withStore(ctx, func(db *store.DB) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		live, err := db.Live(ctx)
		if err != nil {
			return err
		}
		dispatcher, err := dispatch.New(db, dispatch.Options{Live: live, Log: a.log, Now: a.now}) // without workers
		if err != nil {
			return err
		}
		db.OnRecord(dispatcher.EnqueueTx)
		return do(db, reverify.New(db, live, a.log))
	})
}

func (c *eventReverifyCmd) one(ctx context.Context, a *app, db *store.DB, r *reverify.Reverifier, id uuid.UUID) error {
	e, err := findEvent(ctx, db, id)
	if err != nil {
		return err
	}
	if e.Verification.Verdict == verify.Verified {
		return fmt.Errorf("event %s was verified when it came: there is nothing to check again", id)
	}
	done, err := r.Reverify(ctx, id, c.Release, actor(), c.Reason)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Event %s was %s, and is %s by today's settings.\n", id, verdictWords(e.Verification), verdictWords(done.Verification))
	switch {
	case done.Released:
		err = c.printReleased(ctx, a, db, id)
	case c.Release && done.Verification.Accepted():
		_, err = fmt.Fprintln(a.out, "It is not sent on, since this callback was already.")
	case !done.Verification.Accepted():
		_, err = fmt.Fprintf(a.out, "Why: %s event show %s\n", program(), id)
	}
	return err
}

func (c *eventReverifyCmd) printReleased(ctx context.Context, a *app, db *store.DB, id uuid.UUID) error {
	deliveries, err := db.ListDeliveries(ctx, id)
	if err != nil {
		return err
	}
	if len(deliveries) == 0 {
		_, err = fmt.Fprintln(a.out, "It is released, but no destination's matching rule fits it.")
		return err
	}
	_, err = fmt.Fprintf(a.out, "It is released: %s in the queue; a running recall serve sends it.\n", plural(len(deliveries), "delivery is", "deliveries are"))
	return err
}

// many counts, asks, and carries out. The work is shared with a running serve; without one this process does it all.
func (c *eventReverifyCmd) many(ctx context.Context, a *app, db *store.DB, r *reverify.Reverifier) error {
	run, err := db.CreateReverifyRun(ctx, *c.Filter, actor(), c.Reason)
	if err != nil {
		return err
	}
	work, endWork := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); r.Run(work) }()
	defer func() { endWork(); <-ended }()

	if run, err = a.followRun(ctx, db, run.ID, store.ReverifyCounting); err != nil {
		return err
	}
	if run.State != store.ReverifyCounted {
		return fmt.Errorf("re-verification %d is %s: somebody else has changed it", run.ID, run.State)
	}
	if err := writeCounts(a.out, run); err != nil {
		return err
	}
	if run.Counted == 0 {
		return db.CancelReverifyRun(ctx, run.ID, actor())
	}
	if !c.Yes {
		if !isTerminal(a.in) {
			_, err := fmt.Fprintf(a.out, "Nothing was changed. Give --yes to go on, or start re-verification %d in the admin UI.\n", run.ID)
			return err
		}
		fmt.Fprintf(a.errw, "%s Type yes to go on: ", c.question(run))
		if !saysYes(a.in) {
			fmt.Fprintln(a.errw, "Nothing was changed.")
			return db.CancelReverifyRun(ctx, run.ID, actor())
		}
	}
	if err := db.StartReverifyRun(ctx, run.ID, c.Release, actor()); err != nil {
		return err
	}
	if run, err = a.followRun(ctx, db, run.ID, store.ReverifyRunning); err != nil {
		return err
	}
	if run.State != store.ReverifyDone {
		return fmt.Errorf("re-verification %d is %s after %d of %d events: what was done stays", run.ID, run.State, run.Checked, run.Counted)
	}
	text := fmt.Sprintf("Done: %d checked again, %d genuine, %d still rejected", run.Checked, run.Accepted, run.Rejected)
	if run.Release {
		text += fmt.Sprintf(", %d released; a running recall serve sends them", run.Released)
	}
	_, err = fmt.Fprintln(a.out, text+".")
	return err
}

func (c *eventReverifyCmd) question(run *store.ReverifyRun) string {
	if c.Release {
		return fmt.Sprintf("Keep these results, and send on what is genuine and was not sent on yet (%s, of repeats one)?", plural(int(run.Releasable), "event", "events"))
	}
	return "Keep these results, and send nothing on?"
}

// saysYes reads one line.
func saysYes(in io.Reader) bool {
	line, _ := bufio.NewReader(in).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(line), "yes")
}

func writeCounts(w io.Writer, run *store.ReverifyRun) error {
	if run.Counted == 0 {
		_, err := fmt.Fprintln(w, "The filter finds no event that was rejected or late.")
		return err
	}
	return writeTable(w, [][]string{
		{"Rejected or late when they came", fmt.Sprint(run.Counted)},
		{"Genuine by today's settings", fmt.Sprint(run.Accepted)},
		{"Still rejected", fmt.Sprint(run.Rejected)},
		{"Genuine and not sent on yet", fmt.Sprint(run.Releasable)},
	})
}

const followEvery = 200 * time.Millisecond

// followRun waits until a run has left a state. A terminal shows how far it is.
func (a *app) followRun(ctx context.Context, db *store.DB, id int64, state store.ReverifyState) (*store.ReverifyRun, error) {
	shows := isTerminal(a.errw)
	for {
		run, err := db.FindReverifyRun(ctx, id)
		if err != nil {
			return nil, err
		}
		if shows {
			progress := fmt.Sprintf("%s: %d", state, run.Checked)
			if run.Counted > 0 {
				progress += fmt.Sprintf(" of %d", run.Counted)
			}
			fmt.Fprintf(a.errw, "\r%-40s", progress)
		}
		if run.State != state {
			if shows {
				fmt.Fprintf(a.errw, "\r%40s\r", "")
			}
			return run, nil
		}
		if !every(ctx, followEvery) {
			return nil, ctx.Err()
		}
	}
}
