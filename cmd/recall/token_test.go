package main

import (
	"strings"
	"testing"

	"recall/store"
)

// TestTokens: one is shown once, alone on standard output, and lists never hold it.
func TestTokens(t *testing.T) {
	h := newHouse(t)
	h.run("correct horse battery", "user", "add", "anna", "--role", "viewer").want(t, 0)
	h.run("", "token", "list").want(t, 0, "There is no token")
	made := h.run("", "token", "add", "crm-sync", "--user", "anna", "--right", "metadata,payloads")
	made.want(t, 0, "may metadata, payloads", "It is not shown again")
	text := strings.TrimSuffix(made.out, "\n")
	if !store.IsToken(text) {
		t.Fatalf("standard output is %q", made.out)
	}
	if token, err := h.db.FindToken(t.Context(), text, "192.0.2.1"); err != nil || token.Actor() != "anna via token crm-sync" {
		t.Errorf("found %v, %v", token, err)
	}
	list := h.run("", "token", "list")
	list.want(t, 0, "crm-sync", "anna", text[:11]+"…", "until ", "192.0.2.1")
	if strings.Contains(list.out+h.run("", "token", "list", "--json").out, text[12:]) {
		t.Error("a list shows the token")
	}
	for name, test := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"unknown user":  {[]string{"add", "x", "--user", "berta", "--right", "metadata"}, 1, `no user "berta"`},
		"unknown right": {[]string{"add", "x", "--user", "anna", "--right", "all"}, 2, `no right "all"`},
		"too much":      {[]string{"add", "x", "--user", "anna", "--right", "settings"}, 2, "may not settings"},
		"wrong end":     {[]string{"add", "x", "--user", "anna", "--right", "metadata", "--expires", "soon"}, 2, "--expires"},
		"same name":     {[]string{"add", "crm-sync", "--user", "anna", "--right", "metadata"}, 1, "exists already"},
		"no such token": {[]string{"revoke", "7"}, 1, "there is no token 7"},
	} {
		t.Run(name, func(t *testing.T) {
			h.run("", append([]string{"token"}, test.args...)...).want(t, test.status, test.says)
		})
	}
	h.run("", "token", "revoke", "1", "--reason", "was in a log").want(t, 0, "lets nobody in")
	h.run("", "token", "list", "--user", "anna").want(t, 0, "revoked by "+actor())
}
