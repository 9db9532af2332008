package main

import (
	"context"
	"fmt"
	"time"

	"recall/store"
	"recall/verify"
)

type sourceShowCmd struct {
	Slug string `arg:"" help:"The source's slug."`
}

func (c *sourceShowCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		s, err := findSource(ctx, db, c.Slug)
		if err != nil {
			return err
		}
		rejected := "answered 401, kept, never sent on"
		if s.Observe {
			rejected = "observed: answered 2xx, kept as rejected, never sent on"
		}
		rows := [][]string{
			{"Slug", s.Slug},
			{"Name", harmless(s.Name)},
			{"State", sourceState(s, a.now())},
			{"URL", a.cfg.callbackURL(s.Slug)},
			{"Tolerance", span(s.Tolerance)},
			{"Late window", or(span(s.LateWindow), "off: late callbacks are rejected")},
			{"Rejected callbacks", rejected},
		}
		for _, secret := range s.Secrets {
			words := secretState(secret, a.now())
			if !secret.From.IsZero() {
				words += ", from " + utc(secret.From)
			}
			if !secret.Until.IsZero() {
				words += ", until " + utc(secret.Until)
			}
			rows = append(rows, []string{"Secret", harmless(secret.Name) + " (hidden): " + words})
		}
		if len(s.Secrets) == 0 {
			rows = append(rows, []string{"Secret", "none: everything is rejected"})
		}
		if s.Basic != nil {
			rows = append(rows, []string{"Basic authentication", "user " + harmless(s.Basic.User) + ", password hidden"})
		}
		for _, h := range s.Headers {
			rows = append(rows, []string{"Header", h.Name + ": (hidden)"})
		}
		return writeTable(a.out, append(rows, []string{"Added", utc(s.CreatedAt)}))
	})
}

type sourceSetCmd struct {
	Slug string  `arg:"" help:"The source's slug."`
	Name *string `placeholder:"NAME" help:"Name for people."`
	secretFlags
	credentialFlags
	NoBasic    bool           `name:"no-basic" help:"Ask for no basic authentication any more."`
	NoHeader   bool           `name:"no-header" help:"Ask for no header pairs any more."`
	Tolerance  *time.Duration `placeholder:"5m" help:"How far a signature's time may be from now, past and future."`
	LateWindow *time.Duration `placeholder:"32h" help:"How old a genuine callback may be to be accepted as late; 0 rejects late ones."`
	Enable     *bool          `negatable:"disable" help:"Accept callbacks, or (--disable) answer 403 and keep them as rejected."`
	Observe    *bool          `negatable:"" help:"Answer rejected callbacks 2xx too, or (--no-observe) 401."`
}

func (sourceSetCmd) Help() string {
	return `What is not named stays as it is. A secret, user and password, or header pairs that are given replace those that were
there, at once: change them at plenigo at the same moment. A running server follows within two seconds.

Examples:

    recall source set shop --secret -
    recall source set shop --tolerance 10m --no-basic
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
	if c.NoBasic && basic != nil || c.NoHeader && len(headers) > 0 {
		return usagef("--no-basic and --no-header end what --basic and --header ask for; give one or the other")
	}
	return a.withStore(ctx, func(db *store.DB) error {
		s, err := findSource(ctx, db, c.Slug)
		if err != nil {
			return err
		}
		var changed []string
		if newOne {
			s.Secrets, changed = []verify.Secret{newSecret(secret, a.now())}, append(changed, "secret")
		}
		if basic != nil || c.NoBasic {
			s.Basic, changed = basic, append(changed, "basic")
		}
		if len(headers) > 0 || c.NoHeader {
			s.Headers, changed = headers, append(changed, "headers")
		}
		changed = set(&s.Name, c.Name, "name", changed)
		changed = set(&s.Tolerance, c.Tolerance, "tolerance", changed)
		changed = set(&s.LateWindow, c.LateWindow, "late_window", changed)
		changed = set(&s.Enabled, c.Enable, "enabled", changed)
		changed = set(&s.Observe, c.Observe, "observe", changed)
		if len(changed) == 0 {
			return usagef("nothing to change was named; see recall source set --help")
		}
		if err := s.Validate(); err != nil {
			return usagef("%v", err)
		}
		if err := db.UpdateSource(ctx, s); err != nil {
			return err
		}
		detail := sourceDetail(s)
		detail["changed"] = changed
		if err := audit(ctx, db, "source.set", s.Slug, detail); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "The source %s was changed.\n", s.Slug)
		return err
	})
}

// set changes a setting where a flag was given, and notes its name.
func set[T any](setting, flag *T, name string, changed []string) []string {
	if flag == nil {
		return changed
	}
	*setting = *flag
	return append(changed, name)
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
		if err := db.RemoveSource(ctx, c.Slug); err != nil {
			return err
		}
		if err := audit(ctx, db, "source.remove", c.Slug, nil); err != nil {
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
