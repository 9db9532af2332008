package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/securecookie"

	"recall/oidc"
	"recall/seal"
	"recall/store"
)

// PasswordLogin says when passwords let in, where there is an identity provider.
type PasswordLogin string

const (
	PasswordOn          PasswordLogin = "on"
	PasswordOff         PasswordLogin = "off"
	PasswordUnreachable PasswordLogin = "unreachable" // while the provider does not answer
)

// maxNext bounds the way back that a log-in at the provider remembers: a cookie holds no more.
const maxNext = 1500

// attemptOf is a log-in at the provider under way, sealed in a cookie of the browser that began it.
type attemptOf struct {
	oidc.Attempt
	Next string
}

func newAttemptCodec(key seal.Key) *securecookie.SecureCookie {
	codec := securecookie.New(key.Derive("web: signing of log-in cookies", 32), key.Derive("web: encryption of log-in cookies", 32))
	return codec.MaxAge(int(oidc.AttemptAge.Seconds())).SetSerializer(securecookie.JSONEncoder{})
}

func (s *server) attemptCookie(value string, age time.Duration) *http.Cookie {
	seconds := int(age.Seconds())
	if value == "" {
		seconds = -1
	}
	return &http.Cookie{
		Name: cookieName(s.Secure) + "-login", Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
	}
}

// attempt returns the log-in that this browser began, or an empty one, which no answer fits.
func (s *server) attempt(r *http.Request) (a attemptOf) {
	name := s.attemptCookie("", 0).Name
	if c, err := r.Cookie(name); err != nil || s.attempts.Decode(name, c.Value, &a) != nil {
		return attemptOf{}
	}
	return a
}

// providerBegin goes to the provider.
func (s *server) providerBegin(w http.ResponseWriter, r *http.Request) error {
	if s.Provider == nil {
		return s.nothingHere(w, r)
	}
	next := firstPage(r.FormValue("next"))
	if len(next) > maxNext {
		next = firstPage("")
	}
	attempt, address, err := s.Provider.Begin(r.Context())
	if err != nil {
		return s.providerFailed(w, r, next, err)
	}
	cookie := s.attemptCookie("", 0)
	value, err := s.attempts.Encode(cookie.Name, attemptOf{attempt, next})
	if err != nil {
		return fmt.Errorf("beginning a log-in at the provider: %w", err)
	}
	http.SetCookie(w, s.attemptCookie(value, oidc.AttemptAge))
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

// providerEnd takes what the browser brings back from the provider. An attempt is good for one answer, whatever it is.
func (s *server) providerEnd(w http.ResponseWriter, r *http.Request) error {
	if s.Provider == nil {
		return s.nothingHere(w, r)
	}
	a := s.attempt(r)
	http.SetCookie(w, s.attemptCookie("", 0))
	select { // each asks the provider several times
	case s.answers <- struct{}{}:
		defer func() { <-s.answers }()
	case <-r.Context().Done():
		return r.Context().Err()
	}
	who, err := s.Provider.Finish(r.Context(), a.Attempt, r.URL.Query())
	if err != nil {
		return s.providerFailed(w, r, a.Next, err)
	}
	token, _, err := s.DB.LogInByProvider(r.Context(), store.ProviderLogIn{
		Issuer: who.Issuer, Subject: who.Subject, Name: who.Name, Host: s.Provider.Host(), Role: who.Role, KeepRole: !s.Provider.ManagesRoles(),
		LogIn: logInOf(r),
	})
	if err != nil {
		return s.providerFailed(w, r, a.Next, err)
	}
	if err := s.keepSession(w, r, token); err != nil {
		return err
	}
	s.keepHint(w, who.Token)
	http.Redirect(w, r, firstPage(a.Next), http.StatusSeeOther)
	return nil
}

// providerFailed says on the log-in page why nobody was let in. What the provider says of it is shown as its words.
func (s *server) providerFailed(w http.ResponseWriter, r *http.Request, next string, err error) error {
	name := s.Provider.Name
	var status int
	var message string
	var refused *oidc.RefusedError
	switch {
	case errors.Is(err, oidc.ErrStale):
		status, message = http.StatusBadRequest, "This log-in was not begun in this browser, or too long ago, or was ended already. Log in again."
	case errors.As(err, &refused):
		status, message = http.StatusForbidden, name+" did not let you in. It says: “"+plainText(cut(refused.Error(), 300))+"”."
	case errors.Is(err, oidc.ErrUntrusted):
		status, message = http.StatusBadGateway, "What came from "+name+" is not an answer to trust, so nobody was let in. The log says what is wrong with it."
	case errors.Is(err, oidc.ErrUnreachable):
		status, message = http.StatusServiceUnavailable, name+" does not answer, so nobody can log in there at the moment. Callbacks are taken all the same. Try again in a minute; the log says more."
		w.Header().Set("Retry-After", "60")
	case errors.Is(err, store.ErrNoRole):
		status, message = http.StatusForbidden, name+" knows you, but gives you no role here. Ask whoever manages "+name+" to put you into one of the groups that may come in."
	case errors.Is(err, store.ErrRemoved):
		status, message = http.StatusForbidden, "Your user was removed here, so logging in at "+name+" does not let you in. An admin can let you in again, under Users."
	default:
		return err
	}
	if !errors.Is(err, oidc.ErrStale) {
		s.Log.Warn("log-in by the identity provider failed", "address", address(r), "error", cut(plainText(err.Error()), 300))
	}
	v := s.newLoginView(r, next)
	v.Error = message
	return s.render(w, r, status, loginPage(v))
}

// providersWord refuses what is changed at the provider only.
func providersWord(provider string) error {
	return mistake("This user logs in at " + plainText(provider) + ": passwords, second factors and roles that come from there are changed there.")
}

// passwords tells whether a password lets in now.
func (s *server) passwords(r *http.Request) bool {
	switch {
	case s.Provider == nil:
		return true
	case s.Passwords == PasswordUnreachable:
		return !s.Provider.Reachable(r.Context())
	}
	return s.Passwords != PasswordOff
}

// providerURL begins a log-in at the provider.
func providerURL(next string) string {
	if next == "" || next == "/" {
		return "/login/oidc"
	}
	return "/login/oidc?next=" + url.QueryEscape(next)
}

// issuerWords names where a user logs in: "" is here, by a password.
func (s *server) issuerWords(issuer string) string {
	switch {
	case issuer == "":
		return ""
	case s.Provider != nil && s.Provider.Issuer == issuer:
		return s.Provider.Name
	}
	if u, err := url.Parse(issuer); err == nil && u.Host != "" {
		return u.Host
	}
	return issuer
}
