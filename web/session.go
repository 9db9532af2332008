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

// sessionAge is how long a log-in lasts, whatever is done in between.
const sessionAge = 12 * time.Hour

// What a session cookie holds besides flash messages.
const (
	valueUser  = "user"  // int64
	valueEpoch = "epoch" // int; a session of an older epoch is over
	valueSince = "since" // int64, Unix seconds of the log-in
)

func newCookieStore(key seal.Key, secure bool) *sessions.CookieStore {
	cookies := sessions.NewCookieStore(key.Derive("web: signing of session cookies", 32), key.Derive("web: encryption of session cookies", 32))
	cookies.MaxAge(int(sessionAge.Seconds()))
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

type userKey struct{}

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

// withUser looks up who is logged in, anew on each request: a removed user, a changed password or too old a log-in ends
// the session at once.
func (s *server) withUser(r *http.Request) (*http.Request, error) {
	values := s.session(r).Values
	id, hasID := values[valueUser].(int64)
	epoch, hasEpoch := values[valueEpoch].(int)
	since, hasSince := values[valueSince].(int64)
	if !hasID || !hasEpoch || !hasSince || s.Now().Sub(time.Unix(since, 0)) > sessionAge {
		return r, nil
	}
	user, err := s.DB.FindUser(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("finding the user of the session: %w", err)
	}
	if user.SessionEpoch != epoch {
		return r, nil
	}
	return r.WithContext(context.WithValue(r.Context(), userKey{}, user)), nil
}

// newSession makes a session for a user; nothing of an older one is taken over.
func (s *server) newSession(user *store.User) *sessions.Session {
	session := sessions.NewSession(s.cookies, cookieName(s.Secure))
	options := *s.cookies.Options
	session.Options = &options
	session.Values[valueUser] = user.ID
	session.Values[valueEpoch] = user.SessionEpoch
	session.Values[valueSince] = s.Now().Unix()
	return session
}

// flash keeps a message for the next page shown to this user.
func (s *server) flash(w http.ResponseWriter, r *http.Request, message string) error {
	session := s.session(r)
	session.AddFlash(message)
	return session.Save(r, w)
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
	if u.Path == "/login" || u.Path == "/logout" {
		return home
	}
	return next
}
