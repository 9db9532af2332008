package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"recall/store"
)

// fakeAlerts takes tests, or does not.
type fakeAlerts struct {
	tested []string
	err    error
}

func (f *fakeAlerts) Test(_ context.Context, c *store.AlertChannel) error {
	f.tested = append(f.tested, c.Name)
	return f.err
}

// alert opens one.
func (s *site) alert(t testing.TB, kind, subject, words string, change ...func(*store.Alert)) {
	t.Helper()
	must(t, s.db.ChangeAlerts(t.Context(), func(book *store.AlertBook) error {
		a := &store.Alert{
			Kind: kind, Subject: subject, Level: 1, Words: words, Page: "/sources/shop", OpenedAt: s.db.Now().Add(-time.Hour), SeenAt: s.db.Now(),
			Told: 1, ToldAt: s.db.Now().Add(-time.Hour), TellAt: s.db.Now().Add(time.Hour),
		}
		for _, f := range change {
			f(a)
		}
		book.Alerts = append(book.Alerts, a)
		return nil
	}))
	s.ahead.Add(int64(pulseFresh)) // the mark in the head is looked up anew
}

func TestAlertPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "vera", store.RoleViewer)
	anna, vera := s.as(t, "anna"), s.as(t, "vera")
	page := anna.show("/alerts")
	for _, want := range []string{"Nothing needs anybody", "there is no channel yet", "An admin may add one"} {
		if !strings.Contains(page.text(), want) {
			t.Errorf("no %q in %s", want, page.text())
		}
	}
	if len(page.all(".bell .nav-mark")) > 0 {
		t.Error("the bell counts what is not there")
	}

	s.alert(t, "silence", "shop", "Nothing was accepted since noon.")
	s.alert(t, "spool_in_use", "", hostile, func(a *store.Alert) { a.Instance, a.Page = "host:/"+hostile, "//evil.example" })
	s.alert(t, "replay_stopped", "7", "It stopped.", func(a *store.Alert) { a.ResolvedAt, a.TellAt = s.db.Now(), time.Time{} })
	page = anna.show("/alerts")
	if got := page.one(t, ".bell .nav-mark").text(); !strings.HasPrefix(got, "2") {
		t.Errorf("the bell says %q", got)
	}
	if rows := page.all("table.alerts tbody tr"); len(rows) != 2 {
		t.Fatalf("%d rows", len(rows))
	}
	row := page.one(t, "#alert-1").text()
	for _, want := range []string{"Source shop is silent", "Nothing was accepted since noon.", "docs/runbook.md#recallsilence", "told once", "open", "Acknowledge"} {
		if !strings.Contains(row, want) {
			t.Errorf("no %q in %q", want, row)
		}
	}
	if len(page.all("#alert-2 a")) > 0 {
		t.Error("an alert leads out of the house")
	}
	if text := vera.show("/alerts").text(); !strings.Contains(text, "may acknowledge them") || strings.Contains(text, "Acknowledge…") {
		t.Error("a viewer is offered what may not be done")
	}

	// With a note, which stays on the page and in the audit list.
	if a := anna.post("/alerts/acknowledge", url.Values{"id": {"1"}, "reason": {"the shop moves"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	page = anna.show("/alerts")
	row = page.one(t, "#alert-1").text()
	if !strings.Contains(row, "acknowledged") || !strings.Contains(row, "by anna") || !strings.Contains(row, "the shop moves") {
		t.Errorf("the row says %q", row)
	}
	if got := page.one(t, ".bell .nav-mark").text(); !strings.HasPrefix(got, "1") {
		t.Errorf("the bell says %q", got)
	}
	entries, err := s.db.FindAudit(t.Context(), store.AuditQuery{Action: "alert"})
	must(t, err)
	if len(entries) != 1 || entries[0].Action != "alert.acknowledge" || entries[0].Actor != "anna" || entries[0].Reason != "the shop moves" {
		t.Errorf("audited: %+v", entries)
	}
	a, err := s.db.FindAlert(t.Context(), 1)
	must(t, err)
	if !a.TellAt.IsZero() {
		t.Error("it is repeated all the same")
	}
	for id, want := range map[string]int{"99": http.StatusNotFound, "x": http.StatusBadRequest, "3": http.StatusSeeOther} {
		if a := anna.post("/alerts/acknowledge", url.Values{"id": {id}}); a.StatusCode != want {
			t.Errorf("acknowledging %s: %s", id, a.Status)
		}
	}
	if past := anna.show("/alerts?state=past"); len(past.all("table.alerts tbody tr")) != 1 || !strings.Contains(past.text(), "Replay 7 stopped") {
		t.Errorf("past: %s", past.text())
	}
	for _, path := range []string{"/alerts?state=none", "/alerts?state=past&before=x"} {
		if a := anna.get(path); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
}

func TestAlertPastIsPaged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for n := range shownAlerts + 3 {
		s.alert(t, "replay_stopped", fmt.Sprint(n), "It stopped.", func(a *store.Alert) { a.ResolvedAt, a.TellAt = s.db.Now(), time.Time{} })
	}
	anna := s.as(t, "anna")
	first := anna.show("/alerts?state=past")
	if n := len(first.all("table.alerts tbody tr")); n != shownAlerts {
		t.Errorf("%d rows", n)
	}
	second := anna.show(first.one(t, ".panel-note a").attr("href"))
	if n := len(second.all("table.alerts tbody tr")); n != 3 || len(second.all(".panel-note a")) > 0 {
		t.Errorf("%d rows on the second page", n)
	}
}

// A channel is added, tested, changed and removed by pages, and what is secret of it is never on one.
func TestAlertChannelPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "root", store.RoleAdmin)
	root := s.as(t, "root")
	const secret = "topsecret-path"
	never := func(a answer) {
		t.Helper()
		for _, hidden := range []string{secret, "p4ssword", "t0ken"} {
			if strings.Contains(a.body, hidden) {
				t.Errorf("%s shows %s", a.Request.URL.Path, hidden)
			}
		}
	}
	done := func(a answer) {
		t.Helper()
		never(a)
		if a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s: %s", a.Status, a.page().one(t, "main").text())
		}
	}

	// What is wrong is said at its field, and what was typed stays, secrets sealed.
	wrong := root.post("/alerts/channels", url.Values{
		"kind": {"mail"}, "name": {"Ops!"}, "host": {"smtp.example.org"}, "port": {"many"}, "security": {"none"}, "user": {"recall"}, "password": {"p4ssword"}, "from": {"Recall"}, "to": {""}, "kinds": {"silence", "nonsense"},
	})
	never(wrong)
	if wrong.StatusCode != http.StatusUnprocessableEntity {
		t.Fatal(wrong.Status)
	}
	page := wrong.page()
	for id, want := range map[string]string{
		"#name-error": "lower-case", "#port-error": "1 to 65535", "#from-error": "one mail address", "#to-error": "recipients", "[role=alert]": "over TLS only",
	} {
		if got := page.one(t, id).text(); !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q", id, got, want)
		}
	}
	kept := page.one(t, "[name=password.kept]").attr("value")
	done(root.post("/alerts/channels", url.Values{
		"kind": {"mail"}, "name": {"ops"}, "host": {"smtp.example.org"}, "security": {"starttls"}, "user": {"recall"}, "password.kept": {kept}, "from": {"recall@example.org"},
		"to": {"ops@example.org\r\nnight@example.org"}, "kinds": {"silence", "database_away"},
	}))
	c, err := s.db.FindAlertChannel(t.Context(), "ops")
	must(t, err)
	if c.Mail.Password != "" { // the place it was typed at is the form's own
		if c.Mail.Password != "p4ssword" {
			t.Errorf("the password is %q", c.Mail.Password)
		}
	} else {
		t.Error("the password that was typed is lost")
	}
	if c.Mail.Port != 587 || len(c.Mail.To) != 2 || len(c.Kinds) != 2 {
		t.Errorf("it is %+v", c)
	}
	done(root.post("/alerts/channels", url.Values{"kind": {"webhook"}, "name": {"slack"}, "url": {"https://hooks.example/" + secret}, "format": {"slack"}, "header_name": {"Authorization"}, "header_value": {"Bearer t0ken"}}))
	if a := root.post("/alerts/channels", url.Values{"kind": {"webhook"}, "name": {"slack"}, "url": {"https://hooks.example/"}, "format": {"slack"}}); !strings.Contains(a.page().one(t, "#name-error").text(), "already") {
		t.Error("a name is given twice")
	}

	list := root.get("/alerts")
	never(list)
	for _, want := range []string{"Mail to ops@example.org, night@example.org by smtp.example.org", "Webhook at https://hooks.example/…", "2 kinds", "not tried"} {
		if text := list.page().one(t, "#channels").text(); !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if text := s.as(t, "anna").show("/alerts").text(); strings.Contains(text, "ops@example.org") || !strings.Contains(text, "Mail to 2 recipients") {
		t.Error("addresses of recipients are shown to who may not change them")
	}

	// Empty secrets stay; the rest is as entered.
	form := root.get("/alerts/channels/slack")
	never(form)
	revision := form.page().one(t, "[name=revision]").attr("value")
	done(root.post("/alerts/channels/slack", url.Values{"revision": {revision}, "name": {"chat"}, "url": {""}, "format": {"json"}, "header_name": {"Authorization"}, "header_value": {""}, "paused": {"true"}}))
	c, err = s.db.FindAlertChannel(t.Context(), "chat")
	must(t, err)
	if c.Webhook.URL != "https://hooks.example/"+secret || c.Webhook.HeaderValue != "Bearer t0ken" || c.Webhook.Format != "json" || !c.Paused {
		t.Errorf("it is %+v", c)
	}
	if a := root.post("/alerts/channels/chat", url.Values{"revision": {revision}, "name": {"chat"}, "format": {"json"}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.page().one(t, "main").text(), "was changed after you opened") {
		t.Errorf("a change in between is lost: %s", a.Status)
	}

	// The test button says what came of it, and the page keeps it.
	done(root.post("/alerts/channels/chat/test", nil))
	s.alerts.err = errors.New("the mail server answered 535 invalid credentials")
	done(root.post("/alerts/channels/ops/test", nil))
	text := root.show("/alerts").text()
	for _, want := range []string{"The test by ops did not arrive: the mail server answered 535 invalid credentials.", "failing", "The mail server answered 535"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if fmt.Sprint(s.alerts.tested) != "[chat ops]" {
		t.Errorf("tested %v", s.alerts.tested)
	}

	root.show("/alerts/channels/chat/remove")
	done(root.post("/alerts/channels/chat/remove", url.Values{"reason": {"moved"}}))
	if a := root.get("/alerts/channels/chat"); a.StatusCode != http.StatusNotFound {
		t.Error(a.Status)
	}
	entries, err := s.db.FindAudit(t.Context(), store.AuditQuery{Action: "alert"})
	must(t, err)
	said := fmt.Sprint(entries)
	if len(entries) != 6 || strings.Contains(said, secret) || strings.Contains(said, "p4ssword") || strings.Contains(said, "t0ken") || strings.Contains(said, "ops@example.org") {
		t.Errorf("audited: %s", said)
	}
}
