package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"recall/plenigo"
)

func TestSimulateSendsEverySample(t *testing.T) {
	t.Parallel()
	url, requests := listen(t, http.StatusOK, `{"verdict":"verified","event":"0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b"}`)
	r := command(t, "", "simulate", "--to", url, "--secret", "s")
	r.want(t, 0, "customer.creation", "200 verified 0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b", "36 callbacks sent, all answered 2xx.")
	if got := strings.Count(r.out, "\n"); got != 37 {
		t.Errorf("%d lines", got)
	}
	for i, s := range plenigo.Samples() {
		if got := (*requests)[i]; string(got.body) != string(s.Body) {
			t.Errorf("%s was sent as %s", s.Name, got.body)
		}
	}
}

func TestSimulateChosen(t *testing.T) {
	t.Parallel()
	url, requests := listen(t, http.StatusNoContent, "")
	r := command(t, "top,secret\n", "simulate", "--to", url, "--secret", "-", "--basic-file", fileWith(t, "user:pass\n"),
		"--header", "X-A: 1, 2", "--header", "x-b: 3", "--type", "Customer.Creation", "--type", "order.creation", "--count", "3", "--no-vary", "--api-version", "20250101")
	r.want(t, 0, "3 callbacks sent")
	if len(*requests) != 3 {
		t.Fatalf("%d requests", len(*requests))
	}
	for i, name := range []string{"customer.creation", "order.creation", "customer.creation"} {
		got := (*requests)[i]
		if string(got.body) != string(sampleNamed(t, name).Body) {
			t.Errorf("%d: %s", i, got.body)
		}
		for name, want := range map[string]string{"X-A": "1, 2", "X-B": "3", "X-Plenigo-Api-Version": "20250101", "Authorization": "Basic dXNlcjpwYXNz"} {
			if v := got.header[name]; len(v) != 1 || v[0] != want {
				t.Errorf("%s: %q", name, v)
			}
		}
	}
	header := "plenigo-signature: " + (*requests)[0].header.Get("Plenigo-Signature")
	command(t, string((*requests)[0].body), "verify", "--secret", "top,secret", "--header", header).want(t, 0, "verified")
}

func TestSimulateFailures(t *testing.T) {
	t.Parallel()
	url, _ := listen(t, http.StatusUnauthorized, `{"verdict":"rejected","reason":"\u001b[2Jx"}`)
	r := command(t, "", "simulate", "--to", url, "--secret", "s", "--type", "order.creation")
	r.want(t, 1, "401 rejected U+001B[2Jx", "1 of 1 callback was not accepted")

	server := httptest.NewServer(nil)
	server.Close()
	r = command(t, "", "simulate", "--to", server.URL, "--secret", "topsecret", "--count", "2")
	r.want(t, 1, "no answer", "refused", "2 of 2 callbacks were not accepted")
	if strings.Contains(r.out+r.errs, "topsecret") {
		t.Error("the secret is shown")
	}
}

func TestSimulateWrongUse(t *testing.T) {
	t.Parallel()
	to := "--to=http://127.0.0.1:1/"
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no URL":       {[]string{"--secret", "s"}, "--to is missing"},
		"no scheme":    {[]string{"--to", "localhost:8080", "--secret", "s"}, `--to: "localhost:8080"`},
		"broken URL":   {[]string{"--to", "http://a b/", "--secret", "s"}, `--to: "http://a b/"`},
		"user in URL":  {[]string{"--to", "http://u:topsecret@host/", "--secret", "s"}, "--to: user and password"},
		"no secret":    {[]string{to}, "--secret or --secret-file is missing"},
		"two secrets":  {[]string{to, "--secret", "a", "--secret-file", "b"}, "--secret-file say the same"},
		"stdin twice":  {[]string{to, "--secret", "-", "--basic", "-"}, "standard input was read for --secret already"},
		"unknown type": {[]string{to, "--secret", "s", "--type", "custmer.creation"}, `no sample "custmer.creation"; there are app_store_order.creation`},
		"count":        {[]string{to, "--secret", "s", "--count=-1"}, "--count"},
		"no count":     {[]string{to, "--secret", "s", "--count", "0"}, "--count"},
		"duration":     {[]string{to, "--secret", "s", "--duration=-1s"}, "--duration must be longer than 0"},
		"rate":         {[]string{to, "--secret", "s", "--rate", "0"}, "--rate must be from 0.001"},
		"no rate":      {[]string{to, "--secret", "s", "--rate", "NaN"}, "--rate must be from 0.001"},
		"connections":  {[]string{to, "--secret", "s", "--connections", "0"}, "--connections must be from 1 to 1000, not 0"},
		"no share":     {[]string{to, "--secret", "s", "--fault", "stale"}, `--fault: write "stale" as KIND=SHARE, such as wrong-secret=5%`},
		"no percent":   {[]string{to, "--secret", "s", "--fault", "stale=0.5"}, `--fault stale: "0.5" is not a share`},
		"share of 0":   {[]string{to, "--secret", "s", "--fault", "stale=0%"}, `--fault stale: "0%" is not a share`},
		"share of NaN": {[]string{to, "--secret", "s", "--fault", "stale=NaN%"}, `--fault stale: "NaN%" is not a share`},
		"large share":  {[]string{to, "--secret", "s", "--fault", "stale=100.1%"}, `--fault stale: "100.1%" is not a share`},
		"shares":       {[]string{to, "--secret", "s", "--fault", "stale=60%", "--fault", "future=40.1%"}, "--fault: the shares are more than 100% together"},
		"fault":        {[]string{to, "--secret", "s", "--fault", "none=1%"}, `--fault: there is no kind "none"; there are wrong-secret, stale,`},
		"fault twice":  {[]string{to, "--secret", "s", "--fault", "stale=1%", "--fault", "stale=2%"}, "--fault: stale is given twice"},
		"basic":        {[]string{to, "--secret", "s", "--fault", "wrong-basic=1%"}, "--fault: wrong-basic needs --basic"},
		"header":       {[]string{to, "--secret", "s", "--fault", "missing-header=1%"}, "--fault: missing-header needs --header"},
		"never stale":  {[]string{to, "--secret", "s", "--fault", "stale=1%", "--late-window", "0"}, "--fault: stale is older than --tolerance"},
		"tolerance":    {[]string{to, "--secret", "s", "--tolerance", "0s"}, "--tolerance must be longer than 0"},
		"late window":  {[]string{to, "--secret", "s", "--late-window=-1s"}, "--late-window must not be negative"},
		"hour":         {[]string{to, "--secret", "s", "--repeats", "--hour", "2h"}, "--hour must last from 1ms to 1h, not 2h"},
		"hour alone":   {[]string{to, "--secret", "s", "--hour", "2s"}, "--hour says how callbacks are repeated; give --repeats with it"},
		"resign alone": {[]string{to, "--secret", "s", "--no-resign"}, "--resign says how callbacks are repeated; give --repeats with it"},
		"repeats from": {[]string{to, "--secret", "s", "--repeats", "--repeats-from", "last"}, `--repeats-from must be first or previous, not "last"`},
		"lost answers": {[]string{to, "--secret", "s", "--repeats", "--lost-answers", "1"}, `--lost-answers: "1" is not a share`},
		"seed":         {[]string{to, "--secret", "s", "--seed", "x"}, "--seed"},
		"api version":  {[]string{to, "--secret", "s", "--api-version", "a\nb"}, "--api-version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := command(t, "s", append([]string{"simulate"}, test.args...)...)
			r.want(t, 2, test.says)
			if strings.Contains(r.out+r.errs, "topsecret") {
				t.Error("the secret is shown")
			}
		})
	}
}

func TestSimulateList(t *testing.T) {
	t.Parallel()
	r := command(t, "", "simulate", "--list")
	r.want(t, 0, "customer.creation ", "documented", "686 bytes")
	if got := strings.Count(r.out, "\n"); got != len(plenigo.Samples()) {
		t.Errorf("%d lines", got)
	}
}
