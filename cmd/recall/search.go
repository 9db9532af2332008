package main

import (
	"context"
	"fmt"

	"recall/store"
)

type searchCmd struct {
	Status  searchStatusCmd  `cmd:"" help:"Show how far the search index is."`
	Reindex searchReindexCmd `cmd:"" help:"Have the search index made anew from the events."`
}

type searchStatusCmd struct {
	JSON bool `name:"json" help:"Print one JSON object: indexed_at, building, built_to, events, segments."`
}

func (searchStatusCmd) Help() string {
	return `The index is made by a running recall serve, a moment behind the arrivals. What it does not hold yet is found all the
same, one event after another; so a search is slower while it is being made, and never wrong.`
}

func (c *searchStatusCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		p, err := db.SearchProgress(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			line := map[string]any{"indexed_at": nil, "building": p.Building, "built_to": nil, "events": p.Events, "segments": p.Segments}
			if !p.IndexedAt.IsZero() {
				line["indexed_at"] = p.IndexedAt
			}
			if !p.BuiltTo.IsZero() {
				line["built_to"] = p.BuiltTo
			}
			return jsonLine(a.out, line)
		}
		_, err = fmt.Fprintf(a.out, "%d events in %d segments; %s.\n", p.Events, p.Segments, searchWords(p))
		return err
	})
}

// searchWords say how far the index is.
func searchWords(p store.SearchProgress) string {
	switch {
	case p.Building && p.BuiltTo.IsZero():
		return "it is about to be made from the events"
	case p.Building:
		return "it is being made, newest events first, and is back at " + utc(p.BuiltTo)
	case p.IndexedAt.IsZero():
		return "it has not caught up with the arrivals yet"
	}
	return "up to date as of " + utc(p.IndexedAt)
}

type searchReindexCmd struct {
	Reason string `placeholder:"TEXT" help:"Why, for the audit list."`
}

func (searchReindexCmd) Help() string {
	return `It is work for a running recall serve, in small pieces: it may be stopped at any time, and goes on when it is started again.
Callbacks are received, and searches find everything, meanwhile; those over long times are slower.

It is never necessary after an update: a newer index is made by itself.`
}

func (c *searchReindexCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		if err := db.Reindex(ctx, store.AuditEntry{Actor: actor(), Action: "search.reindex", Subject: "search index", Reason: c.Reason}); err != nil {
			return err
		}
		_, err := fmt.Fprintln(a.out, "The search index is made anew by the running recall serve, or by the next one. recall search status tells how far it is.")
		return err
	})
}
