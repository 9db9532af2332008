package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"recall/plenigo"
)

// CreateToken makes a token of the user t.UserID, with the name, rights and end that t says, and fills in the rest of t. The
// text is known to whoever gets it from here, and to nobody else: the database keeps its hash. The note says who makes it, from
// where and why; the rest of it is filled in here, likewise below. ErrNotFound where the user is
// gone, ErrExists where one of the user's tokens has that name, ErrTokenRights.
func (db *DB) CreateToken(ctx context.Context, t *Token, note AuditEntry) (text string, err error) {
	text = newToken()
	now := db.Now().UTC().Truncate(time.Microsecond)
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		// The user's row is held, so that none is made beside a change of role or a removal.
		if _, err := tx.Exec(ctx, `SELECT FROM users WHERE id = $1 FOR SHARE`, t.UserID); err != nil {
			return err
		}
		users, err := loadUsers(ctx, tx, choice{ID: &t.UserID})
		if err != nil {
			return err
		}
		u, err := only(users, fmt.Sprintf("user %d", t.UserID))
		if err != nil {
			return err
		}
		if err := t.validate(u, now); err != nil {
			return invalid(err)
		}
		var there int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM api_tokens WHERE user_id = $1 AND revoked_at IS NULL`, u.ID).Scan(&there); err != nil {
			return err
		}
		if there >= maxTokens {
			return fmt.Errorf("%s has %d tokens, and more are not possible: revoke some", u.Name, there)
		}
		t.User, t.Role, t.Hint, t.CreatedAt, t.CreatedBy = u.Name, u.Role, text[:len(TokenPrefix)+tokenHint], now, note.Actor
		err = tx.QueryRow(ctx, `
			INSERT INTO api_tokens (user_id, name, token_sha256, hint, rights, created_at, created_by, expires_at)
			VALUES (@user, @name, @token, @hint, @rights, @now, @by, @expires)
			RETURNING id`,
			pgx.NamedArgs{
				"user": u.ID, "name": t.Name, "token": hashToken(text), "hint": t.Hint, "rights": rightTexts(t.Rights), "now": now,
				"by": plenigo.Clean(note.Actor), "expires": orTime(t.ExpiresAt),
			}).Scan(&t.ID)
		if exists(err) {
			return fmt.Errorf("a token of %s with the name %q %w: revoke it, or choose another name", u.Name, t.Name, ErrExists)
		}
		if err != nil {
			return err
		}
		note.At, note.Action, note.Subject = now, "token.add", u.Name
		for name, value := range map[string]any{"token": t.Name, "hint": t.Hint, "rights": t.Rights, "expires": timeOrNil(t.ExpiresAt)} {
			note.Detail = withDetail(note.Detail, name, value)
		}
		return db.addAudit(ctx, tx, note)
	})
	if err != nil {
		return "", fmt.Errorf("making a token: %w", err)
	}
	return text, nil
}

// FindToken returns the token of a text, and notes from where it was used. ErrNotFound stands for one that lets nobody in,
// whatever the reason: it was never made, is revoked or past its end, or its user is gone or refused by the provider.
func (db *DB) FindToken(ctx context.Context, text, address string) (*Token, error) {
	if !IsToken(text) {
		return nil, fmt.Errorf("token: %w", ErrNotFound)
	}
	now := db.Now()
	found, err := loadTokens(ctx, db.pool, `t.token_sha256 = @token AND u.refused_at IS NULL AND t.revoked_at IS NULL AND (t.expires_at > @now OR t.expires_at IS NULL)`,
		pgx.NamedArgs{"token": hashToken(text), "now": now})
	if err != nil {
		return nil, err
	}
	t, err := only(found, "token")
	if err != nil {
		return nil, err
	}
	if now.Sub(t.UsedAt) >= seenEvery {
		_, err := db.pool.Exec(ctx, `
			UPDATE api_tokens SET used_at = @now, used_from = @from
			WHERE id = @id AND (used_at <= @before OR used_at IS NULL)`,
			pgx.NamedArgs{"id": t.ID, "now": now, "from": plenigo.Clean(address), "before": now.Add(-seenEvery)})
		if err != nil {
			return nil, fmt.Errorf("noting the use of a token: %w", err)
		}
	}
	return t, nil
}

// endedTokens is how long lists show tokens that let nobody in any more.
const endedTokens = 30 * 24 * time.Hour

// ListTokens returns the tokens of a user (0: of every user there is), by user and name, those that have ended last. What
// ended more than thirty days ago is left out.
func (db *DB) ListTokens(ctx context.Context, userID int64) ([]*Token, error) {
	now := db.Now()
	list, err := loadTokens(ctx, db.pool, `
		(t.user_id = @user OR @user = 0) AND coalesce(t.revoked_at, t.expires_at, 'infinity') > @ended
		ORDER BY coalesce(t.revoked_at, t.expires_at, 'infinity') <= @now, lower(u.name) COLLATE "C", lower(t.name) COLLATE "C", t.id
		LIMIT 1000`, pgx.NamedArgs{"user": userID, "now": now, "ended": now.Add(-endedTokens)})
	return list, err
}

// RevokeToken ends a token at once, on every instance. userID narrows to one user's tokens (0: any). ErrNotFound where there is
// none, or it was revoked already.
func (db *DB) RevokeToken(ctx context.Context, id, userID int64, note AuditEntry) error {
	now := db.Now()
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var user, name, hint string
		err := tx.QueryRow(ctx, `
			UPDATE api_tokens t SET revoked_at = @now, revoked_by = @by
			FROM users u
			WHERE t.id = @id AND u.id = t.user_id AND t.revoked_at IS NULL AND (t.user_id = @user OR @user = 0)
			RETURNING u.name, t.name, t.hint`,
			pgx.NamedArgs{"id": id, "user": userID, "now": now, "by": plenigo.Clean(note.Actor)}).Scan(&user, &name, &hint)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		note.At, note.Action, note.Subject = now, "token.revoke", user
		note.Detail = withDetail(withDetail(note.Detail, "token", name), "hint", hint)
		return db.addAudit(ctx, tx, note)
	})
	if err != nil {
		return fmt.Errorf("revoking token %d: %w", id, err)
	}
	return nil
}

// loadTokens reads tokens of users that are there.
func loadTokens(ctx context.Context, q querier, where string, args pgx.NamedArgs) ([]*Token, error) {
	rows, err := q.Query(ctx, `
		SELECT t.id, t.user_id, u.name, u.role, u.refused_at IS NOT NULL, t.name, t.hint, t.rights, t.created_at, t.created_by, t.expires_at, t.used_at, t.used_from,
			t.revoked_at, t.revoked_by
		FROM api_tokens t
		JOIN users u ON u.id = t.user_id AND u.removed_at IS NULL
		WHERE `+where, args)
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	tokens, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Token, error) {
		t := &Token{}
		var rights []string
		var expires, used, revoked zeronull.Timestamptz
		err := row.Scan(&t.ID, &t.UserID, &t.User, &t.Role, &t.Refused, &t.Name, &t.Hint, &rights, &t.CreatedAt, &t.CreatedBy, &expires, &used, &t.UsedFrom,
			&revoked, &t.RevokedBy)
		for _, r := range rights {
			t.Rights = append(t.Rights, Right(r))
		}
		t.CreatedAt, t.ExpiresAt, t.UsedAt, t.RevokedAt = t.CreatedAt.UTC(), utc(expires), utc(used), utc(revoked)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	return tokens, nil
}

func rightTexts(rights []Right) []string {
	texts := make([]string, len(rights))
	for i, r := range rights {
		texts[i] = string(r)
	}
	return texts
}
