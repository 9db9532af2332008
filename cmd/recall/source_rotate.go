package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"recall/store"
	"recall/verify"
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
	case strings.TrimSpace(key) != key:
		return usagef("--secret begins or ends with a blank; copy it without")
	case c.Overlap < 0 || c.Overlap > store.MaxWindow || c.Overlap%time.Second != 0:
		return usagef("--overlap must be whole seconds between 0 and 10 years, not %s", c.Overlap)
	}
	return a.changeSource(ctx, c.Slug, func(s *store.Source, uses []store.SecretUse) error {
		if i := slices.IndexFunc(s.Secrets, func(old verify.Secret) bool { return old.Key == key }); i >= 0 {
			return usagef("--secret is the secret %q, which the source has already", s.Secrets[i].Name)
		}
		name := s.FreeSecretName(a.now(), uses)
		if c.Name != nil {
			name = *c.Name
			if slices.ContainsFunc(uses, func(u store.SecretUse) bool { return u.Secret == name }) {
				return usagef("--name: %.100q is or was the name of a secret that verified callbacks; choose another, so that they are told apart", name)
			}
		}
		s.Rotate(verify.Secret{Name: name, Key: key}, c.Overlap, a.now())
		return nil
	})
}
