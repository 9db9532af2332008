package verify

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The test values that the public library of standard-webhooks publishes (libraries/go, TestWebhookSign and defaults).
const (
	standardSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	standardID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	standardSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	standardOther     = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
)

var (
	standardBody = []byte(`{"test": 2432232314}`)
	standardTime = time.Unix(1614265330, 0)
)

func standardHeader() http.Header {
	return header("webhook-id", standardID, "webhook-timestamp", "1614265330", "webhook-signature", standardSignature)
}

func standardPolicy(t testing.TB, change ...func(*Settings)) *Policy {
	t.Helper()
	return policy(t, append([]func(*Settings){func(s *Settings) {
		s.Scheme, s.Secrets = StandardWebhooks, []Secret{{Name: "current", Key: standardSecret}}
	}}, change...)...)
}

func TestStandardWebhooks(t *testing.T) {
	got, err := StandardWebhooks.Sign(standardSecret, standardID, standardTime, standardBody)
	if err != nil || got.Get("webhook-signature") != standardSignature || got.Get("webhook-id") != standardID || got.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("Sign = %v, %v", got, err)
	}
	cases := []struct {
		name   string
		change func(http.Header)
		after  time.Duration
		want   Status
		reason Reason
	}{
		{"as published", func(http.Header) {}, 0, Valid, ""},
		{"several signatures", func(h http.Header) {
			h.Set("webhook-signature", strings.Join([]string{standardOther, "v2" + standardSignature[2:], standardSignature, standardOther}, " "))
		}, 0, Valid, ""},
		{"beside an asymmetric one", func(h http.Header) { h.Set("webhook-signature", "v1a,abc "+standardSignature) }, 0, Valid, ""},
		{"another signature", func(h http.Header) { h.Set("webhook-signature", standardOther) }, 0, Mismatch, ReasonSignatureMismatch},
		{"another version only", func(h http.Header) { h.Set("webhook-signature", "v2"+standardSignature[2:]) }, 0, Malformed, ReasonSignatureMalformed},
		{"no base64", func(h http.Header) { h.Set("webhook-signature", "v1,???") }, 0, Malformed, ReasonSignatureMalformed},
		{"no signature", func(h http.Header) { h.Del("webhook-signature") }, 0, Missing, ReasonSignatureMissing},
		{"no id", func(h http.Header) { h.Del("webhook-id") }, 0, Malformed, ReasonSignatureMalformed},
		{"two ids", func(h http.Header) { h.Add("webhook-id", standardID) }, 0, Malformed, ReasonSignatureMalformed},
		{"an id that moves the full stops", func(h http.Header) { h.Set("webhook-id", standardID+".1") }, 0, Malformed, ReasonSignatureMalformed},
		{"another id", func(h http.Header) { h.Set("webhook-id", "msg_1") }, 0, Mismatch, ReasonSignatureMismatch},
		{"no time", func(h http.Header) { h.Del("webhook-timestamp") }, 0, Malformed, ReasonSignatureMalformed},
		{"another time", func(h http.Header) { h.Set("webhook-timestamp", "1614265331") }, 0, Mismatch, ReasonSignatureMismatch},
		{"late", func(http.Header) {}, time.Hour, Expired, ReasonSignatureExpired},
		{"future", func(http.Header) {}, -time.Hour, Future, ReasonSignatureFuture},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := standardHeader()
			c.change(h)
			r := standardPolicy(t).Check(h, standardBody, standardTime.Add(c.after))
			if r.Signature != c.want || r.Reason != c.reason {
				t.Errorf("got %s %q, want %s %q", r.Signature, r.Reason, c.want, c.reason)
			}
			if r.SignatureHeader != "Webhook-Signature" {
				t.Errorf("signature header %q", r.SignatureHeader)
			}
			for _, step := range r.Explain() {
				if strings.Contains(step.Words, "plenigo") {
					t.Errorf("step %q names plenigo: %s", step.Name, step.Words)
				}
			}
		})
	}
	unprefixed := standardPolicy(t, func(s *Settings) { s.Secrets[0].Key = strings.TrimPrefix(standardSecret, "whsec_") })
	if r := unprefixed.Check(standardHeader(), standardBody, standardTime); r.Signature != Valid {
		t.Errorf("without whsec_: %s", r.Signature)
	}
}

func TestExplainNamesTheHeaderOfTheScheme(t *testing.T) {
	r := standardPolicy(t).Check(header(), nil, signedAt)
	if words := r.Explain()[0].Words; words != "There is no webhook-signature header." {
		t.Errorf("words %q", words)
	}
	r = policy(t).Check(header(), nil, signedAt)
	if words := r.Explain()[0].Words; words != "There is no plenigo-signature header." || r.SignatureHeader != "" {
		t.Errorf("words %q, header %q", words, r.SignatureHeader)
	}
}

// The zero Scheme, as sources have it that know of no schemes, is plenigo's.
func TestPlenigoIsTheDefault(t *testing.T) {
	got, err := Scheme{}.Sign(secret, "", signedAt, []byte("{}"))
	if err != nil || got.Get("plenigo-signature") != Sign(secret, signedAt, []byte("{}")) || len(got) != 1 {
		t.Errorf("Sign = %v, %v", got, err)
	}
	if (Scheme{}).String() != "plenigo" {
		t.Errorf("String = %s", Scheme{})
	}
}

// own is a scheme that nothing ships: the signature's time in the header, SHA-512, other marks.
var own = Scheme{
	Name: "own", Header: "X-Own", Separator: ";", Assign: ":", Signature: "sig", TimeElement: "at", IDHeader: "X-Id",
	Signed: "time.id.body", Digest: "sha512", Encoding: "base64", Key: "hex",
}

func TestSchemeAsText(t *testing.T) {
	for _, s := range append(Schemes(), own) {
		got, err := ParseScheme(s.String())
		if err != nil || got != s {
			t.Errorf("%s: got %+v, %v", s.Name, got, err)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseScheme(string(text)); err != nil || got != s {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]Scheme{"": Plenigo, " plenigo ": Plenigo, "{}": Plenigo, "standard-webhooks": StandardWebhooks} {
		if got, err := ParseScheme(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"stripe":                          `"stripe" is not a signing scheme`,
		`{"name":"own"`:                   "not readable JSON",
		`{"nam":"own"}`:                   "nam",
		StandardWebhooks.String() + "{}":  "is not a signing scheme",
		`{"name":"own"} {}`:               "nothing after it",
		`{"name":"own"}`:                  "header of the signing scheme",
		`{"name":"plenigo","header":"x"}`: "shipped",
	} {
		if _, err := ParseScheme(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not say %s", text, err, want)
		}
	}
}

func TestSchemeNamesTheFault(t *testing.T) {
	for want, change := range map[string]func(*Scheme){
		"needs a name":          func(s *Scheme) { s.Name = "my scheme" },
		"header of the":         func(s *Scheme) { s.Header = "X Own" },
		"id_header of":          func(s *Scheme) { s.IDHeader = "X\nId" },
		"different headers":     func(s *Scheme) { s.IDHeader = "x-own" },
		"needs a time":          func(s *Scheme) { s.TimeElement = "" },
		"not both":              func(s *Scheme) { s.TimeHeader = "X-Time" },
		"separator":             func(s *Scheme) { s.Separator = "" },
		"must differ":           func(s *Scheme) { s.Separator, s.Assign = ",", "," },
		"assign":                func(s *Scheme) { s.Assign = "-" },
		"signature and time":    func(s *Scheme) { s.Signature = "a b" },
		"different elements":    func(s *Scheme) { s.Signature = "at" },
		`signed of the`:         func(s *Scheme) { s.Signed = "body" },
		`is "body.time"`:        func(s *Scheme) { s.Signed = "body.time" },
		"with an id_header":     func(s *Scheme) { s.Signed = "time.body" },
		"or with an id_header":  func(s *Scheme) { s.IDHeader = "" },
		"digest":                func(s *Scheme) { s.Digest = "md5" },
		"encoding":              func(s *Scheme) { s.Encoding = "base32" },
		"key of the":            func(s *Scheme) { s.Key = "" },
		"cannot be changed":     func(s *Scheme) { s.Name = "plenigo" },
		"standard-webhooks is ": func(s *Scheme) { *s = StandardWebhooks; s.Digest = "sha512" },
	} {
		s := own
		change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
	if err := own.Validate(); err != nil {
		t.Error(err)
	}
	_, err := NewPolicy(Settings{Tolerance: 1, Scheme: StandardWebhooks, Secrets: []Secret{{Name: "shop", Key: "not base64!"}}})
	if err == nil || err.Error() != `the secret "shop" is not base64, as the signing scheme standard-webhooks asks of secrets` {
		t.Errorf("error %v", err)
	}
	if _, err := StandardWebhooks.Sign("not base64!", "1", signedAt, nil); err == nil || strings.Contains(err.Error(), "not base64!") {
		t.Errorf("error %v", err)
	}
	if _, err := StandardWebhooks.Sign(standardSecret, "a.b", signedAt, nil); err == nil {
		t.Error("an id with a full stop was signed")
	}
}

func TestOwnScheme(t *testing.T) {
	h, err := own.Sign("00ff", "id-1", signedAt, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	p := policy(t, func(s *Settings) { s.Scheme, s.Secrets = own, []Secret{{Name: "hex", Key: "00FF"}} })
	if r := p.Check(h, []byte("x"), signedAt); r.Signature != Valid {
		t.Errorf("signature %s of %v", r.Signature, h)
	}
	if r := p.Check(h, []byte("y"), signedAt); r.Signature != Mismatch {
		t.Errorf("signature %s of %v", r.Signature, h)
	}
}

// FuzzScheme: whatever text is given for a scheme, nothing panics; a scheme that is taken keeps its meaning as text, and
// accepts what it signs itself and nothing else.
func FuzzScheme(f *testing.F) {
	f.Add("", "id", []byte("{}"))
	f.Add("standard-webhooks", standardID, standardBody)
	f.Add(own.String(), "1", []byte{0})
	f.Add(`{"name":"own","header":"a","separator":" ","assign":"=","signature":"t","time_header":"b","signed":"time.body","digest":"sha256","encoding":"hex","key":"utf8"}`, "", []byte("x"))
	f.Fuzz(func(t *testing.T, text, id string, body []byte) {
		s, err := ParseScheme(text)
		if err != nil {
			return
		}
		if again, err := ParseScheme(s.String()); err != nil || again != s {
			t.Fatalf("%s became %s, %v", s, again, err)
		}
		key := "abcdef0123456789abcdef01" // utf8, hex and base64
		h, err := s.Sign(key, id, signedAt, body)
		if err != nil {
			return
		}
		p := policy(t, func(settings *Settings) { settings.Scheme, settings.Secrets = s, []Secret{{Name: "key", Key: key}} })
		if r := p.Check(h, body, signedAt); r.Signature != Valid {
			t.Fatalf("%s calls its own signature %s: %v", s, r.Signature, h)
		}
		if r := p.Check(h, append(body, 'x'), signedAt); r.Signature != Mismatch {
			t.Fatalf("%s calls another body %s: %v", s, r.Signature, h)
		}
	})
}

// FuzzStandardHeaders: a signature spread over three headers is called authentic only where it is the published rule.
func FuzzStandardHeaders(f *testing.F) {
	f.Add(standardID, "1614265330", standardSignature, standardBody)
	f.Add("", "", "v1,", []byte(nil))
	f.Add("a.1614265330", "2", standardSignature+" v1,,", []byte("x"))
	f.Fuzz(func(t *testing.T, id, at, value string, body []byte) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {at}, "Webhook-Signature": {value}}
		r := standardPolicy(t).Check(h, body, standardTime)
		if r.Signature != Valid && r.Signature != Expired && r.Signature != Future {
			return
		}
		unix := time.Unix(r.SignedAt, 0)
		want, err := StandardWebhooks.Sign(standardSecret, id, unix, body)
		if err != nil {
			t.Fatalf("%v called %s, and cannot be signed: %v", h, r.Signature, err)
		}
		if want.Get("webhook-timestamp") == at && !strings.Contains(value, want.Get("webhook-signature")) {
			t.Fatalf("%v called %s", h, r.Signature)
		}
	})
}
