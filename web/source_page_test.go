package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// sentTest records a test callback as if the receiver had taken it. A source named "away" has none.
type sentTest struct {
	t    testing.TB
	site *site
}

func (s sentTest) SendTest(_ context.Context, source *store.Source) (uuid.UUID, error) {
	if source.Name == "away" {
		return uuid.Nil, errors.New("the receiver does not answer")
	}
	return s.site.record(s.t, `{"entityType":"RECALL_TEST","callbackType":"TEST","entityId":"1","entity":{}}`).ID, nil
}

// admin is a visitor who may change settings.
func (s *site) admin(t testing.TB) *visitor {
	t.Helper()
	s.addUser(t, "ada", store.RoleAdmin)
	return s.as(t, "ada")
}

// shop reads the source anew.
func (s *site) shop(t testing.TB) *store.Source {
	t.Helper()
	source, err := s.db.FindSource(t.Context(), "shop")
	must(t, err)
	return source
}

// said is the message on the page that an answer leads to.
func (v *visitor) said(a answer) string {
	v.t.Helper()
	if a.StatusCode != http.StatusSeeOther {
		v.t.Fatalf("%s: %s", a.Status, a.page().one(v.t, "main").text())
	}
	return v.show(a.Header.Get("Location")).one(v.t, "[role=status]").text()
}

// audited are the latest audit entries of a subject, newest first.
func (s *site) audited(t testing.TB, subject string) []store.AuditEntry {
	t.Helper()
	entries, err := s.db.ListAudit(t.Context(), subject, 100)
	must(t, err)
	return entries
}

// count lets the counts catch up. A transaction of another test, in another database of the same server, can hold them up
// for a moment.
func (s *site) count(t testing.TB) {
	t.Helper()
	for {
		must(t, s.db.Rollup(t.Context(), nil))
		var all bool
		must(t, s.db.Pool().QueryRow(t.Context(), `
			SELECT (SELECT count(*) FROM events WHERE entity_type <> 'RECALL_TEST') = (SELECT coalesce(sum(events), 0) FROM source_hours)`).Scan(&all))
		if all {
			return
		}
		runtime.Gosched()
	}
}

// Settings are for admins; others are told so, on the page and by every form.
func TestSettingsAreForAdmins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "vera", store.RoleViewer)
	anna, vera := s.as(t, "anna"), s.as(t, "vera")
	before, n := s.shop(t), 0
	for _, r := range s.server.routes() {
		if r.access != settings {
			continue
		}
		n++
		method, path, _ := strings.Cut(r.pattern, " ")
		path = strings.ReplaceAll(path, "{slug}", "shop")
		for _, v := range []*visitor{anna, vera} {
			a := v.do(method, path, url.Values{"what": {"secret"}, "name": {"first"}, "reason": {"because"}, "enabled": {"false"}})
			if a.StatusCode != http.StatusForbidden || !strings.Contains(a.page().one(t, "main").text(), "without the right “settings”") || containsSecret(a.body) {
				t.Errorf("%s: %s: %s", r.pattern, a.Status, a.page().one(t, "main").text())
			}
		}
	}
	if n < 15 {
		t.Errorf("only %d routes are for admins", n)
	}
	if after := s.shop(t); after.Revision != before.Revision {
		t.Error("something was changed")
	}
	for name, v := range map[string]*visitor{"operator": anna, "viewer": vera} {
		page := v.show("/sources/shop")
		if text := page.one(t, "main").text(); !strings.Contains(text, "Your role is "+name+". An admin may change these settings") || strings.Contains(text, "Reveal") {
			t.Errorf("%s: %s", name, text)
		}
		if n := len(page.all("main form")); n != map[string]int{"operator": 1, "viewer": 0}[name] { // the test callback
			t.Errorf("%s: %d forms", name, n)
		}
	}
	if a := vera.post("/sources/shop/test", url.Values{}); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer sends a test callback: %s", a.Status)
	}
}

func TestEnableAndDisable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	form := v.show("/sources/shop").one(t, "form[action=/sources/shop/enabled] button")
	if form.text() != "Disable" || form.attr("value") != "false" {
		t.Errorf("button %q", form.text())
	}
	if text := v.said(v.post("/sources/shop/enabled", url.Values{"enabled": {"false"}})); !strings.Contains(text, "disabled") || s.shop(t).Enabled {
		t.Errorf("disabled: %q", text)
	}
	if text := v.said(v.post("/sources/shop/enabled", url.Values{"enabled": {"true"}})); !strings.Contains(text, "is enabled") || !s.shop(t).Enabled {
		t.Errorf("enabled: %q", text)
	}
	v.post("/sources/shop/enabled", url.Values{"enabled": {"true"}}) // once more changes nothing
	if a := v.post("/sources/shop/enabled", url.Values{"enabled": {"perhaps"}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("neither: %s", a.Status)
	}
	entries := s.audited(t, "shop")
	if len(entries) != 2 || entries[1].Actor != "ada" || entries[1].Action != "source.set" {
		t.Fatalf("audit list: %+v", entries)
	}
	if enabled, _ := entries[1].Detail["enabled"].(map[string]any); enabled["before"] != true || enabled["after"] != false || entries[1].Detail["address"] == "" {
		t.Errorf("detail: %v", entries[1].Detail)
	}
}

func TestRemoveSource(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, `{}`)
	v := s.admin(t)
	text := v.show("/sources/shop/remove").one(t, "main").text()
	for _, want := range []string{"Its events stay", "https://recall.example/callbacks/shop are answered 404", "The latest callback came just now"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if a := v.post("/sources/shop/remove", url.Values{"reason": {strings.Repeat("x", store.MaxReason+1)}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a long reason: %s", a.Status)
	}
	if text := v.said(v.post("/sources/shop/remove", url.Values{"reason": {"moved"}})); text != "The source Shop is removed. Its events stay." {
		t.Errorf("said %q", text)
	}
	if _, err := s.db.FindSource(t.Context(), "shop"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the source is still there: %v", err)
	}
	v.show("/events/" + e.ID.String())
	if entries := s.audited(t, "shop"); len(entries) != 1 || entries[0].Action != "source.remove" || entries[0].Reason != "moved" {
		t.Errorf("audit list: %+v", entries)
	}
	for _, path := range []string{"/sources/shop", "/sources/shop/edit", "/sources/shop/remove", "/sources/shop/secret?name=first"} {
		if a := v.get(path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
}

func TestTestCallback(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	everything, others := "", "type:order.*"
	for name, match := range map[string]*string{"all": &everything, "orders": &others} {
		d := &store.Destination{Name: name, URL: "https://" + name + ".example", Match: match, Signing: store.SigningNone, Timeout: time.Second, State: store.DestinationActive}
		must(t, s.db.CreateDestination(t.Context(), d))
	}
	v := s.as(t, "anna")
	if text := v.show("/sources/shop").one(t, "[aria-labelledby=test-title]").text(); !strings.Contains(text, "it is sent on, to all.") {
		t.Errorf("the page does not say where it goes: %q", text)
	}
	a := v.post("/sources/shop/test", url.Values{})
	if text := v.said(a); !strings.HasPrefix(text, "This is the test callback.") {
		t.Errorf("said %q", text)
	}
	page := v.show(a.Header.Get("Location"))
	if text := page.one(t, ".event-title").text(); !strings.Contains(text, "test") || strings.Contains(text, "new type") {
		t.Errorf("the event's title: %q", text)
	}
	if rows := v.show("/events").all(".row"); len(rows) != 1 || !strings.Contains(rows[0].text(), "test") {
		t.Error("the list does not mark the test")
	}
	if entries := s.audited(t, "shop"); len(entries) != 1 || entries[0].Action != "source.test" || entries[0].Actor != "anna" {
		t.Errorf("audit list: %+v", entries)
	}

	source := s.shop(t)
	source.Name = "away"
	must(t, s.db.UpdateSource(t.Context(), source))
	a = v.post("/sources/shop/test", url.Values{})
	if a.StatusCode != http.StatusBadGateway || !strings.Contains(a.page().one(t, "main").text(), "The test callback became no event: the receiver does not answer.") {
		t.Errorf("receiver away: %s, %q", a.Status, a.page().one(t, "main").text())
	}
	source.Secrets = nil
	must(t, s.db.UpdateSource(t.Context(), source))
	if a := v.post("/sources/shop/test", url.Values{}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("without a secret: %s", a.Status)
	}
	page = v.show("/sources/shop")
	if len(page.all("form[action=/sources/shop/test]")) > 0 || !strings.Contains(page.one(t, ".notice").text(), "No secret of this source is valid now") {
		t.Error("without a secret the page offers a test, or says nothing of it")
	}
}

func TestUnexpectedTypesAreMarked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, customerBody, func(e *store.Event) { e.UnexpectedType = true })
	s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"7"}`)
	v := s.as(t, "anna")
	rows := v.show("/events").all(".row")
	if len(rows) != 2 || strings.Contains(rows[0].text(), "unexpected") || !strings.Contains(rows[1].text(), "unexpected type") {
		t.Error("the list marks the wrong ones")
	}
	if text := v.show("/events/"+e.ID.String()).one(t, ".event-title").text(); !strings.Contains(text, "unexpected type") {
		t.Errorf("the event's title: %q", text)
	}
}

// A source of which a part cannot be read is not changed by the way; giving the part up is a step of its own.
func TestUnreadableSourcePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, err := s.db.Pool().Exec(t.Context(), `UPDATE source_headers SET sealed = '\x00'`)
	must(t, err)
	v := s.admin(t)
	page := v.show("/sources/shop")
	if text := page.one(t, "[role=alert]").text(); !strings.Contains(text, "cannot be decrypted") {
		t.Errorf("notice %q", text)
	}
	for path, form := range map[string]url.Values{
		"/sources/shop": {"name": {"x"}, "tolerance": {"5m"}, "late_window": {"0"}}, "/sources/shop/enabled": {"enabled": {"false"}},
		"/sources/shop/rotate": {"secret": {"x"}, "name": {"x"}, "overlap": {"0"}}, "/sources/shop/secret/remove": {"name": {"first"}},
	} {
		if a := v.post(path, form); a.StatusCode != http.StatusForbidden || !strings.Contains(a.page().one(t, "main").text(), "would be lost") {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	text := v.show(page.one(t, "[role=alert] a").attr("href")).one(t, "main").text()
	for _, want := range []string{"first", "signature and basic authentication", "disabled until you have set that anew"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if text := v.said(v.post("/sources/shop/unreadable", url.Values{})); !strings.Contains(text, "given up") {
		t.Errorf("said %q", text)
	}
	if source := s.shop(t); source.Unreadable || source.Enabled || len(source.Secrets) != 1 || source.Headers != nil {
		t.Errorf("given up: %+v", source)
	}
	for _, do := range []func() answer{func() answer { return v.get("/sources/shop/unreadable") }, func() answer { return v.post("/sources/shop/unreadable", url.Values{}) }} {
		if a := do(); a.StatusCode != http.StatusBadRequest {
			t.Errorf("nothing to give up: %s", a.Status)
		}
	}
}

func TestWhatToEnterAtTheSender(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.PublicURL = "http://127.0.0.1:8080" })
	must(t, s.db.CreateSource(t.Context(), &store.Source{
		Slug: "hooks", Name: "Hooks", Enabled: true, Tolerance: time.Minute, Scheme: verify.StandardWebhooks, Secrets: []verify.Secret{{Name: "a", Key: "whsec_c2VjcmV0"}},
	}))
	v := s.admin(t)
	text := v.show("/sources/hooks").one(t, "[aria-labelledby=setup-title]").text()
	if !strings.Contains(text, "standard-webhooks") || strings.Contains(text, "Merchant Backend") || strings.Contains(text, "simulate") {
		t.Errorf("another sender: %q", text)
	}
	page := v.show("/sources/shop")
	text = page.one(t, "[aria-labelledby=setup-title]").text()
	for _, want := range []string{"Merchant Backend", "http://127.0.0.1:8080/callbacks/shop", "It reaches this machine only. Set RECALL_PUBLIC_URL", "Tick Endpoint requires authentication", "--secret-file FILE --basic-file FILE --header-file FILE"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	for _, button := range page.all("[data-copy]") {
		if !button.has("hidden") || !strings.Contains(text, button.attr("data-copy")) {
			t.Errorf("%q can be copied by script only", button.attr("data-copy"))
		}
	}
}
