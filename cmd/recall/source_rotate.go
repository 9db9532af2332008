package main

import (
	"context"
	"time"

	"recall/store"
)

type sourceRotateCmd struct {
	Slug string `arg:"" help:"The source's slug."`
	secretFlags
	Name    *string       `placeholder:"NAME" help:"Name of the new secret, shown with what it verifies; the day if left out."`
	Overlap time.Duration `default:"48h" help:"How long the old secrets stay valid. 48h covers plenigo's last retry, which comes 24 to 31 hours after the first attempt; 0 ends them at once."`
}

func (sourceRotateCmd) Help() string {
	return `The new secret is valid from now on, and those that are valid now end when the overlap is over: nothing is lost whichever
plenigo signs with meanwhile. Change it at plenigo afterwards. recall source show tells what each verified.

Examples:

    recall source rotate shop --secret -               (then paste the secret, Enter, Ctrl-D)
    recall source rotate shop --secret-file secret --name autumn --overlap 72h`
}

func (c *sourceRotateCmd) Run(ctx context.Context, a *app) error {
	r := secretReader{in: a.in}
	key, given, err := c.secretFlags.read(&r)
	switch {
	case err != nil:
		return err
	case !given:
		return usagef("--secret or --secret-file is missing: the new secret, as plenigo shows it")
	}
	name := ""
	set(&name, c.Name)
	next := store.NewSecret{Key: key, Name: name, Overlap: c.Overlap}
	return a.changeSource(ctx, c.Slug, next.Apply)
}
