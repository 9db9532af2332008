package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/term"

	"recall/store"
)

type eventCmd struct {
	List       eventListCmd       `cmd:"" help:"List events, newest first."`
	Show       eventShowCmd       `cmd:"" help:"Show one event: headers, verification in words, deliveries, payload."`
	Raw        eventRawCmd        `cmd:"" help:"Write an event's body to standard output, byte for byte."`
	Redispatch eventRedispatchCmd `cmd:"" help:"Send an event to a destination again."`
	Test       eventTestCmd       `cmd:"" help:"Send what was made of an event to a destination, as a test."`
	Reverify   eventReverifyCmd   `cmd:"" help:"Check rejected or late events again with today's settings, and release what is genuine."`
}

type eventListCmd struct {
	Filter []string `arg:"" optional:"" help:"Which events, as key:value or words in the body; all of them if left out."`
	JSON   bool     `name:"json" help:"Print one JSON object a line."`
	Limit  int      `default:"50" placeholder:"N" help:"At most so many (${default}), up to 10000."`
}

func (eventListCmd) Help() string {
	return filterHelp("recall event list -- -type:invoice") + `
The table's column HTTP is our answer. SENT is how many of the event's deliveries have succeeded, as 1/2; a ! says that one of
them was given up.

Examples:

    recall event list verdict:rejected after:2h
    recall event list 'source:shop type:customer.*,order.creation' --limit 200
    recall event list 'type:customer.change verdict:rejected after:2h customer:48213 "Müller"'
    recall event list 'entity.email:anna@example.org entity.accumulatedPrice:>100'
    recall event list customer:48213 --json`
}

const maxEvents = 10_000

func (c *eventListCmd) Run(ctx context.Context, a *app) error {
	if c.Limit < 1 || c.Limit > maxEvents {
		return usagef("--limit must be from 1 to %d, not %d", maxEvents, c.Limit)
	}
	chosen, err := readFilter("filter", strings.Join(c.Filter, " "), a.now())
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(db *store.DB) error {
		page, err := db.ListEvents(ctx, store.EventQuery{Filter: chosen, Limit: c.Limit})
		if errors.Is(err, store.ErrTooSlow) {
			return store.ErrTooSlow // says what to do, without the database's words
		}
		if err != nil {
			return err
		}
		if c.JSON {
			for i := range page.Events {
				if err := jsonLine(a.out, page.Events[i].JSON()); err != nil {
					return err
				}
			}
			return nil
		}
		if len(page.Events) == 0 {
			_, err := fmt.Fprintln(a.errw, "No event fulfils this.")
			return err
		}
		if err := writeEvents(a, page.Events); err != nil {
			return err
		}
		if page.Older {
			fmt.Fprintf(a.errw, "There are older ones; --limit shows more than %d.\n", c.Limit)
		}
		return nil
	})
}

// tableWidth is what the table of events fits into, unless the terminal is wider.
const tableWidth = 120

func writeEvents(a *app, events []store.EventSummary) error {
	day := "01-02" // the year stands where it is not this one
	if oldest := events[len(events)-1].ReceivedAt; oldest.UTC().Year() != a.now().UTC().Year() {
		day = time.DateOnly
	}
	rows := [][]string{{"TIME (UTC)", "VERDICT", "TYPE", "ENTITY", "CUSTOMER", "SOURCE", "HTTP", "SENT", "ID"}}
	for i := range events {
		e := &events[i]
		rows = append(rows, []string{
			e.ReceivedAt.UTC().Format(day + " 15:04:05"), string(e.Verdict), harmless(typeName(e.EntityType, e.CallbackType)), harmless(or(e.EntityID, "-")),
			harmless(someOf(e.Customers)), harmless(e.Source), fmt.Sprint(e.Answered), sentWord(e.Deliveries), e.ID.String(),
		})
	}
	width := tableWidth
	if f, ok := a.out.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = max(width, columns)
		}
	}
	fit(rows, width, 1, 0, 0, 31, 11, 11, 12, 0, 0, 0)
	return writeColumns(a.out, rows, 1)
}

// typeName is a type as filters write it.
func typeName(entity, callback string) string {
	if entity == "" && callback == "" {
		return "-"
	}
	return strings.ToLower(or(entity, "*") + "." + or(callback, "*"))
}

// someOf is the first of a list, and how many more there are.
func someOf(list []string) string {
	switch len(list) {
	case 0:
		return "-"
	case 1:
		return list[0]
	}
	return fmt.Sprintf("%s +%d", list[0], len(list)-1)
}

// sentWord is how many of an event's deliveries have succeeded, as 1/2, with a ! when one of them has given up.
func sentWord(counts []store.DeliveryCount) string {
	sent, all, mark := 0, 0, ""
	for _, c := range counts {
		all += c.Count
		switch {
		case c.State == store.DeliverySucceeded:
			sent += c.Count
		case c.State == store.DeliveryExhausted && c.Count > 0:
			mark = "!"
		}
	}
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d%s", sent, all, mark)
}

type eventRawCmd struct {
	ID string `arg:"" help:"The event's id."`
}

func (eventRawCmd) Help() string {
	return `Example:

    recall event raw 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b | sha256sum`
}

func (c *eventRawCmd) Run(ctx context.Context, a *app) error {
	id, err := parseEventID(c.ID)
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(db *store.DB) error {
		e, err := findEvent(ctx, db, id)
		if err != nil {
			return err
		}
		if len(e.Body) == 0 && e.Size > 0 {
			return fmt.Errorf("the body of event %s, of %d bytes, was larger than the limit and was not kept", id, e.Size)
		}
		if isTerminal(a.out) && harmlessLines(string(e.Body)) != string(e.Body) {
			return errors.New("this body holds bytes that could take over your terminal: send it into a file, or see it with recall event show")
		}
		_, err = a.out.Write(e.Body)
		return err
	})
}

func parseEventID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, usagef("%.80q is no event id; ids look like 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b", text)
	}
	return id, nil
}

func findEvent(ctx context.Context, db *store.DB, id uuid.UUID) (*store.Event, error) {
	e, err := db.FindEvent(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		words, err := db.WordsOfGone(ctx, id)
		if err == nil {
			return nil, errors.New(words)
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		return nil, fmt.Errorf("there is no event %s; it may have been erased, or its time to be kept is over", id)
	}
	return e, err
}
