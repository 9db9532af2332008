package web

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"recall/oidc"
	"recall/store"
)

// providerHouse is a real OpenID Connect provider, at another site than ours: the example of github.com/zitadel/oidc, whose ID
// tokens hold little, so that the rest is asked for at its userinfo endpoint.
type providerHouse struct {
	*httptest.Server
	clients map[string]*storage.Client

	mu     sync.Mutex
	users  map[string]*storage.User
	groups map[string][]string // by user id
	ended  []string            // sessions there: whose, and of which client
	back   []string            // where clients may have people sent back to after a log-out
	codes  []string            // given out
}

func (h *providerHouse) GetUserByID(id string) *storage.User {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.users[id]
}

func (h *providerHouse) GetUserByUsername(name string) *storage.User {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, u := range h.users {
		if u.Username == name {
			return u
		}
	}
	return nil
}

func (h *providerHouse) ExampleClientID() string { return storage.ServiceUserID }

// add makes somebody, or gives other groups.
func (h *providerHouse) add(id, name string, groups ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.users[id], h.groups[id] = &storage.User{ID: id, Username: name, Password: testPassword, Email: name + "@corp.example"}, groups
}

// withGroups tells the groups of who asks.
type withGroups struct {
	*storage.Storage
	house *providerHouse
}

func (s withGroups) SetUserinfoFromToken(ctx context.Context, info *zitadel.UserInfo, tokenID, subject, origin string) error {
	err := s.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin)
	s.house.mu.Lock()
	defer s.house.mu.Unlock()
	info.AppendClaims("groups", s.house.groups[subject])
	return err
}

// TerminateSession notes whose session was ended.
func (s withGroups) TerminateSession(ctx context.Context, user, client string) error {
	s.house.mu.Lock()
	s.house.ended = append(s.house.ended, user+" of "+client)
	s.house.mu.Unlock()
	return s.Storage.TerminateSession(ctx, user, client)
}

// GetClientByClientID adds where people may be sent back to after a log-out, of which the example's clients know nothing.
func (s withGroups) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	return leavingClient{c, s.house.back}, err
}

type leavingClient struct {
	op.Client
	back []string
}

func (c leavingClient) PostLogoutRedirectURIs() []string { return c.back }

func newProviderHouse(t *testing.T) *providerHouse {
	t.Helper()
	h := &providerHouse{clients: map[string]*storage.Client{}, users: map[string]*storage.User{}, groups: map[string][]string{}}
	h.Server = httptest.NewUnstartedServer(nil)
	_, port, err := net.SplitHostPort(h.Listener.Addr().String())
	must(t, err)
	issuer := "http://localhost:" + port
	router := exampleop.SetupServer(issuer, withGroups{storage.NewStorageWithClients(h, h.clients), h}, nil, true)
	router.Get("/favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	h.Config.Handler = router
	h.Start()
	h.URL = issuer
	t.Cleanup(h.Close)
	return h
}

// newProviderSite is a site whose people log in at a provider.
func newProviderSite(t *testing.T, change ...func(*Options, *oidc.Options)) (*site, *providerHouse) {
	t.Helper()
	h := newProviderHouse(t)
	var p *oidc.Provider
	s := newSite(t, func(o *Options) {
		po := oidc.Options{
			Issuer: h.URL, ClientID: "recall", ClientSecret: "s3cret", RedirectURL: "later", Name: "Corp", Scopes: []string{"profile", "email"},
			RoleClaim: "groups", Roles: []oidc.RoleRule{{Value: "recall-ops", Role: store.RoleOperator}, {Value: "recall-admins", Role: store.RoleAdmin}}, Now: o.Now,
		}
		for _, f := range change {
			f(o, &po)
		}
		var err error
		p, err = oidc.New(po)
		must(t, err)
		o.Provider = p
	})
	p.RedirectURL, p.LoggedOutURL = s.URL+"/login/oidc/callback", s.URL+"/login/oidc/out"
	h.back = []string{p.LoggedOutURL}
	h.clients["recall"] = storage.WebClient("recall", "s3cret", p.RedirectURL)
	return s, h
}

// begin goes to the provider, and returns its address with the questions.
func (v *visitor) begin(next string) string {
	v.t.Helper()
	a := v.get(providerURL(next))
	if a.StatusCode != http.StatusSeeOther {
		v.t.Fatalf("begin: %s: %s", a.Status, a.page().one(v.t, "main").text())
	}
	return a.Header.Get("Location")
}

// answerTo logs somebody in at the provider, in a browser that it does not know, and returns the way back from there.
func (h *providerHouse) answerTo(t *testing.T, address, name string) string {
	t.Helper()
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	follow := func(r *http.Response, err error) string {
		t.Helper()
		must(t, err)
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		to, err := r.Location()
		if err != nil {
			t.Fatalf("%s: %s: %s", r.Request.URL.Path, r.Status, body)
		}
		return to.String()
	}
	login, err := url.Parse(follow(c.Get(address)))
	must(t, err)
	back := follow(c.PostForm(h.URL+"/login/username", url.Values{"username": {name}, "password": {testPassword}, "id": {login.Query().Get("authRequestID")}}))
	back = follow(c.Get(back))
	to, err := url.Parse(back)
	must(t, err)
	h.mu.Lock()
	h.codes = append(h.codes, to.Query().Get("code"))
	h.mu.Unlock()
	return to.RequestURI()
}

// through is the whole log-in.
func (v *visitor) through(h *providerHouse, name, next string) answer {
	v.t.Helper()
	return v.get(h.answerTo(v.t.(*testing.T), v.begin(next), name))
}

func said(a answer) string { return a.page().one(a.t, "[role=alert]").text() }

func TestProviderLogIn(t *testing.T) {
	t.Parallel()
	s, h := newProviderSite(t)
	h.add("1", "berta", "recall-ops", "others")
	v := s.visitor(t)
	if link := v.show("/login?next=/sources").one(t, "a.button"); link.attr("href") != "/login/oidc?next=%2Fsources" || link.text() != "Log in with Corp" {
		t.Errorf("the link is %q to %s", link.text(), link.attr("href"))
	}
	asked, err := url.Parse(v.begin("/sources"))
	must(t, err)
	q := asked.Query()
	if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || len(q.Get("state")) < 26 || len(q.Get("nonce")) < 26 ||
		q.Get("redirect_uri") != s.URL+"/login/oidc/callback" || q.Get("scope") != "openid profile email" || q.Get("response_type") != "code" {
		t.Errorf("asked for %v", q)
	}
	a := v.through(h, "berta", "/sources")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sources" {
		t.Fatalf("log-in: %s to %q", a.Status, a.Header.Get("Location"))
	}
	for _, c := range a.Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Name == "recall-login" && c.MaxAge >= 0 {
			t.Errorf("cookie %+v", c)
		}
	}
	if text := v.show("/account").one(t, ".page-head").text(); !strings.Contains(text, "You are berta, with the role operator") {
		t.Errorf("the account says %q", text)
	}
	account := v.show("/account")
	if len(account.all("#password")) > 0 || len(account.all("form[action='/account/second-factor/begin']")) > 0 || !strings.Contains(account.one(t, "main").text(), "You log in at Corp") {
		t.Error("the account speaks of a password here")
	}
	if a := v.post("/account/second-factor/begin", url.Values{}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a second factor here: %s", a.Status)
	}

	// Another role at the next log-in, under a new session; the one before is over.
	site, err := url.Parse(s.URL)
	must(t, err)
	before := v.http.Jar.Cookies(site)
	h.add("1", "berta", "recall-admins", "recall-ops")
	if a := v.through(h, "berta", "/users"); a.Header.Get("Location") != "/users" {
		t.Errorf("the second time: %s to %s", a.Status, a.Header.Get("Location"))
	}
	old := s.visitor(t)
	old.http.Jar.SetCookies(site, before)
	if a := old.get("/account"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the session of before goes on: %s", a.Status)
	}
	row := v.show("/users").one(t, "table.users").text()
	if !strings.Contains(row, "berta") || !strings.Contains(row, "at Corp") {
		t.Errorf("the users are %q", row)
	}
	entries, err := s.db.ListAudit(t.Context(), "berta", 10)
	must(t, err)
	var did []string
	for _, e := range entries {
		did = append(did, e.Action)
		if e.Detail["issuer"] != h.URL || e.Detail["address"] != "127.0.0.1" {
			t.Errorf("%s says %v", e.Action, e.Detail)
		}
	}
	if got := strings.Join(did, " "); got != "user.login user.role user.login user.add" {
		t.Errorf("audited %s", got)
	}
	if text := s.log.String(); text != "" {
		t.Errorf("logged %s", text)
	}

	// An admin's word is the last one.
	s.addUser(t, "root", store.RoleAdmin)
	root := s.as(t, "root")
	for _, path := range []string{"/users/berta/password", "/users/berta/role"} {
		if a := root.post(path, url.Values{"password": {"quite another thing"}, "role": {"admin"}}); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	root.post("/users/berta/remove", url.Values{"reason": {"left"}})
	if a := v.get("/account"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a removed user's session: %s", a.Status)
	}
	if a := v.through(h, "berta", ""); a.StatusCode != http.StatusForbidden || !strings.Contains(said(a), "was removed here") {
		t.Errorf("a removed user logs in: %s", a.Status)
	}
	again := root.show("/users").one(t, "#removed form")
	root.post(again.attr("action"), url.Values{})
	if a := v.through(h, "berta", ""); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/" {
		t.Errorf("let in again: %s", a.Status)
	}

	// No role any more: nothing goes on.
	h.add("1", "berta", "others")
	if a := s.visitor(t).through(h, "berta", ""); a.StatusCode != http.StatusForbidden || !strings.Contains(said(a), "gives you no role here") {
		t.Errorf("without a role: %s, %s", a.Status, said(a))
	}
	if a := v.get("/account"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the session without a role: %s", a.Status)
	}
}

// A local account is never taken over, whatever name somebody has at the provider.
func TestProviderNameClash(t *testing.T) {
	t.Parallel()
	s, h := newProviderSite(t)
	h.add("9", "anna", "recall-admins")
	v := s.visitor(t)
	v.through(h, "anna", "")
	if text := v.show("/account").one(t, ".page-head").text(); !strings.Contains(text, "anna@localhost") {
		t.Errorf("is %q", text)
	}
	if u, err := s.db.CheckPassword(t.Context(), "anna", testPassword); err != nil || u.Role != store.RoleOperator {
		t.Errorf("the local account is %+v, %v", u, err)
	}
}

// What comes back from the provider, or as if from it, in all the ways in which it must let nobody in.
func TestProviderAnswersThatLetNobodyIn(t *testing.T) {
	t.Parallel()
	s, h := newProviderSite(t)
	h.add("1", "berta", "recall-ops")
	h.add("2", "mallory", "recall-ops")
	site, err := url.Parse(s.URL)
	must(t, err)
	change := func(address, name, value string) string {
		u, err := url.Parse(address)
		must(t, err)
		q := u.Query()
		if q.Set(name, value); value == "" {
			q.Del(name)
		}
		u.RawQuery = q.Encode()
		return u.RequestURI()
	}
	const evil = `<script>alert(1)</script>`
	for name, test := range map[string]struct {
		answer func(v *visitor) string
		status int
		want   string
	}{
		"another state": {func(v *visitor) string { return change(h.answerTo(t, v.begin(""), "berta"), "state", "AAAA") }, 400, "not begun in this browser"},
		"no state":      {func(v *visitor) string { return change(h.answerTo(t, v.begin(""), "berta"), "state", "") }, 400, "not begun in this browser"},
		"another browser, so that somebody is logged in as mallory": {func(v *visitor) string {
			return h.answerTo(t, s.visitor(t).begin(""), "mallory")
		}, 400, "not begun in this browser"},
		"another attempt of this browser": {func(v *visitor) string {
			first := h.answerTo(t, v.begin(""), "berta")
			v.begin("")
			return first
		}, 400, "not begun in this browser"},
		"too late": {func(v *visitor) string {
			defer s.ahead.Add(int64(11 * time.Minute))
			return h.answerTo(t, v.begin(""), "berta")
		}, 400, "not begun in this browser"},
		"mallory's code in this attempt, which PKCE tells": {func(v *visitor) string {
			stolen, err := url.Parse(h.answerTo(t, s.visitor(t).begin(""), "mallory"))
			must(t, err)
			return change(h.answerTo(t, v.begin(""), "berta"), "code", stolen.Query().Get("code"))
		}, 403, "Corp did not let you in. It says: “invalid_grant"},
		"a code that was used": {func(v *visitor) string {
			address := v.begin("")
			cookies := v.http.Jar.Cookies(site)
			back := h.answerTo(t, address, "berta")
			if a := v.get(back); a.StatusCode != http.StatusSeeOther {
				t.Errorf("the first time: %s", a.Status)
			}
			if a := v.get(back); a.StatusCode != http.StatusBadRequest {
				t.Errorf("by the reload button: %s", a.Status)
			}
			v.http.Jar, _ = cookiejar.New(nil)
			v.http.Jar.SetCookies(site, cookies)
			return back
		}, 403, "It says: “invalid_grant"},
		"a made-up code": {func(v *visitor) string { return change(h.answerTo(t, v.begin(""), "berta"), "code", "made-up") }, 403, "It says: “invalid_grant"},
		"no code":        {func(v *visitor) string { return change(h.answerTo(t, v.begin(""), "berta"), "code", "") }, 502, "not an answer to trust"},
		"another issuer's answer": {func(v *visitor) string {
			return change(h.answerTo(t, v.begin(""), "berta"), "iss", "https://evil.example")
		}, 502, "not an answer to trust"},
		"refused, with hostile words": {func(v *visitor) string {
			back := change(h.answerTo(t, v.begin(""), "berta"), "error", "access_denied")
			return change(back, "error_description", evil+"\u202e"+strings.Repeat("x", 5000))
		}, 403, "It says: “access_denied: " + evil},
		"hostile words that nobody asked for": {func(v *visitor) string {
			return "/login/oidc/callback?error=access_denied&error_description=Call+0900"
		}, 400, "not begun in this browser"},
		"nothing": {func(v *visitor) string { return "/login/oidc/callback" }, 400, "not begun in this browser"},
	} {
		v := s.visitor(t)
		a := v.get(test.answer(v))
		if a.StatusCode != test.status || !strings.Contains(said(a), test.want) {
			t.Errorf("%s: %s, %q", name, a.Status, said(a))
		}
		if strings.Contains(a.body, evil) || strings.Contains(a.body, "0900") || strings.Contains(a.body, "\u202e") || len(a.body) > 20_000 {
			t.Errorf("%s: the page shows what it was given", name)
		}
		if b := v.get("/account"); b.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: logged in", name)
		}
	}
	if text := s.log.String(); strings.Contains(text, "s3cret") || !strings.Contains(text, "names another issuer") {
		t.Errorf("logged %s", text)
	}
	var audited string
	must(t, s.db.Pool().QueryRow(t.Context(), `SELECT coalesce(string_agg(a::text, ' '), '') FROM audit_entries a`).Scan(&audited))
	if len(h.codes) < 8 {
		t.Errorf("the provider gave out %d codes", len(h.codes))
	}
	for _, code := range append(h.codes, "s3cret", "eyJ", "made-up", "id_token") {
		if code == "" || strings.Contains(s.log.String(), code) || strings.Contains(audited, code) {
			t.Errorf("%q is in the log or the audit list", code)
		}
	}
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/login/oidc"} {
		if to := s.visitor(t).through(h, "berta", next).Header.Get("Location"); to != "/events" {
			t.Errorf("next %q leads to %q", next, to)
		}
	}
	if to := s.visitor(t).through(h, "berta", "/events?q="+strings.Repeat("a", 5000)).Header.Get("Location"); to != "/" {
		t.Errorf("a way back without end leads to %.80q", to)
	}
}

// Passwords let in as the setting says, and a provider that is away says so.
func TestPasswordsBesideAProvider(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		setting   PasswordLogin
		away      bool
		passwords bool
	}{
		{PasswordOn, false, true},
		{PasswordOn, true, true},
		{PasswordOff, false, false},
		{PasswordOff, true, false},
		{PasswordUnreachable, false, false},
		{PasswordUnreachable, true, true},
	} {
		s, h := newProviderSite(t, func(o *Options, _ *oidc.Options) { o.Passwords = test.setting })
		v := s.visitor(t)
		if test.away {
			h.Close()
			a := v.get("/login/oidc")
			if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(said(a), "Corp does not answer") || a.Header.Get("Retry-After") == "" {
				t.Errorf("%s, away: %s", test.setting, a.Status)
			}
		}
		if got := len(v.show("/login").all("#password")) > 0; got != test.passwords {
			t.Errorf("%s, away %t: a password is asked for: %t", test.setting, test.away, got)
		}
		a := v.post("/login", url.Values{"name": {"anna"}, "password": {testPassword}})
		if got := a.StatusCode == http.StatusSeeOther; got != test.passwords || !got && a.StatusCode != http.StatusForbidden {
			t.Errorf("%s, away %t: a password: %s", test.setting, test.away, a.Status)
		}
		// The command line is a way in whatever is set.
		code, err := s.db.CreateLoginCode(t.Context(), "anna")
		must(t, err)
		v = s.visitor(t)
		v.show("/login/once")
		if a := v.post("/login/once", url.Values{"code": {"aaaaa-bbbbb-ccccc-ddddd-eeeee"}}); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("a wrong code: %s", a.Status)
		}
		if a := v.post("/login/once", url.Values{"code": {code}}); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the code: %s", a.Status)
		}
		v.show("/account")
	}
}

func TestNoProvider(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/login/oidc", "/login/oidc/callback?state=x&code=y"} {
		if a := s.visitor(t).get(path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	if len(s.visitor(t).show("/login").all("a.button")) > 0 {
		t.Error("the log-in page names a provider")
	}
}
