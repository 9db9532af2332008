package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"recall/store"
)

// A second factor from its set-up to its loss, as a person and an app use it.
func TestSecondFactor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	anna := s.as(t, "anna")
	page := anna.post("/account/second-factor/begin", url.Values{}).page()
	secret := strings.ReplaceAll(page.one(t, ".secret-text").text(), " ", "")
	if d := page.one(t, "svg path.qr-dark").attr("d"); len(d) < 1000 {
		t.Errorf("no QR code: %q", d)
	}
	code := func() string {
		c, err := totp.GenerateCode(secret, s.server.Now())
		must(t, err)
		return c
	}
	login := func(v *visitor, codes ...string) answer {
		a := v.post("/login", url.Values{"name": {"anna"}, "password": {testPassword}, "next": {"/sources"}})
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/login/code?next=%2Fsources" {
			t.Fatalf("the password: %s to %q", a.Status, a.Header.Get("Location"))
		}
		if b := v.get("/events"); b.StatusCode != http.StatusSeeOther {
			t.Fatalf("the password alone lets in: %s", b.Status)
		}
		v.show("/login/code?next=/sources")
		for _, c := range codes {
			a = v.post("/login/code", url.Values{"code": {c}, "next": {"/sources"}})
		}
		return a
	}

	if a := anna.post("/account/second-factor", url.Values{"code": {"000000"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a wrong first code: %s", a.Status)
	}
	if a := s.visitor(t).post("/login", url.Values{"name": {"anna"}, "password": {testPassword}}); a.Header.Get("Location") != "/" {
		t.Errorf("before it is on a code is asked for: %s", a.Header.Get("Location"))
	}
	on := anna.post("/account/second-factor", url.Values{"code": {code()}}).page()
	var recovery []string
	for _, li := range on.all(".recovery li") {
		recovery = append(recovery, li.text())
	}
	if len(recovery) != 10 {
		t.Fatalf("%d recovery codes, want 10", len(recovery))
	}
	if a := login(s.visitor(t), code()); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("the code that was used already: %s", a.Status)
	}
	s.ahead.Add(int64(30 * time.Second))
	v := s.visitor(t)
	if a := login(v, "123456", code()); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sources" {
		t.Errorf("the next code: %s to %q", a.Status, a.Header.Get("Location"))
	}
	if a := login(s.visitor(t), strings.ToUpper(recovery[3])); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a recovery code: %s", a.Status)
	}
	if a := login(s.visitor(t), recovery[3]); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a recovery code for the second time: %s", a.Status)
	}
	late := s.visitor(t)
	login(late)
	s.ahead.Add(int64(6 * time.Minute))
	if a := late.post("/login/code", url.Values{"code": {code()}}); !strings.HasPrefix(a.Header.Get("Location"), "/login?") {
		t.Errorf("a code that comes after six minutes: %s to %q", a.Status, a.Header.Get("Location"))
	}
	if a := s.visitor(t).post("/login/code", url.Values{"code": {code()}}); !strings.HasPrefix(a.Header.Get("Location"), "/login?") {
		t.Errorf("a code without a password: %s to %q", a.Status, a.Header.Get("Location"))
	}
	stale := s.visitor(t)
	login(stale)
	must(t, s.db.SetPassword(t.Context(), "anna", "another good one"))
	if a := stale.post("/login/code", url.Values{"code": {code()}}); !strings.HasPrefix(a.Header.Get("Location"), "/login?") {
		t.Errorf("a code after a password that was changed since: %s to %q", a.Status, a.Header.Get("Location"))
	}
	must(t, s.db.SetPassword(t.Context(), "anna", testPassword))
	v = s.visitor(t)
	if a := login(v, recovery[5]); a.StatusCode != http.StatusSeeOther {
		t.Errorf("after the password was set: %s", a.Status)
	}
	guess := s.visitor(t)
	if a := login(guess, "1", "2", "3", "4", "5", "6", code()); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the seventh guess: %s", a.Status)
	}

	s.ahead.Add(int64(time.Hour))
	if a := v.post("/account/second-factor/begin", url.Values{}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a second set-up: %s", a.Status)
	}
	if a := v.post("/account/second-factor/remove", url.Values{"password": {"wrong wrong wrong"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("removal by a wrong password: %s", a.Status)
	}
	if a := v.post("/account/second-factor/remove", url.Values{"password": {testPassword}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("removal: %s", a.Status)
	}
	s.as(t, "anna")
	for _, e := range s.audited(t, "anna") {
		if text := e.Reason + e.Action; strings.Contains(text, secret) {
			t.Errorf("the audit list holds the secret: %s", text)
		}
	}
}

// Admins add and change users by the pages; nobody else does, and nobody locks the last admin out.
func TestUsersPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	admin := s.admin(t)
	add := func(name, password, role string) answer {
		return admin.post("/users", url.Values{"name": {name}, "password": {password}, "role": {role}})
	}
	for name, form := range map[string][3]string{
		"common password":  {"carl", "password123", "viewer"},
		"short password":   {"carl", "sh0rt!", "viewer"},
		"one character":    {"carl", "aaaaaaaaaaaaaaa", "viewer"},
		"name as password": {"carl.example", "carl.example1", "viewer"},
		"unknown role":     {"carl", testPassword, "king"},
		"name in use":      {"ANNA", testPassword, "viewer"},
		"strange name":     {"<script>", testPassword, "viewer"},
	} {
		if a := add(form[0], form[1], form[2]); a.StatusCode != http.StatusUnprocessableEntity || strings.Contains(a.body, form[1]) {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	if a := add("carl", testPassword, "viewer"); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("adding carl: %s", a.Status)
	}
	carl := s.as(t, "carl")
	if a := carl.get("/users"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer looks at the users: %s", a.Status)
	}
	admin.post("/users/carl/role", url.Values{"role": {"operator"}})
	if a := carl.get("/audit"); a.StatusCode != http.StatusOK {
		t.Errorf("an operator of now looks at the audit list: %s", a.Status)
	}
	admin.post("/users/carl/password", url.Values{"password": {"quite another thing"}})
	if a := carl.get("/events"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("carl is still logged in: %s", a.Status)
	}
	text := admin.show("/users").one(t, "table.users").text()
	if !strings.Contains(text, "carl") || !strings.Contains(text, "admin off 1 used just now") {
		t.Errorf("the list: %s", text)
	}
	if a := admin.post("/users/carl/remove", url.Values{"reason": {"left"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("removing carl: %s", a.Status)
	}
	for _, path := range []string{"/users/carl/role", "/users/anna/nonsense"} {
		if a := admin.post(path, url.Values{}); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	users, err := s.db.ListUsers(t.Context())
	must(t, err)
	for _, u := range users {
		if u.Role == store.RoleAdmin {
			if a := admin.post("/users/"+u.Name+"/remove", url.Values{}); a.StatusCode != http.StatusBadRequest {
				t.Errorf("an admin removes the own account: %s", a.Status)
			}
		}
	}
}
