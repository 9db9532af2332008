package store_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
)

var week = store.SessionLimits{Idle: 7 * 24 * time.Hour, Age: 7 * 24 * time.Hour}

// fromProvider is somebody whom login.example has let in.
func fromProvider(subject, name string, role store.Role) store.ProviderLogIn {
	return store.ProviderLogIn{
		Issuer: "https://login.example/realm", Subject: subject, Name: name, Host: "login.example", Role: role,
		LogIn: store.LogIn{Address: "203.0.113.7", Agent: "Firefox"},
	}
}

// actions are what the audit list holds about a subject, the oldest first.
func actions(t *testing.T, db *store.DB, subject string) []string {
	t.Helper()
	entries, err := db.ListAudit(t.Context(), subject, 100)
	must(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Action)
	}
	slices.Reverse(all)
	return all
}

func TestLogInByProvider(t *testing.T) {
	db := storetest.New(t)
	token, u, err := db.LogInByProvider(t.Context(), fromProvider("1", "anna", store.RoleOperator))
	must(t, err)
	if u.Name != "anna" || u.Role != store.RoleOperator || u.Issuer != "https://login.example/realm" || u.Refused {
		t.Errorf("made %+v", u)
	}
	session, found, err := db.FindSession(t.Context(), token, week)
	must(t, err)
	if !reflect.DeepEqual(found, u) || session.Address != "203.0.113.7" {
		t.Errorf("the session is of %+v, from %s", found, session.Address)
	}
	// Another name there, and another role: the same user.
	again := fromProvider("1", "anna.new", store.RoleAdmin)
	again.Before = session.ID
	_, u2, err := db.LogInByProvider(t.Context(), again)
	must(t, err)
	if u2.ID != u.ID || u2.Name != "anna" || u2.Role != store.RoleAdmin {
		t.Errorf("at the second log-in it is %+v", u2)
	}
	if _, _, err := db.FindSession(t.Context(), token, week); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session that the browser had before: %v", err)
	}
	// The last admin is one no more when the provider says so.
	_, u3, err := db.LogInByProvider(t.Context(), fromProvider("1", "anna", store.RoleViewer))
	must(t, err)
	if u3.Role != store.RoleViewer {
		t.Errorf("the provider made the last admin a viewer, and it is %s", u3.Role)
	}
	if got, want := actions(t, db, "anna"), []string{"user.add", "user.login", "user.role", "user.login", "user.role", "user.login"}; !slices.Equal(got, want) {
		t.Errorf("audited %v, want %v", got, want)
	}
	// Roles that are changed here stay where the provider says nothing of them.
	must(t, db.SetRole(t.Context(), "anna", store.RoleAuditor))
	kept := fromProvider("1", "anna", store.RoleViewer)
	kept.KeepRole = true
	if _, u, err := db.LogInByProvider(t.Context(), kept); err != nil || u.Role != store.RoleAuditor {
		t.Errorf("a role given here became %+v, %v", u, err)
	}
	// There is no password to log in with, and none can be set.
	if _, err := db.CheckPassword(t.Context(), "anna", ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("without a password: %v", err)
	}
	if err := db.SetPassword(t.Context(), "anna", goodPassword); !errors.Is(err, store.ErrProvider) {
		t.Errorf("setting a password: %v", err)
	}
	if _, err := db.BeginSecondFactor(t.Context(), u); err == nil {
		t.Error("a second factor was begun here")
	}
}

func TestProviderNeverTakesAnAccountOver(t *testing.T) {
	db := storetest.New(t)
	local := addUser(t, db, "anna", store.RoleAdmin)
	addUser(t, db, "gone", store.RoleViewer)
	must(t, db.RemoveUser(t.Context(), "gone"))
	other := func(p store.ProviderLogIn, issuer, host string) store.ProviderLogIn {
		p.Issuer, p.Host = issuer, host
		return p
	}
	long := strings.Repeat("x", 300)
	seen := map[int64]bool{local.ID: true}
	for _, test := range []struct {
		name string
		p    store.ProviderLogIn
		want string
	}{
		{"a local user's name", fromProvider("1", "anna", store.RoleViewer), "anna@login.example"},
		{"the same in capitals", fromProvider("2", "ANNA", store.RoleViewer), "ANNA-2@login.example"},
		{"a removed user's", fromProvider("3", "gone", store.RoleViewer), "gone@login.example"},
		{"the subject at another issuer", other(fromProvider("1", "anna", store.RoleViewer), "https://evil.example", "evil.example"), "anna@evil.example"},
		{"the issuer with a slash", other(fromProvider("1", "anna", store.RoleViewer), "https://login.example/realm/", "login.example"), "anna-3@login.example"},
		{"the program's own", fromProvider("4", "Recall", store.RoleViewer), "Recall@login.example"},
		{"none", fromProvider("5", "", store.RoleViewer), "user"},
		{"signs", fromProvider("6", "<b>Änna\n' OR 1=1\x00", store.RoleViewer), "b..nna...OR.1.1"},
		{"an address", fromProvider("7", "berta@shop.example", store.RoleViewer), "berta@shop.example"},
		{"the command line's", fromProvider("8", "cli:root", store.RoleViewer), "cli.root"},
		{"no end", fromProvider("9", long, store.RoleViewer), long[:40]},
		{"no end, again", fromProvider("10", long, store.RoleViewer), long[:40] + "@login.example"},
		{"a host of signs", other(fromProvider("11", "anna", store.RoleViewer), "https://[::1]", "::1"), "anna@1"},
	} {
		_, u, err := db.LogInByProvider(t.Context(), test.p)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if u.Name != test.want || seen[u.ID] {
			t.Errorf("%s: is %q, want %q; somebody else's: %t", test.name, u.Name, test.want, seen[u.ID])
		}
		seen[u.ID] = true
	}
	if u, err := db.CheckPassword(t.Context(), "anna", goodPassword); err != nil || !reflect.DeepEqual(u, local) {
		t.Errorf("the local account is %+v, %v", u, err)
	}
}

func TestProviderUsersStayOut(t *testing.T) {
	db := storetest.New(t)
	addUser(t, db, "admin", store.RoleAdmin)
	// Nobody is made of who has no role.
	if _, _, err := db.LogInByProvider(t.Context(), fromProvider("0", "nobody", "")); !errors.Is(err, store.ErrNoRole) {
		t.Errorf("without a role: %v", err)
	}
	if n := count(t, db, "users"); n != 1 {
		t.Errorf("there are %d users, want the admin", n)
	}
	if got := actions(t, db, "nobody@login.example"); !slices.Equal(got, []string{"user.login_refused"}) {
		t.Errorf("audited %v", got)
	}

	// Who has none any more loses the sessions, and the tokens do nothing until there is one again.
	session, u, err := db.LogInByProvider(t.Context(), fromProvider("1", "anna", store.RoleOperator))
	must(t, err)
	text, _ := addToken(t, db, u, "sync", store.RightMetadata)
	if _, _, err := db.LogInByProvider(t.Context(), fromProvider("1", "anna", "")); !errors.Is(err, store.ErrNoRole) {
		t.Errorf("with no role any more: %v", err)
	}
	if _, _, err := db.FindSession(t.Context(), session, week); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session goes on: %v", err)
	}
	if _, err := db.FindToken(t.Context(), text, ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the token goes on: %v", err)
	}
	if u, err := db.FindUser(t.Context(), u.ID); err != nil || !u.Refused {
		t.Errorf("the user is %+v, %v", u, err)
	}
	_, u, err = db.LogInByProvider(t.Context(), fromProvider("1", "anna", store.RoleOperator))
	must(t, err)
	if _, err := db.FindToken(t.Context(), text, ""); err != nil || u.Refused {
		t.Errorf("with a role again: %+v, %v", u, err)
	}

	// Who was removed here stays out, until an admin says otherwise.
	must(t, db.RemoveUser(t.Context(), "anna"))
	if _, _, err := db.LogInByProvider(t.Context(), fromProvider("1", "anna", store.RoleAdmin)); !errors.Is(err, store.ErrRemoved) {
		t.Errorf("removed: %v", err)
	}
	removed, err := db.ListRemoved(t.Context())
	must(t, err)
	if len(removed) != 1 || removed[0].Name != "anna" {
		t.Fatalf("removed are %+v", removed)
	}
	addUser(t, db, "anna", store.RoleViewer)
	if err := db.RestoreUser(t.Context(), u.ID); !errors.Is(err, store.ErrExists) {
		t.Errorf("let in again beside another of the name: %v", err)
	}
	must(t, db.RemoveUser(t.Context(), "anna"))
	must(t, db.RestoreUser(t.Context(), u.ID, store.AuditEntry{Actor: "admin", Action: "user.restore", Subject: "anna"}))
	if err := db.RestoreUser(t.Context(), u.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("once more: %v", err)
	}
	_, back, err := db.LogInByProvider(t.Context(), fromProvider("1", "anna", store.RoleOperator))
	must(t, err)
	if back.ID != u.ID {
		t.Errorf("came back as %+v", back)
	}
}

func TestLoginCode(t *testing.T) {
	db := storetest.New(t)
	now := noon
	db.Now = func() time.Time { return now }
	addUser(t, db, "anna", store.RoleAdmin)
	try := func(code string) error {
		token, u, err := db.LogInByCode(t.Context(), code, store.LogIn{})
		if err == nil && (u.Name != "anna" || token == "") {
			t.Errorf("logged in %+v", u)
		}
		return err
	}
	first, err := db.CreateLoginCode(t.Context(), "anna")
	must(t, err)
	code, err := db.CreateLoginCode(t.Context(), "Anna", store.AuditEntry{Actor: "cli:root", Action: "user.code", Subject: "anna"})
	must(t, err)
	for name, wrong := range map[string]string{"none": "", "made up": "aaaaa-bbbbb-ccccc-ddddd-eeeee", "the one before": first, "NUL": "\x00"} {
		if err := try(wrong); !errors.Is(err, store.ErrWrongCode) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, try(strings.ToUpper(strings.ReplaceAll(code, "-", " "))))
	if err := try(code); !errors.Is(err, store.ErrWrongCode) {
		t.Errorf("once more: %v", err)
	}
	if code, err = db.CreateLoginCode(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(store.LoginCodeAge)
	if err := try(code); !errors.Is(err, store.ErrWrongCode) {
		t.Errorf("too late: %v", err)
	}
	if got := actions(t, db, "anna"); !slices.Equal(got, []string{"user.code", "user.login"}) {
		t.Errorf("audited %v", got)
	}
	if _, err := db.CreateLoginCode(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("for nobody: %v", err)
	}
}
