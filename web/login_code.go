package web

import (
	"errors"
	"net/http"

	"recall/store"
)

// onceView is the model of the page for a code from the command line.
type onceView struct {
	page
	Error string
}

func (s *server) onceShow(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, oncePage(onceView{page: s.newPage(r, "Log in")}))
}

// onceCheck lets in who has a code from the command line, whatever else is asked for.
func (s *server) onceCheck(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	v := onceView{page: s.newPage(r, "Log in")}
	keys := []throttleKey{{address: network(address(r))}}
	var token string
	err := s.throttle.try(keys, store.ErrWrongCode, func() (err error) {
		token, _, err = s.DB.LogInByCode(r.Context(), cut(r.PostForm.Get("code"), maxName), logInOf(r))
		return err
	})
	switch {
	case tooMany(w, err):
		v.Error = err.Error()
		return s.render(w, r, http.StatusTooManyRequests, oncePage(v))
	case errors.Is(err, store.ErrWrongCode):
		s.audit(r, "unknown", "user.login_failed", "code from the command line")
		v.Error = "This code is wrong, was used already, or is older than 10 minutes. Make a new one on the server."
		return s.render(w, r, http.StatusUnauthorized, oncePage(v))
	case err != nil:
		return err
	}
	if err := s.keepSession(w, r, token); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}
