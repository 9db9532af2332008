package web

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"recall/store"
	"recall/verify"
)

// used records callbacks that a secret verified some time ago.
func (s *site) used(t testing.TB, secret string, times int, ago time.Duration) {
	t.Helper()
	for i := range times {
		s.record(t, fmt.Sprintf(`{"entityId":"%s %d"}`, secret, i), func(e *store.Event) {
			e.ID = at(time.Now().Add(-ago), byte(i))
			e.ID[14] = byte(len(secret))
			e.Verification.Secret = secret
		})
	}
}

func TestRotateSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	page := v.show("/sources/shop/rotate")
	if text := page.one(t, "main").text(); !strings.Contains(text, "Ends then: first (no end)") || !strings.Contains(text, "plenigo’s last retry") {
		t.Errorf("the page says %q", text)
	}
	form := filled(t, page, "main form", url.Values{"secret": {"s3cret-new"}})
	if !isToday(form.Get("name")) || form.Get("overlap") != "48h" {
		t.Errorf("suggested: %v", form)
	}
	form.Set("name", "new")
	if text := v.said(v.post("/sources/shop/rotate", form)); !strings.Contains(text, "holds within two seconds") {
		t.Errorf("said %q", text)
	}
	got := s.shop(t).Secrets
	overlap := got[0].Until.Sub(got[1].From)
	if len(got) != 2 || got[0].Key != "s3cret" || got[1].Name != "new" || got[1].Key != "s3cret-new" || overlap != 48*time.Hour || time.Since(got[1].From) > time.Minute {
		t.Errorf("secrets %+v", got)
	}

	s.used(t, "first", 3, time.Hour)
	s.used(t, "new", 2, 0)
	s.count(t)
	rows := v.show("/sources/shop").all("[aria-labelledby=secrets-title] tbody tr")
	if len(rows) != 2 {
		t.Fatalf("%d secrets shown", len(rows))
	}
	for i, want := range [][]string{{"new", "valid", "no end", "2", "just now"}, {"first", "valid", "until " + setTime(got[0].Until), "3", "1 h ago"}} {
		for _, w := range want {
			if text := rows[i].text(); !strings.Contains(text, w) {
				t.Errorf("%q is not in %q", w, text)
			}
		}
	}
	if n := len(v.show("/sources/shop").all(".notice")); n > 0 {
		t.Errorf("%d notices, while nothing can be retired", n)
	}
	entry := s.audited(t, "shop")[0]
	if entry.Action != "source.set" || entry.Detail["secrets"] == nil || strings.Contains(fmt.Sprint(entry), "s3cret") {
		t.Errorf("audit list: %+v", entry)
	}
}

func TestAddSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	form := filled(t, v.show("/sources/shop/secrets"), "main form", url.Values{"secret": {"s3cret-2"}, "name": {"second"}, "from": {"2026-01-01T00:00"}, "until": {"2096-01-01T12:30"}})
	if text := v.said(v.post("/sources/shop/secrets", form)); text != "The secret is added." {
		t.Errorf("said %q", text)
	}
	want := []verify.Secret{{Name: "first", Key: "s3cret"}, {
		Name: "second", Key: "s3cret-2", From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2096, 1, 1, 12, 30, 0, 0, time.UTC),
	}}
	if got := s.shop(t).Secrets; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestSecretMistakes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	s.used(t, "first", 1, time.Hour)
	s.used(t, "gone", 1, time.Hour)
	s.count(t)
	for name, test := range map[string]struct {
		path         string
		change       url.Values
		wrong, says  string
		secretIsKept bool
	}{
		"no secret":       {"secrets", url.Values{"secret": {""}}, "secret", "The secret is missing.", false},
		"blank":           {"secrets", url.Values{"secret": {" s3cret-2"}}, "secret", "begins or ends with a blank", true},
		"the same again":  {"rotate", url.Values{"secret": {"s3cret"}}, "secret", "this is the secret “first”", true},
		"no name":         {"secrets", url.Values{"name": {" "}}, "name", "The name is missing.", true},
		"name in use":     {"rotate", url.Values{"name": {"first"}}, "name", "is or was the name of a secret", true},
		"name once used":  {"secrets", url.Values{"name": {"gone"}}, "name", "is or was the name of a secret", true},
		"from":            {"secrets", url.Values{"from": {"tomorrow"}}, "from", "is no time", true},
		"until":           {"secrets", url.Values{"until": {"tomorrow"}}, "until", "is no time", true},
		"ends before":     {"secrets", url.Values{"from": {"2026-01-02T00:00"}, "until": {"2026-01-02T00:00"}}, "until", "ends before it begins", true},
		"overlap":         {"rotate", url.Values{"overlap": {"a while"}}, "overlap", "is no length of time", true},
		"backward":        {"rotate", url.Values{"overlap": {"-1h"}}, "overlap", "between 0 and 10 years", true},
		"endless overlap": {"rotate", url.Values{"overlap": {"4000d"}}, "overlap", "between 0 and 10 years", true},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{"secret": {"s3cret-2"}, "name": {"second"}, "overlap": {"48h"}}
			for field, values := range test.change {
				form[field] = values
			}
			a := v.post("/sources/shop/"+test.path, form)
			if a.StatusCode != http.StatusUnprocessableEntity {
				t.Fatalf("%s", a.Status)
			}
			page := a.page()
			if text := page.one(t, "[id="+test.wrong+"-error]").text(); !strings.Contains(strings.ToLower(text), strings.ToLower(test.says)) {
				t.Errorf("says %q, want %q", text, test.says)
			}
			if containsSecret(a.body) || (len(page.all("[name=secret.kept]")) == 1) != test.secretIsKept {
				t.Error("a secret is shown, or what was typed is lost")
			}
		})
	}
	if got := s.shop(t).Secrets; len(got) != 1 || !got[0].Until.IsZero() {
		t.Errorf("the secrets were changed: %+v", got)
	}
}

func TestSecretPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	s.used(t, "first", 2, time.Hour)
	s.count(t)
	link := v.show("/sources/shop").one(t, "[aria-labelledby=secrets-title] tbody a[href=/sources/shop/secret?name=first]").attr("href")
	page := v.show(link)
	if text := page.one(t, "main").text(); !strings.Contains(text, "Callbacks verified 2") || !strings.Contains(text, "It is the only secret that is valid now") {
		t.Errorf("the page says %q", text)
	}
	post := func(changed url.Values) answer {
		t.Helper()
		form := url.Values{"name": {"first"}}
		for name, values := range changed {
			form[name] = values
		}
		return v.post("/sources/shop/secret", form)
	}
	if text := v.said(post(url.Values{"from": {"2026-01-01T00:00:30"}, "until": {"2096-01-01T00:00"}})); text != "The secret first is valid until 2096-01-01 00:00:00 UTC." {
		t.Errorf("said %q", text)
	}
	if page := v.show(link); page.one(t, "#from").attr("value") != "2026-01-01T00:00:30" || page.one(t, "#until").attr("value") != "2096-01-01T00:00" {
		t.Error("the form does not show the validity")
	}
	a := post(url.Values{"from": {"2026-01-01T00:00"}, "until": {"2025-01-01T00:00"}})
	if text := a.page().one(t, "#until-error").text(); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(text, "ends before it begins") || a.page().one(t, "#until").attr("value") != "2025-01-01T00:00" {
		t.Errorf("ends before it begins: %s, %q", a.Status, text)
	}
	if text := v.said(post(url.Values{"end": {"now"}})); !strings.Contains(text, "not valid any more") || len(s.shop(t).ValidSecrets(time.Now())) != 0 {
		t.Errorf("ended: %q", text)
	}
	if page := v.show(link); len(page.all("button[name=end]")) > 0 {
		t.Error("an ended secret can be ended")
	}
	if text := v.said(post(url.Values{"from": {""}, "until": {""}})); text != "The secret first has no end." || len(s.shop(t).ValidSecrets(time.Now())) != 1 {
		t.Errorf("valid again: %q", text)
	}
	if text := v.said(v.post("/sources/shop/secret/remove", url.Values{"name": {"first"}})); text != "The secret first is removed." || len(s.shop(t).Secrets) != 0 {
		t.Errorf("removed: %q", text)
	}
	if rows := v.show("/sources/shop").all("[aria-labelledby=secrets-title] tbody tr"); len(rows) != 1 || !strings.Contains(rows[0].text(), "first removed 2") {
		t.Error("what a removed secret verified is not told")
	}
	for _, a := range []answer{v.get(link), post(url.Values{"end": {"now"}}), v.post("/sources/shop/secret/remove", url.Values{"name": {"first"}}), v.get("/sources/shop/secret")} {
		if a.StatusCode != http.StatusNotFound {
			t.Errorf("a secret that is not there: %s", a.Status)
		}
	}
	if n := len(s.audited(t, "shop")); n != 4 {
		t.Errorf("%d audit entries", n)
	}
}

// An old secret that is not needed any more can be retired where that is said.
func TestRetireSecret(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	source := s.shop(t)
	source.Secrets = append(source.Secrets, verify.Secret{Name: "second", Key: "s3cret-2"})
	must(t, s.db.UpdateSource(t.Context(), source))
	s.used(t, "first", 5, 72*time.Hour)
	s.used(t, "second", 1, 0)
	s.count(t)
	notice := v.show("/sources/shop").one(t, ".notice")
	if text := notice.text(); !strings.Contains(text, "The secret first was last needed 3 d ago, and second has verified callbacks since. It can be retired.") {
		t.Errorf("offers %q", text)
	}
	form := filled(t, notice, "form", url.Values{"end": {"now"}})
	if text := v.said(v.post(notice.one(t, "form").attr("action"), form)); !strings.Contains(text, "first is not valid any more") {
		t.Errorf("said %q", text)
	}
	if valid := s.shop(t).ValidSecrets(time.Now()); len(valid) != 1 || valid[0].Name != "second" {
		t.Errorf("valid: %+v", valid)
	}
	if n := len(v.show("/sources/shop").all(".notice")); n != 0 {
		t.Errorf("%d notices", n)
	}
	s.addUser(t, "vera", store.RoleViewer)
	if n := len(s.as(t, "vera").show("/sources/shop").all("main form")); n != 0 {
		t.Errorf("a viewer sees %d forms", n)
	}
}

// Two who change different things of a source at the same moment both succeed.
func TestSmallChangesAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	done := make(chan int)
	for i := range 4 {
		go func() {
			form := url.Values{"secret": {fmt.Sprint("s3cret-", i)}, "name": {fmt.Sprint("number ", i)}}
			a, err := v.http.PostForm(s.URL+"/sources/shop/secrets", form)
			if err != nil {
				done <- 0
				return
			}
			a.Body.Close()
			done <- a.StatusCode
		}()
	}
	for range 4 {
		if status := <-done; status != http.StatusSeeOther {
			t.Errorf("answered %d", status)
		}
	}
	if got := s.shop(t).Secrets; len(got) != 5 {
		t.Errorf("%d secrets", len(got))
	}
}

func TestReveal(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.admin(t)
	source := s.shop(t)
	source.Secrets[0].Key, source.Basic.Password, source.Headers[0].Value = "the key", "pa55 <word>", "the <value>"
	must(t, s.db.UpdateSource(t.Context(), source))
	links := map[string]string{}
	for _, a := range v.show("/sources/shop").all("a") {
		if strings.Contains(a.attr("href"), "/reveal?") {
			links[a.attr("aria-label")] = a.attr("href")
		}
	}
	links["secret"] = v.show("/sources/shop/secret?name=first").one(t, "main dl a[href=/sources/shop/reveal?name=first&what=secret]").attr("href")
	for name, test := range map[string]struct{ value, words string }{
		"secret": {"the key", "the secret first"}, "Reveal the password": {"pa55 <word>", "the password of plenigo"},
		"Reveal the value of X-Shop-Token": {"the <value>", "the value of the header X-Shop-Token"},
	} {
		a := v.get(links[name])
		form := filled(t, a.page(), "main form", nil)
		if strings.Contains(a.body, html.EscapeString(test.value)) || a.page().one(t, "h1").text() != "Reveal "+test.words {
			t.Errorf("%s: before a reason is given: %q", name, a.page().one(t, "h1").text())
		}
		n := len(s.audited(t, "shop"))
		a = v.post("/sources/shop/reveal", form)
		if a.StatusCode != http.StatusUnprocessableEntity || strings.Contains(a.body, html.EscapeString(test.value)) || !strings.Contains(a.page().one(t, "#reason-error").text(), "Say why") || len(s.audited(t, "shop")) != n {
			t.Errorf("%s: without a reason: %s", name, a.Status)
		}
		form.Set("reason", "typing it in again")
		a = v.post("/sources/shop/reveal", form)
		if got := a.page().one(t, ".revealed").text(); a.StatusCode != http.StatusOK || got != test.value || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s, shows %q", name, a.Status, got)
		}
		entry := s.audited(t, "shop")[0]
		if entry.Action != "source.reveal" || entry.Actor != "ada" || entry.Reason != "typing it in again" || strings.Contains(fmt.Sprint(entry.Detail), test.value) {
			t.Errorf("audit list: %+v", entry)
		}
	}
	for _, query := range []string{"", "?what=secret&name=none", "?what=header&name=none", "?what=everything&name=first"} {
		if a := v.get("/sources/shop/reveal" + query); a.StatusCode != http.StatusNotFound {
			t.Errorf("%q: %s", query, a.Status)
		}
	}
	// What cannot be noted is not shown.
	_, err := s.db.Pool().Exec(t.Context(), `ALTER TABLE audit_entries ADD CHECK (action <> 'source.reveal') NOT VALID`)
	must(t, err)
	if a := v.post("/sources/shop/reveal", url.Values{"what": {"secret"}, "name": {"first"}, "reason": {"x"}}); a.StatusCode != http.StatusInternalServerError || strings.Contains(a.body, "the key") {
		t.Errorf("without an audit entry: %s", a.Status)
	}
	if strings.Contains(s.log.String(), "the key") {
		t.Error("the log holds the secret")
	}
}

// Whatever a source is called, its pages keep their shape.
func TestHostileSourcesBreakNoPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const evil = "</td><script>alert(1)</script>\u202e<img src=x onerror=alert(2)>\"' onmouseover='alert(3)\u200b&lt;/../x?a=b#c"
	must(t, s.db.CreateSource(t.Context(), &store.Source{
		Slug: "evil", Name: evil, Enabled: true, Tolerance: time.Second, Secrets: []verify.Secret{{Name: evil[:90], Key: evil}}, Basic: &verify.BasicAuth{User: evil, Password: evil},
	}))
	v := s.admin(t)
	secret := "/sources/evil/secret?" + url.Values{"name": {evil[:90]}}.Encode()
	reveal := url.Values{"what": {"secret"}, "name": {evil[:90]}, "reason": {evil}}
	for name, a := range map[string]answer{
		"list": v.get("/sources"), "show": v.get("/sources/evil"), "edit": v.get("/sources/evil/edit"), "secret": v.get(secret), "rotate": v.get("/sources/evil/rotate"),
		"remove": v.get("/sources/evil/remove"), "reveal": v.get("/sources/evil/reveal?" + reveal.Encode()), "revealed": v.post("/sources/evil/reveal", reveal),
		"wrong":   v.post("/sources/evil", url.Values{"name": {evil}, "tolerance": {evil}, "expected_types": {evil}, "own_scheme": {evil}, "scheme": {"own"}, "header_was": {evil}, "header_name.0": {evil}}),
		"no slug": v.post("/sources", url.Values{"slug": {evil}}),
	} {
		if a.StatusCode >= 500 {
			t.Errorf("%s: %s", name, a.Status)
		}
		page := a.page()
		for _, script := range page.all("script") {
			if !strings.HasPrefix(script.attr("src"), "/static/") {
				t.Errorf("%s: a script that is none of ours", name)
			}
		}
		if len(page.all("main")) != 1 || len(page.all("main img")) > 0 {
			t.Errorf("%s: the page lost its shape", name)
		}
		for n := range page.Descendants() {
			if n.Type == html.TextNode && n.Parent.Data != "textarea" && strings.ContainsAny(n.Data, "\u202e\u200b") {
				t.Errorf("%s: invisible characters in the text %.60q", name, n.Data)
			}
			for _, attr := range n.Attr {
				if strings.HasPrefix(attr.Key, "on") || attr.Key == "style" {
					t.Errorf("%s: attribute %s", name, attr.Key)
				}
			}
		}
	}
}
