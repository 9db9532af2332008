package main

import (
	"encoding/json"
	"strings"
	"testing"

	"recall/verify"
)

const (
	exampleSecret    = "example-callback-secret"
	exampleSignature = "t=1729583536,s=226af4032c75c22d9419108745cd41697c71ccc5cf009ee6a5425201b338e7b4"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	body := string(sampleNamed(t, "customer.creation").Body)
	header := "pLENIGO-signature:  " + exampleSignature
	for name, test := range map[string]struct {
		stdin     string
		args      []string
		status    int
		signature verify.Status
		verdict   verify.Verdict
		skew      int64
	}{
		"genuine":        {body, []string{"--secret", exampleSecret, "--header", header, "--now", "1729583537"}, 0, verify.Valid, verify.Verified, 1},
		"second secret":  {body, []string{"--secret", "a,b", "--secret", exampleSecret, "--header", header, "--now", "1729583536"}, 0, verify.Valid, verify.Verified, 0},
		"secret in file": {body, []string{"--secret-file", fileWith(t, "other\n"+exampleSecret+"\r\n"), "--header", header, "--now", "1729583536"}, 0, verify.Valid, verify.Verified, 0},
		"late":           {body, []string{"--secret", exampleSecret, "--header", header, "--now", "1729587136"}, 0, verify.Expired, verify.Late, 3600},
		"too old":        {body, []string{"--secret", exampleSecret, "--header", header, "--now", "1729587136", "--late-window", "0"}, 1, verify.Expired, verify.Rejected, 3600},
		"by the clock":   {body, []string{"--secret", exampleSecret, "--header", header, "--tolerance", "1h"}, 1, verify.Expired, verify.Rejected, -1},
		"tolerant":       {body, []string{"--secret", exampleSecret, "--header", header, "--now", "1729587136", "--tolerance", "1h"}, 0, verify.Valid, verify.Verified, 3600},
		"ahead":          {body, []string{"--secret", exampleSecret, "--header", header, "--now", "1729583000"}, 1, verify.Future, verify.Rejected, -536},
		"line end added": {body + "\n", []string{"--secret", exampleSecret, "--header", header, "--now", "1729583536"}, 1, verify.Mismatch, verify.Rejected, 0},
		"twice":          {body, []string{"--secret", exampleSecret, "--header", header, "--header", header}, 1, verify.Malformed, verify.Rejected, 0},
		"no header":      {body, []string{"--secret", exampleSecret}, 1, verify.Missing, verify.Rejected, 0},
		"basic missing":  {body, []string{"--secret", exampleSecret, "--header", header, "--now", "1729583536", "--basic", "u:p"}, 1, verify.Valid, verify.Rejected, 0},
		"basic and pair": {body, []string{"--secret", exampleSecret, "--header", header, "--now", "1729583536", "--basic", "u:p", "--header", "Authorization: Basic dTpw", "--require-header", "X-Key: a, b", "--header", "x-key: a, b"}, 0, verify.Valid, verify.Verified, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			words := command(t, test.stdin, append([]string{"verify"}, test.args...)...)
			words.want(t, test.status, string(test.verdict), "Signature")
			r := command(t, test.stdin, append([]string{"verify", "--json"}, test.args...)...)
			r.want(t, test.status)
			var got struct {
				Verdict     verify.Verdict
				Signature   verify.Status
				Reason      *verify.Reason
				SignedAt    *int64 `json:"signed_at"`
				SkewSeconds *int64 `json:"skew_seconds"`
			}
			if err := json.Unmarshal([]byte(r.out), &got); err != nil || strings.Count(r.out, "\n") != 1 {
				t.Fatalf("%v: %s", err, r.out)
			}
			if got.Verdict != test.verdict || got.Signature != test.signature || got.Reason == nil || got.SignedAt == nil ||
				got.SkewSeconds == nil || test.skew >= 0 && *got.SkewSeconds != test.skew {
				t.Errorf("got %s", r.out)
			}
			if strings.Contains(words.out+words.errs+r.out+r.errs, exampleSecret) {
				t.Error("the secret is shown")
			}
		})
	}
}

func TestVerifyWrongUse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no secret":       {nil, "--secret or --secret-file is missing"},
		"empty secret":    {[]string{"--secret", ""}, "--secret is empty"},
		"secret on stdin": {[]string{"--secret", "-"}, "standard input is the body"},
		"no file":         {[]string{"--secret-file", "/nowhere/secret"}, "/nowhere/secret"},
		"no colon":        {[]string{"--secret", "s", "--header", "topsecret"}, "number 1 has no colon"},
		"no header name":  {[]string{"--secret", "s", "--header", "a b: c"}, `"a b" is not a header name`},
		"no number":       {[]string{"--secret", "s", "--now", "yesterday"}, "--now"},
		"no time":         {[]string{"--secret", "s", "--tolerance", "5 min"}, "--tolerance"},
		"no tolerance":    {[]string{"--secret", "s", "--tolerance", "0s"}, "tolerance must be longer than zero"},
		"negative window": {[]string{"--secret", "s", "--late-window=-1s"}, "late window must not be negative"},
		"no password":     {[]string{"--secret", "s", "--basic", "topsecret"}, "--basic: write it as USER:PASSWORD"},
		"unknown flag":    {[]string{"--secert", "s"}, "--secert"},
		"extra word":      {[]string{"--secret", "s", "body.json"}, "body.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := command(t, "{}", append([]string{"verify"}, test.args...)...)
			r.want(t, 2, test.says)
			if r.out != "" || strings.Contains(r.errs, "topsecret") {
				t.Errorf("printed %q, %q", r.out, r.errs)
			}
		})
	}
}

func TestVerifyLargeBody(t *testing.T) {
	t.Parallel()
	command(t, strings.Repeat("x", 16<<20), "verify", "--secret", "s").want(t, 1, "signature_missing")
	r := command(t, strings.Repeat("x", 16<<20+1), "verify", "--secret", "s")
	r.want(t, 1, "larger than 16 MiB")
	if r.out != "" {
		t.Errorf("printed %q", r.out)
	}
}

func TestVerifyDefaultsAreThoseOfASource(t *testing.T) {
	t.Parallel()
	var commands cli
	c := &commands.Verify
	parse(t, &commands, "verify")
	if c.Tolerance != verify.DefaultTolerance || c.LateWindow != verify.DefaultLateWindow {
		t.Errorf("%s and %s", c.Tolerance, c.LateWindow)
	}
}
