package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"recall/verify"
)

// ErrUnreadable: what is secret cannot be opened with the program's key, and a change would lose it.
var ErrUnreadable = errors.New("holds settings that cannot be decrypted, and would be lost")

// SourceChange is what a person wants to be different of a source; what is not named stays as it is.
type SourceChange struct {
	Name                  *string
	Secret                *string  // takes the place of all that were there, at once
	EndSecrets            []string // names of secrets that are to be valid no longer; they are kept
	Basic                 *verify.BasicAuth
	NoBasic               bool
	Headers               []verify.Header // each added, or in place of the one of its name
	RemoveHeaders         []string
	NoHeaders             bool
	Tolerance, LateWindow *time.Duration
	ExpectedTypes         []string // in place of those that were
	EveryType             bool     // expect every type
	Scheme                *verify.Scheme
	Enabled, Observe      *bool
	DropUnreadable        bool // give up what cannot be decrypted, and disable the source
}

// Apply makes a source as the change says. The error is an *InvalidError.
func (c *SourceChange) Apply(s *Source, uses []SecretUse, now time.Time) error {
	if c.DropUnreadable && s.Unreadable {
		s.Unreadable, s.Enabled = false, false
	}
	if c.Secret != nil {
		s.Secrets = []verify.Secret{{Name: s.FreeSecretName(now, uses), Key: *c.Secret}}
	}
	for _, name := range c.EndSecrets {
		i := slices.IndexFunc(s.Secrets, func(secret verify.Secret) bool { return secret.Name == name })
		if i < 0 {
			return invalid(fmt.Errorf("the source has no secret %.80q", name))
		}
		s.Secrets[i].Until = now.UTC()
	}
	if c.Basic != nil || c.NoBasic {
		s.Basic = c.Basic
	}
	if c.NoHeaders {
		s.Headers = nil
	}
	for _, name := range c.RemoveHeaders {
		i := s.headerAt(name)
		if i < 0 {
			return invalid(fmt.Errorf("the source asks for no header %.80q", name))
		}
		s.Headers = slices.Delete(s.Headers, i, i+1)
	}
	for _, h := range c.Headers {
		if i := s.headerAt(h.Name); i >= 0 {
			s.Headers[i].Value = h.Value
		} else {
			s.Headers = append(s.Headers, h)
		}
	}
	if len(c.ExpectedTypes) > 0 || c.EveryType {
		s.ExpectedTypes = ReadTypes(strings.Join(c.ExpectedTypes, ","))
	}
	setTo(&s.Scheme, c.Scheme)
	setTo(&s.Name, c.Name)
	setTo(&s.Tolerance, c.Tolerance)
	setTo(&s.LateWindow, c.LateWindow)
	setTo(&s.Enabled, c.Enabled)
	setTo(&s.Observe, c.Observe)
	return nil
}

func (s *Source) headerAt(name string) int {
	name = http.CanonicalHeaderKey(name)
	return slices.IndexFunc(s.Headers, func(h verify.Header) bool { return http.CanonicalHeaderKey(h.Name) == name })
}

// setTo changes a setting where a value was given.
func setTo[T any](setting, value *T) {
	if value != nil {
		*setting = *value
	}
}

// NewSecret is a secret that is to take the place of those that are valid now.
type NewSecret struct {
	Key     string
	Name    string        // "": the day
	Overlap time.Duration // how long the others stay valid beside it
}

// Apply rotates a source's secrets. The error is an *InvalidError.
func (n *NewSecret) Apply(s *Source, uses []SecretUse, now time.Time) error {
	switch {
	case strings.TrimSpace(n.Key) != n.Key:
		return invalid(errors.New("the secret begins or ends with a blank; copy it without"))
	case n.Overlap < 0 || n.Overlap > MaxWindow || n.Overlap%time.Second != 0:
		return invalid(fmt.Errorf("the overlap must be whole seconds between 0 and 10 years, not %s", n.Overlap))
	}
	if i := slices.IndexFunc(s.Secrets, func(old verify.Secret) bool { return old.Key == n.Key }); i >= 0 {
		return invalid(fmt.Errorf("it is the secret %q, which the source has already", s.Secrets[i].Name))
	}
	name := n.Name
	if name == "" {
		name = s.FreeSecretName(now, uses)
	} else if used(uses, name).Events > 0 {
		return invalid(fmt.Errorf("%.100q is or was the name of a secret that verified callbacks; choose another, so that they are told apart", name))
	}
	s.Rotate(verify.Secret{Name: name, Key: n.Key}, n.Overlap, now)
	return nil
}

// ChangeSource changes the source with this slug, and notes what is different with it, or does neither. What the change refuses is
// returned as it is, what Validate refuses as an *InvalidError; besides there are ErrNotFound, ErrUnreadable and ErrChanged.
func (db *DB) ChangeSource(ctx context.Context, slug string, change func(*Source, []SecretUse) error, note AuditEntry) (*Source, error) {
	s, err := db.FindSource(ctx, slug)
	if err != nil {
		return nil, err
	}
	uses, err := db.SecretUses(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	before := *s
	before.Secrets = slices.Clone(s.Secrets)
	before.Headers = slices.Clone(s.Headers)
	if err := change(s, uses); err != nil {
		return nil, err
	}
	if s.Unreadable {
		return nil, fmt.Errorf("the source %s %w", slug, ErrUnreadable)
	}
	if err := s.Validate(); err != nil {
		return nil, invalid(err)
	}
	note.Subject, note.Detail = slug, SourceChanges(&before, s)
	if err := db.UpdateSource(ctx, s, note); err != nil {
		return nil, err
	}
	return s, nil
}
