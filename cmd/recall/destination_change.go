package main

import (
	"context"
	"fmt"

	"recall/store"
)

type destinationShowCmd struct {
	Name string `arg:"" help:"The destination's name."`
}

func (c *destinationShowCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		d, err := findDestination(ctx, db, c.Name)
		if err != nil {
			return err
		}
		rows := [][]string{
			{"Name", d.Name},
			{"URL", harmless(d.URL)},
			{"State", destinationState(d)},
			{"Match", matchWords(d)},
			{"Signing", string(d.Signing)},
			{"Timeout", span(d.Timeout)},
			{"Retries after", retryWords(d.RetrySchedule)},
		}
		for _, h := range d.Headers {
			rows = append(rows, []string{"Header", h.Name + ": (hidden)"})
		}
		return writeTable(a.out, append(rows, []string{"Added", utc(d.CreatedAt)}))
	})
}

type destinationPauseCmd struct {
	Name string `arg:"" help:"The destination's name."`
}

func (c *destinationPauseCmd) Run(ctx context.Context, a *app) error {
	return setDestinationState(ctx, a, c.Name, store.DestinationPaused, "destination.pause", "paused: deliveries to it wait")
}

type destinationResumeCmd struct {
	Name string `arg:"" help:"The destination's name."`
}

func (c *destinationResumeCmd) Run(ctx context.Context, a *app) error {
	return setDestinationState(ctx, a, c.Name, store.DestinationActive, "destination.resume", "active: what waits for it is sent")
}

func setDestinationState(ctx context.Context, a *app, name string, state store.DestinationState, action, words string) error {
	return a.withStore(ctx, func(db *store.DB) error {
		d, err := findDestination(ctx, db, name)
		if err != nil {
			return err
		}
		changed, err := db.SetDestinationState(ctx, d.ID, state, "")
		if err != nil {
			return err
		}
		if !changed {
			_, err := fmt.Fprintf(a.out, "The destination %s is %s already.\n", name, state)
			return err
		}
		if err := audit(ctx, db, action, name, map[string]any{"before": d.State, "after": state}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "The destination %s is %s.\n", name, words)
		return err
	})
}

type destinationRemoveCmd struct {
	Name string `arg:"" help:"The destination's name."`
}

func (c *destinationRemoveCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		if _, err := findDestination(ctx, db, c.Name); err != nil {
			return err
		}
		if err := db.RemoveDestination(ctx, c.Name); err != nil {
			return err
		}
		if err := audit(ctx, db, "destination.remove", c.Name, nil); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "The destination %s was removed. Nothing more is sent to it; what was sent stays on record.\n", c.Name)
		return err
	})
}

// findDestination finds a destination by its name, or says which there are.
func findDestination(ctx context.Context, db *store.DB, name string) (*store.Destination, error) {
	d, err := db.FindDestination(ctx, name)
	if err == nil {
		return d, nil
	}
	all, listErr := db.ListDestinations(ctx)
	if listErr != nil {
		return nil, err
	}
	var names []string
	for _, d := range all {
		names = append(names, d.Name)
	}
	return nil, missing(err, "destination", name, names)
}
