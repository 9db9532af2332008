package main

import (
	"errors"
	"strings"
	"testing"

	"recall/store"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	login := func(name, password string, role store.Role) {
		t.Helper()
		u, err := h.db.CheckPassword(t.Context(), name, password)
		if err != nil || u.Role != role {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
	}
	h.run("", "user", "list").want(t, 0, "There is no user yet")
	h.run("correct horse\n", "user", "add", "Anna").want(t, 0, "The user Anna was added, as admin.")
	login("anna", "correct horse", store.RoleAdmin)
	h.run("", "user", "add", "ben@example.com", "--role", "viewer", "--password-file", fileWith(t, " battery staple \n")).want(t, 0, "as viewer")
	login("ben@example.com", " battery staple ", store.RoleViewer)
	h.run("", "user", "add", "anna").want(t, 1, `the user "Anna" exists already`)
	h.run("", "user", "list").want(t, 0, "NAME", "Anna", "admin", "ben@example.com", "viewer")
	h.run("", "user", "list", "--json").want(t, 0, `{"name":"Anna","role":"admin","created_at":"`)

	h.run("another password", "user", "password", "anna").want(t, 0, "The user Anna has a new password")
	login("Anna", "another password", store.RoleAdmin)
	if _, err := h.db.CheckPassword(t.Context(), "Anna", "correct horse"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old password: %v", err)
	}
	h.run("", "user", "role", "Anna", "viewer").want(t, 1, "last admin")
	h.run("", "user", "remove", "Anna").want(t, 1, "last admin")
	h.run("", "user", "role", "ben@example.com", "admin").want(t, 0, "The user ben@example.com is admin now.")
	h.run("", "user", "remove", "ANNA").want(t, 0, "The user Anna was removed.")
	h.run("x", "user", "password", "anna").want(t, 1, `there is no user "anna"; there are ben@example.com`)
	if got := h.audited("Anna"); got != "user.add user.password user.remove" {
		t.Errorf("audit list: %s", got)
	}
	if got := h.audited("ben@example.com"); got != "user.add user.role" {
		t.Errorf("audit list: %s", got)
	}
}

func TestUserWrongUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, test := range map[string]struct {
		stdin string
		args  []string
		says  string
	}{
		"no name":        {"", []string{"add"}, "name"},
		"wrong name":     {"", []string{"add", "anna smith"}, `the user name "anna smith" must be`},
		"wrong role":     {"", []string{"add", "anna", "--role", "root"}, `the role "root" must be one of viewer, auditor, operator, admin`},
		"short password": {"short", []string{"add", "anna"}, "the password needs at least 10 characters"},
		"no password":    {"", []string{"add", "anna"}, "the password needs at least 10 characters"},
		"two lines":      {"topsecret topsecret\ntopsecret", []string{"add", "anna"}, "on one line"},
		"long password":  {strings.Repeat("topsecret", 200), []string{"add", "anna"}, "at most 1000 bytes"},
		"no file":        {"", []string{"add", "anna", "--password-file", "/nowhere/file"}, "/nowhere/file"},
		"as a flag":      {"", []string{"add", "anna", "--password", "topsecret"}, "--password"},
		"wrong new role": {"", []string{"role", "anna", "root"}, `the role "root" must be`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := h.run(test.stdin, append([]string{"user"}, test.args...)...)
			r.want(t, 2, test.says)
			if strings.Contains(r.out+r.errs, "topsecret") {
				t.Error("the password is shown")
			}
		})
	}
	if users, err := h.db.ListUsers(t.Context()); err != nil || len(users) > 0 {
		t.Errorf("%v, %v", users, err)
	}
}
