package store

import "time"

// TokenJSON is a token without the token: what token list --json prints, and the API answers.
type TokenJSON struct {
	ID        int64      `json:"id"`
	User      string     `json:"user" doc:"For whom it acts."`
	Name      string     `json:"name"`
	Hint      string     `json:"hint" doc:"Its first characters."`
	Rights    []Right    `json:"rights" doc:"That it was given."`
	Lost      []Right    `json:"lost" doc:"Of these, what its user may not do any more."`
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	ExpiresAt *time.Time `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at" doc:"To the minute."`
	UsedFrom  string     `json:"used_from"`
	RevokedAt *time.Time `json:"revoked_at"`
	RevokedBy string     `json:"revoked_by"`
}

// JSON is the token for JSON.
func (t *Token) JSON() TokenJSON {
	return TokenJSON{
		t.ID, t.User, t.Name, t.Hint, t.Rights, append([]Right{}, t.Lost()...), t.CreatedAt, t.CreatedBy, timeOrNull(t.ExpiresAt), timeOrNull(t.UsedAt), t.UsedFrom,
		timeOrNull(t.RevokedAt), t.RevokedBy,
	}
}
