package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"recall/store"
	"recall/verify"
)

type sourceSetCmd struct {
	Slug string  `arg:"" help:"The source's slug."`
	Name *string `placeholder:"NAME" help:"Name for people."`
	secretFlags
	EndSecret []string `sep:"none" placeholder:"NAME" help:"Let this secret be valid no longer; it is kept, for checking what arrived before."`
	credentialFlags
	NoBasic        bool           `name:"no-basic" help:"Ask for no basic authentication any more."`
	RemoveHeader   []string       `sep:"none" placeholder:"NAME" help:"Ask for this header no more, once for each."`
	NoHeader       bool           `name:"no-header" help:"Ask for no header pairs any more."`
	Tolerance      *time.Duration `placeholder:"5m" help:"How far a signature's time may be from now, past and future."`
	LateWindow     *time.Duration `placeholder:"32h" help:"How old a genuine callback may be to be accepted as late; 0 rejects late ones."`
	Expect         []string       `sep:"none" placeholder:"TYPE" help:"The types to expect, in place of those that were: customer.creation, order.*, *.deletion; once for each."`
	NoExpect       bool           `name:"no-expect" help:"Expect every type."`
	Scheme         *string        `placeholder:"SCHEME" help:"How the sender signs: plenigo, standard-webhooks, or a file with a scheme as JSON."`
	Enable         *bool          `negatable:"disable" help:"Accept callbacks, or (--disable) answer 403 and keep them as rejected."`
	Observe        *bool          `negatable:"" help:"Answer rejected callbacks 2xx too, or (--no-observe) 401."`
	DropUnreadable bool           `help:"Give up what cannot be decrypted, and disable the source: set it anew, then --enable."`
}

func (sourceSetCmd) Help() string {
	return `What is not named stays as it is. A header pair is added, or takes the place of the one of the same name. A secret that is
given replaces those that were there, at once: to let the old one stay valid for a while, use recall source rotate. A
running server follows within two seconds.

Examples:

    recall source set shop --secret -
    recall source set shop --tolerance 10m --no-basic --header-file headers --remove-header X-Old
    recall source set shop --expect 'customer.*' --expect order.creation
    recall source set shop --disable`
}

func (c *sourceSetCmd) Run(ctx context.Context, a *app) error {
	r := secretReader{in: a.in}
	secret, newOne, err := c.secretFlags.read(&r)
	if err != nil {
		return err
	}
	basic, headers, err := c.credentialFlags.read(&r)
	if err != nil {
		return err
	}
	switch {
	case c.NoBasic && basic != nil, c.NoHeader && len(headers) > 0:
		return usagef("--no-basic and --no-header end what --basic and --header ask for; give one or the other")
	case c.NoExpect && len(c.Expect) > 0:
		return usagef("--no-expect expects every type, and --expect some; give one or the other")
	}
	var scheme verify.Scheme
	if c.Scheme != nil {
		if scheme, err = readScheme(*c.Scheme); err != nil {
			return err
		}
	}
	named := newOne || basic != nil || c.NoBasic || len(headers) > 0 || c.NoHeader || len(c.RemoveHeader) > 0 || len(c.EndSecret) > 0 ||
		c.Name != nil || c.Tolerance != nil || c.LateWindow != nil || len(c.Expect) > 0 || c.NoExpect || c.Scheme != nil ||
		c.Enable != nil || c.Observe != nil || c.DropUnreadable
	if !named {
		return usagef("nothing to change was named; see recall source set --help")
	}
	change := store.SourceChange{
		Name: c.Name, EndSecrets: c.EndSecret, Basic: basic, NoBasic: c.NoBasic, Headers: headers, RemoveHeaders: c.RemoveHeader, NoHeaders: c.NoHeader,
		Tolerance: c.Tolerance, LateWindow: c.LateWindow, ExpectedTypes: c.Expect, EveryType: c.NoExpect, Enabled: c.Enable, Observe: c.Observe,
		DropUnreadable: c.DropUnreadable,
	}
	if newOne {
		change.Secret = &secret
	}
	if c.Scheme != nil {
		change.Scheme = &scheme
	}
	return a.changeSource(ctx, c.Slug, change.Apply)
}

// changeSource changes a source, notes it, and says so.
func (a *app) changeSource(ctx context.Context, slug string, change func(*store.Source, []store.SecretUse, time.Time) error) error {
	return a.withStore(ctx, func(db *store.DB) error {
		if _, err := findSource(ctx, db, slug); err != nil {
			return err
		}
		_, err := db.ChangeSource(ctx, slug, func(s *store.Source, uses []store.SecretUse) error { return change(s, uses, a.now()) }, sourceNote("source.set", slug, nil))
		var wrong *store.InvalidError
		switch {
		case errors.As(err, &wrong):
			return usagef("%v; see recall source show %s", err, slug)
		case errors.Is(err, store.ErrUnreadable):
			return fmt.Errorf("%w: give the key they were sealed with (RECALL_KEY, RECALL_KEY_FILE), or give them up by --drop-unreadable", err)
		case errors.Is(err, store.ErrChanged):
			return fmt.Errorf("%w; nothing was done: look at it, and run the command again", err)
		case err != nil:
			return err
		}
		_, err = fmt.Fprintf(a.out, "The source %s was changed.\n", slug)
		return err
	})
}

// set changes a setting where a flag was given.
func set[T any](setting, flag *T) {
	if flag != nil {
		*setting = *flag
	}
}

type sourceRemoveCmd struct {
	Slug string `arg:"" help:"The source's slug."`
}

func (sourceRemoveCmd) Help() string {
	return `Callbacks to the source are answered 404 from then on, and plenigo sends each of them at most four times: end the callback
at plenigo first. To keep what comes in meanwhile, disable the source instead: recall source set SLUG --disable

Example:

    recall source remove shop`
}

func (c *sourceRemoveCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		if _, err := findSource(ctx, db, c.Slug); err != nil {
			return err
		}
		if err := db.RemoveSource(ctx, c.Slug, sourceNote("source.remove", c.Slug, nil)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "The source %s was removed. Its events stay; its secrets are not used any more.\n", c.Slug)
		return err
	})
}

// findSource finds a source by its slug, or says which there are.
func findSource(ctx context.Context, db *store.DB, slug string) (*store.Source, error) {
	s, err := db.FindSource(ctx, slug)
	if err == nil {
		return s, nil
	}
	all, listErr := db.ListSources(ctx)
	if listErr != nil {
		return nil, err
	}
	var slugs []string
	for _, s := range all {
		slugs = append(slugs, s.Slug)
	}
	return nil, missing(err, "source", slug, slugs)
}
