package store

import (
	"errors"
	"slices"
	"strings"
	"time"

	"recall/verify"
)

// ErrChanged: somebody else changed the same thing since it was read.
var ErrChanged = errors.New("was changed by somebody else in the meantime")

// Source is one plenigo callback definition that points at us, with its secrets in clear.
type Source struct {
	ID            int64
	Slug          string
	Name          string
	Enabled       bool
	Observe       bool // rejected callbacks are answered 2xx, kept as rejected, never sent on
	Demo          bool
	CreatedAt     time.Time
	Tolerance     time.Duration   // whole seconds
	LateWindow    time.Duration   // whole seconds
	Scheme        verify.Scheme   // how the sender signs; zero: as plenigo does
	Secrets       []verify.Secret // oldest first
	Basic         *verify.BasicAuth
	Headers       []verify.Header
	ExpectedTypes []string  // entity.callback in lower case, either may be *; empty: every type
	Revision      int       // grows with each change
	RemovedAt     time.Time // zero: not removed
	Unreadable    bool      // a setting could not be read, or a sealed one not opened with the program's key: reject everything
}

// Settings is what verify needs of the source. Newer secrets come first: while they change, a sender may sign with both,
// and then the old one was not needed.
func (s *Source) Settings() verify.Settings {
	secrets := slices.Clone(s.Secrets)
	slices.Reverse(secrets)
	return verify.Settings{
		Scheme: s.Scheme, Secrets: secrets, Tolerance: s.Tolerance, LateWindow: s.LateWindow, Basic: s.Basic,
		Headers: s.Headers, Unreadable: s.Unreadable, Disabled: !s.Enabled,
	}
}

// TestEntityType marks the body of a callback that Recall sends to itself, as a test of a source's settings.
const TestEntityType = "RECALL_TEST"

// Expects tells whether a callback of this type is expected. One that is not is accepted, and marked.
func (s *Source) Expects(entityType, callbackType string) bool {
	return len(s.ExpectedTypes) == 0 || entityType == TestEntityType ||
		slices.ContainsFunc(s.ExpectedTypes, func(expected string) bool {
			entity, callback, _ := strings.Cut(expected, ".")
			return isType(entity, entityType) && isType(callback, callbackType)
		})
}

func isType(expected, got string) bool {
	return expected == "" || expected == "*" || strings.EqualFold(expected, got)
}
