package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"recall/store"
)

// accountView is the model of the page about one's own account.
type accountView struct {
	page
	Since        string
	Habits, Zone string // as chosen; "" not
	Error        string // of the form for the password
	SecondFactor bool
	Provider     string // where the user logs in; "": here, by a password
	Sessions     []sessionRow
	Tokens       []tokenRow
	Token        tokenForm
}

// sessionRow is one log-in of the user.
type sessionRow struct {
	ID          int64
	Own         bool // the one that shows the page
	Browser     string
	Address     string
	Begun, Seen timeView
}

func (s *server) accountShow(w http.ResponseWriter, r *http.Request) error {
	v, err := s.newAccountView(r)
	if err != nil {
		return err
	}
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, accountPage(v))
}

func (s *server) newAccountView(r *http.Request) (accountView, error) {
	user := userOf(r)
	v := accountView{page: s.newPage(r, "Account"), Since: user.CreatedAt.Format(time.DateOnly), SecondFactor: user.SecondFactor, Provider: s.issuerWords(user.Issuer)}
	if cookie, err := r.Cookie(habitsCookie); err == nil {
		v.Habits = cookie.Value
	}
	if cookie, err := r.Cookie(zoneCookie); err == nil {
		v.Zone = cookie.Value
	}
	v.Token = newTokenForm(user, url.Values{"right": {string(store.RightMetadata)}})
	var err error
	if v.Tokens, err = s.newTokenRows(r, user.ID, v.Now); err != nil {
		return v, err
	}
	sessions, err := s.DB.ListSessions(r.Context(), user.ID, s.Sessions)
	for _, other := range sessions {
		v.Sessions = append(v.Sessions, sessionRow{
			ID: other.ID, Own: other.ID == sessionOf(r).ID, Browser: browserWords(other.Agent), Address: other.Address,
			Begun: newTime(other.CreatedAt, v.Now), Seen: newTime(other.SeenAt, v.Now),
		})
	}
	return v, err
}

// accountSessions ends one of one's own log-ins, or all others.
func (s *server) accountSessions(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	user, message := userOf(r), "The session has ended."
	if id, err := strconv.ParseInt(r.PostForm.Get("id"), 10, 64); err == nil {
		if err := s.DB.EndSession(r.Context(), user.ID, id, s.note(r, "user.end_session", user.Name, "", nil)); err != nil {
			return err
		}
	} else {
		n, err := s.DB.EndSessions(r.Context(), user.ID, sessionOf(r).ID, s.note(r, "user.end_session", user.Name, "", nil))
		if err != nil {
			return err
		}
		message = plural(n, "One other session has ended.", strconv.Itoa(n)+" other sessions have ended.")
	}
	return s.done(w, r, "/account#sessions", message)
}

// browserWords names a browser and its system by what it calls itself, as far as that can be told.
func browserWords(agent string) string {
	name := ""
	for _, b := range [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, b[0]) {
			name = b[1]
			break
		}
	}
	if name == "" {
		if agent == "" {
			return "unknown"
		}
		return cut(agent, 60)
	}
	for _, system := range [][2]string{{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, system[0]) {
			return name + " on " + system[1]
		}
	}
	return name
}

// accountPassword changes one's own password. All other log-ins of the user end.
func (s *server) accountPassword(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	user := userOf(r)
	if user.Issuer != "" {
		return providersWord(s.issuerWords(user.Issuer))
	}
	current, password, again := r.PostForm.Get("current"), r.PostForm.Get("password"), r.PostForm.Get("again")
	reject := func(status int, message string) error {
		v, err := s.newAccountView(r)
		if err != nil {
			return err
		}
		v.Error = message
		return s.render(w, r, status, accountPage(v))
	}
	switch {
	case store.ValidatePassword(user.Name, password) != nil:
		return reject(http.StatusBadRequest, capital(store.ValidatePassword(user.Name, password).Error())+".")
	case password != again:
		return reject(http.StatusBadRequest, "The two new passwords differ.")
	}
	keys := ownGuesses(r)
	err := s.throttle.try(keys, store.ErrNotFound, func() error {
		_, err := s.checkPassword(r, user.Name, current)
		return err
	})
	switch {
	case tooMany(w, err):
		return reject(http.StatusTooManyRequests, err.Error())
	case errors.Is(err, store.ErrNotFound):
		return reject(http.StatusForbidden, "The current password is wrong.")
	case err != nil:
		return fmt.Errorf("checking a password: %w", err)
	}
	if err := s.DB.SetPassword(r.Context(), user.Name, password, s.note(r, "user.password", user.Name, "", nil)); err != nil {
		return fmt.Errorf("setting a password: %w", err)
	}
	s.throttle.succeeded(keys)

	// The change ended this session too: begin a new one.
	if err := s.logIn(w, r, user, nil, "Your password is changed. All your other sessions have ended."); err != nil {
		return err
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}
