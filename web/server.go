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
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"recall/static"
	"recall/store"
)

// server holds what the handlers share.
type server struct {
	Options
	cookies     *sessions.CookieStore
	throttle    *throttle
	deviceCodec *securecookie.SecureCookie
	pulses      pulses
	tail        *tail
	tailPlaces  tailPlaces
	known       known
	attempts    *securecookie.SecureCookie
	leaves      *securecookie.SecureCookie // of log-outs
	hints       *securecookie.SecureCookie // of ID tokens
	answers     chan struct{}              // bounds the provider's answers looked into at one time
	counts      chan struct{}              // bounds counts at one time
	exports     chan struct{}              // bounds exports at one time
	checks      chan struct{}              // bounds password checks at one time: each takes memory and a core
}

func newServer(o Options) *server {
	o.RevealFor = cmp.Or(o.RevealFor, defaultReveal)
	o.Sessions.Idle, o.Sessions.Age = cmp.Or(o.Sessions.Idle, defaultIdle), cmp.Or(o.Sessions.Age, defaultAge)
	return &server{
		Options:     o,
		cookies:     newCookieStore(o.Key, o.Secure, o.Sessions.Age),
		throttle:    newThrottle(o.Now),
		deviceCodec: newDeviceCodec(o.Key),
		tail:        newTail(o.DB, o.Log, o.Now),
		attempts:    newAttemptCodec(o.Key),
		leaves:      newLeavingCodec(o.Key, leavingAge),
		hints:       newLeavingCodec(o.Key, o.Sessions.Age),
		answers:     make(chan struct{}, 8),
		counts:      make(chan struct{}, countsAtOnce),
		exports:     make(chan struct{}, exportMost),
		checks:      make(chan struct{}, 2),
	}
}

// access is what a route asks for: a right, or less.
type access string

const (
	public   access = "public"    // no session needed, none looked at: works without the database
	anyone   access = "anyone"    // no session needed, but it is looked at
	loggedIn access = "logged in" // a user of any role, for what is the user's own

	metadata = access(store.RightMetadata)
	payloads = access(store.RightPayloads)
	reveals  = access(store.RightReveal)
	send     = access(store.RightRedispatch)
	exports  = access(store.RightExport)
	audit    = access(store.RightAudit)
	settings = access(store.RightSettings)
	users    = access(store.RightUsers)
	erase    = access(store.RightErase)
)

type route struct {
	pattern string
	access  access
	handle  func(http.ResponseWriter, *http.Request) error
}

func (s *server) routes() []route {
	return []route{
		{"GET /health", metadata, s.healthShow},
		{"GET /health/details", metadata, s.watched(s.Details)},
		{"GET /metrics", metadata, s.watched(s.Metrics)},
		{"GET /login", anyone, s.loginShow},
		{"POST /login", anyone, s.loginCreate},
		{"GET /login/code", anyone, s.codeShow},
		{"POST /login/code", anyone, s.codeCheck},
		{"GET /login/oidc", anyone, s.providerBegin},
		{"GET /login/oidc/callback", anyone, s.providerEnd},
		{"GET /login/oidc/logout", anyone, s.providerLogOut},
		{"GET /login/oidc/out", anyone, s.providerLoggedOut},
		{"GET /login/once", anyone, s.onceShow},
		{"POST /login/once", anyone, s.onceCheck},
		{"POST /logout", loggedIn, s.logout},
		{"GET /{$}", loggedIn, s.home},
		{"GET /events", metadata, s.heavy(s.eventList)},
		{"POST /events/export", exports, s.heavy(s.exportCreate)},
		{"GET /events/count", metadata, s.heavy(s.eventCount)},
		{"GET /events/suggest", payloads, s.eventSuggest},
		{"GET /events/tail", metadata, s.eventTail},
		{"GET /events/{id}", payloads, s.eventShow},
		{"GET /events/{id}/raw", payloads, s.eventRaw},
		{"GET /reveals/new", reveals, s.revealAsk},
		{"POST /reveals", reveals, s.revealCreate},
		{"POST /reveals/end", reveals, s.revealEnd},
		{"GET /events/_compare", payloads, s.compareAsk}, // no id: none has an underscore
		{"GET /events/{id}/compare/previous", payloads, s.comparePrevious},
		{"GET /events/{id}/compare/{other}", payloads, s.compareShow},
		{"GET /entities/{type}/{id}", payloads, s.heavy(s.entityShow)},
		{"GET /customers/{id}", payloads, s.heavy(s.customerShow)},
		{"POST /events/{id}/redispatch", send, s.eventRedispatch},
		{"GET /events/{id}/edit", send, s.redispatchEdit},
		{"POST /events/{id}/edit", send, s.redispatchTest},
		{"GET /events/{id}/tests/{test}", payloads, s.editedTestShow},
		{"POST /events/{id}/reverify", send, s.eventReverify},
		{"GET /reverify", metadata, s.reverifyList},
		{"POST /reverify", send, s.reverifyCreate},
		{"GET /reverify/new", send, s.reverifyNew},
		{"GET /reverify/{id}", metadata, s.reverifyShow},
		{"POST /reverify/{id}/start", send, s.reverifyStart},
		{"POST /reverify/{id}/cancel", send, s.reverifyCancel},
		{"GET /redispatch/new", send, s.redispatchNew},
		{"POST /redispatch", send, s.redispatchSome},
		{"GET /replays", metadata, s.replayList},
		{"POST /replays", send, s.replayCreate},
		{"GET /replays/new", send, s.replayNew},
		{"GET /replays/{id}", metadata, s.replayShow},
		{"POST /replays/{id}/{action}", send, s.replayChange},
		{"GET /overview", metadata, s.heavy(s.overviewShow)},
		{"GET /volume", metadata, s.heavy(s.volumeShow)},
		{"GET /failures", metadata, s.failureList},
		{"POST /failures/{id}/{action}", send, s.failureChange},
		{"GET /sources", metadata, s.sourceList},
		{"POST /sources", settings, s.sourceCreate},
		{"GET /sources/_new", settings, s.sourceNew}, // no slug: none has an underscore
		{"GET /sources/{slug}", metadata, s.sourceShow},
		{"POST /sources/{slug}", settings, s.sourceUpdate},
		{"GET /sources/{slug}/edit", settings, s.sourceEdit},
		{"POST /sources/{slug}/enabled", settings, s.sourceEnable},
		{"POST /sources/{slug}/test", send, s.sourceTest},
		{"GET /sources/{slug}/secrets", settings, s.secretNew},
		{"POST /sources/{slug}/secrets", settings, s.secretCreate},
		{"GET /sources/{slug}/rotate", settings, s.secretNew},
		{"POST /sources/{slug}/rotate", settings, s.secretCreate},
		{"GET /sources/{slug}/secret", settings, s.secretShow},
		{"POST /sources/{slug}/secret", settings, s.secretValidity},
		{"POST /sources/{slug}/secret/remove", settings, s.secretRemove},
		{"GET /sources/{slug}/reveal", settings, s.sourceRevealAsk},
		{"POST /sources/{slug}/reveal", settings, s.sourceReveal},
		{"GET /sources/{slug}/unreadable", settings, s.sourceGiveUpAsk},
		{"POST /sources/{slug}/unreadable", settings, s.sourceGiveUp},
		{"GET /sources/{slug}/remove", settings, s.sourceRemoveAsk},
		{"POST /sources/{slug}/remove", settings, s.sourceRemove},
		{"GET /destinations", metadata, s.destinationList},
		{"POST /destinations", settings, s.destinationCreate},
		{"GET /destinations/_new", settings, s.destinationNew}, // no name: none has an underscore
		{"GET /destinations/{name}", metadata, s.destinationShow},
		{"POST /destinations/{name}", settings, s.destinationUpdate},
		{"GET /destinations/{name}/edit", settings, s.destinationEdit},
		{"POST /destinations/{name}/state", settings, s.destinationState},
		{"POST /destinations/{name}/test", send, s.destinationTest},
		{"GET /destinations/{name}/secret", settings, s.destinationSecretNew},
		{"POST /destinations/{name}/secret", settings, s.destinationSecretChange},
		{"GET /destinations/{name}/reveal", settings, s.destinationRevealAsk},
		{"POST /destinations/{name}/reveal", settings, s.destinationReveal},
		{"GET /destinations/{name}/remove", settings, s.destinationRemoveAsk},
		{"POST /destinations/{name}/remove", settings, s.destinationRemove},
		{"GET /exhausted", metadata, s.exhaustedList},
		{"POST /exhausted/redispatch", send, s.exhaustedRedispatch},
		{"POST /exhausted/let-go", send, s.exhaustedLetGo},
		{"GET /alerts", metadata, s.alertList},
		{"POST /alerts/acknowledge", send, s.alertAcknowledge},
		{"POST /alerts/channels", settings, s.channelCreate},
		{"GET /alerts/channels/_new", settings, s.channelNew}, // no name: none has an underscore
		{"GET /alerts/channels/{name}", settings, s.channelEdit},
		{"POST /alerts/channels/{name}", settings, s.channelUpdate},
		{"POST /alerts/channels/{name}/test", settings, s.channelTest},
		{"GET /alerts/channels/{name}/remove", settings, s.channelRemoveAsk},
		{"POST /alerts/channels/{name}/remove", settings, s.channelRemove},
		{"GET /audit", audit, s.auditList},
		{"POST /audit/export", audit, s.heavy(s.auditExport)},
		{"POST /audit/check", audit, s.heavy(s.auditCheck)},
		{"GET /retention", metadata, s.retentionShow},
		{"POST /retention", settings, s.retentionSet},
		{"POST /retention/holds", settings, s.holdCreate},
		{"POST /retention/holds/{id}/release", settings, s.holdRelease},
		{"GET /erasures", erase, s.erasureList},
		{"POST /erasures", erase, s.erasureCreate},
		{"GET /erasures/new", erase, s.erasureNew},
		{"POST /erasures/settings", erase, s.erasureSettingsSet},
		{"POST /erasures/list", erase, s.erasureListFile},
		{"GET /erasures/report", erase, s.reportNew},
		{"POST /erasures/report", erase, s.heavy(s.reportCreate)},
		{"GET /erasures/{id}", erase, s.erasureShow},
		{"POST /erasures/{id}/{action}", erase, s.erasureChange},
		{"GET /erasures/{id}/certificate", erase, s.certificateShow},
		{"GET /erasures/{id}/certificate.json", erase, s.certificateJSON},
		{"GET /masking", metadata, s.maskShow},
		{"POST /masking", settings, s.maskSet},
		{"POST /masking/reset", settings, s.maskReset},
		{"GET /views", metadata, s.viewList},
		{"POST /views", metadata, s.viewCreate},
		{"POST /views/{id}", metadata, s.viewUpdate},
		{"POST /views/{id}/remove", metadata, s.viewRemove},
		{"POST /views/{id}/start", metadata, s.viewStart},
		{"GET /account", loggedIn, s.accountShow},
		{"POST /account/habits", loggedIn, s.habitsSet},
		{"POST /account/password", loggedIn, s.accountPassword},
		{"POST /account/sessions", loggedIn, s.accountSessions},
		{"POST /account/second-factor/begin", loggedIn, s.secondFactorBegin},
		{"POST /account/second-factor", loggedIn, s.secondFactorConfirm},
		{"GET /account/second-factor/remove", loggedIn, s.secondFactorRemoveAsk},
		{"POST /account/second-factor/remove", loggedIn, s.secondFactorRemove},
		{"POST /account/tokens", loggedIn, s.tokenCreate},
		{"POST /account/tokens/{id}/revoke", loggedIn, s.tokenRevokeOwn},
		{"GET /tokens", users, s.tokenList},
		{"POST /tokens/{id}/revoke", users, s.tokenRevoke},
		{"GET /users", users, s.userList},
		{"POST /users", users, s.userCreate},
		{"POST /users/{name}/{action}", users, s.userChange},
		{"POST /removed-users/{id}/restore", users, s.userRestore},
		{"POST /theme", loggedIn, s.themeSet},
		{"/", loggedIn, s.nothingHere},
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
	return SecurityHeaders(s.Secure, limitBody(crossOrigin.Handler(mux)))
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
		case need != loggedIn && !user.Role.May(store.Right(need)):
			s.fail(w, r, missingRight(user, store.Right(need)))
			return
		}
		s.markChange(w, r)
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
