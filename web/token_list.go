package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"recall/store"
)

// tokenRow is one token of the API, as lists show it.
type tokenRow struct {
	ID                   int64
	User, Name, Hint     string
	Rights, Lost         string // names, with commas between
	State                mood
	Ends                 timeView // zero where it never does
	Made, Used           timeView // Used is zero where it never was
	UsedFrom, RevokedBy  string
	Ended                bool
	Revoke, Trail, Maker string // addresses of the form and of what was done by it; who made it, where that is somebody else
}

// tokenForm is what was entered of a token that is to be made.
type tokenForm struct {
	Name   string
	Rights []tokenRight
	Days   string
	Error  string
}

// tokenRight is one of the rights that a token can be given.
type tokenRight struct {
	Name, Words string
	Chosen      bool
}

// tokenEnds are the times that a token can be made for, in days; 0 is for ever.
var tokenEnds = []choice{{"30", "30 days"}, {"90", "90 days"}, {"365", "a year"}, {"0", "never"}}

const defaultTokenDays = "90"

// newTokenForm offers what the user's role may do.
func newTokenForm(user *store.User, form url.Values) tokenForm {
	f := tokenForm{Name: cut(form.Get("name"), maxName), Days: form.Get("days")}
	if !slices.ContainsFunc(tokenEnds, func(c choice) bool { return c.Value == f.Days }) {
		f.Days = defaultTokenDays
	}
	for _, right := range store.Rights {
		if user.Role.May(right) {
			f.Rights = append(f.Rights, tokenRight{string(right), right.Words(), slices.Contains(form["right"], string(right))})
		}
	}
	return f
}

// newTokenRows are the tokens of a user, or of all where it is 0.
func (s *server) newTokenRows(r *http.Request, userID int64, now time.Time) ([]tokenRow, error) {
	tokens, err := s.DB.ListTokens(r.Context(), userID)
	var rows []tokenRow
	for _, t := range tokens {
		row := tokenRow{
			ID: t.ID, User: t.User, Name: t.Name, Hint: t.Hint, Rights: rightNames(t.Rights), Lost: rightNames(t.Lost()),
			Made: newTime(t.CreatedAt, now), UsedFrom: t.UsedFrom, RevokedBy: t.RevokedBy, Ended: t.Ended(now),
			Revoke: "/account/tokens/" + strconv.FormatInt(t.ID, 10) + "/revoke", Trail: auditQuery{Actor: t.Actor()}.url(),
		}
		if userID == 0 {
			row.Revoke = "/tokens/" + strconv.FormatInt(t.ID, 10) + "/revoke"
		}
		if t.CreatedBy != t.User {
			row.Maker = t.CreatedBy
		}
		if !t.UsedAt.IsZero() {
			row.Used = newTime(t.UsedAt, now)
		}
		if !t.ExpiresAt.IsZero() {
			row.Ends = newTime(t.ExpiresAt, now)
		}
		switch {
		case !t.RevokedAt.IsZero():
			row.State = mood{toneIdle, "dash", "revoked"}
		case row.Ended:
			row.State = mood{toneIdle, "dash", "ended"}
		case t.Refused:
			row.State = mood{toneBad, "cross", "off: its user is refused"}
		case row.Lost != "":
			row.State = mood{toneWarn, "info", "less than it was given"}
		default:
			row.State = mood{toneGood, "check", "valid"}
		}
		rows = append(rows, row)
	}
	return rows, err
}

func rightNames(rights []store.Right) string {
	var names []string
	for _, right := range rights {
		names = append(names, string(right))
	}
	return strings.Join(names, ", ")
}

// tokenMadeView is the model of the page that shows a token, once.
type tokenMadeView struct {
	page
	Name, Text, Rights string
	Ends               timeView
}

// tokenCreate makes a token for oneself, and shows it, this once.
func (s *server) tokenCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	user := userOf(r)
	f := newTokenForm(user, r.PostForm)
	t := &store.Token{UserID: user.ID, Name: r.PostForm.Get("name")}
	for _, right := range r.PostForm["right"] {
		t.Rights = append(t.Rights, store.Right(right))
	}
	if days, _ := strconv.Atoi(f.Days); days > 0 {
		t.ExpiresAt = s.Now().UTC().Truncate(time.Second).AddDate(0, 0, days)
	}
	text, err := s.DB.CreateToken(r.Context(), t, s.note(r, "", "", "", nil))
	var wrong *store.InvalidError
	if errors.As(err, &wrong) || errors.Is(err, store.ErrExists) {
		v, err2 := s.newAccountView(r)
		if err2 != nil {
			return err2
		}
		f.Error = "There is a token of this name already: revoke it first, or choose another name."
		if wrong != nil {
			f.Error = capital(wrong.Error()) + "."
		}
		v.Token = f
		return s.render(w, r, http.StatusUnprocessableEntity, accountPage(v))
	}
	if err != nil {
		return err
	}
	v := tokenMadeView{page: s.newPage(r, "API token"), Name: t.Name, Text: text, Rights: rightNames(t.Rights)}
	if !t.ExpiresAt.IsZero() {
		v.Ends = newTime(t.ExpiresAt, v.Now)
	}
	return s.render(w, r, http.StatusOK, tokenMadePage(v))
}

// tokenRevokeOwn ends one of one's own tokens.
func (s *server) tokenRevokeOwn(w http.ResponseWriter, r *http.Request) error {
	return s.revokeToken(w, r, userOf(r).ID, "/account#tokens")
}

// tokenRevoke ends anybody's.
func (s *server) tokenRevoke(w http.ResponseWriter, r *http.Request) error {
	return s.revokeToken(w, r, 0, "/tokens")
}

func (s *server) revokeToken(w http.ResponseWriter, r *http.Request, userID int64, back string) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return missing("There is no token of this number.")
	}
	switch err := s.DB.RevokeToken(r.Context(), id, userID, s.note(r, "", "", r.PostForm.Get("reason"), nil)); {
	case errors.Is(err, store.ErrNotFound):
		return missing("There is no token of this number, or it was revoked already.")
	case err != nil:
		return err
	}
	return s.done(w, r, back, "The token lets nobody in any more.")
}

// tokenListView is the page of everybody's tokens.
type tokenListView struct {
	page
	Rows []tokenRow
}

func (s *server) tokenList(w http.ResponseWriter, r *http.Request) error {
	v := tokenListView{page: s.newPage(r, "API tokens")}
	var err error
	if v.Rows, err = s.newTokenRows(r, 0, v.Now); err != nil {
		return err
	}
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, tokenListPage(v))
}
