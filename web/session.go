package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"recall/seal"
	"recall/store"
)

// A session ends this long after it was last used, and this long after the log-in, unless Options say otherwise.
const (
	defaultIdle = 2 * time.Hour
	defaultAge  = 12 * time.Hour
)

// What the cookie holds besides flash messages.
const (
	valueToken    = "token"    // string; of a session in the store
	valuePending  = "pending"  // int64; the user whose password was right and whose second factor is still to be asked for
	valuePassword = "password" // string; store.DB.PasswordMark of the one that was right
	valueSince    = "since"    // int64, Unix seconds of that password
)

func newCookieStore(key seal.Key, secure bool, age time.Duration) *sessions.CookieStore {
	pairs := [][]byte{key.Derive("web: signing of session cookies", 32), key.Derive("web: encryption of session cookies", 32)}
	if previous := key.Previous(); previous != (seal.Key{}) { // log-ins outlive a rotation of the key while both are given
		pairs = append(pairs, previous.Derive("web: signing of session cookies", 32), previous.Derive("web: encryption of session cookies", 32))
	}
	cookies := sessions.NewCookieStore(pairs...)
	cookies.MaxAge(int(age.Seconds()))
	cookies.Options.Path = "/"
	cookies.Options.HttpOnly = true
	cookies.Options.Secure = secure
	cookies.Options.SameSite = http.SameSiteLaxMode
	return cookies
}

// cookieName: the prefix makes browsers insist on TLS, this host and the whole path.
func cookieName(secure bool) string {
	if secure {
		return "__Host-recall"
	}
	return "recall"
}

type (
	userKey    struct{}
	sessionKey struct{}
)

// sessionOf returns the session of who is logged in, or nil.
func sessionOf(r *http.Request) *store.Session {
	session, _ := r.Context().Value(sessionKey{}).(*store.Session)
	return session
}

// userOf returns who is logged in, or nil.
func userOf(r *http.Request) *store.User {
	user, _ := r.Context().Value(userKey{}).(*store.User)
	return user
}

// session returns the request's session; a cookie that is not ours, or too old, is as good as none.
func (s *server) session(r *http.Request) *sessions.Session {
	session, _ := s.cookies.Get(r, cookieName(s.Secure))
	return session
}

// withUser looks up who is logged in, anew on each request: a session that was ended, a removed user or a changed password
// end it at once, on every instance.
func (s *server) withUser(r *http.Request) (*http.Request, error) {
	token, ok := s.session(r).Values[valueToken].(string)
	if !ok {
		return r, nil
	}
	session, user, err := s.DB.FindSession(r.Context(), token, s.Sessions)
	if errors.Is(err, store.ErrNotFound) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("finding the session: %w", err)
	}
	ctx := context.WithValue(r.Context(), userKey{}, user)
	return r.WithContext(context.WithValue(ctx, sessionKey{}, session)), nil
}

// newCookie makes an empty cookie; nothing of an older one is taken over.
func (s *server) newCookie() *sessions.Session {
	session := sessions.NewSession(s.cookies, cookieName(s.Secure))
	options := *s.cookies.Options
	session.Options = &options
	return session
}

// logIn begins a session of a user, in a new cookie, and writes down that it began, or does neither. The session that this
// browser had is over.
func (s *server) logIn(w http.ResponseWriter, r *http.Request, user *store.User, notes []store.AuditEntry, messages ...string) error {
	token, err := s.DB.CreateSession(r.Context(), user.ID, logInOf(r), notes...)
	if err != nil {
		return err
	}
	if err := s.rememberDevice(w, r, user.Name); err != nil {
		return err
	}
	return s.keepSession(w, r, token, messages...)
}

// logInOf is what is known of who logs in by a request.
func logInOf(r *http.Request) store.LogIn {
	l := store.LogIn{Address: address(r), Agent: cut(r.UserAgent(), maxAgent)}
	if before := sessionOf(r); before != nil {
		l.Before = before.ID
	}
	return l
}

// keepSession gives the browser the token of its session.
func (s *server) keepSession(w http.ResponseWriter, r *http.Request, token string, messages ...string) error {
	cookie := s.newCookie()
	cookie.Values[valueToken] = token
	for _, m := range messages {
		cookie.AddFlash(m)
	}
	if err := cookie.Save(r, w); err != nil {
		return fmt.Errorf("beginning a session: %w", err)
	}
	return nil
}

// maxAgent bounds what a browser may call itself, in characters.
const maxAgent = 200

const (
	maxMessages = 3   // kept for one page: a cookie holds 4 KiB, and who never looks at a page must not fill it
	maxMessage  = 500 // bytes
)

// flash keeps a message for the next page shown to this user.
func (s *server) flash(w http.ResponseWriter, r *http.Request, message string) error {
	session := s.session(r)
	kept := session.Flashes()
	for _, earlier := range kept[max(0, len(kept)-maxMessages+1):] {
		session.AddFlash(earlier)
	}
	session.AddFlash(cut(message, maxMessage))
	return session.Save(r, w)
}

// done goes on to another page after a form, which says what was done.
func (s *server) done(w http.ResponseWriter, r *http.Request, to, message string) error {
	if err := s.flash(w, r, message); err != nil {
		return fmt.Errorf("keeping a message: %w", err)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// takeFlashes returns the messages kept for this page, and forgets them. A part of a page that renews itself leaves them
// alone.
func (s *server) takeFlashes(w http.ResponseWriter, r *http.Request) []string {
	if r.Header.Get("HX-Request") != "" {
		return nil
	}
	session := s.session(r)
	var messages []string
	for _, f := range session.Flashes() {
		if message, ok := f.(string); ok {
			messages = append(messages, message)
		}
	}
	if len(messages) > 0 {
		session.Save(r, w) // at worst the message is shown twice
	}
	return messages
}

// askToLogIn sends to the log-in page, which comes back to where the person wanted to go. A part of a page cannot be
// redirected by the browser, so htmx is told to leave the page.
func (s *server) askToLogIn(w http.ResponseWriter, r *http.Request) {
	next := ""
	if r.Method == http.MethodGet && r.URL.Path != "/" {
		next = r.URL.RequestURI()
	}
	if r.Header.Get("HX-Request") != "" {
		if here, err := url.Parse(r.Header.Get("HX-Current-URL")); err == nil {
			next = here.RequestURI()
		}
		w.Header().Set("HX-Redirect", loginURL(next))
		http.Error(w, "Log in first.", http.StatusUnauthorized)
		return
	}
	http.Redirect(w, r, loginURL(next), http.StatusSeeOther)
}

func loginURL(next string) string {
	if next == "" || localPath(next) != next {
		return "/login"
	}
	return "/login?next=" + url.QueryEscape(next)
}

// localPath returns an address of this site as it is, and the list of events for anything that could lead elsewhere.
func localPath(next string) string {
	const home = "/events"
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\t\r\n") {
		return home
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") {
		return home
	}
	if u.Path == "/login" || strings.HasPrefix(u.Path, "/login/") || u.Path == "/logout" {
		return home
	}
	return next
}
