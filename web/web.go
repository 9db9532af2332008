// Package web is the admin UI: pages, forms and log-in on the admin listener.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"recall/seal"
	"recall/store"
)

// Redispatcher sends an event again; dispatch.Dispatcher is one.
type Redispatcher interface {
	Redispatch(ctx context.Context, r store.Redispatch) (*store.Delivery, error)
}

// Options of a Server.
type Options struct {
	DB         *store.DB
	Redispatch Redispatcher
	Key        seal.Key // cookies are signed with a key derived from it
	PublicURL  string   // where the outside reaches the receiver, for the URLs shown
	Secure     bool     // cookies only over TLS
	Demo       bool     // marks every page as a demonstration
	Ready      func(context.Context) error
	Log        *slog.Logger
	Now        func() time.Time
}

// NewHandler serves the admin listener.
func NewHandler(o Options) (http.Handler, error) { panic("contract") }
