// Package api is the JSON API under /api/v1: what the command line does, for programs.
//
// A program shows a token as Authorization: Bearer, and nowhere else. Each operation asks for one right (operation.go); input
// and output are Go types, of which the OpenAPI description is made that /api/v1/openapi.json serves. Every error is a problem
// in the form of RFC 9457 that says what to do (problem.go). What a callback carried leaves through one place, payload.go.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// Prefix is where the API lives.
const Prefix = "/api/v1"

// maxBody bounds what a request may send, in bytes.
const maxBody = 64 << 10

// Redispatcher sends an event again; dispatch.Dispatcher is one.
type Redispatcher interface {
	Redispatch(ctx context.Context, r store.Redispatch) (*store.Delivery, error)
}

// Reverifier judges kept events by today's settings; reverify.Reverifier is one.
type Reverifier interface {
	Explain(ctx context.Context, e *store.Event) (*verify.Explanation, error) // nil: there is nothing to look at
	Reverify(ctx context.Context, id uuid.UUID, release bool, by, reason string) (*store.Reverification, error)
}

// TestSender sends a source's test callback to this program's own receiver.
type TestSender interface {
	SendTest(ctx context.Context, source *store.Source) (uuid.UUID, error)
}

// Trier sends a test request to a destination; dispatch.Dispatcher is one.
type Trier interface {
	Try(ctx context.Context, d *store.Destination, source *store.Source) (*store.Trial, error)
}

// Options of the API.
type Options struct {
	DB         *store.DB
	Redispatch Redispatcher
	Reverify   Reverifier
	Report     Reporter
	Test       TestSender
	Trial      Trier
	Alerts     AlertTester
	Details    http.Handler // of the program's health
	PublicURL  string       // where the outside reaches the receiver
	Rate       int          // requests a minute that one token may make of this instance; 0: no limit
	Version    string
	Secure     bool   // the outside reaches us over TLS
	RolesFrom  string // the issuer that says the roles of its users at each log-in; "": none does
	Log        *slog.Logger
	Now        func() time.Time
}

// server holds what the operations share.
type server struct {
	Options
	huma    huma.API
	mux     *http.ServeMux
	limits  *limits
	reports chan struct{} // bounds files that are written at one time
}

// NewHandler serves everything under Prefix. The operations are made with the first request: they hold megabytes, which an
// instance that is never asked does without.
func NewHandler(o Options) (http.Handler, error) {
	if o.DB == nil || o.Redispatch == nil || o.Reverify == nil || o.Report == nil || o.Test == nil || o.Trial == nil || o.Alerts == nil || o.Details == nil {
		return nil, errors.New("api: something that it needs was not given")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	s := &server{Options: o, mux: http.NewServeMux(), limits: newLimits(o.Rate), reports: make(chan struct{}, reportMost)}
	operations := sync.OnceValues(s.operations)
	return s.headers(s.recover(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, err := operations()
		if err != nil {
			panic(err) // for recover: a fault of the program, that any request shows
		}
		h.ServeHTTP(w, r)
	}))), nil
}

// operations serves all there are, and their description.
func (s *server) operations() (http.Handler, error) {
	s.huma = humago.NewWithPrefix(s.mux, Prefix, describe(s.Version))
	for _, register := range []func(){
		s.eventOperations, s.payloadOperations, s.reverifyOperations, s.historyOperations, s.sourceOperations, s.destinationOperations,
		s.replayOperations, s.failureOperations, s.alertOperations, s.channelOperations, s.exhaustedOperations, s.userOperations, s.tokenOperations, s.retentionOperations, s.erasureOperations,
		s.auditOperations, s.overviewOperations, s.healthOperations,
	} {
		register()
	}
	description, err := json.Marshal(s.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("api: describing it: %w", err)
	}
	s.mux.HandleFunc("/", s.nothingHere)

	outer := http.NewServeMux()
	outer.HandleFunc("GET "+Prefix+"/openapi.json", func(w http.ResponseWriter, r *http.Request) { // the same for everybody, so no token is asked for
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		w.Header().Set("Cache-Control", "no-cache")
		w.Write(description)
	})
	outer.Handle("/", s.withToken(s.mux))
	return outer, nil
}

// describe is the frame of the description; the operations come to it as they are registered.
func describe(version string) huma.Config {
	schemes := map[string]*huma.SecurityScheme{"token": {
		Type: "http", Scheme: "bearer", BearerFormat: store.TokenPrefix + "…",
		Description: "A token, made by recall token add. It may do what it was given and what its user may do at that moment, whichever is less.",
	}}
	format := huma.Format{Marshal: writeJSON, Unmarshal: json.Unmarshal}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "Recall", Version: version,
				Description: "What the command line of Recall does, for programs. Times are RFC 3339 in UTC, ids of events UUIDs, durations seconds. " +
					"Lists are pages: `next` is the cursor of the next one, and null on the last. Errors are problems by RFC 9457.",
			},
			Servers:    []*huma.Server{{URL: Prefix}},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer), SecuritySchemes: schemes},
			Security:   []map[string][]string{{"token": {}}},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true, // a misspelt one would else give another answer than the one asked for
	}
}

// headers are those of every answer: nothing is to be kept, shown or run anywhere.
func (s *server) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if s.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody+1) // huma tells one that is too large in its own words
		next.ServeHTTP(w, r)
	})
}

// recover answers what went wrong in here like any other error.
func (s *server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.fail(w, r, fmt.Errorf("panic: %v", p))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// nothingHere tells an address that is none from a method that is none of an address.
func (s *server) nothingHere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		list := strings.Join(allowed, ", ")
		w.Header().Set("Allow", list)
		s.fail(w, r, &Problem{Status: http.StatusMethodNotAllowed, Type: "method", Detail: "This address takes " + list + "."})
		return
	}
	s.fail(w, r, &Problem{Status: http.StatusNotFound, Type: "not-found", Detail: "There is nothing at this address. " + Prefix + "/openapi.json describes what there is."})
}
