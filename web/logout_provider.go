package web

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/securecookie"

	"recall/oidc"
	"recall/seal"
	"recall/store"
)

// ProviderLogOut says whether who logged in at the provider is logged out there, too.
type ProviderLogOut string

const (
	LogOutOffer  ProviderLogOut = "offer" // the default: asked after the log-out here
	LogOutAlways ProviderLogOut = "always"
	LogOutOff    ProviderLogOut = "off"
)

const (
	logOutThere = "/login/oidc/logout" // leads to the provider
	loggedOut   = "/login/oidc/out"    // where the provider sends people back to

	leavingAge = 5 * time.Minute // then nothing is offered any more
	maxHint    = 2200            // bytes of an ID token: sealed, a cookie holds no more
)

// leavingOf is a log-out that may go on at the provider, sealed in a cookie of the browser that logged out here. Without one nobody
// is sent there, so no other site can log somebody out.
type leavingOf struct {
	State string // comes back from the provider; "": nobody has logged out
	Sent  bool   // to the provider
}

func newLeavingCodec(key seal.Key, age time.Duration) *securecookie.SecureCookie {
	codec := securecookie.New(key.Derive("web: signing of log-out cookies", 32), key.Derive("web: encryption of log-out cookies", 32))
	return codec.MaxAge(int(age.Seconds())).SetSerializer(securecookie.JSONEncoder{})
}

// providerCookie goes to the addresses of log-in and log-out at the provider alone, unless it is for all.
func (s *server) providerCookie(name, path, value string, age time.Duration) *http.Cookie {
	c := s.attemptCookie(value, age)
	if c.Name, c.Path = cookieName(s.Secure)+name, path; path != "/" {
		c.Name = strings.Replace(c.Name, "__Host-", "__Secure-", 1) // the other prefix is for cookies of every path
	}
	return c
}

func (s *server) leavingCookie(value string) *http.Cookie {
	return s.providerCookie("-logout", "/", value, leavingAge)
}

func (s *server) hintCookie(value string) *http.Cookie {
	return s.providerCookie("-hint", "/login/oidc", value, s.Sessions.Age)
}

// keepHint keeps the ID token in the browser it is of, where only the provider's log-out gets it again. One that is too long is
// not kept: the provider then asks.
func (s *server) keepHint(w http.ResponseWriter, token string) {
	cookie := s.hintCookie("")
	if s.LogOut == LogOutOff || len(token) > maxHint {
		token = ""
	}
	if value, err := s.hints.Encode(cookie.Name, token); err == nil && token != "" {
		cookie = s.hintCookie(value)
	}
	http.SetCookie(w, cookie)
}

// mayLogOutThere remembers that somebody has logged out here who logs in at the provider.
func (s *server) mayLogOutThere(w http.ResponseWriter, user *store.User) error {
	if s.Provider == nil || s.LogOut == LogOutOff || user == nil || user.Issuer != s.Provider.Issuer {
		return nil
	}
	return s.setLeaving(w, leavingOf{State: rand.Text()})
}

func (s *server) setLeaving(w http.ResponseWriter, l leavingOf) error {
	value, err := s.leaves.Encode(s.leavingCookie("").Name, l)
	if err != nil {
		return fmt.Errorf("logging out: %w", err)
	}
	http.SetCookie(w, s.leavingCookie(value))
	return nil
}

// leaving returns the log-out of this browser, or an empty one.
func (s *server) leaving(r *http.Request) (l leavingOf) {
	name := s.leavingCookie("").Name
	if c, err := r.Cookie(name); err != nil || s.leaves.Decode(name, c.Value, &l) != nil {
		return leavingOf{}
	}
	return l
}

// providerLogOut goes on to the provider, from a browser that has just logged out here.
func (s *server) providerLogOut(w http.ResponseWriter, r *http.Request) error {
	if s.Provider == nil {
		return s.nothingHere(w, r)
	}
	leave := s.leaving(r)
	if leave.State == "" || userOf(r) != nil {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return nil
	}
	var hint string
	if c, err := r.Cookie(s.hintCookie("").Name); err == nil && s.hints.Decode(c.Name, c.Value, &hint) != nil {
		hint = ""
	}
	remote := address(r)
	address, err := s.Provider.LogOutURL(r.Context(), hint, s.Provider.LoggedOutURL, leave.State)
	if err != nil {
		http.SetCookie(w, s.leavingCookie(""))
		v := s.newLoginView(r, firstPage(""))
		v.Error = "You are logged out here. " + s.Provider.Name + " does not answer, so you may still be logged in there: log out there before somebody else uses this browser."
		status := http.StatusServiceUnavailable
		if errors.Is(err, oidc.ErrNoLogOut) {
			status = http.StatusNotFound
			v.Error = "You are logged out here. " + s.Provider.Name + " has no log-out to send you to: log out there before somebody else uses this browser."
		} else {
			s.Log.Warn("log-out at the identity provider failed", "address", remote, "error", cut(plainText(err.Error()), 300))
		}
		return s.render(w, r, status, loginPage(v))
	}
	http.SetCookie(w, s.hintCookie(""))
	if err := s.setLeaving(w, leavingOf{State: leave.State, Sent: true}); err != nil {
		return err
	}
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

// providerLoggedOut is where the provider sends people back to. Only what this browser began is believed.
func (s *server) providerLoggedOut(w http.ResponseWriter, r *http.Request) error {
	if s.Provider == nil {
		return s.nothingHere(w, r)
	}
	leave := s.leaving(r)
	if !leave.Sent || subtle.ConstantTimeCompare([]byte(leave.State), []byte(r.URL.Query().Get("state"))) != 1 || userOf(r) != nil {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return nil
	}
	http.SetCookie(w, s.leavingCookie(""))
	v := s.newLoginView(r, firstPage(""))
	v.Done = "You are logged out here and at " + s.Provider.Name + "."
	return s.render(w, r, http.StatusOK, loginPage(v))
}
