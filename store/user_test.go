package store_test

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
)

const goodPassword = "correct horse battery"

// referenceHash is "password" in the tests of the reference implementation (github.com/P-H-C/phc-winner-argon2, src/test.c).
const referenceHash = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"

func addUser(t testing.TB, db *store.DB, name string, role store.Role) *store.User {
	t.Helper()
	u, err := db.CreateUser(t.Context(), name, goodPassword, role)
	must(t, err)
	return u
}

func TestUserRoundTrip(t *testing.T) {
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	berta := addUser(t, db, "berta@shop.example", store.RoleViewer)
	anna := addUser(t, db, "Anna", store.RoleAdmin)
	if want := (&store.User{ID: anna.ID, Name: "Anna", Role: store.RoleAdmin, CreatedAt: noon}); !reflect.DeepEqual(anna, want) {
		t.Errorf("got %+v, want %+v", anna, want)
	}
	if got, err := db.FindUser(t.Context(), anna.ID); err != nil || !reflect.DeepEqual(got, anna) {
		t.Errorf("found %+v, %v; want %+v", got, err, anna)
	}
	if all, err := db.ListUsers(t.Context()); err != nil || !reflect.DeepEqual(all, []*store.User{anna, berta}) {
		t.Errorf("listed %v, %v; want Anna and berta", all, err)
	}
	if _, err := db.FindUser(t.Context(), 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("user 0: %v, want %v", err, store.ErrNotFound)
	}
	if _, err := db.CreateUser(t.Context(), "ANNA", goodPassword, store.RoleViewer); !errors.Is(err, store.ErrExists) {
		t.Errorf("the same name in capitals: %v, want %v", err, store.ErrExists)
	}
}

func TestCheckPassword(t *testing.T) {
	db := storetest.New(t)
	anna := addUser(t, db, "anna", store.RoleOperator)
	addUser(t, db, "berta", store.RoleAdmin)
	carla := addUser(t, db, "carla", store.RoleViewer)
	must(t, db.RemoveUser(t.Context(), "carla"))
	long := strings.Repeat("x", store.MaxPassword+1)
	for name, test := range map[string]struct {
		user, password string
		want           *store.User
	}{
		"right":              {"anna", goodPassword, anna},
		"other case of name": {"ANNA", goodPassword, anna},
		"other password":     {"anna", "wrong wrong wrong", nil},
		"other case":         {"anna", "Correct horse battery", nil},
		"with a blank":       {"anna", goodPassword + " ", nil},
		"no password":        {"anna", "", nil},
		"too long":           {"anna", long, nil},
		"unknown name":       {"nobody", goodPassword, nil},
		"no name":            {"", goodPassword, nil},
		"name with NUL":      {"anna\x00", goodPassword, nil},
		"name not UTF-8":     {"\xff", goodPassword, nil},
		"wildcard":           {"ann%", goodPassword, nil},
		"removed":            {carla.Name, goodPassword, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := db.CheckPassword(t.Context(), test.user, test.password)
			if test.want == nil && (!errors.Is(err, store.ErrNotFound) || got != nil) {
				t.Errorf("got %+v, %v; want %v", got, err, store.ErrNotFound)
			}
			if test.want != nil && (err != nil || !reflect.DeepEqual(got, test.want)) {
				t.Errorf("got %+v, %v; want %+v", got, err, test.want)
			}
		})
	}
	_, unknown := db.CheckPassword(t.Context(), "nobody", goodPassword)
	_, wrong := db.CheckPassword(t.Context(), "anna", "wrong wrong wrong")
	if unknown.Error() != wrong.Error() {
		t.Errorf("%q tells an unknown name from a wrong password, %q", unknown, wrong)
	}
}

// Hashes are argon2id in PHC form, salted, and checked by the numbers they carry.
func TestPasswordHashes(t *testing.T) {
	db := storetest.New(t)
	addUser(t, db, "anna", store.RoleAdmin)
	addUser(t, db, "berta", store.RoleAdmin)
	hash := func(name string) (h string) {
		must(t, db.Pool().QueryRow(t.Context(), `SELECT password_hash FROM users WHERE name = $1`, name).Scan(&h))
		return h
	}
	if h := hash("anna"); !strings.HasPrefix(h, "$argon2id$v=19$m=19456,t=2,p=1$") || h == hash("berta") {
		t.Errorf("%q is not salted argon2id with the numbers that OWASP recommends", h)
	}
	set := func(h string) {
		if _, err := db.Pool().Exec(t.Context(), `UPDATE users SET password_hash = $1 WHERE name = 'anna'`, h); err != nil {
			t.Fatal(err)
		}
	}
	set(referenceHash)
	if u, err := db.CheckPassword(t.Context(), "anna", "password"); err != nil || u.Name != "anna" {
		t.Errorf("a hash with other numbers: %v", err)
	}
	if _, err := db.CheckPassword(t.Context(), "anna", "wrong wrong wrong"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a hash with other numbers and a wrong password: %v", err)
	}
	for name, h := range map[string]string{
		"nothing":      "",
		"bcrypt":       "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"argon2i":      strings.Replace(referenceHash, "argon2id", "argon2i", 1),
		"no time":      strings.Replace(referenceHash, "t=2", "t=0", 1),
		"no threads":   strings.Replace(referenceHash, "p=2", "p=0", 1),
		"all memory":   strings.Replace(referenceHash, "m=256", "m=4294967295", 1),
		"other number": strings.Replace(referenceHash, "v=19", "v=16", 1),
		"cut":          referenceHash[:len(referenceHash)-40],
		"no base64":    referenceHash[:len(referenceHash)-1] + "*",
	} {
		t.Run(name, func(t *testing.T) {
			set(h)
			_, err := db.CheckPassword(t.Context(), "anna", "password")
			if err == nil || errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "password anew") {
				t.Errorf("got %v, want an error that says what to do", err)
			}
		})
	}
}

func TestSetPasswordEndsSessions(t *testing.T) {
	db := storetest.New(t)
	anna := addUser(t, db, "anna", store.RoleAdmin)
	limits := store.SessionLimits{Idle: time.Hour, Age: time.Hour}
	token, err := db.CreateSession(t.Context(), anna.ID, store.LogIn{Address: "203.0.113.7", Agent: "Firefox"})
	must(t, err)
	_, _, err = db.FindSession(t.Context(), token, limits)
	must(t, err)
	must(t, db.SetPassword(t.Context(), "Anna", "another good one"))
	_, err = db.CheckPassword(t.Context(), "anna", "another good one")
	must(t, err)
	if _, _, err := db.FindSession(t.Context(), token, limits); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the session of before: %v, want %v", err, store.ErrNotFound)
	}
	if _, err := db.CheckPassword(t.Context(), "anna", goodPassword); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the old password: %v, want %v", err, store.ErrNotFound)
	}
	for _, name := range []string{"nobody", "", "a\x00"} {
		if err := db.SetPassword(t.Context(), name, goodPassword); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of %q: %v, want %v", name, err, store.ErrNotFound)
		}
	}
}

// A log-in that cannot be written down is none, and leaves the session of before as it was.
func TestLogInIsAuditedOrNone(t *testing.T) {
	db := storetest.New(t)
	anna := addUser(t, db, "anna", store.RoleAdmin)
	limits := store.SessionLimits{Idle: time.Hour, Age: time.Hour}
	_, err := db.CreateSession(t.Context(), anna.ID, store.LogIn{})
	must(t, err)
	before, err := db.ListSessions(t.Context(), anna.ID, limits)
	must(t, err)
	unwritable := store.AuditEntry{Actor: "anna", Action: "user.login", Subject: "anna", Detail: map[string]any{"address": make(chan int)}}
	if token, err := db.CreateSession(t.Context(), anna.ID, store.LogIn{Before: before[0].ID}, unwritable); err == nil || token != "" {
		t.Errorf("logged in without a note: %q", token)
	}
	if after, err := db.ListSessions(t.Context(), anna.ID, limits); err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("sessions after it: %+v, %v", after, err)
	}
	token, err := db.CreateSession(t.Context(), anna.ID, store.LogIn{Before: before[0].ID}, store.AuditEntry{Actor: "anna", Action: "user.login", Subject: "anna"})
	must(t, err)
	_, _, err = db.FindSession(t.Context(), token, limits)
	must(t, err)
	after, err := db.ListSessions(t.Context(), anna.ID, limits)
	must(t, err)
	entries, err := db.ListAudit(t.Context(), "anna", 10)
	must(t, err)
	if len(after) != 1 || after[0].ID == before[0].ID || len(entries) != 1 {
		t.Errorf("%d sessions and %d entries, want the new one and its entry", len(after), len(entries))
	}
}

func TestWrongUserSettingsAreRefused(t *testing.T) {
	db := storetest.New(t)
	addUser(t, db, "anna", store.RoleAdmin)
	for name, test := range map[string]struct {
		user, password string
		role           store.Role
		want           string
	}{
		"no name":         {"", goodPassword, store.RoleViewer, "user name"},
		"blank":           {"anna b", goodPassword, store.RoleViewer, `"anna b"`},
		"line break":      {"berta\n", goodPassword, store.RoleViewer, "user name"},
		"dot first":       {".berta", goodPassword, store.RoleViewer, "letter or digit first"},
		"101 letters":     {strings.Repeat("a", 101), goodPassword, store.RoleViewer, "up to 100"},
		"no password":     {"berta", "", store.RoleViewer, "at least 10"},
		"9 characters":    {"berta", "s3cretäöü", store.RoleViewer, "at least 10"},
		"1001 characters": {"berta", strings.Repeat("s3cret!", 143) + "s3cr", store.RoleViewer, "at most 1000"},
		"no role":         {"berta", goodPassword, "", "viewer, auditor, operator, admin"},
		"unknown role":    {"berta", goodPassword, "root", `"root"`},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := db.CreateUser(t.Context(), test.user, test.password, test.role)
			if err == nil || u != nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cr") {
				t.Errorf("got %v, want one that says %q and shows no password", err, test.want)
			}
		})
	}
	if err := db.SetPassword(t.Context(), "anna", "short"); err == nil || !strings.Contains(err.Error(), "at least 10") {
		t.Errorf("a short new password: %v", err)
	}
	if err := db.SetRole(t.Context(), "anna", "root"); err == nil || !strings.Contains(err.Error(), `"root"`) {
		t.Errorf("an unknown new role: %v", err)
	}
	if u, err := db.CheckPassword(t.Context(), "anna", goodPassword); err != nil || u.Role != store.RoleAdmin || count(t, db, "users") != 1 {
		t.Errorf("the users changed: %+v, %v", u, err)
	}
	if _, err := db.CreateUser(t.Context(), "berta", "ten charsä", store.RoleViewer); err != nil {
		t.Errorf("a password of 10 characters: %v", err)
	}
}

func TestLastAdminStays(t *testing.T) {
	db := storetest.New(t)
	addUser(t, db, "anna", store.RoleAdmin)
	addUser(t, db, "berta", store.RoleOperator)
	if err := db.RemoveUser(t.Context(), "anna"); !errors.Is(err, store.ErrLastAdmin) {
		t.Errorf("removed: %v, want %v", err, store.ErrLastAdmin)
	}
	if err := db.SetRole(t.Context(), "ANNA", store.RoleViewer); !errors.Is(err, store.ErrLastAdmin) {
		t.Errorf("made a viewer: %v, want %v", err, store.ErrLastAdmin)
	}
	must(t, db.SetRole(t.Context(), "anna", store.RoleAdmin))
	must(t, db.SetRole(t.Context(), "berta", store.RoleAdmin))
	must(t, db.RemoveUser(t.Context(), "anna"))
	if all, err := db.ListUsers(t.Context()); err != nil || len(all) != 1 || all[0].Name != "berta" || all[0].Role != store.RoleAdmin {
		t.Errorf("left are %v, %v; want berta as an admin", all, err)
	}
	if err := db.SetRole(t.Context(), "anna", store.RoleViewer); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("role of the removed one: %v, want %v", err, store.ErrNotFound)
	}
	if err := db.RemoveUser(t.Context(), "anna"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("removed again: %v, want %v", err, store.ErrNotFound)
	}
	addUser(t, db, "anna", store.RoleViewer)
	must(t, db.RemoveUser(t.Context(), "anna"))
}

// Two admins who remove each other, or step down, at one moment leave one of them.
func TestAdminsCannotAllGoAtOnce(t *testing.T) {
	db := storetest.New(t)
	names := []string{"a", "b", "c", "d", "e", "f"}
	for _, name := range names {
		addUser(t, db, name, store.RoleAdmin)
	}
	errs := make([]error, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() {
			if i%2 == 0 {
				errs[i] = db.RemoveUser(t.Context(), name)
			} else {
				errs[i] = db.SetRole(t.Context(), name, store.RoleViewer)
			}
		})
	}
	group.Wait()
	kept := 0
	for _, err := range errs {
		if errors.Is(err, store.ErrLastAdmin) {
			kept++
		} else if err != nil {
			t.Error(err)
		}
	}
	all, err := db.ListUsers(t.Context())
	must(t, err)
	admins := 0
	for _, u := range all {
		if u.Role == store.RoleAdmin {
			admins++
		}
	}
	if kept != 1 || admins != 1 {
		t.Errorf("%d were refused and %d admins are left, want 1 and 1", kept, admins)
	}
}
