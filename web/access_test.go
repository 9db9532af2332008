package web

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"recall/static"
	"recall/store"
)

// Nothing answers without a session but log-in and static files.
func TestNothingAnswersWithoutASession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, `{"entityType":"CUSTOMER"}`)
	v := s.visitor(t)
	open := map[string]bool{}
	for _, r := range s.server.routes() {
		method, path, found := strings.Cut(r.pattern, " ")
		if !found {
			method, path = http.MethodGet, r.pattern
		}
		if r.access == public || r.access == anyone {
			open[r.pattern] = true
			continue
		}
		path = strings.NewReplacer("{id}", e.ID.String(), "{slug}", "shop", "{name}", "crm", "{$}", "").Replace(path)
		a := v.do(method, path, url.Values{})
		if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/login") {
			t.Errorf("%s: %s to %q, want a redirect to /login", r.pattern, a.Status, a.Header.Get("Location"))
		}
		a = v.do(method, path, url.Values{}, "HX-Request", "true", "HX-Current-URL", s.URL+"/events?q=source:shop")
		if a.StatusCode != http.StatusUnauthorized || a.Header.Get("HX-Redirect") != "/login?next=%2Fevents%3Fq%3Dsource%3Ashop" {
			t.Errorf("%s by htmx: %s, HX-Redirect %q", r.pattern, a.Status, a.Header.Get("HX-Redirect"))
		}
	}
	for _, want := range []string{"GET /login", "POST /login", "GET /login/code", "POST /login/code", "GET /login/oidc", "GET /login/oidc/callback", "GET /login/oidc/logout", "GET /login/oidc/out", "GET /login/once", "POST /login/once"} {
		if !open[want] {
			t.Errorf("%s is not open", want)
		}
		delete(open, want)
	}
	if len(open) > 0 {
		t.Errorf("open besides: %v", open)
	}
	for _, path := range []string{"/login", static.URL("css/base.css")} {
		if a := v.get(path); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	for _, path := range []string{"/nowhere", "/metrics", "/events/", "/health", "/health/details"} {
		if a := v.get(path); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	if a := v.get("/events?q=source:shop"); a.Header.Get("Location") != "/login?next=%2Fevents%3Fq%3Dsource%3Ashop" {
		t.Errorf("the way back is lost: %s", a.Header.Get("Location"))
	}
	if a := v.post("/events/"+e.ID.String()+"/redispatch", url.Values{"destination": {"crm"}}); a.StatusCode != http.StatusSeeOther || len(s.sent.asked()) > 0 {
		t.Errorf("redispatch without a session: %s, %d sent", a.Status, len(s.sent.asked()))
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, `{}`)
	v := s.as(t, "anna")
	for _, path := range []string{"/events", "/events/" + e.ID.String(), "/login", "/nowhere", "/events/" + e.ID.String() + "/raw"} {
		h := v.get(path).Header
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", path, csp)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: headers %v", path, h)
		}
		if h.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: Strict-Transport-Security without TLS", path)
		}
	}
}

func TestLogIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitor(t)
	page := v.show("/login?next=/sources")
	if page.one(t, "input[name=next]").attr("value") != "/sources" {
		t.Error("the form forgets where to go")
	}

	a := v.post("/login", url.Values{"name": {"anna"}, "password": {"wrong wrong wrong"}})
	if a.StatusCode != http.StatusUnauthorized || a.page().one(t, "[role=alert]").text() != "Name or password is wrong." {
		t.Errorf("wrong password: %s, %q", a.Status, a.page().one(t, "[role=alert]").text())
	}
	if unknown := v.post("/login", url.Values{"name": {"nobody"}, "password": {"wrong wrong wrong"}}); unknown.StatusCode != a.StatusCode ||
		unknown.page().one(t, "[role=alert]").text() != a.page().one(t, "[role=alert]").text() {
		t.Error("an unknown name is answered in another way than a wrong password")
	}

	a = v.post("/login", url.Values{"name": {"anna"}, "password": {testPassword}, "next": {"/sources"}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sources" {
		t.Fatalf("log-in: %s to %q", a.Status, a.Header.Get("Location"))
	}
	if n := len(a.Cookies()); n != 2 {
		t.Fatalf("%d cookies", n)
	}
	c := a.Cookies()[1]
	if c.Name != "recall" || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 12*60*60 {
		t.Errorf("cookie %+v", c)
	}
	v.show("/sources")
	if a := v.get("/login"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("log-in page for who is logged in: %s", a.Status)
	}

	if a := v.post("/logout", url.Values{}); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/login" {
		t.Errorf("log out: %s to %q", a.Status, a.Header.Get("Location"))
	}
	if a := v.get("/events"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("after logging out: %s", a.Status)
	}

	entries, err := s.db.ListAudit(t.Context(), "anna", 10)
	must(t, err)
	actions := map[string]int{}
	for _, e := range entries {
		actions[e.Action]++
	}
	if actions["user.login"] != 1 || actions["user.login_failed"] != 1 || actions["user.logout"] != 1 {
		t.Errorf("audit: %v", actions)
	}
}

func TestNoOpenRedirect(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`} {
		v := s.visitor(t)
		a := v.post("/login", url.Values{"name": {"anna"}, "password": {testPassword}, "next": {next}})
		if to := a.Header.Get("Location"); to != "/events" {
			t.Errorf("next %q leads to %q", next, to)
		}
		if to := v.post("/theme", url.Values{"theme": {"dark"}, "back": {next}}).Header.Get("Location"); to != "/events" {
			t.Errorf("back %q leads to %q", next, to)
		}
	}
}

func TestSecureSite(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Secure = true })
	a := s.visitor(t).post("/login", url.Values{"name": {"anna"}, "password": {testPassword}})
	if n := len(a.Cookies()); n != 2 {
		t.Fatalf("%d cookies", n)
	}
	for _, c := range a.Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-recall") || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %+v", c)
		}
	}
	if a.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "berta", store.RoleViewer)
	s.addUser(t, "carla", store.RoleViewer)
	anna, berta, carla := s.as(t, "anna"), s.as(t, "berta"), s.as(t, "carla")
	loggedIn := func(v *visitor) bool { return v.get("/events").StatusCode == http.StatusOK }

	must(t, s.db.SetPassword(t.Context(), "berta", "another password"))
	must(t, s.db.RemoveUser(t.Context(), "carla"))
	if !loggedIn(anna) || loggedIn(berta) || loggedIn(carla) {
		t.Error("want only anna to be logged in, after berta's password changed and carla was removed")
	}
	for ahead := time.Hour; ahead < defaultAge; ahead += time.Hour {
		if s.ahead.Store(int64(ahead)); !loggedIn(anna) {
			t.Fatalf("a session in use ended after %s", ahead)
		}
	}
	if s.ahead.Store(int64(defaultAge + time.Minute)); loggedIn(anna) {
		t.Error("a session in use did not end")
	}
	idle := s.as(t, "anna")
	s.ahead.Add(int64(defaultIdle - time.Minute))
	if !loggedIn(idle) {
		t.Error("an idle session ended too early")
	}
	s.ahead.Add(int64(defaultIdle + time.Minute))
	if loggedIn(idle) {
		t.Error("an idle session did not end")
	}
}

// Sessions are the server's: each is seen by its user, and ended by the user or an admin, with what its cookie was worth.
func TestSessionsAreEndedByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	desk, phone, admin := s.as(t, "anna"), s.as(t, "anna"), s.admin(t)
	loggedIn := func(v *visitor) bool { return v.get("/account").StatusCode == http.StatusOK }

	rows := desk.show("/account").all("#sessions tbody tr")
	if len(rows) != 2 {
		t.Fatalf("%d sessions listed, want 2", len(rows))
	}
	for _, row := range rows {
		if forms := row.all("form"); len(forms) > 0 {
			id := row.one(t, "[name=id]").attr("value")
			if a := admin.post("/account/sessions", url.Values{"id": {id}}); a.StatusCode != http.StatusSeeOther || !loggedIn(phone) {
				t.Error("somebody else's session was ended")
			}
			desk.post("/account/sessions", url.Values{"id": {id}})
		}
	}
	if !loggedIn(desk) || loggedIn(phone) {
		t.Error("want the phone alone to be logged out")
	}
	again := s.as(t, "anna")
	desk.post("/account/sessions", url.Values{})
	if !loggedIn(desk) || loggedIn(again) {
		t.Error("want all others to be logged out")
	}
	admin.post("/users/anna/sessions", url.Values{"reason": {"lost laptop"}})
	if loggedIn(desk) {
		t.Error("an admin could not log somebody out")
	}
	out := s.as(t, "anna")
	cookies := out.http.Jar.Cookies(must1(url.Parse(s.URL)))
	out.post("/logout", url.Values{})
	if a := s.visitor(t).get("/account", "Cookie", cookies[0].String()); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the cookie of a session that was logged out: %s", a.Status)
	}
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A cookie made by someone else, or cut, is as good as none.
func TestForgedCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, value := range []string{"", "x", strings.Repeat("A", 3000), "MTczNTY4OTYwMHxEdi1CQkFFQ180SUFBUkFCRUFBQQ=="} {
		a := s.visitor(t).get("/events", "Cookie", "recall="+value)
		if a.StatusCode != http.StatusSeeOther {
			t.Errorf("cookie %.20q: %s", value, a.Status)
		}
	}
}

func TestFailedLogInsAreSlowedDown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.visitor(t)
	wrong := url.Values{"name": {"anna"}, "password": {"wrong wrong wrong"}}
	var a answer
	for range freeTogether {
		a = v.post("/login", wrong)
	}
	if text := a.page().one(t, "[role=alert]").text(); !strings.Contains(text, "The next attempt is possible in 10 s.") {
		t.Errorf("the last free failure says %q", text)
	}
	a = v.post("/login", url.Values{"name": {"anna"}, "password": {testPassword}})
	if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" || !strings.Contains(a.page().one(t, "[role=alert]").text(), "Try again in") {
		t.Errorf("while locked: %s, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
	}
	s.ahead.Store(int64(firstLock + time.Second))
	s.as(t, "anna")
}

func TestOtherSitesMayNotPost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, `{"entityType":"CUSTOMER"}`)
	s.addUser(t, "ada", store.RoleAdmin)
	v := s.as(t, "ada")
	before := s.audit(t)
	asked := 0
	for _, route := range s.server.routes() {
		method, pattern, _ := strings.Cut(route.pattern, " ")
		if method != http.MethodPost {
			continue
		}
		path := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllLiteralString(pattern, e.ID.String())
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			a := v.post(path, url.Values{"destination": {"crm"}, "reason": {"mine"}}, headers...)
			if a.StatusCode != http.StatusForbidden || !strings.Contains(a.page().one(t, "main").text(), "another site") {
				t.Errorf("POST %s with %v: %s", path, headers, a.Status)
			}
			asked++
		}
	}
	if asked < 150 {
		t.Errorf("only %d forms were sent", asked)
	}
	if len(s.sent.asked()) > 0 || s.audit(t) != before {
		t.Error("something was done")
	}
	v.show("/events") // still logged in
}

func TestViewersOnlyLook(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "vera", store.RoleViewer)
	e := s.record(t, `{"entityType":"CUSTOMER"}`)
	v := s.as(t, "vera")
	page := v.show("/events/" + e.ID.String())
	if !page.one(t, ".redispatch fieldset").has("disabled") || !strings.Contains(page.one(t, "#redispatch-why").text(), "viewer") {
		t.Error("the form is not disabled with a reason")
	}
	a := v.post("/events/"+e.ID.String()+"/redispatch", url.Values{"destination": {"crm"}})
	if a.StatusCode != http.StatusForbidden || len(s.sent.asked()) > 0 {
		t.Errorf("redispatch: %s, %d sent", a.Status, len(s.sent.asked()))
	}
}

func TestChangePassword(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here, elsewhere := s.as(t, "anna"), s.as(t, "anna")
	const fresh = "staple battery horse"
	for name, test := range map[string]struct {
		form url.Values
		says string
	}{
		"wrong current": {url.Values{"current": {"not this one"}, "password": {fresh}, "again": {fresh}}, "current password is wrong"},
		"too short":     {url.Values{"current": {testPassword}, "password": {"short"}, "again": {"short"}}, "at least 10"},
		"different":     {url.Values{"current": {testPassword}, "password": {fresh}, "again": {fresh + "!"}}, "differ"},
		"too long":      {url.Values{"current": {testPassword}, "password": {strings.Repeat("x", 1001)}, "again": {strings.Repeat("x", 1001)}}, "at most 1000"},
	} {
		a := here.post("/account/password", test.form)
		if a.StatusCode < 400 || !strings.Contains(a.page().one(t, "[role=alert]").text(), test.says) {
			t.Errorf("%s: %s, want it to say %q", name, a.Status, test.says)
		}
	}
	a := here.post("/account/password", url.Values{"current": {testPassword}, "password": {fresh}, "again": {fresh}})
	if a.StatusCode != http.StatusSeeOther {
		t.Fatalf("changing: %s", a.Status)
	}
	if text := here.show("/account").one(t, "[role=status]").text(); !strings.Contains(text, "password is changed") {
		t.Errorf("message %q", text)
	}
	if elsewhere.get("/events").StatusCode != http.StatusSeeOther {
		t.Error("the other session goes on")
	}
	if a := s.visitor(t).post("/login", url.Values{"name": {"anna"}, "password": {fresh}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("logging in with the new password: %s", a.Status)
	}
}

func TestTheme(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")
	if v.show("/events").one(t, "html").has("data-theme") {
		t.Error("a theme before one was chosen")
	}
	if a := v.post("/theme", url.Values{"theme": {"dark"}, "back": {"/sources"}}); a.Header.Get("Location") != "/sources" {
		t.Errorf("back to %q", a.Header.Get("Location"))
	}
	if got := v.show("/events").one(t, "html").attr("data-theme"); got != "dark" {
		t.Errorf("theme %q", got)
	}
	v.post("/theme", url.Values{"theme": {"system"}})
	if v.show("/events").one(t, "html").has("data-theme") {
		t.Error("the theme is not forgotten")
	}
	if a := v.post("/theme", url.Values{"theme": {"\"><script>"}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("unknown theme: %s", a.Status)
	}
}

func TestErrorPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")
	for path, says := range map[string]string{
		"/nowhere":       "no page at this address",
		"/events/12":     "“12” is not the id of an event",
		"/events/../x":   "",
		"/sources/none":  "no source “none”",
		"/events/%00%ff": "is not the id of an event",
		"/events/0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b":     "no event 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b",
		"/events/0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b/raw": "no event",
		"/destinations/none":                               "no destination “none”",
	} {
		a := v.get(path)
		if says == "" {
			continue
		}
		if a.StatusCode != http.StatusNotFound || !strings.Contains(a.page().one(t, "main").text(), says) {
			t.Errorf("%s: %s, want it to say %q; it says %q", path, a.Status, says, a.page().one(t, "main").text())
		}
		if len(a.page().all("nav[aria-label=Main]")) != 1 {
			t.Errorf("%s: the error page has no way on", path)
		}
	}
	if a := v.get("/events?before=nonsense"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a broken page address: %s", a.Status)
	}
	if a := v.post("/theme", url.Values{"theme": {strings.Repeat("x", maxForm)}}); a.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a form too large: %s", a.Status)
	}
}

// What breaks in here is told under an id that the log has, and nothing else.
func TestErrorIDIsInTheLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, handle := range map[string]func(http.ResponseWriter, *http.Request) error{
		"error": func(http.ResponseWriter, *http.Request) error { return errors.New("SELECT s3cret") },
		"panic": func(http.ResponseWriter, *http.Request) error { panic("s3cret") },
	} {
		w := httptest.NewRecorder()
		s.server.page(public, handle).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/broken", nil))
		id := parsePage(t, w.Body).one(t, "main code").text()
		if w.Code != http.StatusInternalServerError || !strings.Contains(s.log.String(), "error_id="+id) {
			t.Errorf("%s: status %d, id %q not in the log", name, w.Code, id)
		}
		if containsSecret(w.Body.String()) {
			t.Errorf("%s: the page tells what broke", name)
		}
	}
}

func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")
	s.db.Pool().Close()
	a := v.get("/events")
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(a.page().one(t, "main").text(), "database does not answer") {
		t.Errorf("page: %s: %s", a.Status, a.page().one(t, "main").text())
	}
	if a := s.visitor(t).get("/login"); a.StatusCode != http.StatusOK {
		t.Errorf("log-in page: %s", a.Status)
	}
}
