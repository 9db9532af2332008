package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"recall/dispatch"
	"recall/store"
)

type destinationTestCmd struct {
	Name   string `arg:"" help:"The destination's name."`
	Source string `placeholder:"SLUG" help:"Sign by this source's secret, where the destination has none of its own. The first source with a valid one if left out."`
}

func (destinationTestCmd) Help() string {
	return `The request is marked as a test: its body is of the type RECALL_TEST, and it carries Recall-Test: true. It is sent from here, by
the settings of this command (RECALL_EGRESS_ALLOW, RECALL_EGRESS_PROXY), whatever the destination's state. Exit status 1 where
the answer is not 2xx.

Example:

    recall destination test crm`
}

func (c *destinationTestCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		d, err := findDestination(ctx, db, c.Name)
		if err != nil {
			return err
		}
		var source *store.Source
		if c.Source != "" {
			if source, err = findSource(ctx, db, c.Source); err != nil {
				return err
			}
		}
		dispatcher, err := dispatch.New(db, a.outgoing())
		if err != nil {
			return err
		}
		trial, err := dispatcher.Try(ctx, d, source)
		if err != nil {
			return fmt.Errorf("the destination %s cannot be tested: %w", d.Name, err)
		}
		note := destinationNote("destination.test", d.Name, map[string]any{"status": trial.Status, "error": trial.Error})
		if err := db.AddAudit(ctx, note); err != nil {
			return err
		}
		writeTrial(a.out, trial)
		if !trial.Succeeded() {
			return errSaid
		}
		return nil
	})
}

// writeTrial shows a test request and its answer in full.
func writeTrial(w io.Writer, t *store.Trial) {
	fmt.Fprintf(w, "%s %s\n", t.Method, harmless(t.RequestURL))
	writeSent(w, t.RequestHeader)
	fmt.Fprintf(w, "\n%s\n\n", harmlessLines(string(t.Body)))
	if t.Status == 0 {
		fmt.Fprintf(w, "No answer: %s\n", harmless(t.Error))
		return
	}
	fmt.Fprintf(w, "%s, after %d ms\n", httpWords(t.Status), t.Duration.Milliseconds())
	writeSent(w, t.ResponseHeader)
	if len(t.ResponseBody) > 0 {
		fmt.Fprintf(w, "\n%s\n", harmlessLines(string(t.ResponseBody)))
	}
	if t.ResponseTruncated {
		fmt.Fprintln(w, "(the rest of the answer was not kept)")
	}
	if t.Error != "" {
		fmt.Fprintf(w, "\nNot delivered: %s\n", harmless(t.Error))
	}
}

// writeSent writes the headers of a request of ours, whose secret ones are left out already, or of its answer.
func writeSent(w io.Writer, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			fmt.Fprintf(w, "%s: %s\n", harmless(name), harmless(value))
		}
	}
}
