package store

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"recall/filter"
)

// SavedView is a filter of the list of events, with how the list looks, under a name.
type SavedView struct {
	ID        int64
	OwnerID   int64
	Owner     string // name of the user
	Name      string
	Shared    bool // everybody sees it; only its owner and admins change it
	Filter    string
	Columns   string // as the list's address says them; "" the usual ones
	Zone      string // IANA name of a time zone; "" the reader's own
	Start     bool   // it is what the asking user begins with
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ErrView: a view cannot be saved like this. What wraps it says why.
var ErrView = errors.New("the view cannot be saved")

// Bounds of saved views.
const (
	MaxViewName = 60  // characters
	MaxViews    = 100 // of one user
	maxViewText = 500 // bytes of columns
)

// clean trims the name and checks everything. The error says in one sentence what is possible.
func (v *SavedView) clean() error {
	v.Name = strings.Join(strings.Fields(v.Name), " ")
	switch n := utf8.RuneCountInString(v.Name); {
	case !utf8.ValidString(v.Name) || strings.ContainsRune(v.Name, 0):
		return fmt.Errorf("%w: its name must be text", ErrView)
	case n == 0 || n > MaxViewName:
		return fmt.Errorf("%w: its name has 1 to %d characters", ErrView, MaxViewName)
	}
	if _, err := filter.Parse(v.Filter, time.Unix(1<<31, 0)); err != nil {
		return fmt.Errorf("%w: its filter has a mistake: %w", ErrView, err)
	}
	if len(v.Columns) > maxViewText || len(v.Zone) > MaxViewName {
		return fmt.Errorf("%w: its columns or its time zone are too long", ErrView)
	}
	return nil
}
