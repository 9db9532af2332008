package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5"
)

// ErrLastAdmin: without an admin nobody could make another one.
var ErrLastAdmin = errors.New("this is the last admin; make somebody else an admin first")

// userNameForm is what a user's name looks like. Upper and lower case are kept, and mean the same user.
var userNameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$`)

// ValidateUserName checks a new name. The error says in one sentence what is possible.
func ValidateUserName(name string) error {
	if !userNameForm.MatchString(name) {
		return fmt.Errorf("the user name %.80q must be letters, digits and . _ @ + -, up to 100 of them, with a letter or digit first", name)
	}
	return nil
}

// Validate tells whether there is such a role.
func (r Role) Validate() error {
	if slices.Contains(Roles, r) {
		return nil
	}
	return fmt.Errorf("the role %.80q must be one of %s, %s, %s, %s", string(r), RoleViewer, RoleAuditor, RoleOperator, RoleAdmin)
}

// CreateUser adds a user, with the password hashed by argon2id. The notes go into the audit list with the change, or not at all;
// likewise below. Names that differ in case only are the same: ErrExists.
func (db *DB) CreateUser(ctx context.Context, name, password string, role Role, notes ...AuditEntry) (*User, error) {
	if err := cmp.Or(ValidateUserName(name), ValidatePassword(name, password), role.Validate()); err != nil {
		return nil, err
	}
	u := &User{Name: name, Role: role}
	hash := hashPassword(password)
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO users (name, password_hash, role, created_at)
			VALUES ($1, $2, $3, $4)
			RETURNING id, created_at`,
			name, hash, role, db.Now()).Scan(&u.ID, &u.CreatedAt)
		if err != nil {
			return err
		}
		return db.addAudits(ctx, tx, notes)
	})
	if exists(err) {
		return nil, fmt.Errorf("the user %q %w", name, ErrExists)
	}
	if err != nil {
		return nil, fmt.Errorf("adding the user %q: %w", name, err)
	}
	u.CreatedAt = u.CreatedAt.UTC()
	return u, nil
}

// CheckPassword returns the user, or ErrNotFound for a wrong name and a wrong password alike, in equal time.
func (db *DB) CheckPassword(ctx context.Context, name, password string) (*User, error) {
	if len(password) > MaxPassword {
		return nil, errLogin // whoever it is: no user has such a password
	}
	hash, id := nobody(), int64(0)
	if userNameForm.MatchString(name) { // PostgreSQL refuses some texts as such
		err := db.pool.QueryRow(ctx, `
			SELECT password_hash, id
			FROM users
			WHERE lower(name) = lower($1) AND removed_at IS NULL AND password_hash IS NOT NULL`, name).Scan(&hash, &id)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, fmt.Errorf("finding who logs in: %w", err)
		}
	}
	matched, err := matchPassword(password, hash)
	if err != nil {
		return nil, err
	}
	if !matched || id == 0 {
		return nil, errLogin
	}
	return db.FindUser(ctx, id)
}

var errLogin = fmt.Errorf("user with this name and password: %w", ErrNotFound)

// ErrProvider: what was asked for is the identity provider's to say.
var ErrProvider = errors.New("the user logs in at the identity provider, and has no password here")

// SetPassword gives a user a new password, and ends the user's sessions. ErrProvider where the user has none here.
func (db *DB) SetPassword(ctx context.Context, name, password string, notes ...AuditEntry) error {
	if err := ValidatePassword(name, password); err != nil {
		return err
	}
	hash := hashPassword(password)
	return db.changeUser(ctx, name, notes, func(tx pgx.Tx, u *User) error {
		if u.Issuer != "" {
			return ErrProvider
		}
		if _, err := tx.Exec(ctx, `UPDATE users SET password_hash = $2 WHERE id = $1`, u.ID, hash); err != nil {
			return err
		}
		return endSessions(ctx, tx, u.ID)
	})
}

// FindUser returns a user, or ErrNotFound when there is none or the user was removed.
func (db *DB) FindUser(ctx context.Context, id int64) (*User, error) {
	users, err := loadUsers(ctx, db.pool, choice{ID: &id})
	if err != nil {
		return nil, err
	}
	return only(users, fmt.Sprintf("user %d", id))
}

// PasswordMark tells a user's password from the next one, and nothing else of it. ErrNotFound; "" where the user has none here.
func (db *DB) PasswordMark(ctx context.Context, id int64) (mark string, err error) {
	err = db.pool.QueryRow(ctx, `
		SELECT coalesce(encode(sha256(convert_to(password_hash, 'UTF8')), 'hex'), '') FROM users WHERE id = $1 AND removed_at IS NULL`, id).Scan(&mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("user %d: %w", id, ErrNotFound)
	}
	return mark, err
}

// ListUsers returns all users by name, without removed ones.
func (db *DB) ListUsers(ctx context.Context) ([]*User, error) {
	return loadUsers(ctx, db.pool, choice{})
}

// SetRole changes what a user may do, at once. The last admin stays one: ErrLastAdmin.
func (db *DB) SetRole(ctx context.Context, name string, role Role, notes ...AuditEntry) error {
	if err := role.Validate(); err != nil {
		return err
	}
	return db.changeUser(ctx, name, notes, func(tx pgx.Tx, u *User) error {
		if u.Role == RoleAdmin && role != RoleAdmin {
			if err := keepAnAdmin(ctx, tx); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `UPDATE users SET role = $2 WHERE id = $1`, u.ID, role)
		return err
	})
}

// RemoveUser ends a user and the user's sessions. The name is free again; a user of the identity provider stays out, whatever the
// provider says, until RestoreUser. The last admin stays: ErrLastAdmin.
func (db *DB) RemoveUser(ctx context.Context, name string, notes ...AuditEntry) error {
	return db.changeUser(ctx, name, notes, func(tx pgx.Tx, u *User) error {
		if u.Role == RoleAdmin {
			if err := keepAnAdmin(ctx, tx); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE users SET removed_at = $2 WHERE id = $1`, u.ID, db.Now()); err != nil {
			return err
		}
		return endSessions(ctx, tx, u.ID)
	})
}

// changeUser changes a user by name. Changes of users run one after the other, so that two admins cannot remove each
// other.
func (db *DB) changeUser(ctx context.Context, name string, notes []AuditEntry, change func(pgx.Tx, *User) error) error {
	if !userNameForm.MatchString(name) {
		return fmt.Errorf("user %.80q: %w", name, ErrNotFound)
	}
	err := db.inUsers(ctx, func(tx pgx.Tx) error {
		users, err := loadUsers(ctx, tx, choice{Name: &name})
		if err != nil {
			return err
		}
		if len(users) == 0 {
			return ErrNotFound
		}
		if err := change(tx, users[0]); err != nil {
			return err
		}
		return db.addAudits(ctx, tx, notes)
	})
	if err != nil {
		return fmt.Errorf("user %q: %w", name, err)
	}
	return nil
}

func endSessions(ctx context.Context, tx pgx.Tx, userID int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM user_sessions WHERE user_id = $1`, userID)
	return err
}

func keepAnAdmin(ctx context.Context, tx pgx.Tx) error {
	var admins int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM users WHERE role = 'admin' AND removed_at IS NULL`).Scan(&admins)
	if err == nil && admins < 2 {
		return ErrLastAdmin
	}
	return err
}

// loadUsers reads users that are not removed.
func loadUsers(ctx context.Context, q querier, c choice) ([]*User, error) {
	found, err := q.Query(ctx, `
		SELECT id, name, role, totp_confirmed_at IS NOT NULL AS second_factor, coalesce(oidc_issuer, '') AS issuer, refused_at IS NOT NULL AS refused,
			created_at
		FROM users
		WHERE (@id::bigint IS NULL OR id = @id) AND (@name::text IS NULL OR lower(name) = lower(@name)) AND removed_at IS NULL
		ORDER BY lower(name) COLLATE "C"`, pgx.NamedArgs{"id": c.ID, "name": c.Name})
	if err != nil {
		return nil, fmt.Errorf("reading users: %w", err)
	}
	users, err := pgx.CollectRows(found, pgx.RowToAddrOfStructByName[User])
	if err != nil {
		return nil, fmt.Errorf("reading users: %w", err)
	}
	for _, u := range users {
		u.CreatedAt = u.CreatedAt.UTC()
	}
	return users, nil
}
