package store_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// ownScheme is a scheme that nobody ships.
var ownScheme = verify.Scheme{
	Name: "own", Header: "X-Sign", Separator: ";", Assign: ":", Signature: "sig", TimeElement: "at",
	Signed: "time.body", Digest: "sha512", Encoding: "base64", Key: "utf8",
}

func TestSchemeAndExpectedTypesRoundTrip(t *testing.T) {
	db := storetest.New(t)
	s := shop()
	s.ExpectedTypes = []string{"customer.creation", "order.*"}
	must(t, db.CreateSource(t.Context(), s))
	column := func() (text string) {
		must(t, db.Pool().QueryRow(t.Context(), `SELECT scheme::text FROM sources WHERE id = $1`, s.ID).Scan(&text))
		return text
	}
	if got := column(); got != `"plenigo"` {
		t.Errorf("the default scheme is kept as %s, want its name", got)
	}
	for _, scheme := range []verify.Scheme{ownScheme, verify.StandardWebhooks, {}} {
		s.Scheme = scheme
		if scheme == verify.StandardWebhooks {
			s.Secrets = []verify.Secret{{Name: "new", Key: "whsec_c2VjcmV0"}}
		}
		must(t, db.UpdateSource(t.Context(), s))
		if got, err := db.FindSource(t.Context(), "shop"); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("got  %+v, %v\nwant %+v", got, err, s)
		}
		if got := column(); scheme == verify.StandardWebhooks && got != `"standard-webhooks"` {
			t.Errorf("a shipped scheme is kept as %s, want its name", got)
		}
	}
}

// A scheme that this program does not know, or cannot read, closes the source.
func TestUnreadableScheme(t *testing.T) {
	db := storetest.New(t)
	s := shop()
	must(t, db.CreateSource(t.Context(), s))
	for _, scheme := range []string{`"of-tomorrow"`, `{"name":"plenigo"}`, `1`, `null`} {
		_, err := db.Pool().Exec(t.Context(), `UPDATE sources SET scheme = $1::text::json`, scheme)
		must(t, err)
		got, err := db.FindSource(t.Context(), "shop")
		must(t, err)
		if !got.Unreadable {
			t.Errorf("with the scheme %s the source is open", scheme)
		}
	}
}

func TestExpects(t *testing.T) {
	for _, test := range []struct {
		types            string
		entity, callback string
		want             bool
	}{
		{"", "ANYTHING", "AT_ALL", true},
		{"customer.creation", "CUSTOMER", "CREATION", true},
		{"customer.creation", "customer", "creation", true},
		{"customer.creation", "CUSTOMER", "CHANGE", false},
		{"customer.creation", "CUSTOMER_OPT_IN", "CREATION", false},
		{"customer", "CUSTOMER", "DELETION", true},
		{"order.*, *.deletion", "ORDER", "CREATION", true},
		{"order.*, *.deletion", "CUSTOMER", "DELETION", true},
		{"order.*, *.deletion", "CUSTOMER", "CHANGE", false},
		{"*", "", "", true},
		{"customer", "", "", false},
		{"customer", store.TestEntityType, "TEST", true},
	} {
		s := &store.Source{ExpectedTypes: store.ReadTypes(test.types)}
		if got := s.Expects(test.entity, test.callback); got != test.want {
			t.Errorf("%q expects %s.%s: %t", test.types, test.entity, test.callback, got)
		}
	}
	if got := store.ReadTypes(" Order.*,order.*\r\n\tcustomer  "); !reflect.DeepEqual(got, []string{"order.*", "customer"}) {
		t.Errorf("read %q", got)
	}
}

// A form says everything that is wrong at once, and where.
func TestProblemsNameTheirFields(t *testing.T) {
	s := &store.Source{
		Slug: "A", Name: "", Tolerance: 0, LateWindow: -1, Scheme: verify.Scheme{Name: "x y"},
		Basic: &verify.BasicAuth{Password: "s3cret"}, ExpectedTypes: []string{"customer.creation.x"},
		Headers: []verify.Header{{Name: "X-A", Value: "s3cret"}, {Name: "a b", Value: "s3cret"}, {Name: "x-a", Value: "s3cret"}},
		Secrets: []verify.Secret{{Name: "a", Key: "s3cret"}, {Name: "a", Key: "s3cret"}},
	}
	var fields []string
	for _, p := range s.Problems() {
		fields = append(fields, p.Field)
		if strings.Contains(p.Err.Error(), "s3cret") {
			t.Errorf("%s: a secret is shown: %v", p.Field, p.Err)
		}
	}
	want := []string{"slug", "name", "tolerance", "late_window", "scheme", "basic", "headers.1", "headers.2", "secrets.1", "expected_types"}
	if !reflect.DeepEqual(fields, want) {
		t.Errorf("got  %q\nwant %q", fields, want)
	}
	s = shop()
	s.Scheme = verify.StandardWebhooks
	if p := s.Problems(); len(p) != 2 || p[0].Field != "secrets.0" || !strings.Contains(p[0].Err.Error(), "base64") {
		t.Errorf("secrets that the scheme cannot take: %+v", p)
	}
}

// Two who change a source at once cannot undo each other's work without knowing.
func TestChangesOfAnOlderRevisionAreRefused(t *testing.T) {
	db := storetest.New(t)
	s := shop()
	must(t, db.CreateSource(t.Context(), s))
	errs := make([]error, 6)
	var group sync.WaitGroup
	for i := range errs {
		mine := *s
		mine.Name = string(rune('a' + i))
		group.Go(func() {
			errs[i] = db.UpdateSource(t.Context(), &mine, store.AuditEntry{Actor: mine.Name, Action: "source.set", Subject: "shop"})
		})
	}
	group.Wait()
	done := ""
	for i, err := range errs {
		switch {
		case err == nil:
			done += string(rune('a' + i))
		case !errors.Is(err, store.ErrChanged):
			t.Error(err)
		}
	}
	got, err := db.FindSource(t.Context(), "shop")
	must(t, err)
	if len(done) != 1 || got.Name != done || got.Revision != s.Revision+1 {
		t.Errorf("changed by %q, is %q of revision %d", done, got.Name, got.Revision)
	}
	entries, err := db.ListAudit(t.Context(), "shop", 0)
	must(t, err)
	if len(entries) != 1 || entries[0].Actor != done {
		t.Errorf("audit list: %+v, want the one change", entries)
	}
}

// What cannot be noted is not done.
func TestChangeAndNoteAreOne(t *testing.T) {
	db := storetest.New(t)
	s := shop()
	must(t, db.CreateSource(t.Context(), s))
	_, err := db.Pool().Exec(t.Context(), `ALTER TABLE audit_entries ADD CHECK (actor <> 'nobody')`)
	must(t, err)
	note := store.AuditEntry{Actor: "nobody", Action: "source.set", Subject: "shop"}
	changed, added := *s, shop()
	changed.Name, added.Slug = "Changed", "added"
	for name, err := range map[string]error{
		"change": db.UpdateSource(t.Context(), &changed, note), "add": db.CreateSource(t.Context(), added, note), "remove": db.RemoveSource(t.Context(), "shop", note),
	} {
		if err == nil {
			t.Errorf("%s: done without a note", name)
		}
	}
	all, err := db.ListSources(t.Context())
	must(t, err)
	if len(all) != 1 || !reflect.DeepEqual(all[0], s) || changed.Revision != s.Revision {
		t.Errorf("got %+v", all)
	}
}

func TestRotate(t *testing.T) {
	s := &store.Source{Secrets: []verify.Secret{
		{Name: "over", Key: "1", Until: noon.Add(-time.Hour)}, {Name: "ending", Key: "2", Until: noon.Add(time.Hour)},
		{Name: "open", Key: "3"}, {Name: "long", Key: "4", Until: noon.Add(1000 * time.Hour)}, {Name: "later", Key: "5", From: noon.Add(time.Hour)},
	}}
	before := s.Secrets
	s.Rotate(verify.Secret{Name: "next", Key: "6"}, 48*time.Hour, noon)
	want := []verify.Secret{
		before[0], before[1], {Name: "open", Key: "3", Until: noon.Add(48 * time.Hour)}, {Name: "long", Key: "4", Until: noon.Add(48 * time.Hour)},
		before[4], {Name: "next", Key: "6", From: noon},
	}
	if !reflect.DeepEqual(s.Secrets, want) {
		t.Errorf("got  %+v\nwant %+v", s.Secrets, want)
	}
	if !before[2].Until.IsZero() {
		t.Error("the secrets were changed in place, and may be shared")
	}
	var names []string
	for _, secret := range s.ValidSecrets(noon.Add(2 * time.Hour)) {
		names = append(names, secret.Name)
	}
	if got := strings.Join(names, " "); got != "open long later next" {
		t.Errorf("valid: %s", got)
	}
}

func TestFreeSecretName(t *testing.T) {
	s := &store.Source{}
	if got := s.FreeSecretName(noon, nil); got != "2026-03-04" {
		t.Error(got)
	}
	s.Secrets = []verify.Secret{{Name: "2026-03-04"}}
	if got := s.FreeSecretName(noon, []store.SecretUse{{Secret: "2026-03-04-2", Events: 1}}); got != "2026-03-04-3" {
		t.Error(got)
	}
}

func TestSpareSecrets(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	const h = time.Hour
	for name, test := range map[string]struct {
		old    verify.Secret
		made   time.Time
		old24  time.Time // when the old one was last needed
		newest time.Time // when the newer one was
		spare  bool
	}{
		"not needed for long":      {old24: ago(72 * h), newest: ago(h), spare: true},
		"needed yesterday":         {old24: ago(24 * h), newest: ago(h)},
		"newer one never used":     {old24: ago(72 * h)},
		"newer one not used since": {old24: ago(72 * h), newest: ago(80 * h)},
		"never needed":             {made: ago(100 * h), newest: ago(h), spare: true},
		"never needed, but new":    {made: ago(h), newest: ago(h / 2)},
		"valid for a day":          {old: verify.Secret{From: ago(24 * h)}, made: ago(100 * h), newest: ago(h)},
		"ends anyway":              {old: verify.Secret{Until: noon.Add(h)}, old24: ago(72 * h), newest: ago(h)},
		"over":                     {old: verify.Secret{Until: ago(h)}, old24: ago(72 * h), newest: ago(h)},
	} {
		s := &store.Source{CreatedAt: test.made, Secrets: []verify.Secret{test.old, {Name: "newer"}}}
		s.Secrets[0].Name = "old"
		var uses []store.SecretUse
		for secret, at := range map[string]time.Time{"old": test.old24, "newer": test.newest} {
			if !at.IsZero() {
				uses = append(uses, store.SecretUse{Secret: secret, Events: 1, LastUsed: at})
			}
		}
		spare := s.SpareSecrets(uses, noon)
		if len(spare) > 1 || (len(spare) == 1) != test.spare {
			t.Errorf("%s: %+v", name, spare)
		}
		if len(spare) == 1 && (spare[0].Secret != "old" || spare[0].Newer != "newer" || !spare[0].Since.Equal(test.old24)) {
			t.Errorf("%s: %+v", name, spare)
		}
	}
}

func TestSourceChanges(t *testing.T) {
	before := shop()
	after := *before
	after.Name, after.Enabled = "Shop 2", false
	after.Secrets = []verify.Secret{{Name: "old", Key: "s3cret-another", Until: noon.Add(time.Hour)}, {Name: "new", Key: "s3cret-new", From: noon, Until: noon.Add(time.Hour)}}
	after.Basic = &verify.BasicAuth{User: "plenigo", Password: "s3cret-fresh"}
	after.Headers = []verify.Header{{Name: "x-shop-token", Value: "s3cret-fresh"}, {Name: "X-More", Value: "s3cret"}}
	changes := store.SourceChanges(before, &after)
	text, err := json.Marshal(changes)
	must(t, err)
	want := `{"enabled":{"after":false,"before":true},` +
		`"headers":{"after":["X-More","X-Shop-Token"],"before":["X-Shop-Token"]},` +
		`"name":{"after":"Shop 2","before":"Shop"},` +
		`"replaced":["basic password","header X-Shop-Token","secret old"],` +
		`"secrets":{"after":[{"from":null,"name":"old","until":"2026-03-04T13:00:00Z"},{"from":"2026-03-04T12:00:00Z","name":"new","until":"2026-03-04T13:00:00Z"}],` +
		`"before":[{"from":null,"name":"old","until":"2026-03-04T13:00:00Z"},{"from":"2026-03-04T12:00:00Z","name":"new","until":null}]}}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	added, err := json.Marshal(store.SourceChanges(nil, before))
	must(t, err)
	if strings.Contains(string(added), "s3cret") || !strings.Contains(string(added), `"basic_user":"plenigo"`) {
		t.Errorf("added: %s", added)
	}
	if same := store.SourceChanges(before, before); len(same) > 0 {
		t.Errorf("no change: %v", same)
	}
}
