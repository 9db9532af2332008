package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"recall/store"
)

// A token from its making to its end: shown once, listed without its text, ended by who may.
func TestTokenPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "berta", store.RoleAdmin)
	anna, berta := s.as(t, "anna"), s.as(t, "berta")
	account := anna.show("/account")
	if n := len(account.all("#tokens input[name=right]")); n != 6 {
		t.Errorf("an operator can give %d rights, want 6", n)
	}
	if len(account.all("#tokens table")) > 0 {
		t.Error("a list of no tokens is shown")
	}
	for name, form := range map[string]url.Values{
		"needs at least one right":         {"name": {"x"}, "days": {"30"}},
		"no right “all”":                   {"name": {"x"}, "right": {"all"}},
		"a token can have only":            {"name": {"x"}, "right": {"settings"}},
		"The name of the token":            {"right": {"metadata"}},
		"The name of the token ":           {"name": {strings.Repeat("x", 101)}, "right": {"metadata"}},
		"The name of the token must be on": {"name": {"a\nb"}, "right": {"metadata"}},
	} {
		a := anna.post("/account/tokens", form)
		if text := a.page().one(t, "#token-error").text(); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(strings.ToLower(strings.ReplaceAll(text, `"`, "”")), strings.ToLower(strings.TrimSpace(strings.NewReplacer("“", "”").Replace(name)))) {
			t.Errorf("%v: %s, %q", form, a.Status, text)
		}
	}
	a := anna.post("/account/tokens", url.Values{"name": {hostile[:60]}, "right": {"metadata", "redispatch"}, "days": {"30"}})
	if a.StatusCode != http.StatusOK {
		t.Fatalf("making a token: %s: %s", a.Status, a.page().one(t, "main").text())
	}
	text := a.page().one(t, "#token-text").text()
	token, err := s.db.FindToken(t.Context(), text, "192.0.2.1")
	must(t, err)
	if token.User != "anna" || !token.May(store.RightRedispatch) || token.May(store.RightPayloads) {
		t.Errorf("the token is %+v", token)
	}
	if days := token.ExpiresAt.Sub(s.server.Now()) / (24 * time.Hour); days < 29 || days > 30 {
		t.Errorf("it ends at %s", token.ExpiresAt)
	}
	if a := anna.post("/account/tokens", url.Values{"name": {hostile[:60]}, "right": {"metadata"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("sent again by the reload button: %s", a.Status)
	}
	for _, page := range []element{anna.show("/account"), berta.show("/tokens")} {
		row := page.one(t, "table.tokens tbody tr").text()
		if !strings.Contains(row, "metadata, redispatch") || !strings.Contains(row, "valid") || !strings.Contains(row, "192.0.2.1") || strings.Contains(row, text) {
			t.Errorf("listed as %q", row)
		}
	}
	if row := berta.show("/tokens").one(t, "table.tokens tbody tr").text(); !strings.Contains(row, "anna") {
		t.Errorf("everybody's list says %q", row)
	}
	must(t, s.db.SetRole(t.Context(), "anna", store.RoleViewer))
	if row := anna.show("/account").one(t, "table.tokens tbody tr").text(); !strings.Contains(row, "not any more: redispatch") {
		t.Errorf("with less than it was given: %q", row)
	}

	// Nobody ends another's by the address for one's own.
	revoke := "/" + strconv.FormatInt(token.ID, 10) + "/revoke"
	for path, want := range map[string]int{"/account/tokens" + revoke: 404, "/account/tokens/x/revoke": 404, "/tokens/999/revoke": 404} {
		if a := berta.post(path, url.Values{}); a.StatusCode != want {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	if a := berta.post("/tokens"+revoke, url.Values{"reason": {"was in a log"}}); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/tokens" {
		t.Errorf("revoked: %s", a.Status)
	}
	if _, err := s.db.FindToken(t.Context(), text, ""); err == nil {
		t.Error("it lets in after it was revoked")
	}
	if row := anna.show("/account").one(t, "table.tokens tbody tr").text(); !strings.Contains(row, "revoked by berta") {
		t.Errorf("after it was revoked: %q", row)
	}
	must1(s.db.CreateToken(t.Context(), &store.Token{UserID: token.UserID, Name: "second", Rights: []store.Right{"metadata"}}, store.AuditEntry{Actor: "cli:root"}))
	list := anna.show("/account")
	if row := list.all("table.tokens tbody tr")[0].text(); !strings.Contains(row, "never ends") || !strings.Contains(row, "by cli:root") {
		t.Errorf("one from the command line: %q", row)
	}
	if a := anna.post(list.one(t, "table.tokens form").attr("action"), url.Values{}); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/account#tokens" {
		t.Errorf("one's own revoked: %s", a.Status)
	}
	entries, err := s.db.ListAudit(t.Context(), "anna", 10)
	must(t, err)
	var did []string
	for _, e := range entries {
		if strings.HasPrefix(e.Action, "token.") {
			did = append(did, e.Actor+" "+e.Action+" "+e.Reason)
			if e.Detail["hint"] == nil || e.Actor != "cli:root" && e.Detail["address"] != "127.0.0.1" {
				t.Errorf("%s says %v", e.Action, e.Detail)
			}
		}
	}
	if got := strings.Join(did, ", "); got != "anna token.revoke , cli:root token.add , berta token.revoke was in a log, anna token.add " {
		t.Errorf("audited %q", got)
	}
	if strings.Contains(s.log.String(), text) {
		t.Error("the log holds the token")
	}
}
