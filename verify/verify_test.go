package verify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

const secret = "example-callback-secret"

var signedAt = time.Unix(1729583536, 0)

func policy(t testing.TB, change ...func(*Settings)) *Policy {
	t.Helper()
	s := Settings{Secrets: []Secret{{Name: "current", Key: secret}}, Tolerance: DefaultTolerance, LateWindow: DefaultLateWindow}
	for _, f := range change {
		f(&s)
	}
	p, err := NewPolicy(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// The values of REFERENCE §3.
func TestReferenceValues(t *testing.T) {
	sample, err := os.ReadFile("../plenigo/samples/customer.creation.json")
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		"{}":           "7e10a88153b14a67ff95e58b8baf4ce7e129f830dc2a42cd1a75acf13c6ebcc7",
		string(sample): "226af4032c75c22d9419108745cd41697c71ccc5cf009ee6a5425201b338e7b4",
	} {
		value := "t=1729583536,s=" + want
		if got := Sign(secret, signedAt, []byte(body)); got != value {
			t.Errorf("Sign = %s, want %s", got, value)
		}
		r := policy(t).Check(header("plenigo-signature", value), []byte(body), signedAt)
		if r.Verdict != Verified || r.Signature != Valid || r.Secret != "current" || r.SignedAt != 1729583536 || r.Reason != "" {
			t.Errorf("Check = %+v", r)
		}
	}
}

func TestSignatureStatuses(t *testing.T) {
	body := []byte(`{"entityType":"CUSTOMER"}`)
	good := Sign(secret, signedAt, body)
	digits := good[strings.Index(good, "s=")+2:]
	cases := []struct {
		name   string
		header http.Header
		after  time.Duration // now − t
		change func(*Settings)
		want   Status
		verd   Verdict
		reason Reason
	}{
		{"genuine", header("plenigo-signature", good), 0, nil, Valid, Verified, ""},
		{"upper-case digits", header("plenigo-signature", "t=1729583536,s="+strings.ToUpper(digits)), 0, nil, Valid, Verified, ""},
		{"blanks and unknown elements", header("plenigo-signature", " u=1 , s="+digits+" ,v=2, t=1729583536 "), 0, nil, Valid, Verified, ""},
		{"second of two signatures", header("plenigo-signature", "t=1729583536,s="+strings.Repeat("0", 64)+",s="+digits), 0, nil, Valid, Verified, ""},
		{"at the tolerance", header("plenigo-signature", good), 5 * time.Minute, nil, Valid, Verified, ""},
		{"late", header("plenigo-signature", good), 5*time.Minute + time.Second, nil, Expired, Late, ReasonSignatureExpired},
		{"last retry", header("plenigo-signature", good), 31 * time.Hour, nil, Expired, Late, ReasonSignatureExpired},
		{"too late", header("plenigo-signature", good), 33 * time.Hour, nil, Expired, Rejected, ReasonSignatureExpired},
		{"late turned off", header("plenigo-signature", good), time.Hour, func(s *Settings) { s.LateWindow = 0 }, Expired, Rejected, ReasonSignatureExpired},
		{"ahead within the tolerance", header("plenigo-signature", good), -5 * time.Minute, nil, Valid, Verified, ""},
		{"future", header("plenigo-signature", good), -6 * time.Minute, nil, Future, Rejected, ReasonSignatureFuture},
		{"missing", header(), 0, nil, Missing, Rejected, ReasonSignatureMissing},
		{"twice", header("plenigo-signature", good, "plenigo-signature", good), 0, nil, Malformed, Rejected, ReasonSignatureMalformed},
		{"empty", header("plenigo-signature", ""), 0, nil, Malformed, Rejected, ReasonSignatureMalformed},
		{"two t", header("plenigo-signature", good+",t=1729583536"), 0, nil, Malformed, Rejected, ReasonSignatureMalformed},
		{"t not a number", header("plenigo-signature", "t=now,s="+digits), 0, nil, Malformed, Rejected, ReasonSignatureMalformed},
		{"t negative", header("plenigo-signature", "t=-1,s="+digits), 0, nil, Malformed, Rejected, ReasonSignatureMalformed},
		{"t in milliseconds", header("plenigo-signature", "t=1729583536000,s="+digits), 0, nil, Malformed, Rejected, ReasonSignatureMalformed},
		{"short digest", header("plenigo-signature", "t=1729583536,s="+digits[:62]), 0, nil, Malformed, Rejected, ReasonSignatureMalformed},
		{"no s", header("plenigo-signature", "t=1729583536"), 0, nil, Malformed, Rejected, ReasonSignatureMalformed},
		{"too many s", header("plenigo-signature", "t=1729583536"+strings.Repeat(",s="+digits, 17)), 0, nil, Malformed, Rejected, ReasonSignatureMalformed},
		{"other secret", header("plenigo-signature", Sign("other", signedAt, body)), 0, nil, Mismatch, Rejected, ReasonSignatureMismatch},
		{"other body", header("plenigo-signature", Sign(secret, signedAt, []byte("{}"))), 0, nil, Mismatch, Rejected, ReasonSignatureMismatch},
		{"other t", header("plenigo-signature", "t=1729583537,s="+digits), 0, nil, Mismatch, Rejected, ReasonSignatureMismatch},
		{"t with a leading zero is another text", header("plenigo-signature", "t=01729583536,s="+digits), 0, nil, Mismatch, Rejected, ReasonSignatureMismatch},
		{"no secret", header("plenigo-signature", good), 0, func(s *Settings) { s.Secrets = nil }, NoSecret, Rejected, ReasonNoSecret},
		{"secret not yet valid", header("plenigo-signature", good), 0, func(s *Settings) { s.Secrets[0].From = signedAt.Add(1) }, NoSecret, Rejected, ReasonNoSecret},
		{"secret ended", header("plenigo-signature", good), 0, func(s *Settings) { s.Secrets[0].Until = signedAt }, NoSecret, Rejected, ReasonNoSecret},
		{"second secret", header("plenigo-signature", good), 0, func(s *Settings) {
			s.Secrets = []Secret{{Name: "new", Key: "new"}, {Name: "old", Key: secret}}
		}, Valid, Verified, ""},
		{"disabled", header("plenigo-signature", good), 0, func(s *Settings) { s.Disabled = true }, Valid, Rejected, ReasonSourceDisabled},
		{"unreadable", header("plenigo-signature", good), 0, func(s *Settings) { s.Unreadable = true }, Valid, Rejected, ReasonSettingsUnreadable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var change []func(*Settings)
			if c.change != nil {
				change = append(change, c.change)
			}
			r := policy(t, change...).Check(c.header, body, signedAt.Add(c.after))
			if r.Signature != c.want || r.Verdict != c.verd || r.Reason != c.reason {
				t.Errorf("got %s %s %q, want %s %s %q", r.Signature, r.Verdict, r.Reason, c.want, c.verd, c.reason)
			}
			for _, step := range r.Explain() {
				if step.Words == "" || strings.Contains(step.Words, secret) {
					t.Errorf("step %+v", step)
				}
			}
		})
	}
}

func TestAuthentication(t *testing.T) {
	body := []byte("{}")
	ask := func(s *Settings) {
		s.Basic = &BasicAuth{User: "plenigo", Password: "pass:word"}
		s.Headers = []Header{{Name: "x-token", Value: "abc"}}
	}
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	cases := []struct {
		name          string
		authorization []string
		token         []string
		basic, header Status
		reason        Reason
	}{
		{"both", []string{basic("plenigo:pass:word")}, []string{"abc"}, Valid, Valid, ""},
		{"scheme in lower case", []string{"b" + basic("plenigo:pass:word")[1:]}, []string{"abc"}, Valid, Valid, ""},
		{"no basic", nil, []string{"abc"}, Missing, Valid, ReasonBasicMissing},
		{"wrong password", []string{basic("plenigo:other")}, []string{"abc"}, Mismatch, Valid, ReasonBasicMismatch},
		{"shorter password", []string{basic("plenigo:pass:wor")}, []string{"abc"}, Mismatch, Valid, ReasonBasicMismatch},
		{"bearer", []string{"Bearer abc"}, []string{"abc"}, Malformed, Valid, ReasonBasicMalformed},
		{"no base64", []string{"Basic %%%"}, []string{"abc"}, Malformed, Valid, ReasonBasicMalformed},
		{"twice", []string{basic("plenigo:pass:word"), basic("plenigo:pass:word")}, []string{"abc"}, Malformed, Valid, ReasonBasicMalformed},
		{"no header", []string{basic("plenigo:pass:word")}, nil, Valid, Missing, ReasonHeaderMissing},
		{"wrong header", []string{basic("plenigo:pass:word")}, []string{"abcd"}, Valid, Mismatch, ReasonHeaderMismatch},
		{"header twice", []string{basic("plenigo:pass:word")}, []string{"abc", "abc"}, Valid, Mismatch, ReasonHeaderMismatch},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := header("plenigo-signature", Sign(secret, signedAt, body))
			h["Authorization"], h["X-Token"] = c.authorization, c.token
			r := policy(t, ask).Check(h, body, signedAt)
			if r.Basic != c.basic || r.Header != c.header || r.Reason != c.reason {
				t.Errorf("got %s %s %q, want %s %s %q", r.Basic, r.Header, r.Reason, c.basic, c.header, c.reason)
			}
		})
	}
}

func TestNewPolicyNamesTheFault(t *testing.T) {
	for want, change := range map[string]func(*Settings){
		"tolerance":    func(s *Settings) { s.Tolerance = 0 },
		"late window":  func(s *Settings) { s.LateWindow = -1 },
		`"current"`:    func(s *Settings) { s.Secrets[0].Key = "" },
		"ends before":  func(s *Settings) { s.Secrets[0].From = signedAt; s.Secrets[0].Until = signedAt },
		"needs a user": func(s *Settings) { s.Basic = &BasicAuth{Password: "p"} },
		"colon":        func(s *Settings) { s.Basic = &BasicAuth{User: "a:b"} },
		"header name":  func(s *Settings) { s.Headers = []Header{{Name: "a b", Value: "c"}} },
		"X-Token":      func(s *Settings) { s.Headers = []Header{{Name: "X-Token"}} },
	} {
		s := Settings{Secrets: []Secret{{Name: "current", Key: secret}}, Tolerance: 1}
		change(&s)
		if _, err := NewPolicy(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

// FuzzCheck: whatever the header, nothing panics, and a signature is called authentic only where the plain rule of
// REFERENCE §3, computed apart, says so.
func FuzzCheck(f *testing.F) {
	f.Add("t=1729583536,s=7e10a88153b14a67ff95e58b8baf4ce7e129f830dc2a42cd1a75acf13c6ebcc7", []byte("{}"))
	f.Add("t=1,t=2,s=00", []byte(""))
	f.Add(",,=,t,s=", []byte("x"))
	f.Fuzz(func(t *testing.T, value string, body []byte) {
		r := policy(t).Check(http.Header{HeaderSignature: {value}}, body, signedAt)
		r.Explain()
		if r.Signature != Valid && r.Signature != Expired && r.Signature != Future {
			return
		}
		mac := hmac.New(sha256.New, []byte(secret))
		unix := strconv.FormatInt(r.SignedAt, 10)
		i := strings.Index(value, unix)
		start := strings.LastIndex(value[:i], "=") + 1 // leading zeros belong to t
		mac.Write([]byte(value[start:i] + unix + "."))
		mac.Write(body)
		if !strings.Contains(strings.ToLower(value), hex.EncodeToString(mac.Sum(nil))) {
			t.Fatalf("%q called %s", value, r.Signature)
		}
	})
}
