package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"recall/store"
)

type destinationSetCmd struct {
	Name   string  `arg:"" help:"The destination's name."`
	Rename *string `placeholder:"NAME" help:"A new name."`
	destinationFlags
	NoMatch        bool          `name:"no-match" help:"Send events by hand only."`
	NewSecret      bool          `help:"Make a new signing secret, and show it."`
	NoSecret       bool          `name:"no-secret" help:"Drop its own signing secrets, at once: plenigo is then signed by the source's secret."`
	Overlap        time.Duration `default:"24h" help:"How long requests are signed by the old signing secret too, beside a new one; 0 ends it at once."`
	RemoveHeader   []string      `sep:"none" placeholder:"NAME" help:"Send this header along no more, once for each."`
	NoHeader       bool          `name:"no-header" help:"Send no headers of its own along any more."`
	DropUnreadable bool          `help:"Give up what cannot be decrypted, and pause the destination: set it anew, then resume."`
}

func (destinationSetCmd) Help() string {
	return `What is not named stays as it is. A header is added, or takes the place of the one of the same name. A new signing secret signs
beside the old one until --overlap is over, so that the receiver can change in between. A running server follows within two
seconds.

Examples:

    recall destination set crm --rate 10 --concurrency 2
    recall destination set crm --match 'source:shop type:order.*'
    recall destination set crm --signing standard-webhooks --new-secret
    recall destination set crm --header-file headers --remove-header X-Old`
}

func (c *destinationSetCmd) Run(ctx context.Context, a *app) error {
	given := c.Secret != nil || c.SecretFile != nil
	switch {
	case c.NoMatch && c.Match != nil:
		return usagef("--no-match sends by hand only, and --match what fulfils a filter; give one or the other")
	case c.NoSecret && (given || c.NewSecret), c.NewSecret && given:
		return usagef("--secret, --new-secret and --no-secret exclude each other")
	case c.NoHeader && len(c.Header)+len(c.HeaderFile)+len(c.ClearHeader) > 0:
		return usagef("--no-header ends what --header and --clear-header send along; give one or the other")
	case c.Overlap < 0 || c.Overlap > store.MaxWindow || c.Overlap%time.Second != 0:
		return usagef("--overlap must be whole seconds between 0 and 10 years, not %s", c.Overlap)
	}
	return a.withStore(ctx, func(db *store.DB) error {
		d, err := findDestination(ctx, db, c.Name)
		if err != nil {
			return err
		}
		if d.Unreadable && !c.DropUnreadable {
			return fmt.Errorf("the destination %s holds what cannot be decrypted, and would be lost: give the key it was sealed with (RECALL_KEY, RECALL_KEY_FILE), or give it up by --drop-unreadable", d.Name)
		}
		before := *d
		d.Unreadable = false
		made, err := c.change(a, d)
		if err != nil {
			return err
		}
		if err := d.Validate(a.now()); err != nil {
			return usagef("%v", err)
		}
		changes := store.DestinationChanges(&before, d)
		if len(changes) == 0 && !before.Unreadable {
			_, err := fmt.Fprintf(a.out, "Nothing of the destination %s would be different, so nothing was changed.\n", c.Name)
			return err
		}
		if before.Unreadable { // it may send with less than it should, until somebody has looked after it
			_, err := db.SetDestinationState(ctx, d.ID, store.DestinationPaused, "what could not be decrypted was given up")
			if err != nil {
				return err
			}
		}
		err = db.UpdateDestination(ctx, d, destinationNote("destination.set", d.Name, changes))
		if errors.Is(err, store.ErrChanged) {
			return fmt.Errorf("%w; nothing was done: look at it, and run the command again", err)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "The destination %s was changed.\n", d.Name)
		return sayMade(a, d.Name, made)
	})
}

// change makes a destination as the flags say, and returns the signing secret where one was made.
func (c *destinationSetCmd) change(a *app, d *store.Destination) (made string, err error) {
	set(&d.Name, c.Rename)
	if c.NoHeader {
		d.Headers, d.ClearHeaders = nil, nil
	}
	for _, name := range c.RemoveHeader {
		if !d.RemoveHeader(name) {
			return "", usagef("--remove-header: no header %.80q is sent along; see %s destination show %s", name, program(), c.Name)
		}
	}
	key, err := c.apply(a, d)
	if err != nil {
		return "", err
	}
	if c.NoMatch {
		d.Match = nil
	}
	if c.NoSecret || d.Signing == store.SigningNone {
		d.Secrets = nil
	}
	if c.NewSecret || d.Signing == store.SigningStandardWebhooks && key == "" && len(d.Secrets) == 0 && !c.NoSecret {
		key = store.NewSigningSecret()
		made = key
	}
	switch {
	case key == "":
		return "", nil
	case d.Signing == store.SigningNone:
		return "", usagef("a signing secret signs nothing where the signing is none")
	case slices.ContainsFunc(d.Secrets, func(s store.SigningSecret) bool { return s.Key == key }):
		return "", usagef("--secret is a signing secret that the destination has already")
	}
	d.Rotate(key, c.Overlap, a.now())
	return made, nil
}

type destinationPauseCmd struct {
	Name   string `arg:"" help:"The destination's name."`
	Reason string `placeholder:"R" help:"Why, for the audit list and whoever looks at it."`
}

func (c *destinationPauseCmd) Run(ctx context.Context, a *app) error {
	return setDestinationState(ctx, a, c.Name, c.Reason, store.DestinationPaused, "destination.pause", "paused: deliveries to it wait")
}

type destinationResumeCmd struct {
	Name   string `arg:"" help:"The destination's name."`
	Reason string `placeholder:"R" help:"Why, for the audit list."`
}

func (c *destinationResumeCmd) Run(ctx context.Context, a *app) error {
	return setDestinationState(ctx, a, c.Name, c.Reason, store.DestinationActive, "destination.resume", "active: what waits for it is sent")
}

func setDestinationState(ctx context.Context, a *app, name, reason string, state store.DestinationState, action, words string) error {
	if err := checkReason(reason); err != nil {
		return err
	}
	return a.withStore(ctx, func(db *store.DB) error {
		d, err := findDestination(ctx, db, name)
		if err != nil {
			return err
		}
		note := destinationNote(action, name, map[string]any{"before": d.State, "after": state})
		note.Reason = reason
		why := reason
		if state == store.DestinationActive {
			why = "" // which needs no explanation
		}
		changed, err := db.SetDestinationState(ctx, d.ID, state, why, note)
		if err != nil {
			return err
		}
		if !changed {
			_, err := fmt.Fprintf(a.out, "The destination %s is %s already.\n", name, state)
			return err
		}
		open, err := db.CountOpen(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "The destination %s is %s (%s by now).\n", name, words, bounded(open[name].Waiting, store.MostBacklog))
		return err
	})
}

func checkReason(reason string) error {
	if utf8.RuneCountInString(reason) > store.MaxReason {
		return usagef("--reason may have at most %d characters", store.MaxReason)
	}
	return nil
}

type destinationRemoveCmd struct {
	Name   string `arg:"" help:"The destination's name."`
	Reason string `placeholder:"R" help:"Why, for the audit list."`
}

func (c *destinationRemoveCmd) Run(ctx context.Context, a *app) error {
	if err := checkReason(c.Reason); err != nil {
		return err
	}
	return a.withStore(ctx, func(db *store.DB) error {
		if _, err := findDestination(ctx, db, c.Name); err != nil {
			return err
		}
		open, err := db.CountOpen(ctx)
		if err != nil {
			return err
		}
		waiting := open[c.Name].Waiting
		note := destinationNote("destination.remove", c.Name, map[string]any{"waiting": waiting})
		note.Reason = c.Reason
		if err := db.RemoveDestination(ctx, c.Name, note); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "The destination %s was removed. Nothing more is sent to it: what waits is cancelled (%s by now), what was sent stays on record.\n",
			c.Name, bounded(waiting, store.MostBacklog))
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
