package main

import (
	"reflect"
	"strings"
	"testing"

	"recall/oidc"
	"recall/store"
	"recall/web"
)

func TestProviderSettings(t *testing.T) {
	t.Setenv("RECALL_DATA_DIR", t.TempDir())
	t.Setenv("RECALL_ADMIN_URL", "https://recall.example/")
	t.Setenv("RECALL_OIDC_ISSUER", "https://login.example/realm/")
	t.Setenv("RECALL_OIDC_CLIENT_ID", "recall")
	t.Setenv("RECALL_OIDC_CLIENT_SECRET_FILE", fileWith(t, "geheim\n"))
	t.Setenv("RECALL_OIDC_ROLES", "recall-admins=admin, recall-ops = operator")
	t.Setenv("RECALL_OIDC_SCOPES", "openid profile groups")
	t.Setenv("RECALL_PASSWORD_LOGIN", "unreachable")
	got := settings(t, "serve")
	want := &oidc.Options{
		Issuer: "https://login.example/realm/", ClientID: "recall", ClientSecret: "geheim", RedirectURL: "https://recall.example/login/oidc/callback", LoggedOutURL: "https://recall.example/login/oidc/out",
		Scopes: []string{"openid", "profile", "groups"}, RoleClaim: "groups",
		Roles: []oidc.RoleRule{{Value: "recall-admins", Role: store.RoleAdmin}, {Value: "recall-ops", Role: store.RoleOperator}},
	}
	if !reflect.DeepEqual(got.Provider, want) || got.PasswordLogin != web.PasswordUnreachable {
		t.Errorf("got  %+v, %s\nwant %+v", got.Provider, got.PasswordLogin, want)
	}
}

func TestWrongProviderSettings(t *testing.T) {
	good := map[string]string{
		"RECALL_ADMIN_URL": "https://recall.example", "RECALL_OIDC_ISSUER": "https://login.example", "RECALL_OIDC_CLIENT_ID": "recall", "RECALL_OIDC_ROLES": "a=admin",
	}
	for name, test := range map[string]struct{ variable, value, want string }{
		"no address of the admin UI": {"RECALL_ADMIN_URL", "", "RECALL_ADMIN_URL is not set"},
		"no client":                  {"RECALL_OIDC_CLIENT_ID", "", "RECALL_OIDC_CLIENT_ID is not set"},
		"no issuer":                  {"RECALL_OIDC_ISSUER", "", "RECALL_OIDC_ISSUER is not set"},
		"without TLS":                {"RECALL_OIDC_ISSUER", "http://login.example", "RECALL_OIDC_ISSUER is no address"},
		"a secret in the issuer":     {"RECALL_OIDC_ISSUER", "https://u:geheim@login.example", "RECALL_OIDC_ISSUER is no address"},
		"no roles":                   {"RECALL_OIDC_ROLES", "", "nobody who logs in at the provider would have a role"},
		"an unknown role":            {"RECALL_OIDC_ROLES", "a=root", `RECALL_OIDC_ROLES: the role "root"`},
		"an unknown default":         {"RECALL_OIDC_DEFAULT_ROLE", "root", `RECALL_OIDC_DEFAULT_ROLE: the role "root"`},
		"log-out perhaps":            {"RECALL_OIDC_LOGOUT", "perhaps", "RECALL_OIDC_LOGOUT"},
		"passwords perhaps":          {"RECALL_PASSWORD_LOGIN", "perhaps", "RECALL_PASSWORD_LOGIN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("RECALL_DATA_DIR", t.TempDir())
			for variable, value := range good {
				t.Setenv(variable, value)
			}
			t.Setenv(test.variable, test.value)
			command(t, "", "serve").want(t, 2, test.want)
		})
	}
	t.Setenv("RECALL_PASSWORD_LOGIN", "off")
	command(t, "", "serve").want(t, 2, "RECALL_PASSWORD_LOGIN=off needs RECALL_OIDC_ISSUER")
}

// The ways in that the machine's owner has.
func TestWaysInByCommand(t *testing.T) {
	h := newHouse(t)
	h.run("", "user", "code", "nobody").want(t, 1, "nobody")
	h.run("correct horse battery", "user", "add", "anna").want(t, 0)
	shown := h.run("", "user", "code", "ANNA")
	shown.want(t, 0, "lets anna in once")
	if _, u, err := h.db.LogInByCode(t.Context(), strings.TrimSpace(shown.out), store.LogIn{}); err != nil || u.Name != "anna" {
		t.Errorf("the code %q lets in %+v, %v", shown.out, u, err)
	}
	_, u, err := h.db.LogInByProvider(t.Context(), store.ProviderLogIn{Issuer: "https://login.example", Subject: "1", Name: "berta", Host: "login.example", Role: store.RoleViewer})
	if err != nil {
		t.Fatal(err)
	}
	h.run("", "user", "list").want(t, 0, "https://login.example", "password")
	h.run("correct horse battery\n", "user", "password", "berta").want(t, 1, "logs in at the identity provider")
	h.run("", "user", "remove", "berta").want(t, 0, "was removed")
	h.run("", "user", "restore", "anna").want(t, 1, "berta")
	h.run("", "user", "restore", "berta").want(t, 0, "may log in again")
	if _, err := h.db.FindUser(t.Context(), u.ID); err != nil {
		t.Error(err)
	}
}
