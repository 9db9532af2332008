package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"recall/store"
)

type userCmd struct {
	Add          userAddCmd      `cmd:"" help:"Add somebody who may log in to the admin UI."`
	List         userListCmd     `cmd:"" help:"List the users."`
	Password     userPasswordCmd `cmd:"" help:"Give a user a new password, and end the user's sessions."`
	Role         userRoleCmd     `cmd:"" help:"Change what a user may do, at once."`
	SecondFactor struct {
		Remove userSecondFactorRemoveCmd `cmd:"" help:"Ask a user for the password alone, when phone and recovery codes are lost."`
	} `cmd:"" help:"The second factor of a user."`
	Code    userCodeCmd    `cmd:"" help:"Show a code that lets a user in once, whatever else is asked for."`
	Remove  userRemoveCmd  `cmd:"" help:"Remove a user, and end the user's sessions."`
	Restore userRestoreCmd `cmd:"" help:"Let a user of the identity provider in again who was removed."`
}

type userAddCmd struct {
	Name         string  `arg:"" help:"Name to log in with."`
	Role         string  `default:"admin" help:"viewer looks at events and settings, auditor also reads the audit list, operator also sends again, exports and reveals, admin also manages."`
	PasswordFile *string `placeholder:"FILE" help:"Read the password from a file."`
}

func (userAddCmd) Help() string {
	return `The password is asked for, twice and unseen. Where there is no terminal it is read from standard input. No flag takes it:
other users of the machine could see it.

Examples:

    recall user add alice --role operator
    recall user add alice --role operator <password-file`
}

func (c *userAddCmd) Run(ctx context.Context, a *app) error {
	role := store.Role(c.Role)
	if err := errors.Join(store.ValidateUserName(c.Name), role.Validate()); err != nil {
		return usagef("%v", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return a.withStore(ctx, func(db *store.DB) error {
		users, err := db.ListUsers(ctx)
		if err != nil {
			return err
		}
		if u := userNamed(users, c.Name); u != nil { // said before a password is asked for
			return fmt.Errorf("the user %q exists already", u.Name)
		}
		password, err := a.password(ctx, c.Name, c.PasswordFile)
		if err != nil {
			return err
		}
		if _, err := db.CreateUser(ctx, c.Name, password, role, store.AuditEntry{Actor: actor(), Action: "user.add", Subject: c.Name, Detail: map[string]any{"role": role}}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "The user %s was added, as %s.\n", c.Name, role)
		return err
	})
}

type userListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

func (c *userListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		users, err := db.ListUsers(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"NAME", "ROLE", "LOGS IN", "ADDED"}}
		for _, u := range users {
			if c.JSON {
				err := jsonLine(a.out, struct {
					Name      string     `json:"name"`
					Role      store.Role `json:"role"`
					Issuer    string     `json:"issuer,omitempty"`
					Refused   bool       `json:"refused,omitempty"`
					CreatedAt time.Time  `json:"created_at"`
				}{u.Name, u.Role, u.Issuer, u.Refused, u.CreatedAt})
				if err != nil {
					return err
				}
				continue
			}
			rows = append(rows, []string{u.Name, string(u.Role), logsIn(u), utc(u.CreatedAt)})
		}
		switch {
		case c.JSON:
			return nil
		case len(users) == 0:
			fmt.Fprintf(a.errw, "There is no user yet. The first start of `%s serve` makes one, or `%s user add` does.\n", program(), program())
			return nil
		}
		return writeTable(a.out, rows)
	})
}

// logsIn says where a user logs in.
func logsIn(u *store.User) string {
	switch {
	case u.Refused:
		return "refused by " + harmless(u.Issuer)
	case u.Issuer != "":
		return harmless(u.Issuer)
	}
	return "password"
}

type userPasswordCmd struct {
	Name         string  `arg:"" help:"The user's name."`
	PasswordFile *string `placeholder:"FILE" help:"Read the password from a file."`
}

func (userPasswordCmd) Help() string {
	return `The password is asked for, twice and unseen. Where there is no terminal it is read from standard input.

Example:

    recall user password admin`
}

func (c *userPasswordCmd) Run(ctx context.Context, a *app) error {
	return changeUser(ctx, a, c.Name, "user.password", nil, func(db *store.DB, u *store.User, note store.AuditEntry) (string, error) {
		password, err := a.password(ctx, c.Name, c.PasswordFile)
		if err != nil {
			return "", err
		}
		return "has a new password; sessions of before are over", db.SetPassword(ctx, u.Name, password, note)
	})
}

type userRoleCmd struct {
	Name string `arg:"" help:"The user's name."`
	Role string `arg:"" help:"viewer looks at events and settings, auditor also reads the audit list, operator also sends again, exports and reveals, admin also manages."`
}

func (c *userRoleCmd) Run(ctx context.Context, a *app) error {
	role := store.Role(c.Role)
	if err := role.Validate(); err != nil {
		return usagef("%v", err)
	}
	return changeUser(ctx, a, c.Name, "user.role", map[string]any{"role": role}, func(db *store.DB, u *store.User, note store.AuditEntry) (string, error) {
		return "is " + string(role) + " now", db.SetRole(ctx, u.Name, role, note)
	})
}

type userSecondFactorRemoveCmd struct {
	Name string `arg:"" help:"The user's name."`
}

func (c *userSecondFactorRemoveCmd) Run(ctx context.Context, a *app) error {
	return changeUser(ctx, a, c.Name, "user.second_factor_remove", nil, func(db *store.DB, u *store.User, note store.AuditEntry) (string, error) {
		return "logs in by the password alone now", db.RemoveSecondFactor(ctx, u.Name, note)
	})
}

type userRemoveCmd struct {
	Name string `arg:"" help:"The user's name."`
}

func (c *userRemoveCmd) Run(ctx context.Context, a *app) error {
	return changeUser(ctx, a, c.Name, "user.remove", nil, func(db *store.DB, u *store.User, note store.AuditEntry) (string, error) {
		return "was removed", db.RemoveUser(ctx, u.Name, note)
	})
}

type userCodeCmd struct {
	Name string `arg:"" help:"The user's name."`
}

func (userCodeCmd) Help() string {
	return `The code is printed alone on standard output. It is entered on the log-in page, under "enter the code" (/login/once), within ten
minutes, and lets the user in once: while the identity provider is away, or passwords are switched off, or forgotten.`
}

func (c *userCodeCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		u, err := findUser(ctx, db, c.Name)
		if err != nil {
			return err
		}
		code, err := db.CreateLoginCode(ctx, u.Name, store.AuditEntry{Actor: actor(), Action: "user.code", Subject: u.Name})
		if err != nil {
			return err
		}
		fmt.Fprintf(a.errw, "This lets %s in once, at /login/once of the admin UI, within %d minutes:\n", u.Name, int(store.LoginCodeAge.Minutes()))
		_, err = fmt.Fprintln(a.out, code)
		return err
	})
}

type userRestoreCmd struct {
	Name string `arg:"" help:"The user's name."`
}

func (c *userRestoreCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		removed, err := db.ListRemoved(ctx)
		if err != nil {
			return err
		}
		u := userNamed(removed, c.Name)
		if u == nil {
			var names []string
			for _, u := range removed {
				names = append(names, u.Name)
			}
			return missing(store.ErrNotFound, "removed user of the identity provider", c.Name, names)
		}
		if err := db.RestoreUser(ctx, u.ID, store.AuditEntry{Actor: actor(), Action: "user.restore", Subject: u.Name}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "The user %s may log in again at the identity provider.\n", u.Name)
		return err
	})
}

// changeUser finds a user, changes it, notes it in the audit list, and says what is true now.
func changeUser(ctx context.Context, a *app, name, action string, detail map[string]any, change func(*store.DB, *store.User, store.AuditEntry) (string, error)) error {
	return a.withStore(ctx, func(db *store.DB) error {
		u, err := findUser(ctx, db, name)
		if err != nil {
			return err
		}
		if role, found := detail["role"]; found {
			detail["role"] = map[string]any{"before": u.Role, "after": role}
		}
		words, err := change(db, u, store.AuditEntry{Actor: actor(), Action: action, Subject: u.Name, Detail: detail})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "The user %s %s.\n", u.Name, words)
		return err
	})
}

// findUser finds a user by name, or says which there are.
func findUser(ctx context.Context, db *store.DB, name string) (*store.User, error) {
	users, err := db.ListUsers(ctx)
	if err != nil {
		return nil, err
	}
	if u := userNamed(users, name); u != nil {
		return u, nil
	}
	var names []string
	for _, u := range users {
		names = append(names, u.Name)
	}
	return nil, missing(store.ErrNotFound, "user", name, names)
}

// userNamed: upper and lower case mean the same user.
func userNamed(users []*store.User, name string) *store.User {
	for _, u := range users {
		if strings.EqualFold(u.Name, name) {
			return u
		}
	}
	return nil
}
