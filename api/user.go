package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"recall/store"
)

type userJSON struct {
	Name         string     `json:"name"`
	Role         store.Role `json:"role" enum:"viewer,auditor,operator,admin"`
	SecondFactor bool       `json:"second_factor" doc:"A code is asked for besides the password."`
	Issuer       string     `json:"issuer,omitempty" doc:"The identity provider that the user logs in at; absent: by a password here."`
	Refused      bool       `json:"refused,omitempty" doc:"The provider gave no role at the last log-in: nothing of the user works."`
	CreatedAt    time.Time  `json:"created_at"`
}

func newUserJSON(u *store.User) userJSON {
	return userJSON{u.Name, u.Role, u.SecondFactor, u.Issuer, u.Refused, u.CreatedAt}
}

type userList struct {
	Users []userJSON `json:"users"`
}

type UserPath struct {
	Name string `path:"name" maxLength:"100"`
}

func (s *server) userOperations() {
	const one = "/users/{name}"
	add(s, operation{id: "user-list", method: http.MethodGet, path: "/users", need: store.RightUsers, summary: "List who may log in"}, s.userList)
	add(s, operation{id: "user-add", method: http.MethodPost, path: "/users", need: store.RightUsers, status: http.StatusCreated, summary: "Add somebody who may log in", fails: []int{409}}, s.userAdd)
	add(s, operation{id: "user-role", method: http.MethodPatch, path: one, need: store.RightUsers, summary: "Change what a user may do, at once; the user's tokens follow", fails: []int{404, 409}}, s.userRole)
	add(s, operation{id: "user-password", method: http.MethodPut, path: one + "/password", need: store.RightUsers, status: http.StatusNoContent, summary: "Give a user a new password, and end the user's sessions", fails: []int{404, 409}}, s.userPassword)
	add(s, operation{id: "user-second-factor-remove", method: http.MethodDelete, path: one + "/second-factor", need: store.RightUsers, status: http.StatusNoContent, summary: "Ask a user for the password alone", fails: []int{404}}, s.userSecondFactor)
	add(s, operation{id: "user-remove", method: http.MethodDelete, path: one, need: store.RightUsers, status: http.StatusNoContent, summary: "Remove a user, and end the user's sessions and tokens", fails: []int{404, 409}}, s.userRemove)
}

func (s *server) userList(ctx context.Context, _ *none) (*body[userList], error) {
	found, err := s.DB.ListUsers(ctx)
	list := userList{Users: []userJSON{}}
	for _, u := range found {
		list.Users = append(list.Users, newUserJSON(u))
	}
	return &body[userList]{list}, err
}

func (s *server) userAdd(ctx context.Context, in *struct {
	Body struct {
		Name     string `json:"name" minLength:"1" maxLength:"100"`
		Password string `json:"password" minLength:"1" maxLength:"1024" writeOnly:"true"`
		Role     string `json:"role" enum:"viewer,auditor,operator,admin"`
	}
}) (*body[userJSON], error) {
	b := in.Body
	role := store.Role(b.Role)
	if err := errors.Join(store.ValidateUserName(b.Name), store.ValidatePassword(b.Name, b.Password), role.Validate()); err != nil {
		return nil, wrong("body", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	u, err := s.DB.CreateUser(ctx, b.Name, b.Password, role, s.note(ctx, "user.add", b.Name, "", map[string]any{"role": role}))
	if err != nil {
		return nil, err
	}
	return answer(newUserJSON(u))
}

// findUser finds a user by name; upper and lower case mean the same.
func (s *server) findUser(ctx context.Context, name string) (*store.User, error) {
	users, err := s.DB.ListUsers(ctx)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if strings.EqualFold(u.Name, name) {
			return u, nil
		}
	}
	return nil, &Problem{Status: http.StatusNotFound, Type: "not-found", Detail: "There is no user of this name; " + Prefix + "/users lists them."}
}

// changeUser finds a user, and changes it with the note of that.
func (s *server) changeUser(ctx context.Context, name, action string, detail map[string]any, change func(*store.User, store.AuditEntry) error) (*store.User, error) {
	u, err := s.findUser(ctx, name)
	if err != nil {
		return nil, err
	}
	if role, found := detail["role"]; found {
		detail["role"] = map[string]any{"before": u.Role, "after": role}
	}
	return u, change(u, s.note(ctx, action, u.Name, "", detail))
}

func (s *server) userRole(ctx context.Context, in *struct {
	UserPath
	Body struct {
		Role string `json:"role" enum:"viewer,auditor,operator,admin"`
	}
}) (*body[userJSON], error) {
	role := store.Role(in.Body.Role)
	if err := role.Validate(); err != nil {
		return nil, wrong("body.role", err.Error())
	}
	u, err := s.changeUser(ctx, in.Name, "user.role", map[string]any{"role": role}, func(u *store.User, note store.AuditEntry) error {
		if s.RolesFrom != "" && s.RolesFrom == u.Issuer {
			return &Problem{Status: http.StatusConflict, Type: "provider", Detail: "The identity provider says the role of this user at each log-in: change the user's groups there."}
		}
		return s.DB.SetRole(ctx, u.Name, role, note)
	})
	if err != nil {
		return nil, err
	}
	u.Role = role
	return answer(newUserJSON(u))
}

func (s *server) userPassword(ctx context.Context, in *struct {
	UserPath
	Body struct {
		Password string `json:"password" minLength:"1" maxLength:"1024" writeOnly:"true"`
	}
}) (*none, error) {
	_, err := s.changeUser(ctx, in.Name, "user.password", nil, func(u *store.User, note store.AuditEntry) error {
		if err := store.ValidatePassword(u.Name, in.Body.Password); err != nil {
			return wrong("body.password", err.Error())
		}
		return s.DB.SetPassword(ctx, u.Name, in.Body.Password, note)
	})
	return nil, err
}

func (s *server) userSecondFactor(ctx context.Context, in *UserPath) (*none, error) {
	_, err := s.changeUser(ctx, in.Name, "user.second_factor_remove", nil, func(u *store.User, note store.AuditEntry) error {
		return s.DB.RemoveSecondFactor(ctx, u.Name, note)
	})
	return nil, err
}

func (s *server) userRemove(ctx context.Context, in *UserPath) (*none, error) {
	_, err := s.changeUser(ctx, in.Name, "user.remove", nil, func(u *store.User, note store.AuditEntry) error {
		return s.DB.RemoveUser(ctx, u.Name, note)
	})
	return nil, err
}

type tokenList struct {
	Tokens []store.TokenJSON `json:"tokens"`
}

func (s *server) tokenOperations() {
	add(s, operation{id: "token-self", method: http.MethodGet, path: "/token", need: store.RightMetadata, summary: "Show the token of this request"}, s.tokenSelf)
	add(s, operation{id: "token-list", method: http.MethodGet, path: "/tokens", need: store.RightUsers, summary: "List every user's tokens", more: "Tokens are made by people only, under Account or by recall token add."}, s.tokenList)
	add(s, operation{id: "token-revoke", method: http.MethodDelete, path: "/tokens/{id}", need: store.RightUsers, status: http.StatusNoContent, summary: "End a token at once", fails: []int{404}}, s.tokenRevoke)
}

func (s *server) tokenSelf(ctx context.Context, _ *none) (*body[store.TokenJSON], error) {
	return answer(tokenOf(ctx).JSON())
}

func (s *server) tokenList(ctx context.Context, _ *none) (*body[tokenList], error) {
	found, err := s.DB.ListTokens(ctx, 0)
	list := tokenList{Tokens: []store.TokenJSON{}}
	for _, t := range found {
		list.Tokens = append(list.Tokens, t.JSON())
	}
	return &body[tokenList]{list}, err
}

func (s *server) tokenRevoke(ctx context.Context, in *struct {
	NumberPath
	Reason string `query:"reason" maxLength:"500" doc:"Why, for the audit list."`
}) (*none, error) {
	return nil, s.DB.RevokeToken(ctx, in.ID, 0, store.AuditEntry{Actor: actor(ctx), Reason: in.Reason})
}
