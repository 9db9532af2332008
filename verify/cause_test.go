package verify

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestExplain: one fixture for each explanation must name the right cause and no wrong one.
func TestExplain(t *testing.T) {
	latin := replace("😀", "", "ö", "\xf6", "Ç", "\xc7")
	noEmoji := replace("😀", "")
	basicHeader := func(c *callback) string { return c.header.Get("Authorization") }
	signature := func(c *callback) string { return c.header.Get("plenigo-signature") }
	move := func(from, to string) func(*callback) {
		return func(c *callback) { c.header[to] = c.header[http.CanonicalHeaderKey(from)]; c.header.Del(from) }
	}
	cases := []struct {
		name   string
		change func(*callback)
		want   Cause
		with   []Cause
		says   string // in the finding's words
	}{
		{"genuine", func(c *callback) {}, "", nil, "authentic and fresh"},
		{"disabled", func(c *callback) { c.settings.Disabled = true }, CauseSourceDisabled, nil, "disabled"},
		{"unreadable", func(c *callback) { c.settings.Unreadable = true }, CauseSettingsUnreadable, nil, "decrypted"},

		// Secrets
		{"unknown secret", func(c *callback) { c.sign("who knows", sent) }, "", nil, "forged"},
		{"no secret at all", func(c *callback) { c.settings.Secrets = nil }, CauseSecretMissing, nil, "no secret"},
		{"secret ended", func(c *callback) { c.sign(oldSecret, sent) }, CauseSecretEnded, nil, `"old"`},
		{"the only secret ended", func(c *callback) {
			c.settings.Secrets = c.settings.Secrets[:1]
			c.sign(oldSecret, sent)
		}, CauseSecretEnded, nil, "2024-10-22 06:52:16 UTC"},
		{"secret not yet valid", func(c *callback) { c.sign(nextSecret, sent) }, CauseSecretNotYet, nil, "2024-10-24 07:52:16 UTC"},
		{"other source", func(c *callback) { c.sign(newsSecret, sent) }, CauseOtherSource, nil, `"first" of the source "news"`},
		{"other source, none of our own valid", func(c *callback) {
			c.settings.Secrets = nil
			c.sign(newsSecret, sent)
		}, CauseOtherSource, nil, `"news"`},
		{"blanks around our secret", func(c *callback) { c.key(" " + secret + "\t") }, CauseSecretBlanks, nil, "without the blanks"},
		{"line break around our secret", func(c *callback) { c.key(secret + "\r\n") }, CauseSecretBlanks, nil, "without the blanks"},
		{"line break in our secret", func(c *callback) { c.key(secret[:8] + "\n" + secret[8:]) }, CauseSecretBlanks, nil, "in it"},
		{"quotation marks around our secret", func(c *callback) { c.key(`"` + secret + `"`) }, CauseSecretBlanks, nil, "quotation marks"},
		{"blank around the sender's secret", func(c *callback) { c.sign(secret+" ", sent) }, CauseSecretBlanks, nil, "blank after"},
		{"line break around the sender's secret", func(c *callback) { c.sign(secret+"\n", sent) }, CauseSecretBlanks, nil, "line break after"},
		{"secret meant as hex", func(c *callback) {
			c.key(hex.EncodeToString([]byte("0123456789abcdef")))
			c.sign("0123456789abcdef", sent)
		}, CauseSecretEncoding, nil, "read as hex"},
		{"secret meant as base64", func(c *callback) {
			c.key(base64.StdEncoding.EncodeToString([]byte("0123456789abcde\xff")))
			c.sign("0123456789abcde\xff", sent)
		}, CauseSecretEncoding, nil, "read as base64"},
		{"secret meant as base64url", func(c *callback) {
			c.key(base64.RawURLEncoding.EncodeToString([]byte("\xff\xfe0123456789")))
			c.sign("\xff\xfe0123456789", sent)
		}, CauseSecretEncoding, nil, "other forms"},
		{"secret not decoded", func(c *callback) {
			c.settings.Scheme, c.settings.Secrets = StandardWebhooks, []Secret{{Name: "whsec", Key: standardSecret}, {Name: "x", Key: standardSecret}}
			plain := StandardWebhooks
			plain.Name, plain.Key = "plain", "utf8"
			h, _ := plain.Sign(standardSecret, "id", signedAt, []byte(sent))
			for name := range h {
				c.header[name] = h[name]
			}
		}, CauseSecretEncoding, nil, "not decoded"},
		{"signed by another scheme", func(c *callback) {
			c.key(standardSecret)
			c.header.Del("plenigo-signature")
			h, _ := StandardWebhooks.Sign(standardSecret, "id", signedAt, []byte(sent))
			for name := range h {
				c.header[name] = h[name]
			}
		}, CauseOtherScheme, nil, "standard-webhooks"},
		{"other source with another scheme", func(c *callback) {
			c.header.Del("plenigo-signature")
			h, _ := StandardWebhooks.Sign(standardSecret, "id", signedAt, []byte(sent))
			for name := range h {
				c.header[name] = h[name]
			}
		}, CauseOtherSource, nil, `"standard"`},

		// Headers
		{"no header", func(c *callback) { c.header.Del("plenigo-signature") }, "", nil, "no plenigo-signature header"},
		{"nonsense", func(c *callback) { c.header.Set("plenigo-signature", "hello") }, "", nil, "cannot be read"},
		{"renamed with X-", move("plenigo-signature", "X-Plenigo-Signature"), CauseHeaderRenamed, nil, "X-Plenigo-Signature"},
		{"renamed with underscores", move("plenigo-signature", "Plenigo_signature"), CauseHeaderRenamed, nil, "Plenigo_signature"},
		{"renamed as CGI does", move("plenigo-signature", "HTTP_PLENIGO_SIGNATURE"), CauseHeaderRenamed, nil, "HTTP_PLENIGO_SIGNATURE"},
		{"renamed altogether", move("plenigo-signature", "X-Sig"), CauseHeaderRenamed, nil, "X-Sig"},
		{"overwritten, with a copy elsewhere", func(c *callback) {
			c.header.Set("X-Original-Plenigo-Signature", signature(c))
			c.sign("proxy", sent)
		}, CauseHeaderRenamed, nil, "X-Original-Plenigo-Signature"},
		{"doubled", func(c *callback) { c.header.Add("plenigo-signature", signature(c)) }, CauseHeaderDoubled, nil, "copy 1"},
		{"doubled with another", func(c *callback) {
			c.header["Plenigo-Signature"] = []string{Sign("proxy", signedAt, c.body), signature(c)}
		}, CauseHeaderDoubled, nil, "copy 2"},
		{"doubled in one line", func(c *callback) { c.header.Set("plenigo-signature", signature(c)+", "+signature(c)) }, CauseHeaderDoubled, nil, "several"},
		{"split at the comma", func(c *callback) {
			c.header["Plenigo-Signature"] = strings.Split(signature(c), ",")
		}, CauseHeaderSplit, nil, "together"},
		{"in quotation marks", func(c *callback) { c.header.Set("plenigo-signature", `"`+signature(c)+`"`) }, CauseHeaderAltered, nil, "quotation marks"},
		{"percent-encoded", func(c *callback) {
			c.header.Set("plenigo-signature", replace("=", "%3D", ",", "%2C")(signature(c)))
		}, CauseHeaderAltered, nil, "percent"},
		{"semicolon for comma", func(c *callback) { c.header.Set("plenigo-signature", replace(",", ";")(signature(c))) }, CauseHeaderAltered, nil, "separators"},
		{"in upper case", func(c *callback) { c.header.Set("plenigo-signature", strings.ToUpper(signature(c))) }, CauseHeaderAltered, nil, "upper case"},
		{"cut in the signature", func(c *callback) { c.header.Set("plenigo-signature", signature(c)[:48]) }, CauseHeaderCut, nil, "16 bytes"},
		{"cut at the comma", func(c *callback) { c.header.Set("plenigo-signature", "t="+unixText) }, CauseHeaderCut, nil, "12 characters"},
		{"cut soon after the comma", func(c *callback) { c.header.Set("plenigo-signature", signature(c)[:20]) }, CauseHeaderCut, nil, "20 characters"},
		{"a cut signature of somebody else", func(c *callback) {
			c.sign("who knows", sent)
			c.header.Set("plenigo-signature", signature(c)[:60])
		}, "", nil, "cannot be read"},
		{"t in milliseconds", func(c *callback) {
			t := unixText + "123"
			c.header.Set("plenigo-signature", "t="+t+",s="+c.signedBy([]byte(secret), t+"."+sent))
		}, CauseTimeUnit, nil, "milliseconds and not"},
		{"t in milliseconds, signed in seconds", func(c *callback) {
			c.header.Set("plenigo-signature", strings.Replace(signature(c), unixText, unixText+"000", 1))
		}, CauseTimeUnit, nil, "brought back"},
		{"t as a date", func(c *callback) {
			t := "2024-10-22T07:52:16Z"
			c.header.Set("plenigo-signature", "t="+t+",s="+c.signedBy([]byte(secret), t+"."+sent))
		}, CauseTimeUnit, nil, "another form"},
		{"body alone", func(c *callback) {
			c.header.Set("plenigo-signature", "t="+unixText+",s="+c.signedBy([]byte(secret), sent))
		}, CauseSignedParts, nil, "body alone is signed, without the time"},
		{"body alone and no t", func(c *callback) {
			c.header.Set("plenigo-signature", "s="+c.signedBy([]byte(secret), sent))
		}, CauseSignedParts, nil, "body alone"},
		{"no full stop", func(c *callback) {
			c.header.Set("plenigo-signature", "t="+unixText+",s="+c.signedBy([]byte(secret), unixText+sent))
		}, CauseSignedParts, nil, "full stop"},
		{"standard-webhooks headers renamed", func(c *callback) {
			c.settings.Scheme, c.settings.Secrets = StandardWebhooks, []Secret{{Name: "whsec", Key: standardSecret}, {Name: "x", Key: standardSecret}}
			c.header = http.Header{"X-Webhook-Id": {standardID}, "X-Webhook-Timestamp": {"1614265330"}, "Webhook-Signature": {standardSignature}}
			c.settings.Basic, c.settings.Headers = nil, nil
			c.body = standardBody
		}, CauseHeaderRenamed, nil, "X-Webhook-Timestamp and X-Webhook-Id"},
		{"standard-webhooks time in milliseconds", func(c *callback) {
			c.settings.Scheme, c.settings.Secrets = StandardWebhooks, []Secret{{Name: "whsec", Key: standardSecret}, {Name: "x", Key: standardSecret}}
			c.header = http.Header{"Webhook-Id": {standardID}, "Webhook-Timestamp": {"1614265330000"}, "Webhook-Signature": {standardSignature}}
			c.body = standardBody
		}, CauseTimeUnit, nil, "milliseconds"},

		// Bodies
		{"body of somebody else", func(c *callback) { c.arrive(strings.Replace(sent, "48377", "48378", 1)) }, "", nil, "cannot be guessed"},
		{"pretty-printed", func(c *callback) { c.arrive(indented(sent, "    ") + "\n") }, CauseBodyWhitespace, nil, "without blanks"},
		{"blanks after commas", func(c *callback) { c.arrive(string(spaced([]byte(sent)))) }, CauseBodyWhitespace, nil, "without blanks"},
		{"made compact, sent with two blanks", func(c *callback) { c.sign(secret, indented(sent, "  ")) }, CauseBodyWhitespace, nil, "two blanks"},
		{"made compact, sent with tabs", func(c *callback) { c.sign(secret, indented(sent, "\t")) }, CauseBodyWhitespace, nil, "tabs"},
		{"made compact, sent as Python does", func(c *callback) {
			c.sign(secret, asPython)
			c.arrive(replace(": ", ":", ", ", ",")(asPython))
		}, CauseBodyWhitespace, nil, "blank after each"},
		{"keys sorted", func(c *callback) { c.arrive(sorted) }, CauseBodyKeyOrder, nil, "plenigo's order"},
		{"keys no longer sorted", func(c *callback) { c.sign(secret, sorted) }, CauseBodyKeyOrder, nil, "alphabetical"},
		{"\\u0026 became &", func(c *callback) { c.arrive(asNode) }, CauseBodyHTMLEscapes, nil, `with \u0026`},
		{"& became \\u0026", func(c *callback) { c.sign(secret, asNode) }, CauseBodyHTMLEscapes, nil, `for \u0026`},
		{"non-ASCII escaped", func(c *callback) {
			c.arrive(replace("ö", `\u00f6`, "Ç", `\u00c7`, "😀", `\ud83d\ude00`)(sent))
		}, CauseBodyUnicodeEscapes, nil, "plain characters"},
		{"non-ASCII no longer escaped", func(c *callback) {
			c.sign(secret, replace("ö", `\u00f6`, "Ç", `\u00c7`, "😀", `\ud83d\ude00`)(sent))
		}, CauseBodyUnicodeEscapes, nil, "outside ASCII"},
		{"non-ASCII no longer escaped in upper case", func(c *callback) {
			c.sign(secret, replace("ö", `\u00F6`, "Ç", `\u00C7`, "😀", `\uD83D\uDE00`)(sent))
		}, CauseBodyUnicodeEscapes, nil, "upper case"},
		{"slashes escaped", func(c *callback) { c.arrive(replace("/", `\/`)(sent)) }, CauseBodySlashEscapes, nil, `/ for \/`},
		{"slashes no longer escaped", func(c *callback) { c.sign(secret, replace("/", `\/`)(sent)) }, CauseBodySlashEscapes, nil, `\/ for /`},
		{"line break added", func(c *callback) { c.arrive(sent + "\n") }, CauseBodyNewline, nil, "freed"},
		{"line break removed", func(c *callback) { c.sign(secret, sent+"\n") }, CauseBodyNewline, nil, "line break at"},
		{"CRLF removed", func(c *callback) { c.sign(secret, sent+"\r\n") }, CauseBodyNewline, nil, "CRLF"},
		{"LF became CRLF", func(c *callback) {
			c.sign(secret, indented(sent, "  "))
			c.arrive(strings.ReplaceAll(indented(sent, "  "), "\n", "\r\n"))
		}, CauseBodyLineEnds, nil, "LF for CRLF"},
		{"CRLF became LF", func(c *callback) {
			c.sign(secret, strings.ReplaceAll(indented(sent, "  "), "\n", "\r\n"))
			c.arrive(indented(sent, "  "))
		}, CauseBodyLineEnds, nil, "CRLF for LF"},
		{"byte order mark added", func(c *callback) { c.arrive("\ufeff" + sent) }, CauseBodyBOM, nil, "freed"},
		{"byte order mark removed", func(c *callback) { c.sign(secret, "\ufeff"+sent) }, CauseBodyBOM, nil, "given"},
		{"arrived as Latin-1", func(c *callback) {
			c.sign(secret, noEmoji(sent))
			c.arrive(latin(sent))
		}, CauseBodyCharset, nil, "written as UTF-8"},
		{"arrived as Windows-1252", func(c *callback) {
			c.sign(secret, replace("😀", "€")(sent))
			c.arrive(replace("😀", "\x80", "ö", "\xf6", "Ç", "\xc7")(sent))
		}, CauseBodyCharset, nil, "Windows-1252"},
		{"sent as Latin-1", func(c *callback) {
			c.sign(secret, latin(sent))
			c.arrive(noEmoji(sent))
		}, CauseBodyCharset, nil, "again"},
		{"UTF-8 taken for Latin-1 and encoded once more", func(c *callback) {
			c.sign(secret, noEmoji(sent))
			c.arrive(replace("😀", "", "ö", "Ã¶", "Ç", "Ã\u0087")(sent))
		}, CauseBodyCharset, nil, "again"},
		{"UTF-8 taken for Windows-1252 and encoded once more", func(c *callback) {
			c.sign(secret, noEmoji(sent))
			c.arrive(replace("😀", "", "ö", "Ã¶", "Ç", "Ã‡")(sent))
		}, CauseBodyCharset, nil, "Windows-1252 again"},
		{"arrived as UTF-16", func(c *callback) {
			c.sign(secret, `{"a":"ä"}`)
			c.arrive("\xff\xfe{\x00\"\x00a\x00\"\x00:\x00\"\x00\xe4\x00\"\x00}\x00")
		}, CauseBodyCharset, nil, "UTF-16"},
		{"characters lost", func(c *callback) { c.arrive(replace("ö", "\ufffd")(sent)) }, "", nil, "cannot be guessed"},
		{"gzip added", func(c *callback) { c.arrive(gzipped(sent)) }, CauseBodyCompression, nil, "unpacked"},
		{"gzip removed", func(c *callback) { c.sign(secret, gzipped(sent)) }, CauseBodyCompression, nil, "packed again"},
		{"written anew by Python", func(c *callback) { c.arrive(asPython) }, CauseBodyReencoded, nil, "plenigo's order"},
		{"written anew by PHP", func(c *callback) { c.arrive(asPHP) }, CauseBodyReencoded, nil, `/ for \/`},
		{"written anew by .NET", func(c *callback) { c.arrive(asDotNet) }, CauseBodyReencoded, nil, "no other such escapes"},
		{"written anew by PostgreSQL", func(c *callback) { c.arrive(asJSONB) }, CauseBodyReencoded, nil, "plenigo's order"},
		{"written anew by jq", func(c *callback) { c.arrive(indented(asNode, "  ") + "\n") }, CauseBodyReencoded, nil, `\u0026`},
		{"byte order mark and CRLF", func(c *callback) { c.arrive("\ufeff" + sent + "\r\n") }, CauseBodyReencoded, nil, "freed"},

		// Several at once
		{"renamed, and signed for another source", func(c *callback) {
			c.sign(newsSecret, sent)
			move("plenigo-signature", "X-Plenigo-Signature")(c)
		}, CauseHeaderRenamed, []Cause{CauseOtherSource}, `"news"`},
		{"old secret, and pretty-printed", func(c *callback) {
			c.sign(oldSecret, sent)
			c.arrive(indented(sent, "  "))
		}, CauseSecretEnded, []Cause{CauseBodyWhitespace}, "without blanks"},
		{"t in milliseconds, and written anew", func(c *callback) {
			t := unixText + "123"
			c.header.Set("plenigo-signature", "t="+t+",s="+c.signedBy([]byte(secret), t+"."+sent))
			c.arrive(indented(asNode, "\t"))
		}, CauseTimeUnit, []Cause{CauseBodyReencoded}, "milliseconds"},
		{"in quotation marks, body alone, with a line break after the secret", func(c *callback) {
			c.header.Set("plenigo-signature", `"t=`+unixText+",s="+c.signedBy([]byte(secret+"\n"), sent)+`"`)
		}, CauseHeaderAltered, []Cause{CauseSecretBlanks, CauseSignedParts}, "line break"},

		// Freshness
		{"late", func(c *callback) { c.at = signedAt.Add(2 * time.Hour) }, "", nil, "within the late window"},
		{"too late", func(c *callback) { c.at = signedAt.Add(72 * time.Hour) }, "", nil, "72h0m0s before it arrived"},
		{"ahead", func(c *callback) { c.at = signedAt.Add(-time.Hour) }, "", nil, "1h0m0s after it arrived"},
		{"a repeat after an hour", func(c *callback) { c.at = signedAt.Add(time.Hour + 3*time.Second) }, CauseRepeat, nil, "after 1 h"},
		{"the last repeat, refused", func(c *callback) {
			c.at, c.settings.LateWindow = signedAt.Add(24*time.Hour+time.Minute), time.Hour
		}, CauseRepeat, nil, "after 24 h"},
		{"our clock behind", func(c *callback) {
			c.at = signedAt.Add(-20 * time.Minute)
			c.facts.Nearby = []Skew{{"news", -1201}, {"news", -1190}, {"mail", -1199}}
		}, CauseClock, nil, "20m0s behind, most likely: callbacks of 2 other sources"},
		{"our clock ahead", func(c *callback) {
			c.at = signedAt.Add(20 * time.Minute)
			c.facts.Nearby = []Skew{{"news", 1205}}
		}, CauseClock, nil, "20m0s ahead"},
		{"the sender's clock", func(c *callback) {
			c.at = signedAt.Add(-20 * time.Minute)
			c.facts.Nearby = []Skew{{"news", 2}, {"mail", -1200}}
		}, "", nil, "after it arrived"},
		{"repeats of all sources after our outage", func(c *callback) {
			c.at = signedAt.Add(time.Hour)
			c.facts.Nearby = []Skew{{"news", 3601}, {"mail", 3599}}
		}, CauseRepeat, nil, "after 1 h"},

		// Basic authentication
		{"no credentials", func(c *callback) { c.header.Del("Authorization") }, "", nil, "no Authorization header"},
		{"wrong password", func(c *callback) { c.basic("Shop:nearly") }, "", nil, "another one"},
		{"wrong case", func(c *callback) { c.basic("shop:" + strings.ToUpper(password)) }, CauseBasicSpelling, nil, "case"},
		{"blanks", func(c *callback) { c.basic("Shop :" + password + "\n") }, CauseBasicSpelling, nil, "blanks"},
		{"swapped", func(c *callback) { c.basic(password + ":Shop") }, CauseBasicSwapped, nil, "swapped"},
		{"not encoded", func(c *callback) { c.header.Set("Authorization", "Basic Shop:"+password) }, CauseBasicEncoding, nil, "not encoded"},
		{"no padding", func(c *callback) {
			c.settings.Basic.User = "Shops"
			c.header.Set("Authorization", "Basic "+base64.RawStdEncoding.EncodeToString([]byte("Shops:"+password)))
		}, CauseBasicEncoding, nil, "another form"},
		{"no scheme", func(c *callback) { c.header.Set("Authorization", strings.TrimPrefix(basicHeader(c), "Basic ")) }, CauseBasicEncoding, nil, "the word Basic"},
		{"Latin-1 credentials", func(c *callback) {
			c.settings.Basic.User = "Köln"
			c.basic("K\xf6ln:" + password)
		}, CauseBasicEncoding, nil, "character set"},
		{"credentials in another header", move("Authorization", "X-Forwarded-Authorization"), CauseBasicRenamed, nil, "X-Forwarded-Authorization"},
		{"credentials taken apart by PHP", func(c *callback) {
			c.header.Del("Authorization")
			c.header.Set("php-auth-user", "Shop")
			c.header.Set("php-auth-pw", password)
		}, CauseBasicRenamed, nil, "php-auth-user"},
		{"credentials twice", func(c *callback) { c.header.Add("Authorization", basicHeader(c)) }, CauseBasicDoubled, nil, "more than once"},
		{"credentials of another source", func(c *callback) { c.basic("News:news-password") }, CauseBasicOtherSource, nil, `"news"`},

		// Header authentication
		{"no token", func(c *callback) { c.header.Del("X-Token") }, "", nil, "no header X-Token"},
		{"wrong token", func(c *callback) { c.header.Set("X-Token", "no") }, "", nil, "another one"},
		{"token in another case", func(c *callback) { c.header.Set("X-Token", strings.ToLower(tokenValue)) }, CauseAuthHeaderSpelling, nil, "case"},
		{"token in quotation marks", func(c *callback) { c.header.Set("X-Token", `"`+tokenValue+`"`) }, CauseAuthHeaderSpelling, nil, "quotation marks"},
		{"token in another header", move("X-Token", "X-Tokem"), CauseAuthHeaderRenamed, nil, "X-Tokem"},
		{"token twice", func(c *callback) { c.header.Add("X-Token", "x") }, CauseAuthHeaderDoubled, nil, "2 times"},
		{"token of another source", func(c *callback) { c.header.Set("X-Token", "news-token") }, CauseAuthHeaderOtherSource, nil, `"news"`},
	}
	for _, f := range cases {
		t.Run(f.name, func(t *testing.T) {
			c := genuine()
			f.change(c)
			e := explain(t, c)
			if e.Finding.Cause != f.want || !reflect.DeepEqual(e.Finding.With, f.with) {
				t.Errorf("got %q with %q, want %q with %q\n%s", e.Finding.Cause, e.Finding.With, f.want, f.with, e.Finding.Words)
			}
			if !strings.Contains(e.Finding.Words, f.says) {
				t.Errorf("%q does not say %q", e.Finding.Words, f.says)
			}
			if len(e.Further) > 0 {
				t.Errorf("further %+v", e.Further)
			}
			if f.want != "" && (f.want.Words() == "" || e.Finding.Do == "" && f.want != CauseRepeat) {
				t.Errorf("cause %q without words, or nothing to do", f.want)
			}
		})
	}
}
