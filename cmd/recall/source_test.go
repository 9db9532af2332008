package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

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
	var got sourceJSON
	if err := json.Unmarshal([]byte(strings.SplitAfter(lines.out, "\n")[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Slug != "shop" || !got.Enabled || got.ToleranceSeconds != 300 || got.LateWindowSeconds != 115200 || len(got.Secrets) != 1 || *got.BasicUser != "user" || got.Headers[0] != "X-Key" {
		t.Errorf("%+v", got)
	}
	show := h.run("", "source", "show", "shop")
	show.want(t, 0, "enabled", "user user, password hidden", "X-Key: (hidden)", "(hidden): valid", "answered 401")

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
