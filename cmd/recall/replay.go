package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"recall/dispatch"
	"recall/filter"
	"recall/replay"
	"recall/store"
)

type replayCmd struct {
	Plan   replayPlanCmd   `cmd:"" help:"Make the list of what would be sent, and say what is on it and what is left out."`
	Start  replayStartCmd  `cmd:"" help:"Send what is on the list of a planned replay, a few events first."`
	Status replayStatusCmd `cmd:"" help:"Show the replays, or how far one is."`
	Pause  replayPauseCmd  `cmd:"" help:"Send no more until it is resumed."`
	Resume replayResumeCmd `cmd:"" help:"Go on with a replay that is paused, or has stopped by itself, a few events first."`
	Cancel replayCancelCmd `cmd:"" help:"End a replay; what is still in the queue is taken out."`
}

type replayPlanCmd struct {
	Filter    []string `arg:"" optional:"" placeholder:"FILTER" help:"Which events, as for recall event list; '' for all that there are."`
	To        string   `required:"" placeholder:"NAME" help:"The destination's name."`
	Latest    bool     `help:"Send only the newest state of each entity. Without it all, in the order of arrival."`
	Again     bool     `help:"Send also what was delivered to this destination before."`
	Rate      float64  `default:"50" placeholder:"N" help:"Events a second, reached within half a minute (${default})."`
	Canary    int      `default:"10" placeholder:"N" help:"Events that are sent first, and their answers awaited (${default}); 0: none."`
	StopAbove float64  `default:"10" placeholder:"PERCENT" help:"Stop by itself when more than this share of the last 100 first attempts failed (${default})."`
	Reason    string   `placeholder:"TEXT" help:"Why, for the audit list and each delivery."`
	JSON      bool     `name:"json" help:"Print one object of JSON."`
}

func (replayPlanCmd) Help() string {
	return `The list is made of what the filter finds at this moment, and frozen: what comes later is not on it. Left out is what is not
genuine, was delivered to the destination before or is on its way there, and what would put an older state over a newer one.
Nothing is sent before recall replay start.

Examples:

    recall replay plan 'source:shop after:1d' --to crm --reason "crm was down"
    recall replay plan 'type:subscription after:2026-11-20' --to crm --latest --rate 20`
}

func (c *replayPlanCmd) Run(ctx context.Context, a *app) error {
	if len(c.Filter) == 0 {
		return usagef("say which events, by a filter; '' for all that there are")
	}
	text := strings.Join(c.Filter, " ")
	if _, err := readFilter("filter", text, a.now()); err != nil {
		return err
	}
	if err := checkReason(c.Reason); err != nil {
		return err
	}
	wish := store.ReplayWish{
		Filter: text, Destination: c.To, Latest: c.Latest, Again: c.Again, Rate: c.Rate, Canary: c.Canary, StopAbove: c.StopAbove / 100,
		By: actor(), Reason: c.Reason,
	}
	if err := wish.Validate(); err != nil {
		return usagef("%v", err)
	}
	return a.withReplayer(ctx, func(db *store.DB) error {
		r, err := db.CreateReplay(ctx, wish)
		var wrong *filter.Error
		switch {
		case errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("there is no destination %q", harmless(c.To))
		case errors.As(err, &wrong):
			return usagef("%v", err)
		case err != nil:
			return err
		}
		if r, err = a.followReplay(ctx, db, r.ID, store.ReplayPlanning); err != nil {
			return err
		}
		if c.JSON {
			return jsonLine(a.out, r.JSON())
		}
		if err := writePlan(a, r); err != nil {
			return err
		}
		if r.Events > 0 && r.State == store.ReplayPlanned {
			fmt.Fprintf(a.out, "\nNothing was sent. Start it: %s replay start %d\n", program(), r.ID)
		}
		return nil
	})
}

type replayStartCmd struct {
	ID     int64  `arg:"" help:"Its number."`
	Reason string `placeholder:"TEXT" help:"Why, if the plan did not say."`
	Detach bool   `help:"Do not wait: a running recall serve does it."`
}

func (c *replayStartCmd) Run(ctx context.Context, a *app) error {
	return a.changeReplay(ctx, c.ID, c.Reason, !c.Detach, (*store.DB).StartReplay, "Replay %d has begun.")
}

type replayResumeCmd struct {
	ID     int64  `arg:"" help:"Its number."`
	Reason string `placeholder:"TEXT" help:"Why, for the audit list."`
	Detach bool   `help:"Do not wait: a running recall serve does it."`
}

func (c *replayResumeCmd) Run(ctx context.Context, a *app) error {
	return a.changeReplay(ctx, c.ID, c.Reason, !c.Detach, (*store.DB).ResumeReplay, "Replay %d goes on.")
}

type replayPauseCmd struct {
	ID     int64  `arg:"" help:"Its number."`
	Reason string `placeholder:"TEXT" help:"Why, for the audit list."`
}

func (c *replayPauseCmd) Run(ctx context.Context, a *app) error {
	return a.changeReplay(ctx, c.ID, c.Reason, false, (*store.DB).PauseReplay, "Replay %d is paused. What is under way goes on.")
}

type replayCancelCmd struct {
	ID     int64  `arg:"" help:"Its number."`
	Reason string `placeholder:"TEXT" help:"Why, for the audit list."`
}

func (c *replayCancelCmd) Run(ctx context.Context, a *app) error {
	return a.changeReplay(ctx, c.ID, c.Reason, false, (*store.DB).CancelReplay, "Replay %d is cancelled. What was sent stays sent.")
}

// changeReplay changes where a replay stands, and may wait until it runs no more. The exit status then says whether it is done.
func (a *app) changeReplay(ctx context.Context, id int64, reason string, wait bool, change func(*store.DB, context.Context, int64, string, string) error, said string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	return a.withReplayer(ctx, func(db *store.DB) error {
		err := change(db, ctx, id, actor(), reason)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("there is no replay %d", id)
		case errors.Is(err, store.ErrReasonNeeded):
			return fmt.Errorf("%w: give one with --reason (RECALL_REASON_ABOVE)", err)
		case err != nil:
			return err
		}
		fmt.Fprintf(a.out, said+"\n", id)
		if !wait {
			return nil
		}
		r, err := a.followReplay(ctx, db, id, store.ReplayCanary, store.ReplayRunning)
		if err != nil {
			if ctx.Err() != nil {
				fmt.Fprintf(a.errw, "It goes on while a recall serve runs. To end it: %s replay cancel %d\n", program(), id)
			}
			return err
		}
		if err := writeProgress(a, r); err != nil {
			return err
		}
		if r.State != store.ReplayDone {
			return errSaid
		}
		return nil
	})
}

type replayStatusCmd struct {
	ID     *int64 `arg:"" optional:"" help:"The number of one; without it the newest 20 are listed."`
	Follow bool   `help:"With a number: show how it goes until it runs no more."`
	JSON   bool   `name:"json" help:"Print JSON lines."`
}

func (c *replayStatusCmd) Run(ctx context.Context, a *app) error {
	if c.ID == nil && c.Follow {
		return usagef("--follow needs the number of a replay")
	}
	return a.withStore(ctx, func(db *store.DB) error {
		if c.ID == nil {
			list, err := db.ListReplays(ctx, 20)
			if err != nil {
				return err
			}
			if c.JSON {
				for _, r := range list {
					if err := jsonLine(a.out, r.JSON()); err != nil {
						return err
					}
				}
				return nil
			}
			return writeReplays(a.out, list)
		}
		r, err := db.FindReplay(ctx, *c.ID)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no replay %d", *c.ID)
		}
		if err == nil && c.Follow {
			r, err = a.followReplay(ctx, db, *c.ID, store.ReplayPlanning, store.ReplayCanary, store.ReplayRunning)
		}
		switch {
		case err != nil:
			return err
		case c.JSON:
			return jsonLine(a.out, r.JSON())
		}
		if err := writePlan(a, r); err != nil {
			return err
		}
		return writeProgress(a, r)
	})
}

// withReplayer is withStore, where replays go on meanwhile: the work is shared with a running serve, which does the sending.
func (a *app) withReplayer(ctx context.Context, do func(*store.DB) error) error {
	return a.withStore(ctx, func(db *store.DB) error {
		work, endWork := context.WithCancel(ctx)
		defer endWork()
		live, err := db.Live(work)
		if err != nil {
			return err
		}
		dispatcher, err := dispatch.New(db, dispatch.Options{Live: live, Log: a.log, Now: a.now}) // without workers
		if err != nil {
			return err
		}
		ended := make(chan struct{})
		go func() { defer close(ended); replay.New(db, dispatcher, a.log).Run(work) }()
		defer func() { endWork(); <-ended }()
		return do(db)
	})
}
