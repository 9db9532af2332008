package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/plenigo"
)

// Session is a log-in of a user in one browser.
type Session struct {
	ID        int64
	UserID    int64
	Address   string // where the log-in came from
	Agent     string // what the browser calls itself
	CreatedAt time.Time
	SeenAt    time.Time // to the minute
}

// SessionLimits end a session by themselves.
type SessionLimits struct {
	Idle time.Duration // since it was last used
	Age  time.Duration // since the log-in
}

// seenEvery bounds how often the use of a session is written down.
const seenEvery = time.Minute

// LogIn is what is known of a log-in besides the user.
type LogIn struct {
	Address string
	Agent   string
	Before  int64 // the session that this browser had, which is over; 0: none
}

// CreateSession begins a session of a user. The token is known to whoever gets it from here, and to nobody else: the
// database keeps its hash. The notes go into the audit list with it, or not at all; likewise below.
func (db *DB) CreateSession(ctx context.Context, userID int64, l LogIn, notes ...AuditEntry) (token string, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if token, err = db.beginSession(ctx, tx, userID, l); err != nil {
			return err
		}
		return db.addAudits(ctx, tx, notes)
	})
	if err != nil {
		return "", fmt.Errorf("beginning a session: %w", err)
	}
	return token, nil
}

func (db *DB) beginSession(ctx context.Context, tx pgx.Tx, userID int64, l LogIn) (token string, err error) {
	if _, err := tx.Exec(ctx, `DELETE FROM user_sessions WHERE id = $1`, l.Before); err != nil {
		return "", err
	}
	token = rand.Text()
	_, err = tx.Exec(ctx, `
		INSERT INTO user_sessions (user_id, token_sha256, address, agent, created_at, seen_at)
		VALUES (@user, @token, @address, @agent, @now, @now)`,
		pgx.NamedArgs{"user": userID, "token": hashToken(token), "address": plenigo.Clean(l.Address), "agent": plenigo.Clean(l.Agent), "now": db.Now()})
	return token, err
}

// FindSession returns the session of a token and its user, and notes that it was used. ErrNotFound stands for one that has
// ended, whatever ended it.
func (db *DB) FindSession(ctx context.Context, token string, limits SessionLimits) (*Session, *User, error) {
	now := db.Now()
	rows, err := db.pool.Query(ctx, `
		SELECT id, user_id, address, agent, created_at, seen_at
		FROM user_sessions
		WHERE token_sha256 = @token AND seen_at > @used AND created_at > @begun`,
		pgx.NamedArgs{"token": hashToken(token), "used": now.Add(-limits.Idle), "begun": now.Add(-limits.Age)})
	if err != nil {
		return nil, nil, fmt.Errorf("finding a session: %w", err)
	}
	sessions, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Session])
	if err != nil {
		return nil, nil, fmt.Errorf("finding a session: %w", err)
	}
	if len(sessions) == 0 {
		return nil, nil, fmt.Errorf("session: %w", ErrNotFound)
	}
	s := sessions[0]
	user, err := db.FindUser(ctx, s.UserID)
	if err != nil {
		return nil, nil, err
	}
	if now.Sub(s.SeenAt) >= seenEvery {
		if _, err := db.pool.Exec(ctx, `UPDATE user_sessions SET seen_at = $2 WHERE id = $1`, s.ID, now); err != nil {
			return nil, nil, fmt.Errorf("noting the use of a session: %w", err)
		}
	}
	return s, user, nil
}

// ListSessions returns a user's sessions that have not ended, the last used first.
func (db *DB) ListSessions(ctx context.Context, userID int64, limits SessionLimits) ([]*Session, error) {
	now := db.Now()
	rows, err := db.pool.Query(ctx, `
		SELECT id, user_id, address, agent, created_at, seen_at
		FROM user_sessions
		WHERE user_id = @user AND seen_at > @used AND created_at > @begun
		ORDER BY seen_at DESC, id DESC
		LIMIT 100`, pgx.NamedArgs{"user": userID, "used": now.Add(-limits.Idle), "begun": now.Add(-limits.Age)})
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	sessions, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Session])
	if err != nil {
		return nil, fmt.Errorf("listing sessions: %w", err)
	}
	for _, s := range sessions {
		s.CreatedAt, s.SeenAt = s.CreatedAt.UTC(), s.SeenAt.UTC()
	}
	return sessions, nil
}

// OpenSessions is how many sessions of a user have not ended, and when one was used last, to the minute.
type OpenSessions struct {
	Sessions int
	SeenAt   time.Time
}

// CountSessions returns the open sessions of every user who has any, by the user's id.
func (db *DB) CountSessions(ctx context.Context, limits SessionLimits) (map[int64]OpenSessions, error) {
	now := db.Now()
	rows, err := db.pool.Query(ctx, `
		SELECT user_id, count(*), max(seen_at)
		FROM user_sessions
		WHERE seen_at > @used AND created_at > @begun
		GROUP BY user_id`, pgx.NamedArgs{"used": now.Add(-limits.Idle), "begun": now.Add(-limits.Age)})
	if err != nil {
		return nil, fmt.Errorf("counting sessions: %w", err)
	}
	counts := map[int64]OpenSessions{}
	var user int64
	var open OpenSessions
	_, err = pgx.ForEachRow(rows, []any{&user, &open.Sessions, &open.SeenAt}, func() error {
		open.SeenAt = open.SeenAt.UTC()
		counts[user] = open
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting sessions: %w", err)
	}
	return counts, nil
}

// EndSession ends one session of a user; one that has ended already is no error.
func (db *DB) EndSession(ctx context.Context, userID, id int64, notes ...AuditEntry) error {
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM user_sessions WHERE user_id = $1 AND id = $2`, userID, id); err != nil {
			return err
		}
		return db.addAudits(ctx, tx, notes)
	})
	if err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return nil
}

// EndSessions ends all sessions of a user but one (0: all), and returns how many there were; the notes get the number.
func (db *DB) EndSessions(ctx context.Context, userID, but int64, notes ...AuditEntry) (ended int, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM user_sessions WHERE user_id = $1 AND id <> $2`, userID, but)
		if err != nil {
			return err
		}
		ended = int(tag.RowsAffected())
		for i := range notes {
			notes[i].Detail = withDetail(notes[i].Detail, "sessions", ended)
		}
		return db.addAudits(ctx, tx, notes)
	})
	if err != nil {
		return 0, fmt.Errorf("ending sessions: %w", err)
	}
	return ended, nil
}

func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
