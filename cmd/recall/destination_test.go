package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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
		"full": {
			[]string{"--method", "put", "--signing", "plenigo", "--secret", "topsecret", "--rate", "0.5", "--concurrency", "3", "--order", "entity", "--pass-signature", "--clear-header", "X-Tenant: shop, a", "--header-file", fileWith(t, "X-Key: topsecret\n")},
			"by hand", store.Destination{
				Method: "PUT", Signing: store.SigningPlenigo, Secrets: []store.SigningSecret{{Key: "topsecret"}}, MaxRate: 0.5, MaxConcurrency: 3,
				Ordering: store.OrderEntity, PassSignature: true, Timeout: 30 * time.Second, RetrySchedule: store.DefaultRetrySchedule(),
				Headers: []verify.Header{{Name: "X-Key", Value: "topsecret"}}, ClearHeaders: []verify.Header{{Name: "X-Tenant", Value: "shop, a"}},
			},
		},
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
		want.Revision, want.Method, want.Ordering = got.Revision, or(want.Method, "POST"), store.Ordering(or(string(want.Ordering), "any"))
		for i := range got.Secrets {
			got.Secrets[i].MadeAt = time.Time{}
		}
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
	list.want(t, 0, "NAME", "audit", "manual only", "type:order.*", "paused", "WAITING", "https://crm.example.com/hook")
	lines := h.run("", "destination", "list", "--json")
	var got store.DestinationJSON
	if err := json.Unmarshal([]byte(strings.SplitAfter(lines.out, "\n")[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "crm" || *got.Match != "type:order.*" || got.State != "paused" || got.TimeoutSeconds != 30 || !slices.Equal(got.RetrySeconds, []int64{30, 120, 600, 3600, 21600, 86400}) {
		t.Errorf("%+v", got)
	}
	show := h.run("", "destination", "show", "crm")
	show.want(t, 0, "paused", "X-Key: (hidden)", "type:order.*", "30s,2m,10m,1h,6h,24h", "POST https://crm.example.com/hook")
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

// A signing secret that was made is shown once, and again only where somebody asks for it, which the audit list says.
func TestDestinationSecretAndSet(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	find := func(name string) *store.Destination {
		t.Helper()
		d, err := h.db.FindDestination(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	added := h.run("", "destination", "add", "--name", "crm", "--url", "https://crm.example.com/hook?key=topsecret", "--signing", "standard-webhooks")
	added.want(t, 0, "The destination crm was added", "Its signing secret, for the receiver to check with: whsec_")
	first := find("crm").Secrets[0].Key
	if !strings.Contains(added.out, first) {
		t.Error("another secret is shown than the one that signs")
	}
	for _, args := range [][]string{{"show", "crm"}, {"list"}, {"list", "--json"}, {"set", "crm", "--rate", "2"}} {
		r := h.run("", append([]string{"destination"}, args...)...)
		r.want(t, 0, "crm")
		if strings.Contains(r.out+r.errs, first) || strings.Contains(r.out+r.errs, "topsecret") {
			t.Errorf("%v shows a secret", args)
		}
	}
	h.run("", "destination", "show", "crm", "--reveal").want(t, 0, first, "https://crm.example.com/hook?key=topsecret", "2 attempts a second")
	h.run("", "destination", "set", "crm", "--new-secret", "--overlap", "1h").want(t, 0, "was changed", "whsec_")
	if d := find("crm"); len(d.Secrets) != 2 || d.Secrets[0].Key != first || d.Secrets[0].Until.Sub(d.Secrets[1].MadeAt) != time.Hour || !d.Secrets[1].Until.IsZero() {
		t.Errorf("%+v", d.Secrets)
	}
	h.run("whsec_czNjcmV0LW9sZC1zM2NyZXQtb2xkLXMzY3JldA==\n", "destination", "set", "crm", "--secret", "-", "--overlap", "0s").want(t, 0, "was changed")
	if d := find("crm"); len(d.Secrets) != 1 || d.Secrets[0].Key != "whsec_czNjcmV0LW9sZC1zM2NyZXQtb2xkLXMzY3JldA==" {
		t.Errorf("%+v", d.Secrets)
	}
	h.run("", "destination", "set", "crm", "--secret", "topsecret").want(t, 2, "none of Standard Webhooks")
	h.run("", "destination", "set", "crm", "--no-secret").want(t, 2, "needs a secret of the destination's own")
	h.run("X-Key: topsecret\n", "destination", "set", "crm", "--rename", "crm-2", "--signing", "plenigo", "--no-secret", "--header", "-", "--clear-header", "X-Old: a",
		"--match", "type:order.*", "--url-file", fileWith(t, "https://crm.example.com/new\n"), "--order", "entity").want(t, 0, "The destination crm-2 was changed")
	h.run("", "destination", "set", "crm-2", "--no-match", "--remove-header", "x-old", "--retry", "1m", "--order", "any", "--no-pass-signature").want(t, 0)
	d := find("crm-2")
	if d.URL != "https://crm.example.com/new" || d.Match != nil || len(d.Secrets) != 0 || len(d.ClearHeaders) != 0 || len(d.Headers) != 1 || d.Ordering != store.OrderAny || len(d.RetrySchedule) != 1 || d.MaxRate != 2 {
		t.Errorf("%+v", d)
	}
	h.run("", "destination", "set", "crm-2", "--retry", "1m").want(t, 0, "nothing was changed")
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"two secrets":     {[]string{"--new-secret", "--no-secret"}, "exclude each other"},
		"match and none":  {[]string{"--match", "", "--no-match"}, "give one or the other"},
		"headers, none":   {[]string{"--no-header", "--header", "A: b"}, "give one or the other"},
		"unknown header":  {[]string{"--remove-header", "X-None"}, `no header "X-None" is sent along`},
		"twice":           {[]string{"--clear-header", "X-A: a", "--clear-header", "x-a: b"}, "there twice"},
		"overlap":         {[]string{"--new-secret", "--overlap=-1s"}, "--overlap must be"},
		"stdin twice":     {[]string{"--secret", "-", "--header", "-"}, "was read for --secret already"},
		"nothing to sign": {[]string{"--signing", "none", "--new-secret"}, "signs nothing"},
		"rate":            {[]string{"--rate=-1"}, "the rate -1 must be"},
	} {
		t.Run(name, func(t *testing.T) {
			h.run("a\n", append([]string{"destination", "set", "crm-2"}, test.args...)...).want(t, 2, test.says)
		})
	}
	if got := h.audited("crm"); got != "destination.add destination.set destination.reveal destination.set destination.set" {
		t.Errorf("audit list: %s", got)
	}
	entries, err := h.db.ListAudit(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(entries); strings.Contains(string(text), "topsecret") || strings.Contains(string(text), "whsec_") {
		t.Errorf("a secret is in the audit list: %s", text)
	}
}

// TestDestinationTest: what is sent and what comes back are shown in full, and nothing secret.
func TestDestinationTest(t *testing.T) {
	t.Setenv("RECALL_EGRESS_ALLOW", "127.0.0.0/8")
	h := newHouse(t)
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Seen", r.Header.Get("Recall-Test"))
		w.WriteHeader(status)
		io.WriteString(w, "\x1b[31mthanks")
	}))
	defer server.Close()
	h.run("", "destination", "add", "--name", "crm", "--url", server.URL+"/in?key=topsecret", "--signing", "none", "--header", "X-Key: topsecret").want(t, 0)
	for _, want := range []int{0, 1} {
		r := h.run("", "destination", "test", "crm")
		r.want(t, want, "POST "+server.URL+"/in?…\n", "Recall-Test: true\n", "X-Key: (kept secret)\n", `"entityType":"RECALL_TEST"`, "X-Seen: true\n", "U+001B[31mthanks\n", fmt.Sprint(status))
		if strings.Contains(r.out+r.errs, "topsecret") {
			t.Error("a secret is shown")
		}
		status = http.StatusTeapot
	}
	h.run("", "destination", "set", "crm", "--signing", "plenigo").want(t, 0)
	h.run("", "destination", "test", "crm").want(t, 1, "there is no source with one that is valid now")
	h.run("", "source", "add", "--slug", "shop", "--name", "Shop", "--secret", "a").want(t, 0)
	h.run("", "destination", "test", "crm", "--source", "shop").want(t, 1, "Plenigo-Signature: t=")
	h.run("", "destination", "test", "crm", "--source", "other").want(t, 1, `there is no source "other"; there are shop`)
	server.Close()
	h.run("", "destination", "test", "crm").want(t, 1, "No answer: could not connect")
	if got := h.audited("crm"); got != "destination.add destination.test destination.test destination.set destination.test destination.test" {
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
