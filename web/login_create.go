package web

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"recall/store"
)

// loginView is the model of the log-in page.
type loginView struct {
	page
	Name      string
	Next      string
	Error     string
	Provider  string // its name; "": there is none
	Passwords bool   // they let in now
	Out       bool   // logged out here, and at the provider not yet
	Done      string // what has just been done
}

// maxName bounds what is compared and logged.
const maxName = 100

func (s *server) loginShow(w http.ResponseWriter, r *http.Request) error {
	next := firstPage(r.FormValue("next"))
	if userOf(r) != nil {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	v := s.newLoginView(r, next)
	if leave := s.leaving(r); s.Provider != nil && leave.State != "" && !leave.Sent && s.Provider.LogsOut(r.Context()) {
		if v.Out = true; s.LogOut == LogOutAlways { // a form may not lead to another site, a page may
			w.Header().Set("Refresh", "0; url="+logOutThere)
		}
	}
	return s.render(w, r, http.StatusOK, loginPage(v))
}

func (s *server) newLoginView(r *http.Request, next string) loginView {
	v := loginView{page: s.newPage(r, "Log in"), Next: next, Passwords: s.passwords(r)}
	if s.Provider != nil {
		v.Provider = s.Provider.Name
	}
	return v
}

func (s *server) loginCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	name, password := r.PostForm.Get("name"), r.PostForm.Get("password")
	v := s.newLoginView(r, firstPage(r.PostForm.Get("next")))
	v.Name = cut(name, maxName)
	again := func(status int, message string) error {
		v.Error = message
		return s.render(w, r, status, loginPage(v))
	}

	if !v.Passwords {
		return again(http.StatusForbidden, "Passwords let nobody in here. Log in with "+v.Provider+".")
	}
	if name == "" || password == "" {
		return again(http.StatusBadRequest, "Enter your name and your password.")
	}
	keys := s.guesses(r, name)
	var user *store.User
	err := s.throttle.try(keys, store.ErrNotFound, func() (err error) {
		user, err = s.checkPassword(r, name, password)
		return err
	})
	switch {
	case tooMany(w, err):
		return again(http.StatusTooManyRequests, err.Error())
	case errors.Is(err, store.ErrNotFound):
		s.audit(r, cut(name, maxName), "user.login_failed", cut(name, maxName))
		return again(http.StatusUnauthorized, "Name or password is wrong."+s.throttle.next(keys))
	case err != nil:
		return fmt.Errorf("checking a password: %w", err)
	}
	if user.SecondFactor { // failures are forgotten only once both were right
		return s.askForCode(w, r, user, v.Next)
	}
	s.throttle.succeeded(keys)
	if err := s.logIn(w, r, user, s.loginNotes(r, user, "password")); err != nil {
		return err
	}
	http.Redirect(w, r, v.Next, http.StatusSeeOther)
	return nil
}

// firstPage is where a person goes after logging in: where they wanted to, or what they begin with.
func firstPage(next string) string {
	if next == "" {
		return "/"
	}
	return localPath(next)
}

// checkPassword lets only a few checks run at once.
func (s *server) checkPassword(r *http.Request, name, password string) (*store.User, error) {
	if len(name) > maxName || len(password) > store.MaxPassword {
		return nil, store.ErrNotFound
	}
	select {
	case s.checks <- struct{}{}:
		defer func() { <-s.checks }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return s.DB.CheckPassword(r.Context(), name, password)
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) error {
	if own := sessionOf(r); own != nil {
		if err := s.DB.EndSession(r.Context(), own.UserID, own.ID, s.note(r, "user.logout", userOf(r).Name, "", nil)); err != nil {
			return err
		}
	}
	session := s.session(r)
	session.Options.MaxAge = -1
	clear(session.Values)
	if err := session.Save(r, w); err != nil {
		return fmt.Errorf("ending the session: %w", err)
	}
	if err := s.mayLogOutThere(w, userOf(r)); err != nil {
		return err
	}
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

// loginNotes are what the audit list says of a log-in.
func (s *server) loginNotes(r *http.Request, user *store.User, by string) []store.AuditEntry {
	return []store.AuditEntry{{
		At: s.Now(), Actor: user.Name, Action: "user.login", Subject: user.Name, Detail: map[string]any{"address": address(r), "by": by},
	}}
}

// audit adds an entry about who could not log in, with the address it came from. Nothing was changed that it could be written
// with, so where it cannot be written the log says so.
func (s *server) audit(r *http.Request, actor, action, subject string) {
	entry := store.AuditEntry{
		At: s.Now(), Actor: plainText(actor), Action: action, Subject: plainText(subject),
		Detail: map[string]any{"address": address(r)},
	}
	if err := s.DB.AddAudit(r.Context(), entry); err != nil {
		s.Log.Error("audit entry not written", "action", action, "error", err)
	}
}

// address is where the request came from, without the port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// formError tells a form that is too large from one that cannot be read.
func formError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return mistake("The form could not be read. Go back and send it again.")
}
