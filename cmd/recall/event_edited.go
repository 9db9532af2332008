package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"recall/dispatch"
	"recall/store"
)

type eventTestCmd struct {
	ID       string   `arg:"" help:"The event's id."`
	To       string   `required:"" placeholder:"NAME" help:"The destination's name."`
	BodyFile string   `placeholder:"FILE" help:"What is sent instead of the event's body; - is standard input."`
	Header   []string `sep:"none" placeholder:"'Name: value'" help:"A header besides those that Recall sets. Where one is given, those of the event that say how its body is to be read do not go along."`
	Reason   string   `required:"" placeholder:"TEXT" help:"Why, for the audit list."`
}

func (eventTestCmd) Help() string {
	return `What was made of an event is sent to a destination, now and once, whatever the destination's state, and signed like every
attempt. Recall-Test: true marks it, Recall-Edited-From names the event, and it has an id and an idempotency key of its own, so
that no receiver takes it for the event. What was received stays as it is; what was sent, who sent it and why, and the answer are
kept beside it, and shown with the event and with the destination. It is sent from here, by the settings of this command
(RECALL_EGRESS_ALLOW, RECALL_EGRESS_PROXY). Exit status 1 where the answer is not 2xx.

Example:

    recall event raw 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b | sed s/ACTIVE/INACTIVE/ |
        recall event test 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b --to crm --body-file - --reason "does CRM take an inactive one?"`
}

func (c *eventTestCmd) Run(ctx context.Context, a *app) error {
	id, err := parseEventID(c.ID)
	if err != nil {
		return err
	}
	edit := store.Edit{EventID: id, Destination: c.To, By: actor(), Reason: strings.TrimSpace(c.Reason)}
	if c.BodyFile != "" {
		if edit.Body, err = c.body(a.in); err != nil {
			return err
		}
	}
	for _, text := range c.Header {
		name, value, found := strings.Cut(text, ":")
		if !found {
			return usagef("--header %q is not written as 'Name: value'", text)
		}
		if edit.Header == nil {
			edit.Header = http.Header{}
		}
		edit.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if err := edit.Validate(); err != nil {
		return usagef("%v", err)
	}
	return a.withStore(ctx, func(db *store.DB) error {
		if _, err := findEvent(ctx, db, id); err != nil {
			return err
		}
		if _, err := findDestination(ctx, db, c.To); err != nil {
			return err
		}
		dispatcher, err := dispatch.New(db, a.outgoing())
		if err != nil {
			return err
		}
		test, err := dispatcher.SendEdited(ctx, edit)
		if err != nil {
			return err
		}
		writeTrial(a.out, &store.Trial{Attempt: test.Attempt, Method: test.Method, Body: test.Body})
		if !test.Succeeded() {
			return errSaid
		}
		return nil
	})
}

// body reads what is sent instead of the event's.
func (c *eventTestCmd) body(in io.Reader) ([]byte, error) {
	if c.BodyFile != "-" {
		file, err := os.Open(c.BodyFile)
		if err != nil {
			return nil, fmt.Errorf("--body-file: %w", err)
		}
		defer file.Close()
		in = file
	}
	body, err := io.ReadAll(io.LimitReader(in, store.MaxEditBody+1))
	if err != nil {
		return nil, fmt.Errorf("--body-file: %w", err)
	}
	if body == nil {
		body = []byte{}
	}
	return body, nil
}
