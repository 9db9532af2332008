package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The work is bounded, and what was left out is said.
func TestExplainIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		says string
	}{
		"a large body":     {`{"a":"` + strings.Repeat("ä/& ", 1<<19/5) + `"}`, "More ways to re-encode"},
		"a body too large": {strings.Repeat(" ", maxReencoded) + "{}", "it has more than 2097152 bytes"},
		"brackets":         {strings.Repeat("[", 1<<20), ""},
		"nested objects":   {strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000), ""},
		"packed zeros":     {gzipped(strings.Repeat("\x00", 64<<20)), ""},
		"many escapes":     {`"` + strings.Repeat(`\u0026\ud83d\ude00`, 100) + `"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := genuine()
			c2.sign("who knows", "")
			c2.arrive(c.body)
			e := explain(t, c2)
			if !strings.Contains(strings.Join(e.NotTried, "\n"), c.says) {
				t.Errorf("not tried %q does not say %q", e.NotTried, c.says)
			}
			if e.Finding.Cause != "" {
				t.Errorf("finding %+v", e.Finding)
			}
		})
	}
	c := genuine()
	c.sign("who knows", "0")
	c.arrive("0")
	for i := range 300 {
		c.facts.Others = append(c.facts.Others, Other{Name: "other", Settings: Settings{Secrets: []Secret{{Name: "s", Key: fmt.Sprintf("other-secret-%d", i)}}}})
	}
	if e := explain(t, c); len(e.NotTried) == 0 || !strings.Contains(e.NotTried[0], "102 more sources") {
		t.Errorf("not tried %q", e.NotTried)
	}
}

// A secret that a sender puts where it does not belong is not shown, in whole or in part.
func TestExplainHidesSecrets(t *testing.T) {
	places := map[string]func(*callback, string){
		"signature header": func(c *callback, s string) { c.header.Set("plenigo-signature", s) },
		"at the edge of the header shown": func(c *callback, s string) {
			c.header.Set("plenigo-signature", strings.Repeat("x", shownHeader-5)+s)
		},
		"in the header":            func(c *callback, s string) { c.header.Set("plenigo-signature", "t="+unixText+",s="+s) },
		"start of the body":        func(c *callback, s string) { c.arrive(s + sent) },
		"edge of the body's start": func(c *callback, s string) { c.arrive("12345678" + s + sent) },
		"end of the body":          func(c *callback, s string) { c.arrive(sent + s) },
		"edge of the body's end":   func(c *callback, s string) { c.arrive(sent + s + "123456789012345678") },
		"a body of nothing else":   func(c *callback, s string) { c.arrive(s) },
		"name of the header": func(c *callback, s string) {
			c.header[s] = c.header["Plenigo-Signature"]
			c.header.Del("plenigo-signature")
		},
		"name of a header alike": func(c *callback, s string) {
			c.header["Plenigo-Signature-"+s] = c.header["Plenigo-Signature"]
			c.header.Del("plenigo-signature")
		},
		"name of the credentials": func(c *callback, s string) {
			c.header["Authorization"+s] = c.header["Authorization"]
			c.header.Del("Authorization")
		},
		"name of the token":     func(c *callback, s string) { c.header[s] = c.header["X-Token"]; c.header.Del("X-Token") },
		"length of the body":    func(c *callback, s string) { c.sign("who knows", sent); c.header.Set("Content-Length", s) },
		"time of the signature": func(c *callback, s string) { c.header.Set("plenigo-signature", "t="+s+",s="+c.signedBy(nil, "")) },
		"one of two times": func(c *callback, s string) {
			c.header.Set("plenigo-signature", "t="+s+",t=1,s="+c.signedBy([]byte(secret), "1."+sent))
		},
		"another case, same secret": func(c *callback, s string) { c.header.Set("plenigo-signature", strings.ToUpper(s)) },
	}
	for place, put := range places {
		for _, s := range []string{secret, newsSecret, password, tokenValue} {
			c := genuine()
			put(c, s)
			text, err := json.Marshal(explain(t, c))
			if err != nil {
				t.Fatal(err)
			}
			shown := strings.ToLower(string(text))
			for _, hidden := range c.secrets() {
				// a tail of the secret shows that it was hidden after it was cut
				for _, part := range []string{hidden, hidden[:len(hidden)*2/3], hidden[len(hidden)/3:]} {
					if strings.Contains(shown, strings.ToLower(part)) {
						t.Errorf("%s: %q of %q is shown in %s", place, part, hidden, text)
					}
				}
			}
		}
	}
}

// FuzzExplain: whatever arrives, nothing panics, the result is the one of Check, nothing is called valid where Check says
// it is not, and no secret is shown.
func FuzzExplain(f *testing.F) {
	f.Add("plenigo-signature", Sign(secret, signedAt, []byte(sent)), "Basic "+base64.StdEncoding.EncodeToString([]byte("Shop:"+password)), tokenValue, []byte(sent), int64(0), uint8(0))
	f.Add("X-Plenigo-Signature", Sign(newsSecret, signedAt, []byte("{}")), secret, newsSecret, []byte(" {} "), int64(3600), uint8(0))
	f.Add("plenigo-signature", "t=1729583536000,t=,s=00,s", "Basic =", "", []byte(`[{"b":"\u00e4","a":{}}]`), int64(-400), uint8(0))
	f.Add("webhook-signature", standardSignature, "Bearer "+password, secret, []byte(secret+"\x00"+oldSecret), int64(1e17), uint8(1))
	f.Fuzz(func(t *testing.T, name, value, authorization, other string, body []byte, after int64, scheme uint8) {
		c := genuine()
		if scheme%2 == 1 {
			c.settings.Scheme, c.settings.Secrets = StandardWebhooks, []Secret{{Name: "whsec", Key: standardSecret}}
			c.header = http.Header{"Webhook-Id": {standardID}, "Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {standardSignature}}
		}
		for _, pair := range [][2]string{{name, value}, {"Authorization", authorization}, {"X-Token", other}, {"Webhook-Timestamp", other}, {name + "-Id", other}} {
			if pair[1] != "" {
				c.header[http.CanonicalHeaderKey(pair[0])] = []string{pair[1]}
			}
		}
		c.body, c.at = body, signedAt.Add(time.Duration(after)*time.Second)
		c.facts.Nearby = []Skew{{"news", after}}
		text, err := json.Marshal(explain(t, c))
		if err != nil {
			t.Fatal(err)
		}
		for _, hidden := range c.secrets() {
			if bytes.Contains(text, []byte(hidden)) {
				t.Fatalf("%q is shown in %s", hidden, text)
			}
		}
	})
}
