package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"recall/store"
	"recall/verify"
)

func TestSourceAdd(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	r := h.run("top,secret\n", "source", "add", "--slug", "shop", "--name", "Tea shop", "--secret", "-", "--basic-file", fileWith(t, "plenigo:pass:word\n"),
		"--header", "X-Shop: a, b", "--header-file", fileWith(t, "x-key: value\n"), "--tolerance", "10m", "--late-window", "0", "--observe")
	r.want(t, 0, "http://127.0.0.1:8080/callbacks/shop", "RECALL_PUBLIC_URL is not set", "Settings > Development > Callbacks", `tick "Endpoint requires authentication"`,
		"user plenigo", "key X-Shop", "key x-key", "simulate --to http://127.0.0.1:8080/callbacks/shop")
	if strings.Contains(r.out+r.errs, "top,secret") || strings.Contains(r.out+r.errs, "pass:word") || strings.Contains(r.out+r.errs, "a, b") {
		t.Error("a secret is shown")
	}
	s, err := h.db.FindSource(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "Tea shop" || !s.Enabled || !s.Observe || s.Tolerance != 10*time.Minute || s.LateWindow != 0 ||
		len(s.Secrets) != 1 || s.Secrets[0].Key != "top,secret" || *s.Basic != (verify.BasicAuth{User: "plenigo", Password: "pass:word"}) ||
		len(s.Headers) != 2 || s.Headers[1] != (verify.Header{Name: "X-Shop", Value: "a, b"}) {
		t.Errorf("%+v", s)
	}
	if got := h.audited("shop"); got != "source.add" {
		t.Errorf("audit list: %s", got)
	}
	h.run("", "source", "add", "--slug", "shop", "--secret", "s").want(t, 1, `the source "shop" exists already`)
}

func TestSourceAddBehindAProxy(t *testing.T) {
	t.Setenv("RECALL_PUBLIC_URL", "https://callbacks.example.com/")
	r := newHouse(t).run("", "source", "add", "--slug", "shop", "--secret", "s")
	r.want(t, 0, "https://callbacks.example.com/callbacks/shop\n")
	if strings.Contains(r.out, "RECALL_PUBLIC_URL") {
		t.Errorf("%s", r.out)
	}
}

func TestCallbackURL(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":8080": "http://127.0.0.1:8080", "0.0.0.0:8080": "http://127.0.0.1:8080", "[::]:8080": "http://127.0.0.1:8080",
		"192.0.2.1:80": "http://192.0.2.1:80", "[2001:db8::1]:80": "http://[2001:db8::1]:80", "receiver.example:80": "http://receiver.example:80",
	} {
		if got := (config{ReceiverAddr: addr}).callbackURL("a"); got != want+"/callbacks/a" {
			t.Errorf("%s: %s", addr, got)
		}
	}
}

func TestSourceAddWithoutSecret(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "source", "add", "--slug", "shop").want(t, 0, "no secret yet, so it rejects everything", "source set shop --secret -", `leave "Endpoint requires authentication" unticked`)
	h.run("", "source", "list").want(t, 0, "no secret")
	h.run("plenigo's\r\n", "source", "set", "shop", "--secret", "-").want(t, 0, "The source shop was changed.")
	s, err := h.db.FindSource(t.Context(), "shop")
	if err != nil || s.Name != "shop" || len(s.Secrets) != 1 || s.Secrets[0].Key != "plenigo's" || s.Tolerance != verify.DefaultTolerance || s.LateWindow != verify.DefaultLateWindow {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestSourceListShowSetRemove(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "source", "list").want(t, 0, "There is no source yet")
	h.run("", "source", "add", "--slug", "shop", "--name", "Tea\u202eshop", "--secret", "topsecret", "--basic", "user:topsecret", "--header", "X-Key: topsecret").want(t, 0)
	h.run("", "source", "add", "--slug", "blog", "--secret", "topsecret").want(t, 0)

	list := h.run("", "source", "list")
	list.want(t, 0, "SLUG", "blog", "TeaU+202Eshop", "enabled", "signature, basic, X-Key", "5m", "32h", "http://127.0.0.1:8080/callbacks/shop")
	lines := h.run("", "source", "list", "--json")
	var got store.SourceJSON
	if err := json.Unmarshal([]byte(strings.SplitAfter(lines.out, "\n")[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Slug != "shop" || !got.Enabled || got.ToleranceSeconds != 300 || got.LateWindowSeconds != 115200 || len(got.Secrets) != 1 || *got.BasicUser != "user" || got.Headers[0] != "X-Key" {
		t.Errorf("%+v", got)
	}
	show := h.run("", "source", "show", "shop")
	show.want(t, 0, "enabled", "user user, password hidden", "X-Key: (hidden)", "answered 401", "every type", "plenigo", "VERIFIED", "never")

	h.run("", "source", "set", "shop", "--name", "Shop", "--disable", "--observe", "--no-basic", "--no-header", "--tolerance", "1m", "--late-window", "90m").want(t, 0)
	h.run("", "source", "show", "shop").want(t, 0, "disabled", "1m", "1h30m", "answered 2xx")
	s, err := h.db.FindSource(t.Context(), "shop")
	if err != nil || s.Enabled || !s.Observe || s.Basic != nil || s.Headers != nil || len(s.Secrets) != 1 || s.Name != "Shop" {
		t.Errorf("%+v, %v", s, err)
	}
	h.run("", "source", "set", "shop", "--enable", "--no-observe", "--basic", "a:b").want(t, 0)
	if s, err = h.db.FindSource(t.Context(), "shop"); err != nil || !s.Enabled || s.Observe || s.Basic == nil || s.Tolerance != time.Minute {
		t.Errorf("%+v, %v", s, err)
	}
	h.run("", "source", "remove", "shop").want(t, 0, "The source shop was removed.")
	h.run("", "source", "remove", "shop").want(t, 1, `there is no source "shop"; there are blog`)
	h.run("", "source", "show", "sh\x1bop").want(t, 1, `there is no source "sh\x1bop"`)
	if got := h.audited("shop"); got != "source.add source.set source.set source.remove" {
		t.Errorf("audit list: %s", got)
	}
	for _, r := range []result{list, lines, show} {
		if strings.Contains(r.out+r.errs, "topsecret") {
			t.Error("a secret is shown")
		}
	}
}

func TestSourceWrongUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "source", "add", "--slug", "shop", "--secret", "s").want(t, 0)
	shop, err := h.db.FindSource(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no slug":           {[]string{"add"}, "--slug"},
		"wrong slug":        {[]string{"add", "--slug", "My Shop"}, `the slug "My Shop" must be`},
		"wrong tolerance":   {[]string{"add", "--slug", "a", "--tolerance", "5"}, "--tolerance"},
		"no tolerance":      {[]string{"add", "--slug", "a", "--tolerance", "0s"}, "the tolerance must be"},
		"half a second":     {[]string{"add", "--slug", "a", "--late-window", "1500ms"}, "the late window must be whole seconds"},
		"negative window":   {[]string{"add", "--slug", "a", "--late-window=-1h"}, "the late window must not be negative"},
		"two-line secret":   {[]string{"add", "--slug", "a", "--secret-file", fileWith(t, "topsecret\ntopsecret\n")}, "--secret holds more than one line"},
		"empty file":        {[]string{"add", "--slug", "a", "--secret-file", fileWith(t, "\n")}, "--secret is empty"},
		"large file":        {[]string{"add", "--slug", "a", "--secret-file", fileWith(t, strings.Repeat("topsecret", 10000))}, "no secret"},
		"basic":             {[]string{"add", "--slug", "a", "--basic", "topsecret"}, "--basic: write it as USER:PASSWORD"},
		"header":            {[]string{"add", "--slug", "a", "--header", "a: b", "--header", "topsecret"}, "--header: number 2 has no colon"},
		"empty header":      {[]string{"add", "--slug", "a", "--header", "a:"}, "the value of the header a is empty"},
		"header twice":      {[]string{"add", "--slug", "a", "--header", "a: b", "--header", "A: c"}, "the header A is there twice"},
		"nothing to set":    {[]string{"set", "shop"}, "nothing to change"},
		"set to nothing":    {[]string{"set", "shop", "--name", ""}, "the name of the source is empty"},
		"unknown header":    {[]string{"set", "shop", "--remove-header", "X-Nope"}, `no header "X-Nope"`},
		"unknown secret":    {[]string{"set", "shop", "--end-secret", "none"}, `no secret "none"`},
		"expect and none":   {[]string{"set", "shop", "--expect", "order", "--no-expect"}, "--no-expect"},
		"wrong type":        {[]string{"set", "shop", "--expect", "order.creation.now"}, `"order.creation.now" is no type`},
		"wrong scheme":      {[]string{"set", "shop", "--scheme", "morse"}, `--scheme: "morse" is neither`},
		"broken scheme":     {[]string{"add", "--slug", "a", "--scheme", fileWith(t, `{"name":`)}, "is not readable JSON"},
		"scheme's secrets":  {[]string{"set", "shop", "--scheme", "standard-webhooks"}, "is not base64"},
		"no new secret":     {[]string{"rotate", "shop"}, "--secret or --secret-file is missing"},
		"same secret":       {[]string{"rotate", "shop", "--secret", "s"}, "which the source has already"},
		"blank secret":      {[]string{"rotate", "shop", "--secret", "topsecret "}, "begins or ends with a blank"},
		"secret's name":     {[]string{"rotate", "shop", "--secret", "topsecret", "--name", shop.Secrets[0].Name}, "two secrets named"},
		"negative overlap":  {[]string{"rotate", "shop", "--secret", "topsecret", "--overlap=-1h"}, "overlap must be"},
		"endless overlap":   {[]string{"rotate", "shop", "--secret", "topsecret", "--overlap", "99999h"}, "overlap must be"},
		"basic and none":    {[]string{"set", "shop", "--basic", "a:b", "--no-basic"}, "--no-basic"},
		"no source named":   {[]string{"show"}, "slug"},
		"unknown flag":      {[]string{"list", "--jsno"}, "--jsno"},
		"standard input of": {[]string{"set", "shop", "--secret", "-", "--header", "-"}, "--header: standard input was read for --secret already"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := h.run("topsecret", append([]string{"source"}, test.args...)...)
			r.want(t, 2, test.says)
			if strings.Contains(r.out+r.errs, "topsecret") {
				t.Error("a secret is shown")
			}
		})
	}
}

func TestSourceSetOneThingAtATime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "source", "add", "--slug", "shop", "--secret", "topsecret", "--header", "X-A: topsecret-a", "--header", "X-B: topsecret-b",
		"--expect", "customer.*", "--expect", "Order.Creation").want(t, 0)
	find := func() *store.Source {
		t.Helper()
		s, err := h.db.FindSource(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := find(); !slices.Equal(s.ExpectedTypes, []string{"customer.*", "order.creation"}) || s.Scheme != (verify.Scheme{}) {
		t.Errorf("added: %+v", s)
	}
	h.run("", "source", "set", "shop", "--header", "x-b: topsecret-2", "--header", "X-C: topsecret-c", "--remove-header", "x-a").want(t, 0)
	want := []verify.Header{{Name: "X-B", Value: "topsecret-2"}, {Name: "X-C", Value: "topsecret-c"}}
	if s := find(); !slices.Equal(s.Headers, want) || len(s.ExpectedTypes) != 2 {
		t.Errorf("headers: %+v", s)
	}
	own := verify.Plenigo
	own.Name = "mine"
	h.run("", "source", "set", "shop", "--scheme", fileWith(t, own.String()+"\n"), "--no-expect").want(t, 0)
	if s := find(); s.Scheme != own || s.ExpectedTypes != nil {
		t.Errorf("scheme: %+v", s)
	}
	h.run("", "source", "show", "shop").want(t, 0, "every type", `"name":"mine"`)
	r := h.run("", "source", "add", "--slug", "hooks", "--scheme", "standard-webhooks", "--secret", "whsec_c2VjcmV0")
	r.want(t, 0, "Enter at the sender", "standard-webhooks")
	if strings.Contains(r.out, "Merchant Backend") || strings.Contains(r.out, "simulate") {
		t.Errorf("another sender is set up as plenigo: %s", r.out)
	}
	h.run("", "source", "set", "shop", "--scheme", "plenigo", "--expect", "order.*, *.deletion").want(t, 0)
	h.run("", "source", "list", "--json").want(t, 0, `"scheme":"plenigo"`, `"expected_types":["order.*","*.deletion"]`)
	entries, err := h.db.ListAudit(t.Context(), "shop", 10)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprint(entries)
	if strings.Contains(text, "topsecret") || !strings.Contains(text, "replaced:[header X-B]") || !strings.Contains(text, "before:[X-A X-B]") {
		t.Errorf("audit list: %s", text)
	}
}

func TestSourceRotate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "source", "add", "--slug", "shop", "--secret", "topsecret-1").want(t, 0)
	r := h.run("topsecret-2\n", "source", "rotate", "shop", "--secret-file", "-", "--name", "autumn")
	r.want(t, 0, "The source shop was changed.")
	h.run("", "source", "rotate", "shop", "--secret", "topsecret-3", "--overlap", "0s").want(t, 0)
	s, err := h.db.FindSource(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	day := s.Secrets[2].From.UTC().Format(time.DateOnly)
	if len(s.Secrets) != 3 || s.Secrets[1].Name != "autumn" || s.Secrets[1].Key != "topsecret-2" || !strings.HasPrefix(s.Secrets[2].Name, day) || s.Secrets[2].Name == s.Secrets[0].Name {
		t.Fatalf("secrets %+v", s.Secrets)
	}
	if s.Secrets[0].Until.IsZero() || s.Secrets[0].Until.After(time.Now()) || !s.Secrets[2].Until.IsZero() {
		t.Errorf("validity %+v", s.Secrets)
	}
	r = h.run("", "source", "show", "shop")
	r.want(t, 0, "SECRET", "autumn", "over", "valid", "never")
	if strings.Contains(r.out, "topsecret") {
		t.Error("a secret is shown")
	}
	h.run("", "source", "set", "shop", "--end-secret", s.Secrets[2].Name).want(t, 0)
	h.run("", "source", "list").want(t, 0, "no secret")
	if got := h.audited("shop"); got != "source.add source.set source.set source.set" {
		t.Errorf("audit list: %s", got)
	}
}

func TestSourceShowTellsUsesAndWhatCanEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "source", "add", "--slug", "shop", "--secret", "topsecret-1").want(t, 0)
	s, err := h.db.FindSource(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	s.Secrets = append(s.Secrets, verify.Secret{Name: "second one", Key: "topsecret-2"})
	if err := h.db.UpdateSource(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for secret, at := range map[string]time.Time{s.Secrets[0].Name: time.Now().Add(-80 * time.Hour), "second one": time.Now().Add(-time.Hour), "gone": time.Now().Add(-90 * time.Hour)} {
		id := store.IDAt(at)
		id[6], id[8] = 0x70, 0x80 // UUIDv7
		_, err := h.db.Pool().Exec(t.Context(), `
			INSERT INTO source_hours (source_id, hour, verdict, answered, secret, events, last_event_id)
			VALUES ($1, date_trunc('hour', $2::timestamptz), 'verified', 200, $3, 7, $4)`, s.ID, at, secret, id)
		if err != nil {
			t.Fatal(err)
		}
	}
	h.run("", "source", "show", "shop").want(t, 0, "second one", "7", "gone", "removed", "was not needed for two days, while second one was",
		"source set shop --end-secret "+s.Secrets[0].Name)
	h.run("", "source", "rotate", "shop", "--secret", "topsecret-3", "--name", "gone").want(t, 2, `"gone" is or was the name`)
}

func TestSourceThatCannotBeDecrypted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "source", "add", "--slug", "shop", "--secret", "topsecret-1", "--header", "X-A: topsecret").want(t, 0)
	if _, err := h.db.Pool().Exec(t.Context(), `UPDATE source_headers SET sealed = '\x00'`); err != nil {
		t.Fatal(err)
	}
	h.run("", "source", "set", "shop", "--name", "x").want(t, 1, "cannot be decrypted", "--drop-unreadable")
	h.run("", "source", "set", "shop", "--drop-unreadable").want(t, 0)
	h.run("", "source", "set", "shop", "--header", "X-A: topsecret", "--enable").want(t, 0)
	if s, err := h.db.FindSource(t.Context(), "shop"); err != nil || s.Unreadable || !s.Enabled || len(s.Headers) != 1 || len(s.Secrets) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
