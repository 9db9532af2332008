package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/a-h/templ"
	"github.com/gorilla/sessions"

	"recall/static"
	"recall/store"
)

// server holds what the handlers share.
type server struct {
	Options
	cookies    *sessions.CookieStore
	throttle   *throttle
	pulses     pulses
	tail       *tail
	tailPlaces tailPlaces
	known      known
	exports    chan struct{} // bounds exports at one time
	checks     chan struct{} // bounds password checks at one time: each takes memory and a core
}

func newServer(o Options) *server {
	o.Sessions.Idle, o.Sessions.Age = cmp.Or(o.Sessions.Idle, defaultIdle), cmp.Or(o.Sessions.Age, defaultAge)
	return &server{
		Options:  o,
		cookies:  newCookieStore(o.Key, o.Secure, o.Sessions.Age),
		throttle: newThrottle(o.Now),
		tail:     newTail(o.DB, o.Log, o.Now),
		exports:  make(chan struct{}, exportMost),
		checks:   make(chan struct{}, 2),
	}
}

// access is who may use a route.
type access int

const (
	public   access = iota // no session needed, none looked at: works without the database
	anyone                 // no session needed, but it is looked at
	viewer                 // any user
	operator               // operators and admins
	admin                  // admins: settings and secrets
)

type route struct {
	pattern string
	access  access
	handle  func(http.ResponseWriter, *http.Request) error
}

func (s *server) routes() []route {
	return []route{
		{"GET /health/details", viewer, s.watched(s.Details)},
		{"GET /metrics", viewer, s.watched(s.Metrics)},
		{"GET /login", anyone, s.loginShow},
		{"POST /login", anyone, s.loginCreate},
		{"GET /login/code", anyone, s.codeShow},
		{"POST /login/code", anyone, s.codeCheck},
		{"POST /logout", viewer, s.logout},
		{"GET /{$}", viewer, s.home},
		{"GET /events", viewer, s.eventList},
		{"POST /events/export", operator, s.exportCreate},
		{"GET /events/suggest", viewer, s.eventSuggest},
		{"GET /events/tail", viewer, s.eventTail},
		{"GET /events/{id}", viewer, s.eventShow},
		{"GET /events/{id}/raw", viewer, s.eventRaw},
		{"GET /events/_compare", viewer, s.compareAsk}, // no id: none has an underscore
		{"GET /events/{id}/compare/previous", viewer, s.comparePrevious},
		{"GET /events/{id}/compare/{other}", viewer, s.compareShow},
		{"GET /entities/{type}/{id}", viewer, s.entityShow},
		{"GET /customers/{id}", viewer, s.customerShow},
		{"POST /events/{id}/redispatch", operator, s.eventRedispatch},
		{"POST /events/{id}/reverify", operator, s.eventReverify},
		{"GET /reverify", viewer, s.reverifyList},
		{"POST /reverify", operator, s.reverifyCreate},
		{"GET /reverify/new", operator, s.reverifyNew},
		{"GET /reverify/{id}", viewer, s.reverifyShow},
		{"POST /reverify/{id}/start", operator, s.reverifyStart},
		{"POST /reverify/{id}/cancel", operator, s.reverifyCancel},
		{"GET /redispatch/new", operator, s.redispatchNew},
		{"POST /redispatch", operator, s.redispatchSome},
		{"GET /replays", viewer, s.replayList},
		{"POST /replays", operator, s.replayCreate},
		{"GET /replays/new", operator, s.replayNew},
		{"GET /replays/{id}", viewer, s.replayShow},
		{"POST /replays/{id}/{action}", operator, s.replayChange},
		{"GET /overview", viewer, s.overviewShow},
		{"GET /volume", viewer, s.volumeShow},
		{"GET /failures", viewer, s.failureList},
		{"POST /failures/{id}/{action}", operator, s.failureChange},
		{"GET /sources", viewer, s.sourceList},
		{"POST /sources", admin, s.sourceCreate},
		{"GET /sources/_new", admin, s.sourceNew}, // no slug: none has an underscore
		{"GET /sources/{slug}", viewer, s.sourceShow},
		{"POST /sources/{slug}", admin, s.sourceUpdate},
		{"GET /sources/{slug}/edit", admin, s.sourceEdit},
		{"POST /sources/{slug}/enabled", admin, s.sourceEnable},
		{"POST /sources/{slug}/test", operator, s.sourceTest},
		{"GET /sources/{slug}/secrets", admin, s.secretNew},
		{"POST /sources/{slug}/secrets", admin, s.secretCreate},
		{"GET /sources/{slug}/rotate", admin, s.secretNew},
		{"POST /sources/{slug}/rotate", admin, s.secretCreate},
		{"GET /sources/{slug}/secret", admin, s.secretShow},
		{"POST /sources/{slug}/secret", admin, s.secretValidity},
		{"POST /sources/{slug}/secret/remove", admin, s.secretRemove},
		{"GET /sources/{slug}/reveal", admin, s.sourceRevealAsk},
		{"POST /sources/{slug}/reveal", admin, s.sourceReveal},
		{"GET /sources/{slug}/unreadable", admin, s.sourceGiveUpAsk},
		{"POST /sources/{slug}/unreadable", admin, s.sourceGiveUp},
		{"GET /sources/{slug}/remove", admin, s.sourceRemoveAsk},
		{"POST /sources/{slug}/remove", admin, s.sourceRemove},
		{"GET /destinations", viewer, s.destinationList},
		{"POST /destinations", admin, s.destinationCreate},
		{"GET /destinations/_new", admin, s.destinationNew}, // no name: none has an underscore
		{"GET /destinations/{name}", viewer, s.destinationShow},
		{"POST /destinations/{name}", admin, s.destinationUpdate},
		{"GET /destinations/{name}/edit", admin, s.destinationEdit},
		{"POST /destinations/{name}/state", admin, s.destinationState},
		{"POST /destinations/{name}/test", operator, s.destinationTest},
		{"GET /destinations/{name}/secret", admin, s.destinationSecretNew},
		{"POST /destinations/{name}/secret", admin, s.destinationSecretChange},
		{"GET /destinations/{name}/reveal", admin, s.destinationRevealAsk},
		{"POST /destinations/{name}/reveal", admin, s.destinationReveal},
		{"GET /destinations/{name}/remove", admin, s.destinationRemoveAsk},
		{"POST /destinations/{name}/remove", admin, s.destinationRemove},
		{"GET /exhausted", viewer, s.exhaustedList},
		{"POST /exhausted/redispatch", operator, s.exhaustedRedispatch},
		{"POST /exhausted/let-go", operator, s.exhaustedLetGo},
		{"GET /audit", operator, s.auditList},
		{"GET /retention", viewer, s.retentionShow},
		{"POST /retention", admin, s.retentionSet},
		{"POST /retention/holds", admin, s.holdCreate},
		{"POST /retention/holds/{id}/release", admin, s.holdRelease},
		{"GET /views", viewer, s.viewList},
		{"POST /views", viewer, s.viewCreate},
		{"POST /views/{id}", viewer, s.viewUpdate},
		{"POST /views/{id}/remove", viewer, s.viewRemove},
		{"POST /views/{id}/start", viewer, s.viewStart},
		{"GET /account", viewer, s.accountShow},
		{"POST /account/habits", viewer, s.habitsSet},
		{"POST /account/password", viewer, s.accountPassword},
		{"POST /account/sessions", viewer, s.accountSessions},
		{"POST /account/second-factor/begin", viewer, s.secondFactorBegin},
		{"POST /account/second-factor", viewer, s.secondFactorConfirm},
		{"GET /account/second-factor/remove", viewer, s.secondFactorRemoveAsk},
		{"POST /account/second-factor/remove", viewer, s.secondFactorRemove},
		{"GET /users", admin, s.userList},
		{"POST /users", admin, s.userCreate},
		{"POST /users/{name}/{action}", admin, s.userChange},
		{"POST /theme", viewer, s.themeSet},
		{"/", viewer, s.nothingHere},
	}
}

// handler joins the routes and what stands around them, outermost last.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.pattern, s.page(r.access, r.handle))
	}
	mux.Handle("GET "+static.Prefix, static.Handler())

	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(s.page(public, func(http.ResponseWriter, *http.Request) error {
		return refused("This form was sent from another site, so nothing was done. Open the page here and try again.")
	}))
	return s.securityHeaders(limitBody(crossOrigin.Handler(mux)))
}

// page makes an http.Handler of a handler that may fail: it lets in who may come in, and turns errors and panics into
// error pages.
func (s *server) page(need access, handle func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.fail(w, r, &panicError{p})
			}
		}()
		w.Header().Set("Cache-Control", "no-store")
		r = readHabits(r).with(r)
		if need != public {
			var err error
			if r, err = s.withUser(r); err != nil {
				s.fail(w, r, err)
				return
			}
		}
		user := userOf(r)
		switch {
		case need == public, need == anyone:
		case user == nil:
			s.askToLogIn(w, r)
			return
		case need == operator && user.Role == store.RoleViewer:
			s.fail(w, r, refused("Your role is viewer: you may look at everything, but not send anything. An operator or admin may."))
			return
		}
		if need == admin && user.Role != store.RoleAdmin {
			s.fail(w, r, refused("Your role is "+string(user.Role)+". Settings and secrets are for admins."))
			return
		}
		if err := handle(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// render writes a page whole or not at all.
func (s *server) render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	var b bytes.Buffer
	if err := c.Render(r.Context(), &b); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "HX-Request")
	w.WriteHeader(status)
	w.Write(b.Bytes()) // the reader may have gone; there is no one left to tell
	return nil
}

// fail answers with an error page. What a person did wrong is said; what went wrong in here is logged once, under an id
// that the page shows.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return
	}
	view := s.errorView(r, err)
	if view.Status >= http.StatusInternalServerError && !errors.Is(err, store.ErrTooSlow) {
		view.ID = newErrorID()
		s.Log.Error("page failed", "error_id", view.ID, "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if view.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if err := s.render(w, r, view.Status, errorPage(view)); err != nil {
		http.Error(w, http.StatusText(view.Status), view.Status)
	}
}

// databaseAway tells whether an error happened because the database does not answer.
func (s *server) databaseAway(r *http.Request) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Second)
	defer cancel()
	return s.DB.Ping(ctx) != nil
}

func newErrorID() string {
	var b [5]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// watched serves what is made elsewhere for programs that watch this one.
func (s *server) watched(h http.Handler) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if h == nil {
			return s.nothingHere(w, r)
		}
		h.ServeHTTP(w, r)
		return nil
	}
}

func (s *server) nothingHere(http.ResponseWriter, *http.Request) error {
	return missing("There is no page at this address.")
}
