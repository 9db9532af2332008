package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ProviderLogIn is somebody whom an identity provider has let in.
type ProviderLogIn struct {
	Issuer, Subject string // who it is; neither ever changes
	Name            string // what the provider calls them; may be anything
	Host            string // the issuer's, put behind a name that is taken
	Role            Role   // "": none, which refuses
	KeepRole        bool   // a role that the user has here stays: the provider says nothing of roles
	LogIn
}

// Why a provider's user may not come in all the same.
var (
	ErrNoRole  = errors.New("the identity provider gives no role here")
	ErrRemoved = errors.New("the user was removed here")
)

// LogInByProvider begins a session of a provider's user, who is made at the first log-in, and gives the role that the provider
// says now, also to the last admin: the command line is the way to another one. All of it is written down with it. ErrNoRole
// ends the user's sessions and stops the user's tokens until a log-in succeeds; ErrRemoved. A local account is never taken over:
// a name that somebody has, or had, gets the provider's host behind it.
func (db *DB) LogInByProvider(ctx context.Context, p ProviderLogIn) (token string, u *User, err error) {
	var refused error // is written down, too
	err = db.inUsers(ctx, func(tx pgx.Tx) error {
		var id int64
		var removed bool
		err := tx.QueryRow(ctx, `
			SELECT id, removed_at IS NOT NULL
			FROM users
			WHERE oidc_issuer = $1 AND oidc_subject = $2`, p.Issuer, p.Subject).Scan(&id, &removed)
		switch {
		case errors.Is(err, pgx.ErrNoRows) && p.Role == "":
			refused = ErrNoRole
			return db.addAudit(ctx, tx, p.note("", "user.login_refused", map[string]any{"why": ErrNoRole.Error(), "subject": p.Subject}))
		case errors.Is(err, pgx.ErrNoRows):
			if id, err = db.addProviderUser(ctx, tx, p); err != nil {
				return err
			}
		case err != nil:
			return err
		case removed:
			refused = ErrRemoved
			return db.addAudit(ctx, tx, p.note("", "user.login_refused", map[string]any{"why": ErrRemoved.Error(), "subject": p.Subject}))
		}
		users, err := loadUsers(ctx, tx, choice{ID: &id})
		if err != nil {
			return err
		}
		if u, err = only(users, "the provider's user"); err != nil {
			return err
		}
		if p.Role == "" && !p.KeepRole {
			refused = ErrNoRole
			return db.refuse(ctx, tx, u, p)
		}
		if err := db.takeRole(ctx, tx, u, p); err != nil {
			return err
		}
		if token, err = db.beginSession(ctx, tx, id, p.LogIn); err != nil {
			return err
		}
		return db.addAudit(ctx, tx, p.note(u.Name, "user.login", map[string]any{"by": "provider"}))
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return "", nil, fmt.Errorf("logging in a user of the identity provider: %w", err)
	}
	return token, u, nil
}

// note is of what the provider's answer led to. Without a user's name the subject is what the provider says.
func (p ProviderLogIn) note(name, action string, detail map[string]any) AuditEntry {
	if name == "" {
		name = cmp.Or(providerName(p.Name), "unknown") + "@" + p.Host // so that none takes it for a user of that name
	}
	detail["issuer"], detail["address"] = p.Issuer, p.Address
	return AuditEntry{Actor: name, Action: action, Subject: name, Detail: detail}
}

func (db *DB) addProviderUser(ctx context.Context, tx pgx.Tx, p ProviderLogIn) (id int64, err error) {
	name, err := freeName(ctx, tx, p)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO users (name, role, oidc_issuer, oidc_subject, created_at)
		VALUES ($1, $2, $3, $4, $5)
		RETURNING id`, name, p.Role, p.Issuer, p.Subject, db.Now()).Scan(&id)
	if err != nil {
		return 0, err
	}
	return id, db.addAudit(ctx, tx, p.note(name, "user.add", map[string]any{"role": p.Role, "by": "provider", "subject": p.Subject}))
}

// takeRole gives a user the role that the provider says.
func (db *DB) takeRole(ctx context.Context, tx pgx.Tx, u *User, p ProviderLogIn) error {
	before := u.Role
	if !p.KeepRole {
		u.Role = p.Role
	}
	if u.Role == before && !u.Refused {
		return nil
	}
	u.Refused = false
	if _, err := tx.Exec(ctx, `UPDATE users SET role = $2, refused_at = NULL WHERE id = $1`, u.ID, u.Role); err != nil {
		return err
	}
	return db.addAudit(ctx, tx, p.note(u.Name, "user.role", map[string]any{"role": map[string]any{"before": before, "after": u.Role}, "by": "provider"}))
}

// refuse ends what a user has open whom the provider gives no role any more.
func (db *DB) refuse(ctx context.Context, tx pgx.Tx, u *User, p ProviderLogIn) error {
	if _, err := tx.Exec(ctx, `UPDATE users SET refused_at = coalesce(refused_at, $2) WHERE id = $1`, u.ID, db.Now()); err != nil {
		return err
	}
	if err := endSessions(ctx, tx, u.ID); err != nil {
		return err
	}
	return db.addAudit(ctx, tx, p.note(u.Name, "user.login_refused", map[string]any{"why": ErrNoRole.Error(), "role": u.Role}))
}

// freeName makes a user's name of what a provider calls somebody: one that nobody here has or had, so that the audit list
// means one person by it.
func freeName(ctx context.Context, tx pgx.Tx, p ProviderLogIn) (string, error) {
	base, host := cmp.Or(providerName(p.Name), "user"), cmp.Or(providerName(p.Host), "provider")
	for i := range 1000 {
		name := base
		switch {
		case i == 1:
			name = base + "@" + host
		case i > 1:
			name = fmt.Sprintf("%s-%d@%s", base, i, host)
		}
		if !userNameForm.MatchString(name) || strings.EqualFold(name, "recall") { // which is what the program calls itself
			continue
		}
		var taken bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM users WHERE lower(name) = lower($1))`, name).Scan(&taken); err != nil {
			return "", err
		}
		if !taken {
			return name, nil
		}
	}
	return "", fmt.Errorf("there is no free name like %q", base)
}

// maxProviderName leaves room for a host behind it.
const maxProviderName = 40

// providerName is what a provider calls somebody as a user's name is written here, or "".
func providerName(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._@+-", r):
			return r
		}
		return '.'
	}, text)
	name = strings.TrimLeft(name, "._@+-")
	return strings.TrimRight(name[:min(len(name), maxProviderName)], "._@+-")
}

// ListRemoved returns the provider's users who were removed here and stay out, by name.
func (db *DB) ListRemoved(ctx context.Context) ([]*User, error) {
	found, err := db.pool.Query(ctx, `
		SELECT id, name, role, false AS second_factor, oidc_issuer AS issuer, refused_at IS NOT NULL AS refused, created_at
		FROM users
		WHERE removed_at IS NOT NULL AND oidc_issuer IS NOT NULL
		ORDER BY lower(name) COLLATE "C", id
		LIMIT 1000`)
	if err != nil {
		return nil, fmt.Errorf("reading removed users: %w", err)
	}
	users, err := pgx.CollectRows(found, pgx.RowToAddrOfStructByName[User])
	if err != nil {
		return nil, fmt.Errorf("reading removed users: %w", err)
	}
	return users, nil
}

// RestoreUser lets a provider's user in again who was removed here. ErrNotFound; ErrExists where somebody else has the name now.
func (db *DB) RestoreUser(ctx context.Context, id int64, notes ...AuditEntry) error {
	err := db.inUsers(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE users SET removed_at = NULL WHERE id = $1 AND removed_at IS NOT NULL AND oidc_issuer IS NOT NULL`, id)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return db.addAudits(ctx, tx, notes)
	})
	if exists(err) {
		return fmt.Errorf("a user of this name %w", ErrExists)
	}
	if err != nil {
		return fmt.Errorf("letting a user in again: %w", err)
	}
	return nil
}

// inUsers does something in a transaction beside which no users change.
func (db *DB) inUsers(ctx context.Context, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		return do(tx)
	})
}
