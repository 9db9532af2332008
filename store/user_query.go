package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// CreateUser hashes the password with argon2id. ErrExists.
func (db *DB) CreateUser(ctx context.Context, name, password string, role Role) (*User, error) {
	panic("contract")
}

// CheckPassword returns the user, or ErrNotFound for a wrong name and a wrong password alike, in equal time.
func (db *DB) CheckPassword(ctx context.Context, name, password string) (*User, error) {
	panic("contract")
}
func (db *DB) SetPassword(ctx context.Context, name, password string) error  { panic("contract") } // ends the user's sessions
func (db *DB) FindUser(ctx context.Context, id int64) (*User, error)         { panic("contract") }
func (db *DB) ListUsers(ctx context.Context) ([]*User, error)                { panic("contract") }
func (db *DB) SetRole(ctx context.Context, name string, role Role) error     { panic("contract") }
func (db *DB) RemoveUser(ctx context.Context, name string) error             { panic("contract") }
func (db *DB) AddAudit(ctx context.Context, e AuditEntry) error              { panic("contract") }
func (db *DB) AddAuditTx(ctx context.Context, tx pgx.Tx, e AuditEntry) error { panic("contract") }
func (db *DB) ListAudit(ctx context.Context, subject string, limit int) ([]AuditEntry, error) {
	panic("contract")
}
