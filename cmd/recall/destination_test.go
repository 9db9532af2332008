package main

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"recall/store"
	"recall/verify"
)

func TestDestinationAdd(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, test := range map[string]struct {
		args []string
		says string
		want store.Destination
	}{
		"crm": {
			[]string{"--match", " source:shop  type:customer.*,order", "--timeout", "5s", "--retry", "30s, 2m,10m", "--header", "Authorization: Bearer topsecret, more", "--signing", "none"},
			"fulfil source:shop  type:customer.*,order",
			store.Destination{
				Match: new("source:shop  type:customer.*,order"), Signing: store.SigningNone, Timeout: 5 * time.Second,
				RetrySchedule: []time.Duration{30 * time.Second, 2 * time.Minute, 10 * time.Minute},
				Headers:       []verify.Header{{Name: "Authorization", Value: "Bearer topsecret, more"}},
			},
		},
		"by-hand": {nil, "by hand", store.Destination{
			Signing: store.SigningPlenigo, Timeout: 30 * time.Second, RetrySchedule: store.DefaultRetrySchedule(),
		}},
		"all": {[]string{"--match", "", "--retry", ""}, "every accepted event", store.Destination{
			Match: new(""), Signing: store.SigningPlenigo, Timeout: 30 * time.Second,
		}},
	} {
		r := h.run("", append([]string{"destination", "add", "--name", name, "--url", "https://crm.example.com/hook?a=b"}, test.args...)...)
		r.want(t, 0, "The destination "+name+" was added", test.says)
		if strings.Contains(r.out+r.errs, "topsecret") {
			t.Error("a header value is shown")
		}
		got, err := h.db.FindDestination(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		want := test.want
		want.ID, want.CreatedAt, want.Name, want.URL, want.State = got.ID, got.CreatedAt, name, "https://crm.example.com/hook?a=b", store.DestinationActive
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("got  %+v\nwant %+v", *got, want)
		}
		if got := h.audited(name); got != "destination.add" {
			t.Errorf("audit list: %s", got)
		}
	}
	h.run("", "destination", "add", "--name", "crm", "--url", "https://crm.example.com/").want(t, 1, `the destination "crm" exists already`)
}

func TestDestinationListPauseResumeRemove(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "destination", "list").want(t, 0, "There is no destination yet")
	h.run("", "destination", "add", "--name", "crm", "--url", "https://crm.example.com/hook", "--match", "type:order.*", "--header", "X-Key: topsecret").want(t, 0)
	h.run("", "destination", "add", "--name", "audit", "--url", "https://audit.example.com/").want(t, 0)
	h.run("", "destination", "pause", "crm").want(t, 0, "The destination crm is paused")
	h.run("", "destination", "pause", "crm").want(t, 0, "paused already")
	list := h.run("", "destination", "list")
	list.want(t, 0, "NAME", "audit", "manual only", "type:order.*", "paused", "30s,2m,10m,1h,6h,24h", "https://crm.example.com/hook")
	lines := h.run("", "destination", "list", "--json")
	var got destinationJSON
	if err := json.Unmarshal([]byte(strings.SplitAfter(lines.out, "\n")[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "crm" || *got.Match != "type:order.*" || got.State != "paused" || got.TimeoutSeconds != 30 || !slices.Equal(got.RetrySeconds, []int64{30, 120, 600, 3600, 21600, 86400}) {
		t.Errorf("%+v", got)
	}
	show := h.run("", "destination", "show", "crm")
	show.want(t, 0, "paused", "X-Key: (hidden)", "type:order.*")
	for _, r := range []result{list, lines, show} {
		if strings.Contains(r.out+r.errs, "topsecret") {
			t.Error("a header value is shown")
		}
	}
	h.run("", "destination", "resume", "crm").want(t, 0, "The destination crm is active")
	d, err := h.db.FindDestination(t.Context(), "crm")
	if err != nil || d.State != store.DestinationActive || len(d.Headers) != 1 || d.Headers[0].Value != "topsecret" {
		t.Errorf("%+v, %v", d, err)
	}
	h.run("", "destination", "remove", "crm").want(t, 0, "The destination crm was removed.")
	h.run("", "destination", "remove", "crm").want(t, 1, `there is no destination "crm"; there are audit`)
	if got := h.audited("crm"); got != "destination.add destination.pause destination.resume destination.remove" {
		t.Errorf("audit list: %s", got)
	}
}

func TestDestinationWrongUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	url := "--url=https://crm.example.com/"
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no name":       {[]string{"add", url}, "--name"},
		"no URL":        {[]string{"add", "--name", "a"}, "--url"},
		"wrong name":    {[]string{"add", "--name", "CRM", url}, `the name "CRM" must be`},
		"wrong URL":     {[]string{"add", "--name", "a", "--url", "crm.example.com"}, "the URL must be absolute"},
		"user in URL":   {[]string{"add", "--name", "a", "--url", "https://u:topsecret@h/"}, "the URL must hold no user"},
		"wrong filter":  {[]string{"add", "--name", "a", url, "--match", "source:shop tpye:x"}, "--match: There is no key \"tpye\". Did you mean type? To find it as text put it in quotes.\n    source:shop tpye:x\n                ^\n"},
		"wrong signing": {[]string{"add", "--name", "a", url, "--signing", "md5"}, `the signing "md5" must be one of plenigo, standard-webhooks, none`},
		"wrong timeout": {[]string{"add", "--name", "a", url, "--timeout", "10m"}, "the time-out 10m0s must be between"},
		"wrong retry":   {[]string{"add", "--name", "a", url, "--retry", "30s,soon"}, `--retry: "soon" is no time`},
		"short retry":   {[]string{"add", "--name", "a", url, "--retry", "10ms"}, "the wait 10ms in the retry schedule must be"},
		"wrong header":  {[]string{"add", "--name", "a", url, "--header", "topsecret"}, "--header: number 1 has no colon"},
		"own host":      {[]string{"add", "--name", "a", url, "--header", "Host: b"}, "the header Host cannot be chosen: it belongs to the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := h.run("", append([]string{"destination"}, test.args...)...)
			r.want(t, 2, test.says)
			if strings.Contains(r.out+r.errs, "topsecret") {
				t.Error("a secret is shown")
			}
		})
	}
}

func TestCaret(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 80)
	for name, test := range map[string]struct {
		text string
		pos  int
		want string
	}{
		"begin":   {"abc", 0, "    abc\n    ^"},
		"end":     {"abc", 3, "    abc\n       ^"},
		"wide":    {"äö:x", 5, "    äö:x\n       ^"},
		"hostile": {"\x1bx", 1, "    U+001Bx\n          ^"},
		"long":    {long + "y" + long, 80, "    …" + long[:50] + "y" + long[:48] + "…\n" + strings.Repeat(" ", 55) + "^"},
		"outside": {"a", 9, "    a\n     ^"},
	} {
		if got := caret(test.text, test.pos); got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, test.want)
		}
	}
}
