package store

import (
	"time"

	"recall/verify"
)

// Source is one plenigo callback definition that points at us, with its secrets in clear.
type Source struct {
	ID         int64
	Slug       string
	Name       string
	Enabled    bool
	Observe    bool // rejected callbacks are answered 2xx, kept as rejected, never sent on
	Demo       bool
	CreatedAt  time.Time
	Tolerance  time.Duration // whole seconds
	LateWindow time.Duration // whole seconds
	Secrets    []verify.Secret
	Basic      *verify.BasicAuth
	Headers    []verify.Header
	RemovedAt  time.Time // zero: not removed
	Unreadable bool      // a sealed setting could not be opened with the program's key: reject everything
}

// Settings is what verify needs of the source.
func (s *Source) Settings() verify.Settings {
	return verify.Settings{
		Secrets: s.Secrets, Tolerance: s.Tolerance, LateWindow: s.LateWindow, Basic: s.Basic,
		Headers: s.Headers, Unreadable: s.Unreadable, Disabled: !s.Enabled,
	}
}
