package main

import (
	"context"
	"errors"
	"fmt"

	"recall/store"
)

type demoCmd struct {
	Remove demoRemoveCmd `cmd:"" help:"Remove the demo's source and destinations, and every event that came through them."`
}

type demoRemoveCmd struct{}

func (demoRemoveCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		removed, kept, err := db.RemoveDemo(ctx, actor())
		switch {
		case errors.Is(err, store.ErrNotFound):
			fmt.Fprintln(a.out, "There is nothing of a demo here.")
			return nil
		case err != nil:
			return err
		}
		fmt.Fprintf(a.out, "The demo is removed, with %s.\n", counted(int(removed), "event", "events"))
		if kept > 0 {
			fmt.Fprintf(a.out, "%s stayed, because of a hold: release it, and say this again.\n", counted(int(kept), "event", "events"))
		}
		return nil
	})
}
