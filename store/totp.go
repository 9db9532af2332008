package store

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// A second factor is a code of an authenticator app (TOTP, RFC 6238: SHA-1, 6 digits, 30 seconds, which every app knows), or,
// once each, one of the recovery codes.

// ErrWrongCode: the code is none of this moment, or was used before.
var ErrWrongCode = errors.New("the code is wrong, or was used already")

const (
	totpPeriod    = 30 // seconds
	totpIssuer    = "Recall"
	recoveryCodes = 10
)

// BeginSecondFactor makes a new secret for a user's app, which is not asked for until ConfirmSecondFactor. A second factor
// that is in use stays as it is: ErrExists.
func (db *DB) BeginSecondFactor(ctx context.Context, u *User) (*otp.Key, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: totpIssuer, AccountName: u.Name, Rand: rand.Reader})
	if err != nil {
		return nil, fmt.Errorf("making a secret for an authenticator app: %w", err)
	}
	begun := false
	err = db.writeSettings(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE users SET totp_sealed = $2, totp_step = 0
			WHERE id = $1 AND totp_confirmed_at IS NULL AND oidc_issuer IS NULL -- that provider asks for its own`, u.ID, db.sealer().Seal([]byte(key.Secret()), totpPlace(u.ID)))
		begun = tag.RowsAffected() > 0
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keeping the secret of an authenticator app: %w", err)
	}
	if !begun {
		return nil, fmt.Errorf("a second factor of %q %w", u.Name, ErrExists)
	}
	return key, nil
}

func totpPlace(userID int64) string { return fmt.Sprintf("user %d totp", userID) }

// ConfirmSecondFactor turns the second factor on, by the first code of the app, and returns the recovery codes: they are kept
// as hashes, so this is the only time they are known.
func (db *DB) ConfirmSecondFactor(ctx context.Context, u *User, code string, notes ...AuditEntry) (recovery []string, err error) {
	for range recoveryCodes {
		text := strings.ToLower(rand.Text()[:16]) // 80 bits
		recovery = append(recovery, text[:4]+"-"+text[4:8]+"-"+text[8:12]+"-"+text[12:])
	}
	err = db.changeUser(ctx, u.Name, notes, func(tx pgx.Tx, u *User) error {
		if err := db.takeTOTP(ctx, tx, u.ID, code); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE users SET totp_confirmed_at = $2 WHERE id = $1`, u.ID, db.Now()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM user_recovery_codes WHERE user_id = $1`, u.ID); err != nil {
			return err
		}
		for _, text := range recovery {
			if _, err := tx.Exec(ctx, `INSERT INTO user_recovery_codes (user_id, code_sha256) VALUES ($1, $2)`, u.ID, hashToken(bareCode(text))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return recovery, nil
}

// CheckSecondFactor takes a code of the app, or a recovery code; either works once. ErrWrongCode stands for any other.
// recovered tells that it was a recovery code, and left is how many there are still.
func (db *DB) CheckSecondFactor(ctx context.Context, u *User, code string) (recovered bool, left int, err error) {
	err = db.changeUser(ctx, u.Name, nil, func(tx pgx.Tx, u *User) error {
		tag, err := tx.Exec(ctx, `DELETE FROM user_recovery_codes WHERE user_id = $1 AND code_sha256 = $2`, u.ID, hashToken(bareCode(code)))
		if err != nil {
			return err
		}
		if recovered = tag.RowsAffected() == 1; !recovered {
			return db.takeTOTP(ctx, tx, u.ID, code)
		}
		return tx.QueryRow(ctx, `SELECT count(*) FROM user_recovery_codes WHERE user_id = $1`, u.ID).Scan(&left)
	})
	return recovered, left, err
}

// RemoveSecondFactor asks for the password alone from now on.
func (db *DB) RemoveSecondFactor(ctx context.Context, name string, notes ...AuditEntry) error {
	return db.changeUser(ctx, name, notes, func(tx pgx.Tx, u *User) error {
		_, err := tx.Exec(ctx, `
			UPDATE users SET totp_sealed = NULL, totp_confirmed_at = NULL, totp_step = 0
			WHERE id = $1`, u.ID)
		if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM user_recovery_codes WHERE user_id = $1`, u.ID)
		}
		return err
	})
}

// takeTOTP checks a code against now and the step before and after it, for a clock that is a little off, and takes no step
// twice.
func (db *DB) takeTOTP(ctx context.Context, tx pgx.Tx, userID int64, code string) error {
	var sealed []byte
	var used int64
	if err := tx.QueryRow(ctx, `SELECT totp_sealed, totp_step FROM users WHERE id = $1`, userID).Scan(&sealed, &used); err != nil {
		return err
	}
	if sealed == nil {
		return ErrWrongCode
	}
	secret, err := db.key.Open(sealed, totpPlace(userID))
	if err != nil {
		return fmt.Errorf("the secret of the authenticator app cannot be read with this key; remove the second factor with recall user second-factor remove: %w", err)
	}
	code = bareCode(code)
	now := db.Now().Unix() / totpPeriod
	for _, step := range []int64{now, now - 1, now + 1} {
		want, err := totp.GenerateCode(string(secret), time.Unix(step*totpPeriod, 0))
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > used {
			_, err := tx.Exec(ctx, `UPDATE users SET totp_step = $2 WHERE id = $1`, userID, step)
			return err
		}
	}
	return ErrWrongCode
}

// bareCode leaves out what people put between groups of digits.
func bareCode(code string) string {
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "", "\t", "").Replace(code))
}
