// Package web is the admin UI: pages, forms and log-in on the admin listener.
//
// A page is a handler, a view model and a template side by side in files of one name: event_list.go, event_list.templ.
// A handler makes five moves: who, parameters, query, view model, render; it returns an error, and one wrapper
// (server.go) makes the error page. Every page works without JavaScript.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/oidc"
	"recall/seal"
	"recall/store"
	"recall/verify"
)

// Redispatcher sends an event again; dispatch.Dispatcher is one.
type Redispatcher interface {
	Redispatch(ctx context.Context, r store.Redispatch) (*store.Delivery, error)
}

// Reverifier judges kept events by today's settings; reverify.Reverifier is one.
type Reverifier interface {
	Explain(ctx context.Context, e *store.Event) (*verify.Explanation, error) // nil: there is nothing to look at
	Check(e *store.Event) verify.Result
	Reverify(ctx context.Context, id uuid.UUID, release bool, by, reason string) (*store.Reverification, error)
}

// Options of a Server.
type Options struct {
	DB         *store.DB
	Redispatch Redispatcher
	Test       TestSender
	Trial      Trier
	Reverify   Reverifier
	Alerts     AlertTester
	Report     Reporter
	Key        seal.Key                     // cookies are signed with a key derived from it
	PublicURL  string                       // where the outside reaches the receiver, for the URLs shown
	MaxBody    int64                        // largest body taken in, in bytes; bounds packed ones when they are shown; 0: 1 MiB
	Secure     bool                         // cookies only over TLS
	Sessions   store.SessionLimits          // zero: 2 h idle, 12 h in all
	Provider   *oidc.Provider               // where people log in besides here; nil: nowhere
	Passwords  PasswordLogin                // "": on
	LogOut     ProviderLogOut               // of who logged in at the provider; "": offered there, too
	RevealFor  time.Duration                // how long what is hidden stays revealed; 0: 15 min
	Demo       bool                         // marks every page as a demonstration
	Metrics    http.Handler                 // for who is logged in; nil: there are none
	Details    http.Handler                 // of the program's health, likewise
	Health     func(context.Context) Health // asks all checks anew; nil: there are none
	Spool      func() Spool                 // what waits for the database; nil: nothing does
	Stopping   <-chan struct{}              // closed when the server stops: live lists end then; nil: it never does
	Log        *slog.Logger
	Now        func() time.Time
}

// NewHandler serves the admin listener.
func NewHandler(o Options) (http.Handler, error) {
	if o.DB == nil {
		return nil, errors.New("web: no store given")
	}
	if o.Redispatch == nil {
		return nil, errors.New("web: nothing to redispatch with given")
	}
	if o.Reverify == nil {
		return nil, errors.New("web: nothing to re-verify with given")
	}
	if o.Test == nil {
		return nil, errors.New("web: nothing to send test callbacks with given")
	}
	if o.Trial == nil {
		return nil, errors.New("web: nothing to try destinations with given")
	}
	if o.Report == nil {
		return nil, errors.New("web: nothing to answer persons' requests with given")
	}
	if o.Alerts == nil {
		return nil, errors.New("web: nothing to test alert channels with given")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	return newServer(o).handler(), nil
}
