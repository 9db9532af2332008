package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"

	"recall/store"
)

// pendingAge is how long a right password waits for its code.
const pendingAge = 5 * time.Minute

// codeView is the model of the second step of a log-in.
type codeView struct {
	page
	Next  string
	Error string
}

// askForCode remembers, in a sealed cookie, whose password was right, and goes to the second step.
func (s *server) askForCode(w http.ResponseWriter, r *http.Request, user *store.User, next string) error {
	mark, err := s.DB.PasswordMark(r.Context(), user.ID)
	if err != nil {
		return err
	}
	cookie := s.newCookie()
	cookie.Values[valuePending] = user.ID
	cookie.Values[valuePassword] = mark
	cookie.Values[valueSince] = s.Now().Unix()
	cookie.Options.MaxAge = int(pendingAge.Seconds())
	if err := cookie.Save(r, w); err != nil {
		return fmt.Errorf("beginning the second step of a log-in: %w", err)
	}
	address := "/login/code"
	if _, query, found := strings.Cut(loginURL(next), "?"); found {
		address += "?" + query
	}
	http.Redirect(w, r, address, http.StatusSeeOther)
	return nil
}

// pending returns whose code is to be asked for, or nil: then the log-in begins again, as it does where the password was changed
// since it was right.
func (s *server) pending(r *http.Request) (*store.User, error) {
	values := s.session(r).Values
	id, hasID := values[valuePending].(int64)
	since, hasSince := values[valueSince].(int64)
	if !hasID || !hasSince || s.Now().Sub(time.Unix(since, 0)) > pendingAge {
		return nil, nil
	}
	user, err := s.DB.FindUser(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !user.SecondFactor {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	mark, err := s.DB.PasswordMark(r.Context(), id)
	if was, _ := values[valuePassword].(string); err == nil && mark != was {
		return nil, nil
	}
	return user, err
}

func (s *server) codeShow(w http.ResponseWriter, r *http.Request) error {
	next := localPath(r.FormValue("next"))
	user, err := s.pending(r)
	if err != nil {
		return err
	}
	if user == nil {
		http.Redirect(w, r, loginURL(next), http.StatusSeeOther)
		return nil
	}
	return s.render(w, r, http.StatusOK, codePage(codeView{page: s.newPage(r, "Log in"), Next: next}))
}

func (s *server) codeCheck(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	v := codeView{page: s.newPage(r, "Log in"), Next: localPath(r.PostForm.Get("next"))}
	user, err := s.pending(r)
	if err != nil {
		return err
	}
	if user == nil {
		http.Redirect(w, r, loginURL(v.Next), http.StatusSeeOther)
		return nil
	}
	keys := s.guesses(r, user.Name)
	var recovered bool
	var left int
	err = s.throttle.try(keys, store.ErrWrongCode, func() (err error) {
		recovered, left, err = s.DB.CheckSecondFactor(r.Context(), user, r.PostForm.Get("code"))
		return err
	})
	switch {
	case tooMany(w, err):
		v.Error = err.Error()
		return s.render(w, r, http.StatusTooManyRequests, codePage(v))
	case errors.Is(err, store.ErrWrongCode):
		s.audit(r, user.Name, "user.login_failed", user.Name)
		v.Error = "This code is wrong, or was used already. Wait for the next one; check that the clock of your phone is right."
		return s.render(w, r, http.StatusUnauthorized, codePage(v))
	case err != nil:
		return err
	}
	s.throttle.succeeded(keys)
	by := "second factor"
	if recovered {
		by = "recovery code"
	}
	var messages []string
	if recovered {
		messages = append(messages, fmt.Sprintf("You logged in by a recovery code; %d are left. If your phone is lost, remove the second factor under Account and set it up anew.", left))
	}
	if err := s.logIn(w, r, user, s.loginNotes(r, user, by), messages...); err != nil {
		return err
	}
	http.Redirect(w, r, v.Next, http.StatusSeeOther)
	return nil
}

// secondFactorView is the model of the pages on which a second factor is set up or removed.
type secondFactorView struct {
	page
	Secret   string // for who cannot scan, in groups of four
	QR       string // the path of its squares
	Size     string // view box
	Recovery []string
	Error    string
}

// secondFactorBegin makes a new secret and shows it, this once.
func (s *server) secondFactorBegin(w http.ResponseWriter, r *http.Request) error {
	if user := userOf(r); user.Issuer != "" {
		return providersWord(s.issuerWords(user.Issuer))
	}
	key, err := s.DB.BeginSecondFactor(r.Context(), userOf(r))
	if errors.Is(err, store.ErrExists) {
		return mistake("You have a second factor already. Remove it under Account before you set up another one.")
	}
	if err != nil {
		return err
	}
	v := secondFactorView{page: s.newPage(r, "Second factor")}
	if err := v.draw(key); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, secondFactorPage(v))
}

func (v *secondFactorView) draw(key *otp.Key) error {
	code, err := qr.Encode(key.URL(), qr.M, qr.Auto)
	if err != nil {
		return fmt.Errorf("drawing the code for an authenticator app: %w", err)
	}
	const border = 4 // modules of quiet zone, as readers expect
	var path strings.Builder
	bounds := code.Bounds()
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			if dark, _, _, _ := code.At(x, y).RGBA(); dark == 0 {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+border, y+border)
			}
		}
	}
	v.QR = path.String()
	v.Size = fmt.Sprintf("0 0 %d %d", bounds.Dx()+2*border, bounds.Dy()+2*border)
	for i, c := range key.Secret() {
		if i > 0 && i%4 == 0 {
			v.Secret += " "
		}
		v.Secret += string(c)
	}
	return nil
}

// secondFactorConfirm turns it on, once the app shows the right code, and shows the recovery codes, this once.
func (s *server) secondFactorConfirm(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	user := userOf(r)
	v := secondFactorView{page: s.newPage(r, "Second factor")}
	keys := ownGuesses(r)
	err := s.throttle.try(keys, store.ErrWrongCode, func() (err error) {
		v.Recovery, err = s.DB.ConfirmSecondFactor(r.Context(), user, r.PostForm.Get("code"), s.note(r, "user.second_factor", user.Name, "", nil))
		return err
	})
	switch {
	case tooMany(w, err):
		v.Error = err.Error()
		return s.render(w, r, http.StatusTooManyRequests, secondFactorPage(v))
	case errors.Is(err, store.ErrWrongCode):
		v.Error = "This code is wrong. Enter the one that your app shows now; check that the clock of your phone is right."
		return s.render(w, r, http.StatusUnprocessableEntity, secondFactorPage(v))
	case err != nil:
		return err
	}
	s.throttle.succeeded(keys)
	return s.render(w, r, http.StatusOK, secondFactorPage(v))
}

func (s *server) secondFactorRemoveAsk(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, secondFactorRemovePage(secondFactorView{page: s.newPage(r, "Second factor")}))
}

// secondFactorRemove asks for the password again: an unlocked screen alone must not be enough.
func (s *server) secondFactorRemove(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	user := userOf(r)
	v := secondFactorView{page: s.newPage(r, "Second factor")}
	keys := ownGuesses(r)
	err := s.throttle.try(keys, store.ErrNotFound, func() error {
		_, err := s.checkPassword(r, user.Name, r.PostForm.Get("password"))
		return err
	})
	switch {
	case tooMany(w, err):
		v.Error = err.Error()
		return s.render(w, r, http.StatusTooManyRequests, secondFactorRemovePage(v))
	case errors.Is(err, store.ErrNotFound):
		v.Error = "The password is wrong."
		return s.render(w, r, http.StatusForbidden, secondFactorRemovePage(v))
	case err != nil:
		return fmt.Errorf("checking a password: %w", err)
	}
	if err := s.DB.RemoveSecondFactor(r.Context(), user.Name, s.note(r, "user.second_factor_remove", user.Name, "", nil)); err != nil {
		return err
	}
	s.throttle.succeeded(keys)
	return s.done(w, r, "/account", "The second factor is removed. Your password alone is asked for.")
}
