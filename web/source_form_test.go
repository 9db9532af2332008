package web

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"recall/store"
	"recall/verify"
)

// filled is what a browser would send of a form: the page's own fields, with some of them changed.
func filled(t testing.TB, page element, selector string, changed url.Values) url.Values {
	t.Helper()
	values := url.Values{}
	form := page.one(t, selector)
	for _, input := range form.all("input") {
		kind := input.attr("type")
		if input.attr("name") == "" || (kind == "checkbox" || kind == "radio") && !input.has("checked") {
			continue
		}
		values.Add(input.attr("name"), input.attr("value"))
	}
	for _, area := range form.all("textarea") {
		var text string
		for n := range area.Descendants() {
			text += n.Data
		}
		values.Add(area.attr("name"), text)
	}
	for name, list := range changed {
		values.Del(name)
		for _, value := range list {
			values.Add(name, value)
		}
	}
	return values
}

func TestAddSource(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	if got := v.show("/sources").one(t, ".page-head a").attr("href"); got != "/sources/_new" {
		t.Errorf("the list leads to %q", got)
	}
	form := filled(t, v.show("/sources/_new"), ".sheet", url.Values{
		"slug": {"blog"}, "name": {" Blog "}, "secret": {"s3cret,=&+ü"}, "user": {"plenigo"}, "password": {"s3cret:p"},
		"header_name.0": {"x-token"}, "header_value.0": {"s3cret-value"}, "tolerance": {"90 s"}, "late_window": {"2d"},
		"observe": {"true"}, "expected_types": {"Customer.*\r\norder.creation"},
	})
	a := v.post("/sources", form)
	if text := v.said(a); a.Header.Get("Location") != "/sources/blog" || !strings.Contains(text, "is added") {
		t.Errorf("to %s, %q", a.Header.Get("Location"), text)
	}
	got, err := s.db.FindSource(t.Context(), "blog")
	must(t, err)
	want := &store.Source{
		ID: got.ID, CreatedAt: got.CreatedAt, Revision: got.Revision, Slug: "blog", Name: "Blog", Enabled: true, Observe: true,
		Tolerance: 90 * time.Second, LateWindow: 48 * time.Hour, ExpectedTypes: []string{"customer.*", "order.creation"},
		Secrets: []verify.Secret{{Name: got.CreatedAt.UTC().Format(time.DateOnly), Key: "s3cret,=&+ü"}},
		Basic:   &verify.BasicAuth{User: "plenigo", Password: "s3cret:p"}, Headers: []verify.Header{{Name: "X-Token", Value: "s3cret-value"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	entries := s.audited(t, "blog")
	if len(entries) != 1 || entries[0].Action != "source.add" || entries[0].Detail["basic_user"] != "plenigo" {
		t.Errorf("audit list: %+v", entries)
	}
	for _, path := range []string{"/sources", "/sources/blog", "/sources/blog/edit"} {
		if a := v.get(path); containsSecret(a.body) {
			t.Errorf("%s shows a secret", path)
		}
	}
	if a := v.post("/sources", form); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.page().one(t, "#slug-error").text(), "There is a source “blog” already") {
		t.Errorf("the same slug again: %s", a.Status)
	}
}

// What is wrong stands beside its field, what was typed is still there, and nothing secret is.
func TestMistakesStandBesideTheirFields(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	for name, test := range map[string]struct{ field, value, wrongField, says string }{
		"slug":              {"slug", "My Blog", "slug", "must be lower-case letters"},
		"page of ours":      {"slug", "_new", "slug", "must be lower-case letters"},
		"no name":           {"name", " ", "name", "is empty"},
		"secret with blank": {"secret", "s3cret ", "secret", "begins or ends with a blank"},
		"secret with tab":   {"secret", "s3c\tret", "secret", "cannot be typed"},
		"user":              {"user", "a:b", "user", "colon"},
		"no password":       {"password", "", "password", "A user needs a password."},
		"no user":           {"user", "", "user", "A password needs a user."},
		"header name":       {"header_name.0", "a b", "header_name.0", "not a header name"},
		"no header name":    {"header_name.0", "", "header_name.0", "needs the name of its header"},
		"no header value":   {"header_value.0", "", "header_value.0", "needs a value"},
		"blank value":       {"header_value.0", " x", "header_value.0", "blank"},
		"header twice":      {"header_name.1", "x-TOKEN", "header_name.1", "there twice"},
		"tolerance":         {"tolerance", "soon", "tolerance", "“soon” is no length of time"},
		"no tolerance":      {"tolerance", "0", "tolerance", "longer than zero"},
		"half seconds":      {"late_window", "1500ms", "late_window", "whole seconds"},
		"negative":          {"late_window", "-1h", "late_window", "must not be negative"},
		"long":              {"late_window", "4000d", "late_window", "10 years"},
		"type":              {"expected_types", "customer.creation.now", "expected_types", "is no type"},
		"scheme":            {"scheme", "morse", "own_scheme", "is not a signing scheme"},
		"own scheme":        {"scheme", "own", "own_scheme", "Write the scheme here"},
		"another's secrets": {"scheme", "standard-webhooks", "secret", "base64"},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{
				"slug": {"blog"}, "name": {"Blog"}, "secret": {"s3cret_key"}, "user": {"plenigo"}, "password": {"s3cret"}, "enabled": {"true"},
				"header_was": {"", ""}, "header_name.0": {"X-Token"}, "header_value.0": {"s3cret"}, "header_value.1": {""},
				"tolerance": {"5m"}, "late_window": {"32h"}, "scheme": {"plenigo"}, "expected_types": {"order.*"},
			}
			form.Set(test.field, test.value)
			if test.field == "header_name.1" {
				form.Set("header_value.1", "s3cret")
			}
			a := v.post("/sources", form)
			if a.StatusCode != http.StatusUnprocessableEntity {
				t.Fatalf("%s", a.Status)
			}
			page := a.page()
			input := page.one(t, "[id="+test.wrongField+"]")
			message := page.one(t, "[id="+test.wrongField+"-error]").text()
			if !strings.Contains(message, test.says) {
				t.Errorf("says %q, want %q", message, test.says)
			}
			if input.attr("aria-invalid") != "true" || !strings.HasPrefix(input.attr("aria-describedby"), test.wrongField+"-error") || !input.has("autofocus") {
				t.Error("the field is not marked, described, or where to go on")
			}
			alert := page.one(t, "[role=alert]")
			if n := len(alert.all("a")); n != 1 || alert.one(t, "a").attr("href") != "#"+test.wrongField {
				t.Errorf("the summary has %d ways", n)
			}
			if containsSecret(a.body) {
				t.Error("the page shows a secret")
			}
			for _, kept := range []string{"slug", "name", "user", "tolerance", "late_window"} {
				if got := page.one(t, "#"+kept).attr("value"); got != strings.TrimSpace(form.Get(kept)) {
					t.Errorf("%s: %q is lost, there is %q", kept, form.Get(kept), got)
				}
			}

			// Sent again with only the mistake mended, the secrets that were typed count.
			if test.field == "secret" || test.field == "password" || strings.HasPrefix(test.field, "header") || test.field == "scheme" {
				return
			}
			right := map[string]string{"slug": "blog", "name": "Blog", "user": "plenigo", "tolerance": "5m", "late_window": "32h", "expected_types": "order.*"}[test.field]
			if a := v.post("/sources", filled(t, page, ".sheet", url.Values{test.field: {right}})); a.StatusCode != http.StatusSeeOther {
				t.Fatalf("mended: %s: %s", a.Status, a.page().one(t, "main").text())
			}
			source, err := s.db.FindSource(t.Context(), "blog")
			must(t, err)
			if source.Secrets[0].Key != "s3cret_key" || source.Basic.Password != "s3cret" || source.Headers[0].Value != "s3cret" {
				t.Errorf("mended: %+v", source)
			}
			must(t, s.db.RemoveSource(t.Context(), "blog"))
		})
	}
}

// What one person typed into one field is of no use to another person, or in another field.
func TestKeptSecretsAreBoundToTheirPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	page := v.post("/sources", url.Values{"secret": {"s3cret"}, "header_was": {""}, "header_value.0": {"s3cret"}}).page()
	secret, header := page.one(t, "[name=secret.kept]").attr("value"), page.one(t, "[name=header_value.0.kept]").attr("value")
	if secret == "" || header == "" {
		t.Fatal("nothing is kept")
	}
	s.addUser(t, "otto", store.RoleAdmin)
	otto := s.as(t, "otto")
	for name, kept := range map[string]bool{
		"own":       len(v.post("/sources", url.Values{"secret.kept": {secret}}).page().all("[name=secret.kept]")) == 1,
		"other":     len(otto.post("/sources", url.Values{"secret.kept": {secret}}).page().all("[name=secret.kept]")) == 1,
		"swapped":   len(v.post("/sources", url.Values{"secret.kept": {header}}).page().all("[name=secret.kept]")) == 1,
		"elsewhere": len(v.post("/sources/shop/rotate", url.Values{"secret.kept": {secret}}).page().all("[name=secret.kept]")) == 1,
		"forged":    len(v.post("/sources", url.Values{"secret.kept": {"AAAA"}}).page().all("[name=secret.kept]")) == 1,
	} {
		if kept != (name == "own") {
			t.Errorf("%s: taken %t", name, kept)
		}
	}
}

func TestEditSource(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	edit := func(changed url.Values) answer {
		t.Helper()
		return v.post("/sources/shop", filled(t, v.show("/sources/shop/edit"), ".sheet", changed))
	}
	if text := v.said(edit(nil)); !strings.Contains(text, "Nothing was different") || s.shop(t).Revision != 2 || len(s.audited(t, "shop")) != 0 {
		t.Errorf("nothing changed: %q, revision %d", text, s.shop(t).Revision)
	}
	before := s.shop(t)
	if text := v.said(edit(url.Values{
		"name": {"Tea"}, "user": {"other"}, "tolerance": {"1m"}, "late_window": {"0"}, "enabled": nil, "expected_types": {"order"},
		"header_name.0": {"X-Renamed"}, "header_name.1": {"X-More"}, "header_value.1": {"s3cret-more"},
	})); !strings.Contains(text, "saved") {
		t.Errorf("said %q", text)
	}
	want := *before
	want.Name, want.Enabled, want.Tolerance, want.LateWindow, want.ExpectedTypes, want.Revision = "Tea", false, time.Minute, 0, []string{"order"}, before.Revision+1
	want.Basic = &verify.BasicAuth{User: "other", Password: "s3cret"}
	want.Headers = []verify.Header{{Name: "X-More", Value: "s3cret-more"}, {Name: "X-Renamed", Value: "s3cret"}}
	if got := s.shop(t); !reflect.DeepEqual(got, &want) {
		t.Errorf("got  %+v\nwant %+v", got, &want)
	}
	entry := s.audited(t, "shop")[0]
	if entry.Action != "source.set" || !reflect.DeepEqual(entry.Detail["headers"], map[string]any{"before": []any{"X-Shop-Token"}, "after": []any{"X-More", "X-Renamed"}}) {
		t.Errorf("audit list: %+v", entry)
	}

	edit(url.Values{"password": {"s3cret-2"}, "header_name.0": {""}, "header_name.1": {""}})
	if got := s.shop(t); got.Basic.Password != "s3cret-2" || got.Headers != nil {
		t.Errorf("password and no headers: %+v", got)
	}
	if entry := s.audited(t, "shop")[0]; !reflect.DeepEqual(entry.Detail["replaced"], []any{"basic password"}) {
		t.Errorf("audit list: %+v", entry)
	}
	edit(url.Values{"user": {""}, "observe": {"true"}})
	if got := s.shop(t); got.Basic != nil || !got.Observe {
		t.Errorf("without basic authentication: %+v", got)
	}
	own := verify.Plenigo
	own.Name = "mine"
	edit(url.Values{"scheme": {"own"}, "own_scheme": {own.String()}})
	if got := s.shop(t); got.Scheme != own {
		t.Errorf("own scheme: %+v", got.Scheme)
	}
	if page := v.show("/sources/shop/edit"); !strings.Contains(page.one(t, "#own_scheme").text(), `"name": "mine"`) {
		t.Error("the form does not show the scheme")
	}
	a := edit(url.Values{"scheme": {"standard-webhooks"}})
	if text := a.page().one(t, "[id=own_scheme-error]").text(); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, `The secret "first" is not base64`) {
		t.Errorf("a scheme that the secrets do not fit: %s: %q", a.Status, text)
	}
}

// "More header pairs" saves nothing, and loses nothing.
func TestMoreRows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	page := v.show("/sources/shop/edit")
	rows := func(page element) int { return len(page.all("[name=header_was]")) }
	if n := rows(page); n != 3 {
		t.Fatalf("%d rows at first", n)
	}
	form := filled(t, page, ".sheet", url.Values{"more": {"headers"}, "name": {"Tea"}, "tolerance": {"soon"}, "header_name.2": {"X-Two"}, "header_value.2": {"s3cret-two"}})
	a := v.post("/sources/shop", form)
	page = a.page()
	if a.StatusCode != http.StatusOK || rows(page) != 7 || containsSecret(a.body) {
		t.Fatalf("%s, %d rows", a.Status, rows(page))
	}
	if page.one(t, "#name").attr("value") != "Tea" || page.one(t, "#tolerance").attr("value") != "soon" || len(page.all("[role=alert]")) > 0 {
		t.Error("what was typed is lost, or judged")
	}
	if !page.one(t, "[id=header_name.3]").has("autofocus") {
		t.Error("the first new row is not where to go on")
	}
	v.said(v.post("/sources/shop", filled(t, page, ".sheet", url.Values{"tolerance": {"5m"}, "header_name.6": {"X-Six"}, "header_value.6": {"s3cret-six"}})))
	want := []verify.Header{{Name: "X-Shop-Token", Value: "s3cret"}, {Name: "X-Six", Value: "s3cret-six"}, {Name: "X-Two", Value: "s3cret-two"}}
	if got := s.shop(t).Headers; !reflect.DeepEqual(got, want) {
		t.Errorf("headers %+v", got)
	}
	for range 40 { // does not grow without end
		page = v.post("/sources/shop", filled(t, page, ".sheet", url.Values{"more": {"headers"}})).page()
	}
	if n := rows(page); n != maxRows {
		t.Errorf("%d rows", n)
	}
}

// Who saves over somebody else's change is told first, and keeps what was typed.
func TestEditOfAnOldForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	s.addUser(t, "otto", store.RoleAdmin)
	otto := s.as(t, "otto")
	mine := filled(t, v.show("/sources/shop/edit"), ".sheet", url.Values{"name": {"Mine"}, "password": {"s3cret-mine"}})
	otto.said(otto.post("/sources/shop", filled(t, otto.show("/sources/shop/edit"), ".sheet", url.Values{"tolerance": {"7m"}})))
	otto.said(otto.post("/sources/shop/rotate", url.Values{"secret": {"s3cret-new"}, "name": {"new"}, "overlap": {"48h"}}))
	otto.post("/sources/shop/reveal", url.Values{"what": {"secret"}, "name": {"new"}, "reason": {"to see it"}})

	a := v.post("/sources/shop", mine)
	page := a.page()
	text := page.one(t, "[role=alert]").text()
	if a.StatusCode != http.StatusConflict || !strings.Contains(text, "Not saved: the source was changed after you opened this form. By otto (secrets, just now)") || containsSecret(a.body) {
		t.Errorf("%s: %q", a.Status, text)
	}
	if s.shop(t).Name != "Shop" || page.one(t, "#name").attr("value") != "Mine" {
		t.Error("it was saved, or what was typed is lost")
	}
	v.said(v.post("/sources/shop", filled(t, page, ".sheet", nil)))
	got := s.shop(t)
	if got.Name != "Mine" || got.Basic.Password != "s3cret-mine" || got.Tolerance != 5*time.Minute || len(got.Secrets) != 2 {
		t.Errorf("saved knowingly: %+v", got)
	}
	if a := v.post("/sources/shop", url.Values{"revision": {"nonsense"}}); a.StatusCode != http.StatusConflict {
		t.Errorf("no revision: %s", a.Status)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"5m": 5 * time.Minute, "5 min": 5 * time.Minute, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "32 H": 32 * time.Hour, "7d": 7 * 24 * time.Hour, "0": 0, "-1h": -time.Hour,
	} {
		if got, err := parseSpan(text); err != nil || got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
		if want >= 0 {
			if got, err := parseSpan(spanText(want)); err != nil || got != want {
				t.Errorf("%s is written as %q", want, spanText(want))
			}
		}
	}
	for d, want := range map[time.Duration]string{0: "0", 5 * time.Minute: "5m", 32 * time.Hour: "32h", 90 * time.Minute: "1h30m", 61 * time.Second: "1m1s", 20 * time.Minute: "20m"} {
		if got := spanText(d); got != want {
			t.Errorf("%s is written as %q, want %q", d, got, want)
		}
	}
	for _, text := range []string{"", "5", "soon", "d", "-1d", "99999999d", "9999999999h", "\xff"} {
		if got, err := parseSpan(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
	for _, text := range []string{"2026-11-24T15:04", "2026-11-24T15:04:05", "2026-11-24 15:04", "2026-11-24T16:04:05+01:00", "2026-11-24"} {
		if got, err := parseTime(text); err != nil || got.Day() != 24 || got.Location() != time.UTC || got.Hour() != 15 && text != "2026-11-24" {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"tomorrow", "24.11.2026", "0000-01-01", "2026-13-01T00:00"} {
		if got, err := parseTime(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
}
