package main

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/google/uuid"

	"recall/dispatch"
	"recall/store"
)

type eventRedispatchCmd struct {
	IDs    []string `arg:"" name:"id" help:"The events' ids."`
	To     string   `required:"" placeholder:"NAME" help:"The destination's name."`
	Reason string   `placeholder:"TEXT" help:"Why, for the audit list."`
	Newest bool     `xor:"stale" help:"Where newer events of an event's entity exist, send the newest instead."`
	Anyway bool     `xor:"stale" help:"Send it all the same; takes a reason."`
	Skip   bool     `xor:"stale" help:"Leave it."`
}

func (eventRedispatchCmd) Help() string {
	return `Each event is put into the queue, with a delivery of its own; a running recall serve sends it, and retries as the destination
says. Its body is sent unchanged, with a fresh signature. Rejected events are not sent, unless recall event reverify has found
them genuine.

Where newer events of an event's entity exist, an old state would be put over a new one, so it is not sent unless --newest,
--anyway or --skip says what to do. Events are taken one after the other: those before one that is refused are in the queue.

Example:

    recall event redispatch 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b --to crm --reason "CRM was down"`
}

func (c *eventRedispatchCmd) Run(ctx context.Context, a *app) error {
	var ids []uuid.UUID
	for _, text := range c.IDs {
		id, err := parseEventID(text)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	switch {
	case utf8.RuneCountInString(c.Reason) > store.MaxReason:
		return usagef("--reason may have at most %d characters", store.MaxReason)
	case a.cfg.ReasonAbove > 0 && len(ids) > a.cfg.ReasonAbove && c.Reason == "":
		return usagef("%d events are more than %d (RECALL_REASON_ABOVE): give a --reason for the audit list", len(ids), a.cfg.ReasonAbove)
	case c.Anyway && c.Reason == "":
		return usagef("--anyway takes a --reason: it may put an old state over a new one")
	}
	return a.withStore(ctx, func(db *store.DB) error {
		for _, id := range ids {
			if _, err := findEvent(ctx, db, id); err != nil {
				return err
			}
		}
		to, err := findDestination(ctx, db, c.To)
		if err != nil {
			return err
		}
		if words := dispatch.StandstillWords(to); words != "" {
			if _, err := fmt.Fprintf(a.out, "About %s: %s. See recall destination show %[1]s.\n", to.Name, words); err != nil {
				return err
			}
		}
		dispatcher, err := dispatch.New(db, dispatch.Options{Log: a.log, Now: a.now}) // without workers: it only enqueues
		if err != nil {
			return err
		}
		sent := map[uuid.UUID]bool{} // the newest stands in for several
		for _, id := range ids {
			if err := c.redispatch(ctx, a, dispatcher, id, sent); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *eventRedispatchCmd) redispatch(ctx context.Context, a *app, dispatcher *dispatch.Dispatcher, id uuid.UUID, sent map[uuid.UUID]bool) error {
	wish := store.Redispatch{EventID: id, Destination: c.To, By: actor(), Reason: c.Reason, Anyway: c.Anyway}
	delivery, err := dispatcher.Redispatch(ctx, wish)
	var stale *dispatch.StaleError
	switch is := errors.As(err, &stale); {
	case is && c.Skip:
		_, err := fmt.Fprintf(a.out, "Event %s was left: %s.\n", id, dispatch.NewerWords(stale.Newer))
		return err
	case is && c.Newest && sent[stale.Newest]:
		return nil
	case is && c.Newest:
		wish.EventID = stale.Newest
		sent[stale.Newest] = true
		if delivery, err = dispatcher.Redispatch(ctx, wish); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(a.out, "Instead of event %s the newest of its entity is sent, %s.\n", id, stale.Newest); err != nil {
			return err
		}
	case is:
		return fmt.Errorf("%w; say what to do: --newest sends that one instead, --anyway --reason TEXT sends this one all the same, --skip leaves it", err)
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(a.out, "Delivery %s to %s is in the queue; a running recall serve sends it. See it with: %s event show %s\n",
		delivery.ID, c.To, program(), wish.EventID)
	return err
}
