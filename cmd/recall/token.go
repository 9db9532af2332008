package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"recall/store"
)

type tokenCmd struct {
	Add    tokenAddCmd    `cmd:"" help:"Make a token of the API for a user, and show it once."`
	List   tokenListCmd   `cmd:"" help:"List the tokens, with their rights and last use."`
	Revoke tokenRevokeCmd `cmd:"" help:"End a token at once."`
}

type tokenAddCmd struct {
	Name    string   `arg:"" help:"Name of the token, for people and the audit list."`
	User    string   `required:"" placeholder:"NAME" help:"The user it acts for. It never does more than this user may at that moment."`
	Right   []string `required:"" placeholder:"RIGHT" help:"What it may do: metadata, payloads, reveal, redispatch, export, audit, settings, users, erase; several with commas between."`
	Expires string   `default:"90d" placeholder:"90d" help:"When it ends: after so many days (${default}), or never."`
}

func (tokenAddCmd) Help() string {
	return `The token is printed alone on standard output, this once: nobody can show it again. A program sends it as
Authorization: Bearer to /api/v1 of the admin listener. docs/api.md says what it can do there.

Example:

    recall token add crm-sync --user anna --right metadata,redispatch --expires 365d`
}

func (c *tokenAddCmd) Run(ctx context.Context, a *app) error {
	t := &store.Token{Name: c.Name}
	for _, right := range c.Right {
		t.Rights = append(t.Rights, store.Right(right))
	}
	if c.Expires != "never" {
		days, err := readDays(c.Expires)
		if err != nil || days == nil || *days == 0 {
			return usagef("--expires: %.40q is no time: write it as 90d, 12w, or never", c.Expires)
		}
		t.ExpiresAt = a.now().UTC().Truncate(time.Second).AddDate(0, 0, *days)
	}
	return a.withStore(ctx, func(db *store.DB) error {
		u, err := findUser(ctx, db, c.User)
		if err != nil {
			return err
		}
		t.UserID = u.ID
		text, err := db.CreateToken(ctx, t, store.AuditEntry{Actor: actor()})
		var wrong *store.InvalidError
		if errors.As(err, &wrong) {
			return usagef("%v", wrong)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(a.errw, "Token %d of %s may %s, and ends %s. It is not shown again:\n", t.ID, u.Name, rightList(t.Rights), timeOr(t.ExpiresAt, "never"))
		_, err = fmt.Fprintln(a.out, text)
		return err
	})
}

func rightList(rights []store.Right) string {
	words := make([]string, len(rights))
	for i, r := range rights {
		words[i] = string(r)
	}
	return strings.Join(words, ", ")
}

type tokenListCmd struct {
	User *string `placeholder:"NAME" help:"Of this user only."`
	JSON bool    `name:"json" help:"Print one JSON object a line."`
}

func (c *tokenListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		id := int64(0)
		if c.User != nil {
			u, err := findUser(ctx, db, *c.User)
			if err != nil {
				return err
			}
			id = u.ID
		}
		tokens, err := db.ListTokens(ctx, id)
		if err != nil {
			return err
		}
		rows := [][]string{{"NUMBER", "USER", "NAME", "BEGINS", "RIGHTS", "STATE", "LAST USED", "FROM"}}
		for _, t := range tokens {
			if c.JSON {
				if err := jsonLine(a.out, t.JSON()); err != nil {
					return err
				}
				continue
			}
			rows = append(rows, []string{
				fmt.Sprint(t.ID), t.User, harmless(t.Name), t.Hint + "…", rightList(t.Rights), tokenState(t, a.now()), timeOr(t.UsedAt, "never"), harmless(or(t.UsedFrom, "-")),
			})
		}
		switch {
		case c.JSON:
			return nil
		case len(tokens) == 0:
			fmt.Fprintf(a.errw, "There is no token. Make one with `%s token add`.\n", program())
			return nil
		}
		return writeTable(a.out, rows)
	})
}

func tokenState(t *store.Token, now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked by " + harmless(t.RevokedBy)
	case t.Ended(now):
		return "ended " + timeOr(t.ExpiresAt, "")
	case t.Refused:
		return "off: its user is refused by the identity provider"
	case len(t.Lost()) > 0:
		return "without " + rightList(t.Lost()) + ": its user is " + string(t.Role)
	case t.ExpiresAt.IsZero():
		return "valid"
	}
	return "until " + timeOr(t.ExpiresAt, "")
}

type tokenRevokeCmd struct {
	ID     int64  `arg:"" help:"The token's number, as the list shows it."`
	Reason string `placeholder:"TEXT" help:"Why, for the audit list."`
}

func (c *tokenRevokeCmd) Run(ctx context.Context, a *app) error {
	if err := checkReason(c.Reason); err != nil {
		return err
	}
	return a.withStore(ctx, func(db *store.DB) error {
		err := db.RevokeToken(ctx, c.ID, 0, store.AuditEntry{Actor: actor(), Reason: c.Reason})
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no token %d, or it was revoked already; see %s token list", c.ID, program())
		}
		if err == nil {
			_, err = fmt.Fprintf(a.out, "Token %d lets nobody in any more.\n", c.ID)
		}
		return err
	})
}
