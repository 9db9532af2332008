package web

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"

	"recall/store"
)

// userListView is the page of who may log in.
type userListView struct {
	page
	Rows    []userRow
	Roles   []choice
	Removed []removedRow
	Without string // the provider's name, where a password lets nobody in, or only while that is away
	// What was entered and is not possible.
	Error, Name, Role string
}

type userRow struct {
	Name, Role   string
	Own          bool // who shows the page: changes one's own account elsewhere
	SecondFactor bool
	Provider     string // where they log in; "": here, by a password
	ItsRole      bool   // the provider says the role at each log-in
	Refused      bool   // the provider gives none now
	Sessions     int
	Seen, Added  timeView // Seen is zero where no session is open
	Trail        string   // address of what the user did
}

// removedRow is a provider's user who stays out.
type removedRow struct {
	ID             int64
	Name, Provider string
}

// roles are what a user may be.
var roles = []choice{
	{string(store.RoleViewer), "viewer: looks at events and settings"},
	{string(store.RoleAuditor), "auditor: also reads the audit list"},
	{string(store.RoleOperator), "operator: also sends again, exports, reveals"},
	{string(store.RoleAdmin), "admin: also changes settings and users"},
}

func (s *server) userList(w http.ResponseWriter, r *http.Request) error {
	v, err := s.newUserList(r)
	if err != nil {
		return err
	}
	v.Messages = s.takeFlashes(w, r)
	return s.render(w, r, http.StatusOK, userListPage(v))
}

func (s *server) newUserList(r *http.Request) (userListView, error) {
	v := userListView{page: s.newPage(r, "Users"), Roles: roles, Role: string(store.RoleViewer)}
	if s.Provider != nil && (s.Passwords == PasswordOff || s.Passwords == PasswordUnreachable) {
		v.Without = s.Provider.Name
	}
	users, err := s.DB.ListUsers(r.Context())
	if err != nil {
		return v, err
	}
	sessions, err := s.DB.CountSessions(r.Context(), s.Sessions)
	if err != nil {
		return v, err
	}
	for _, u := range users {
		open := sessions[u.ID]
		row := userRow{
			Name: u.Name, Role: string(u.Role), Own: u.ID == userOf(r).ID, SecondFactor: u.SecondFactor, Sessions: open.Sessions,
			Added: newTime(u.CreatedAt, v.Now), Trail: auditQuery{Actor: u.Name}.url(),
		}
		row.Provider, row.ItsRole, row.Refused = s.issuerWords(u.Issuer), s.saysRoleOf(u), u.Refused
		if open.Sessions > 0 {
			row.Seen = newTime(open.SeenAt, v.Now)
		}
		v.Rows = append(v.Rows, row)
	}
	removed, err := s.DB.ListRemoved(r.Context())
	for _, u := range removed {
		v.Removed = append(v.Removed, removedRow{u.ID, u.Name, s.issuerWords(u.Issuer)})
	}
	return v, err
}

// saysRoleOf tells whether the provider says a user's role at each log-in.
func (s *server) saysRoleOf(u *store.User) bool {
	return s.Provider != nil && s.Provider.Issuer == u.Issuer && s.Provider.ManagesRoles()
}

// userRestore lets a provider's user in again who was removed.
func (s *server) userRestore(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	removed, err := s.DB.ListRemoved(r.Context())
	if err != nil {
		return err
	}
	for _, u := range removed {
		if strconv.FormatInt(u.ID, 10) != r.PathValue("id") {
			continue
		}
		err := s.DB.RestoreUser(r.Context(), u.ID, s.note(r, "user.restore", u.Name, r.PostForm.Get("reason"), nil))
		if errors.Is(err, store.ErrExists) {
			return mistake("There is another user of the name " + u.Name + " now: remove that one first.")
		}
		if err != nil {
			return err
		}
		return s.userDone(w, r, u.Name+" may log in again at "+plainText(s.issuerWords(u.Issuer))+".")
	}
	return missing("There is no removed user of this number.")
}

func (s *server) userCreate(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	name, password, role := r.PostForm.Get("name"), r.PostForm.Get("password"), store.Role(r.PostForm.Get("role"))
	err := cmp.Or(store.ValidateUserName(name), store.ValidatePassword(name, password), role.Validate())
	if err == nil {
		if _, err = s.DB.CreateUser(r.Context(), name, password, role, s.note(r, "user.add", name, "", map[string]any{"role": role})); err != nil && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
	if err != nil {
		v, listErr := s.newUserList(r)
		if listErr != nil {
			return listErr
		}
		v.Error, v.Name, v.Role = capital(err.Error())+".", cut(name, maxName), string(role)
		return s.render(w, r, http.StatusUnprocessableEntity, userListPage(v))
	}
	return s.userDone(w, r, plainText(name)+" may log in now, as "+string(role)+".")
}

// userChange does one thing to another user. The last admin stays one.
func (s *server) userChange(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	user, err := s.findUserNamed(r, r.PathValue("name"))
	if err != nil {
		return err
	}
	if user.ID == userOf(r).ID {
		return mistake("This is your own account: change it under Account, or let another admin do it.")
	}
	ctx, message := r.Context(), ""
	note := func(action string, detail map[string]any) store.AuditEntry {
		return s.note(r, action, user.Name, r.PostForm.Get("reason"), detail)
	}
	switch r.PathValue("action") {
	case "role":
		if s.saysRoleOf(user) {
			return providersWord(s.issuerWords(user.Issuer))
		}
		role := store.Role(r.PostForm.Get("role"))
		if err := role.Validate(); err != nil {
			return mistake(capital(err.Error()) + ".")
		}
		message = user.Name + " is " + string(role) + " now."
		err = s.DB.SetRole(ctx, user.Name, role, note("user.role", map[string]any{"role": map[string]any{"before": user.Role, "after": role}}))
	case "password":
		if user.Issuer != "" {
			return providersWord(s.issuerWords(user.Issuer))
		}
		password := r.PostForm.Get("password")
		if err := store.ValidatePassword(user.Name, password); err != nil {
			return mistake(capital(err.Error()) + ".")
		}
		message = user.Name + " has a new password, and is logged in nowhere."
		err = s.DB.SetPassword(ctx, user.Name, password, note("user.password", nil))
	case "sessions":
		message = user.Name + " is logged in nowhere."
		_, err = s.DB.EndSessions(ctx, user.ID, 0, note("user.end_session", nil))
	case "second-factor":
		message = user.Name + " logs in by the password alone."
		err = s.DB.RemoveSecondFactor(ctx, user.Name, note("user.second_factor_remove", nil))
	case "remove":
		message = user.Name + " may no longer log in."
		err = s.DB.RemoveUser(ctx, user.Name, note("user.remove", nil))
	default:
		return s.nothingHere(w, r)
	}
	if errors.Is(err, store.ErrLastAdmin) {
		return mistake(capital(store.ErrLastAdmin.Error()) + ".")
	}
	if err != nil {
		return err
	}
	return s.userDone(w, r, message)
}

func (s *server) userDone(w http.ResponseWriter, r *http.Request, message string) error {
	return s.done(w, r, "/users", message)
}

func (s *server) findUserNamed(r *http.Request, name string) (*store.User, error) {
	users, err := s.DB.ListUsers(r.Context())
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if u.Name == name {
			return u, nil
		}
	}
	return nil, missing("There is no user of this name.")
}

func (row userRow) sessionsText() string {
	if row.Sessions == 0 {
		return "none"
	}
	return strconv.Itoa(row.Sessions)
}
