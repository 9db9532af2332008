package web

import (
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"

	"recall/store"
)

// accountView is the model of the page about one's own account.
type accountView struct {
	page
	Since        string
	Habits, Zone string // as chosen; "" not
	Error        string
}

func (s *server) accountShow(w http.ResponseWriter, r *http.Request) error {
	v := s.newAccountView(r)
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, accountPage(v))
}

func (s *server) newAccountView(r *http.Request) accountView {
	v := accountView{page: s.newPage(r, "Account"), Since: exact(userOf(r).CreatedAt)}
	if cookie, err := r.Cookie(habitsCookie); err == nil {
		v.Habits = cookie.Value
	}
	if cookie, err := r.Cookie(zoneCookie); err == nil {
		v.Zone = cookie.Value
	}
	return v
}

// accountPassword changes one's own password. All other log-ins of the user end.
func (s *server) accountPassword(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	user := userOf(r)
	current, password, again := r.PostForm.Get("current"), r.PostForm.Get("password"), r.PostForm.Get("again")
	reject := func(status int, message string) error {
		v := s.newAccountView(r)
		v.Error = message
		return s.render(w, r, status, accountPage(v))
	}
	switch {
	case utf8.RuneCountInString(password) < store.MinPassword:
		return reject(http.StatusBadRequest, fmt.Sprintf("The new password needs at least %d characters.", store.MinPassword))
	case len(password) > store.MaxPassword:
		return reject(http.StatusBadRequest, fmt.Sprintf("The new password may have at most %d bytes.", store.MaxPassword))
	case password != again:
		return reject(http.StatusBadRequest, "The two new passwords differ.")
	}
	key := throttleKey{address(r), user.Name}
	if wait := s.throttle.wait(key); wait > 0 {
		return reject(http.StatusTooManyRequests, "Too many failed attempts. Try again in "+span(wait)+".")
	}
	if _, err := s.checkPassword(r, user.Name, current); errors.Is(err, store.ErrNotFound) {
		s.throttle.failed(key)
		return reject(http.StatusForbidden, "The current password is wrong.")
	} else if err != nil {
		return fmt.Errorf("checking a password: %w", err)
	}
	if err := s.DB.SetPassword(r.Context(), user.Name, password); err != nil {
		return fmt.Errorf("setting a password: %w", err)
	}
	s.throttle.succeeded(key)
	s.audit(r, user.Name, "user.password", user.Name)

	// The change ended this session too: begin a new one.
	user, err := s.DB.FindUser(r.Context(), user.ID)
	if err != nil {
		return fmt.Errorf("finding the user again: %w", err)
	}
	session := s.newSession(user)
	session.AddFlash("Your password is changed. All your other sessions have ended.")
	if err := session.Save(r, w); err != nil {
		return fmt.Errorf("beginning a session: %w", err)
	}
	http.Redirect(w, r, "/account", http.StatusSeeOther)
	return nil
}
