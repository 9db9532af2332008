package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// LoginCodeAge is how long a code from the command line lets its user in.
const LoginCodeAge = 10 * time.Minute

// CreateLoginCode makes a code that lets a user in once, whatever else is asked for: it is the way in that the machine's owner
// has when the identity provider is away or nobody knows a password. It is known to whoever gets it from here, and takes the
// place of one made before.
func (db *DB) CreateLoginCode(ctx context.Context, name string, notes ...AuditEntry) (code string, err error) {
	text := strings.ToLower(rand.Text()[:25]) // 125 bits
	code = text[:5] + "-" + text[5:10] + "-" + text[10:15] + "-" + text[15:20] + "-" + text[20:]
	err = db.changeUser(ctx, name, notes, func(tx pgx.Tx, u *User) error {
		_, err := tx.Exec(ctx, `UPDATE users SET login_code_sha256 = $2, login_code_until = $3 WHERE id = $1`,
			u.ID, hashToken(bareCode(code)), db.Now().Add(LoginCodeAge))
		return err
	})
	if err != nil {
		return "", err
	}
	return code, nil
}

// LogInByCode begins the session of a code's user; the code is worth nothing afterwards. ErrWrongCode.
func (db *DB) LogInByCode(ctx context.Context, code string, l LogIn) (token string, u *User, err error) {
	err = db.inUsers(ctx, func(tx pgx.Tx) error {
		var id int64
		err := tx.QueryRow(ctx, `
			UPDATE users SET login_code_sha256 = NULL, login_code_until = NULL
			WHERE login_code_sha256 = $1 AND login_code_until > $2 AND removed_at IS NULL
			RETURNING id`, hashToken(bareCode(code)), db.Now()).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrWrongCode
		}
		if err != nil {
			return err
		}
		users, err := loadUsers(ctx, tx, choice{ID: &id})
		if err != nil {
			return err
		}
		if u, err = only(users, "the code's user"); err != nil {
			return err
		}
		if token, err = db.beginSession(ctx, tx, id, l); err != nil {
			return err
		}
		return db.addAudit(ctx, tx, AuditEntry{
			Actor: u.Name, Action: "user.login", Subject: u.Name, Detail: map[string]any{"address": l.Address, "by": "code from the command line"},
		})
	})
	if err != nil {
		return "", nil, fmt.Errorf("logging in by a code: %w", err)
	}
	return token, u, nil
}
