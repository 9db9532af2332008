package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"recall/seal"
	"recall/web"
)

var errStopping = errors.New("it is stopping")

// ready tells whether callbacks should be sent here: nil, or why not. While it is stopping they are still taken, but whoever
// shares them out should look for another place.
func (f *front) ready(ctx context.Context) error {
	if f.stopping.Load() {
		return errStopping
	}
	return f.receiver.Ready(ctx)
}

// healthLive says that the process runs and answers.
func healthLive(w http.ResponseWriter, _ *http.Request) { healthText(w, http.StatusOK, "live") }

// healthReady says whether this instance takes callbacks. The reason stays in the log and in the details: anyone may ask.
func (f *front) healthReady(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	switch err := f.ready(ctx); {
	case err == nil:
		healthText(w, http.StatusOK, "ready")
	case errors.Is(err, errStopping):
		healthText(w, http.StatusServiceUnavailable, "not ready: it is stopping")
	default:
		f.log.Warn("not ready", "error", err)
		w.Header().Set("Retry-After", "5")
		healthText(w, http.StatusServiceUnavailable, "not ready: neither the database nor the spool takes callbacks")
	}
}

func healthText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write([]byte(text + "\n"))
}

// watcher lets who gives the token see what is for watching, and leaves everybody else to the pages, which ask for a session.
// A program without a session, or with another token, is refused in words that it understands.
func (f *front) watcher(show http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case bearer && f.metricsToken != "" && sameText(given, f.metricsToken):
			show.ServeHTTP(w, r)
		case bearer, len(r.Cookies()) == 0 && !strings.Contains(r.Header.Get("Accept"), "text/html"):
			w.Header().Set("WWW-Authenticate", `Bearer realm="Recall"`)
			healthText(w, http.StatusUnauthorized, "Send the token of RECALL_METRICS_TOKEN as Authorization: Bearer, or log in with a browser.")
		default:
			f.pages(w, r)
		}
	})
}

// sameText compares in a time that tells nothing of either.
func sameText(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// detailsTime is how long the checks may take.
const detailsTime = 10 * time.Second

// details are what doctor finds, from within and as JSON.
type details struct {
	front *front
	app   *app
	certs []*certificate
	key   seal.Key
	one   sync.Mutex // looks at a time: each asks the database
}

// healthSaid is what details say.
type healthSaid struct {
	State    string    `json:"state"` // the worst of the checks
	Version  string    `json:"version"`
	Ready    bool      `json:"ready"`
	Stopping bool      `json:"stopping"`
	Checks   []finding `json:"checks"`
}

func (d *details) look(ctx context.Context) healthSaid {
	d.one.Lock()
	defer d.one.Unlock()
	ctx, cancel := context.WithTimeout(ctx, detailsTime)
	defer cancel()
	said := healthSaid{State: "ok", Version: version(), Ready: d.front.ready(ctx) == nil, Stopping: d.front.stopping.Load()}
	look := &doctor{app: d.app, certs: d.certs, traces: d.front.tracing.Tracer, report: func(f finding) error {
		said.State = worse(said.State, f.State)
		said.Checks = append(said.Checks, f)
		return nil
	}}
	look.say("data folder", look.dataFolder())
	look.certificates(ctx)
	look.say("spool", look.spool())
	look.backup()
	look.tracing()
	if h := d.front.engine.Load(); h != nil {
		look.examine(ctx, h.db.DB, d.key)
	} else {
		look.say("database", fail(databaseAwayDo(d.app), "it has not been reached since the start"))
	}
	return said
}

// page is the same for the admin UI.
func (d *details) page(ctx context.Context) web.Health {
	said := d.look(ctx)
	h := web.Health{Version: said.Version, Ready: said.Ready, Stopping: said.Stopping}
	for _, f := range said.Checks {
		h.Checks = append(h.Checks, web.HealthCheck(f))
	}
	return h
}

func (d *details) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	said := d.look(r.Context())
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	out.Encode(said) // who asked may be gone
}
