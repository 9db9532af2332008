package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"recall/store"
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
		uses, err := db.SecretUses(ctx, s.ID)
		if err != nil {
			return err
		}
		if err := writeTable(a.out, sourceRows(a, s)); err != nil {
			return err
		}
		if len(s.Secrets)+len(uses) == 0 {
			_, err = fmt.Fprintln(a.out, "\nThere is no secret, so everything is rejected.")
			return err
		}
		fmt.Fprintln(a.out)
		if err := writeTable(a.out, secretRows(s, uses, a.now())); err != nil {
			return err
		}
		for _, spare := range s.SpareSecrets(uses, a.now()) {
			fmt.Fprintf(a.out, "\nThe secret %s was not needed for two days, while %s was. End it with\n\n  %s source set %s --end-secret %s\n",
				harmless(spare.Secret), harmless(spare.Newer), program(), s.Slug, shellWord(harmless(spare.Secret)))
		}
		return nil
	})
}

func sourceRows(a *app, s *store.Source) [][]string {
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
		{"Expected types", or(strings.Join(s.ExpectedTypes, ", "), "every type")},
		{"Signing scheme", harmless(s.Scheme.String())},
	}
	if s.Basic != nil {
		rows = append(rows, []string{"Basic authentication", "user " + harmless(s.Basic.User) + ", password hidden"})
	}
	for _, h := range s.Headers {
		rows = append(rows, []string{"Header", h.Name + ": (hidden)"})
	}
	return append(rows, []string{"Added", utc(s.CreatedAt)})
}

// secretRows are the secrets, newest first, with what they verified. Removed ones that verified something stand at the end.
func secretRows(s *store.Source, uses []store.SecretUse, now time.Time) [][]string {
	rows := [][]string{{"SECRET", "STATE", "FROM", "UNTIL", "VERIFIED", "LAST NEEDED"}}
	add := func(name, state string, from, until time.Time) {
		row := []string{harmless(name), state, timeOr(from, "-"), timeOr(until, "-"), "0", "never"}
		for _, u := range uses {
			if u.Secret == name {
				row[4], row[5] = fmt.Sprint(u.Events), utc(u.LastUsed)
			}
		}
		rows = append(rows, row)
	}
	there := map[string]bool{}
	for _, secret := range slices.Backward(s.Secrets) {
		add(secret.Name, secretState(secret, now), secret.From, secret.Until)
		there[secret.Name] = true
	}
	for _, u := range uses {
		if !there[u.Secret] {
			add(u.Secret, "removed", time.Time{}, time.Time{})
		}
	}
	return rows
}

// timeOr is a time that somebody set, which is of whole seconds.
func timeOr(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// shellWord quotes a text for a shell where it needs it.
func shellWord(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
