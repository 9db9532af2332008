package store_test

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
)

func addToken(t *testing.T, db *store.DB, u *store.User, name string, rights ...store.Right) (string, *store.Token) {
	t.Helper()
	token := &store.Token{UserID: u.ID, Name: name, Rights: rights}
	text, err := db.CreateToken(t.Context(), token, store.AuditEntry{Actor: u.Name})
	must(t, err)
	return text, token
}

// TestTokenForm: secret scanners find one by its form, and what is no token is known without asking anybody.
func TestTokenForm(t *testing.T) {
	db := storetest.New(t)
	text, _ := addToken(t, db, addUser(t, db, "anna", store.RoleAdmin), "sync", store.RightMetadata)
	if !regexp.MustCompile(`^recall_[0-9A-Za-z]{49}$`).MatchString(text) || !store.IsToken(text) {
		t.Fatalf("a token is %q", text)
	}
	turned := []byte(text)
	turned[10], turned[11] = 'a', 'b'
	for name, no := range map[string]string{
		"empty": "", "the prefix alone": "recall_", "cut off": text[:len(text)-1], "longer": text + "0", "other prefix": "github_" + text[7:],
		"capitals": strings.ToUpper(text), "mistyped": string(turned), "blank before": " " + text,
	} {
		if store.IsToken(no) && no != text {
			t.Errorf("%s: %q is taken for a token", name, no)
		}
	}
}

func TestTokenRoundTrip(t *testing.T) {
	db := storetest.New(t)
	now := noon
	db.Now = func() time.Time { return now }
	anna := addUser(t, db, "anna", store.RoleOperator)
	token := &store.Token{UserID: anna.ID, Name: "crm sync", Rights: []store.Right{store.RightMetadata, store.RightRedispatch}, ExpiresAt: noon.Add(time.Hour)}
	text, err := db.CreateToken(t.Context(), token, store.AuditEntry{Actor: "anna"})
	must(t, err)
	found, err := db.FindToken(t.Context(), text, "192.0.2.7")
	must(t, err)
	if !reflect.DeepEqual(found, token) || found.Actor() != "anna via token crm sync" {
		t.Errorf("found %+v, want %+v", found, token)
	}
	for right, want := range map[store.Right]bool{store.RightMetadata: true, store.RightRedispatch: true, store.RightPayloads: false, store.RightSettings: false} {
		if found.May(right) != want {
			t.Errorf("it may %s: %t", right, !want)
		}
	}

	// The last use is noted to the minute.
	for _, step := range []struct {
		at, want time.Time
		from     string
	}{{noon.Add(59 * time.Second), noon, "192.0.2.8"}, {noon.Add(time.Minute), noon.Add(time.Minute), "192.0.2.9"}} {
		now = step.at
		_, err := db.FindToken(t.Context(), text, step.from)
		must(t, err)
		list, err := db.ListTokens(t.Context(), anna.ID)
		must(t, err)
		if len(list) != 1 || !list[0].UsedAt.Equal(step.want) {
			t.Errorf("at %s the list says %+v, want last used %s", step.at, list[0], step.want)
		}
	}

	if _, err := db.CreateToken(t.Context(), &store.Token{UserID: anna.ID, Name: "CRM Sync", Rights: token.Rights}, store.AuditEntry{Actor: "anna"}); !errors.Is(err, store.ErrExists) {
		t.Errorf("the same name in capitals: %v", err)
	}
	entries, err := db.ListAudit(t.Context(), "anna", 10)
	must(t, err)
	if len(entries) != 1 || entries[0].Action != "token.add" || entries[0].Detail["token"] != "crm sync" {
		t.Errorf("audited %+v", entries)
	}
	now = noon.Add(time.Hour)
	if _, err := db.FindToken(t.Context(), text, ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("past its end: %v", err)
	}
	now = noon.Add(time.Hour + 31*24*time.Hour)
	if list, err := db.ListTokens(t.Context(), 0); err != nil || len(list) != 0 {
		t.Errorf("a month after its end it is listed: %v, %v", list, err)
	}
	var kept int
	must(t, db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM api_tokens t WHERE t::text LIKE '%' || $1 || '%'`, text[len(store.TokenPrefix)+4:]).Scan(&kept))
	if kept != 0 {
		t.Error("the database keeps a token in clear")
	}
}

// TestTokenEndsWithItsUser: a token never does more than its user may at that moment.
func TestTokenEndsWithItsUser(t *testing.T) {
	db := storetest.New(t)
	addUser(t, db, "admin", store.RoleAdmin)
	anna := addUser(t, db, "anna", store.RoleAdmin)
	text, _ := addToken(t, db, anna, "all", store.Rights...)
	must(t, db.SetRole(t.Context(), "anna", store.RoleViewer))
	token, err := db.FindToken(t.Context(), text, "")
	must(t, err)
	if token.May(store.RightSettings) || token.May(store.RightRedispatch) || !token.May(store.RightMetadata) || len(token.Lost()) != 7 {
		t.Errorf("after its user became a viewer: lost %v", token.Lost())
	}
	must(t, db.RemoveUser(t.Context(), "anna"))
	if _, err := db.FindToken(t.Context(), text, ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after its user was removed: %v", err)
	}
	if list, err := db.ListTokens(t.Context(), 0); err != nil || len(list) != 0 {
		t.Errorf("listed %v, %v", list, err)
	}
	if _, err := db.CreateToken(t.Context(), &store.Token{UserID: anna.ID, Name: "more", Rights: store.Rights}, store.AuditEntry{Actor: "anna"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("for a user who is gone: %v", err)
	}
}

func TestRevokeToken(t *testing.T) {
	db := storetest.New(t)
	anna, berta := addUser(t, db, "anna", store.RoleAdmin), addUser(t, db, "berta", store.RoleViewer)
	text, token := addToken(t, db, anna, "sync", store.RightMetadata)
	if err := db.RevokeToken(t.Context(), token.ID, berta.ID, store.AuditEntry{Actor: "berta"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another user's: %v", err)
	}
	must(t, db.RevokeToken(t.Context(), token.ID, anna.ID, store.AuditEntry{Actor: "anna", Reason: "was in a log"}))
	if _, err := db.FindToken(t.Context(), text, ""); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("found after it was revoked: %v", err)
	}
	if err := db.RevokeToken(t.Context(), token.ID, 0, store.AuditEntry{Actor: "anna"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("once more: %v", err)
	}
	addToken(t, db, anna, "sync", store.RightMetadata) // the name is free again
	list, err := db.ListTokens(t.Context(), 0)
	must(t, err)
	if len(list) != 2 || !list[0].RevokedAt.IsZero() || list[1].RevokedBy != "anna" || !list[1].Ended(time.Now()) {
		t.Errorf("listed %+v", list)
	}
	entries, err := db.ListAudit(t.Context(), "anna", 10)
	must(t, err)
	if len(entries) != 3 || entries[1].Action != "token.revoke" || entries[1].Reason != "was in a log" {
		t.Errorf("audited %+v", entries)
	}
}

func TestTokenIsRefused(t *testing.T) {
	db := storetest.New(t)
	berta := addUser(t, db, "berta", store.RoleViewer)
	metadata := []store.Right{store.RightMetadata}
	for name, token := range map[string]store.Token{
		"no name":                   {Rights: metadata},
		"a name of two lines":       {Name: "a\nb", Rights: metadata},
		"a name past its bound":     {Name: strings.Repeat("x", 101), Rights: metadata},
		"no right":                  {Name: "a"},
		"an unknown right":          {Name: "a", Rights: []store.Right{"everything"}},
		"a right twice":             {Name: "a", Rights: []store.Right{"metadata", "metadata"}},
		"a right its user has not":  {Name: "a", Rights: []store.Right{store.RightSettings}},
		"an end that has passed":    {Name: "a", Rights: metadata, ExpiresAt: time.Now().Add(-time.Second)},
		"an end in the next decade": {Name: "a", Rights: metadata, ExpiresAt: time.Now().AddDate(11, 0, 0)},
	} {
		token.UserID = berta.ID
		if text, err := db.CreateToken(t.Context(), &token, store.AuditEntry{Actor: "berta"}); err == nil || text != "" {
			t.Errorf("%s: made %q", name, text)
		}
	}
}
