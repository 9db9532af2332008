package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"slices"
	"strings"
	"time"
)

// TokenPrefix begins every token, so that people and secret scanners know one when they see it.
const TokenPrefix = "recall_"

const (
	tokenRandom   = 43 // characters of base 62 that hold 256 bits
	tokenChecksum = 6  // likewise of the CRC-32 of all that stands before it
	tokenHint     = 4  // characters after the prefix that lists show
	maxTokenName  = 100
	maxTokens     = 100 // of one user that are not revoked
)

// MaxTokenAge bounds for how long a token may be made, where it ends at all.
const MaxTokenAge = 10 * 366 * 24 * time.Hour

// Token lets a program act for the user who made it. What it may do is what it was given and what its user may do at that
// moment, whichever is less.
type Token struct {
	ID        int64
	UserID    int64
	User      string // name
	Role      Role   // of the user, as it is now
	Refused   bool   // the identity provider gives the user no role: the token does nothing until it does
	Name      string
	Hint      string // its first characters, prefix and all
	Rights    []Right
	CreatedAt time.Time
	CreatedBy string
	ExpiresAt time.Time // zero: never
	UsedAt    time.Time // to the minute; zero: never
	UsedFrom  string    // address of that use
	RevokedAt time.Time // zero: it is not
	RevokedBy string
}

// May tells whether the token allows something now.
func (t *Token) May(do Right) bool { return slices.Contains(t.Rights, do) && t.Role.May(do) }

// Lost are the rights that were given to the token and that its user has no more.
func (t *Token) Lost() []Right {
	var lost []Right
	for _, r := range t.Rights {
		if !t.Role.May(r) {
			lost = append(lost, r)
		}
	}
	return lost
}

// Ended tells whether the token lets nobody in any more.
func (t *Token) Ended(now time.Time) bool {
	return !t.RevokedAt.IsZero() || !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt)
}

// Actor is whom the audit list names for what is done by the token.
func (t *Token) Actor() string { return t.User + " via token " + t.Name }

// ErrTokenRights: a token cannot do what its user may not.
var ErrTokenRights = errors.New("a token can have only rights that its user has")

// validate checks a token that is to be made, of a user as he is now. The error says in one sentence what is possible.
func (t *Token) validate(u *User, now time.Time) error {
	if err := checkLine("the name of the token", t.Name, maxTokenName); err != nil {
		return err
	}
	if len(t.Rights) == 0 {
		return errors.New("a token needs at least one right")
	}
	for i, r := range t.Rights {
		switch {
		case !slices.Contains(Rights, r):
			return fmt.Errorf("there is no right %.40q; there are %s", string(r), rightWords(Rights))
		case slices.Contains(t.Rights[:i], r):
			return fmt.Errorf("the right %s is named twice", r)
		case !u.Role.May(r):
			return fmt.Errorf("%w: %s is %s, and may not %s", ErrTokenRights, u.Name, u.Role, r)
		}
	}
	if !t.ExpiresAt.IsZero() && (!t.ExpiresAt.After(now) || t.ExpiresAt.Sub(now) > MaxTokenAge) {
		return errors.New("a token must expire in the future, within ten years, or never")
	}
	return nil
}

func rightWords(rights []Right) string { return strings.Join(rightTexts(rights), ", ") }

// newToken makes the text of a token: the prefix, 256 random bits, and a checksum, all of it letters, digits and one
// underscore, so that a double click takes it whole.
func newToken() string {
	var random [32]byte
	rand.Read(random[:]) // never fails
	text := TokenPrefix + base62(new(big.Int).SetBytes(random[:]), tokenRandom)
	return text + tokenSum(text)
}

// IsToken tells whether a text can be a token: what was mistyped, cut off or made up is none, and no database need be asked.
func IsToken(text string) bool {
	random, is := strings.CutPrefix(text, TokenPrefix)
	if !is || len(random) != tokenRandom+tokenChecksum {
		return false
	}
	body := text[:len(text)-tokenChecksum]
	return tokenSum(body) == text[len(body):]
}

func tokenSum(text string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(text)))), tokenChecksum)
}

// base62 writes a number with leading zeros.
func base62(n *big.Int, length int) string {
	text := n.Text(62)
	return strings.Repeat("0", length-len(text)) + text
}
