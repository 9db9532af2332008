package verify

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

// sent is a body in plenigo's form: compact, Go's escapes, plain UTF-8, the outer keys in its order.
const sent = `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48377","entity":` +
	`{"city":"Köln","company":"Çelik \u0026 Söhne","empty":[],"none":{},"note":"a/b \"x\" 😀","sums":[1.50,12,20202020202020202020],"url":"https://example.org/"}}`

// Decoys beside the right secret: none of them must ever be named.
const (
	newsSecret = "another-callback-secret"
	oldSecret  = "secret-of-last-year"
	nextSecret = "secret-of-next-year"
	password   = "Pa:ss word"
	tokenValue = "T0ken-value"
)

// callback is a request of a fixture, and what is known when it is explained.
type callback struct {
	settings Settings
	header   http.Header
	body     []byte
	at       time.Time
	facts    Facts
}

// genuine is a callback that is accepted. Each fixture changes it in one way.
func genuine() *callback {
	c := &callback{
		settings: Settings{
			Secrets: []Secret{
				{Name: "old", Key: oldSecret, Until: signedAt.Add(-time.Hour)},
				{Name: "current", Key: secret},
				{Name: "next", Key: nextSecret, From: signedAt.Add(48 * time.Hour)},
			},
			Tolerance: DefaultTolerance, LateWindow: DefaultLateWindow,
			Basic:   &BasicAuth{User: "Shop", Password: password},
			Headers: []Header{{Name: "X-Token", Value: tokenValue}},
		},
		header: http.Header{},
		body:   []byte(sent),
		at:     signedAt,
		facts: Facts{Others: []Other{{Name: "news", Settings: Settings{
			Secrets: []Secret{{Name: "first", Key: newsSecret}},
			Basic:   &BasicAuth{User: "News", Password: "news-password"},
			Headers: []Header{{Name: "X-Token", Value: "news-token"}},
		}}, {Name: "standard", Settings: Settings{
			Scheme: StandardWebhooks, Secrets: []Secret{{Name: "whsec", Key: standardSecret}},
		}}}},
	}
	c.sign(secret, sent)
	c.basic("Shop:" + password)
	c.header.Set("X-Token", tokenValue)
	c.header.Set("Content-Type", "application/json")
	c.header.Set("X-Plenigo-Api-Version", "20240827")
	return c
}

func (c *callback) sign(secret, body string) {
	c.header.Set("plenigo-signature", Sign(secret, signedAt, []byte(body)))
}

func (c *callback) basic(text string) {
	c.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(text)))
}

// key is the text of the secret as it was entered here.
func (c *callback) key(text string) { c.settings.Secrets[1].Key = text }

func (c *callback) arrive(body string) { c.body = []byte(body) }

// secrets are all texts that must never be shown.
func (c *callback) secrets() []string {
	all := []string{base64.StdEncoding.EncodeToString([]byte("Shop:" + password))}
	for _, s := range append([]Other{{Settings: c.settings}}, c.facts.Others...) {
		for _, secret := range s.Settings.Secrets {
			all = append(all, strings.TrimSpace(secret.Key))
		}
		for _, h := range s.Settings.Headers {
			all = append(all, h.Value)
		}
		if s.Settings.Basic != nil {
			all = append(all, s.Settings.Basic.Password)
		}
	}
	return all
}

// signedBy signs as something that is not plenigo: over any text, by any key.
func (c *callback) signedBy(key []byte, text string) string {
	return hex.EncodeToString(plenigo.digest(key, nil, []byte(text)))
}

const unixText = "1729583536"

func replace(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }

func gzipped(body string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(body))
	w.Close()
	return b.String()
}

func indented(body, by string) string {
	var b bytes.Buffer
	json.Indent(&b, []byte(body), "", by)
	return b.String()
}

// What other programs make of the sent body, written down by hand.
const (
	asPython = `{"callbackType": "CREATION", "entity": {"city": "K\u00f6ln", "company": "\u00c7elik & S\u00f6hne", "empty": [], "none": {}, "note": "a/b \"x\" \ud83d\ude00", "sums": [1.50, 12, 20202020202020202020], "url": "https://example.org/"}, "entityId": "48377", "entityType": "CUSTOMER"}`
	asPHP    = `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48377","entity":{"city":"K\u00f6ln","company":"\u00c7elik & S\u00f6hne","empty":[],"none":{},"note":"a\/b \"x\" \ud83d\ude00","sums":[1.50,12,20202020202020202020],"url":"https:\/\/example.org\/"}}`
	asNode   = `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48377","entity":{"city":"Köln","company":"Çelik & Söhne","empty":[],"none":{},"note":"a/b \"x\" 😀","sums":[1.50,12,20202020202020202020],"url":"https://example.org/"}}`
	asDotNet = `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48377","entity":{"city":"K\u00F6ln","company":"\u00C7elik \u0026 S\u00F6hne","empty":[],"none":{},"note":"a/b \u0022x\u0022 \uD83D\uDE00","sums":[1.50,12,20202020202020202020],"url":"https://example.org/"}}`
	asJSONB  = `{"entity": {"url": "https://example.org/", "city": "Köln", "none": {}, "note": "a/b \"x\" 😀", "sums": [1.50, 12, 20202020202020202020], "empty": [], "company": "Çelik & Söhne"}, "entityId": "48377", "entityType": "CUSTOMER", "callbackType": "CREATION"}`
	sorted   = `{"callbackType":"CREATION","entity":{"city":"Köln","company":"Çelik \u0026 Söhne","empty":[],"none":{},"note":"a/b \"x\" 😀","sums":[1.50,12,20202020202020202020],"url":"https://example.org/"},"entityId":"48377","entityType":"CUSTOMER"}`
)

// explain explains the callback, and checks what must be so whatever it is.
func explain(t testing.TB, c *callback) Explanation {
	t.Helper()
	p, err := NewPolicy(c.settings)
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Clone(c.body)
	e := p.Explain(c.header, c.body, c.at, c.facts)
	if !bytes.Equal(body, c.body) {
		t.Fatal("the body was written to")
	}
	if want := p.Check(c.header, c.body, c.at); !reflect.DeepEqual(e.Result, want) {
		t.Fatalf("result %+v, and Check says %+v", e.Result, want)
	}
	if again := p.Explain(c.header, c.body, c.at, c.facts); !reflect.DeepEqual(again, e) {
		t.Fatalf("explained twice: %+v\n%+v", e, again)
	}
	authentic := e.Result.Signature == Valid || e.Result.Signature == Expired || e.Result.Signature == Future
	for _, step := range e.Steps {
		if step.Name == "" || step.Words == "" {
			t.Fatalf("step %+v", step)
		}
		if !authentic && step.Status == Valid && (step.Name == "Signature" || step.Name == "Digest") {
			t.Fatalf("step %+v, and the signature is %s", step, e.Result.Signature)
		}
	}
	if e.Result.Verdict == Verified && (e.Finding.Cause != "" || len(e.Tried) > 0) {
		t.Fatalf("verified, and yet %+v", e)
	}
	if e.Finding.Words == "" {
		t.Fatal("no words")
	}
	return e
}

func TestExplainTellsTheSteps(t *testing.T) {
	c := genuine()
	c.arrive(indented(sent, "  "))
	e := explain(t, c)
	var got []string
	for _, step := range e.Steps {
		got = append(got, fmt.Sprintf("%s|%s|%s", step.Name, step.Status, step.Words))
	}
	received := c.header.Get("plenigo-signature")
	want := []string{
		"Received||plenigo-signature: " + received,
		"Reading||The time is 1729583536, which is 2024-10-22 07:52:16 UTC, the second it arrived in; 1 signature.",
		fmt.Sprintf("Signed text||The time and the body, joined by full stops: %d bytes, %d of them the body.", len(c.body)+11, len(c.body)),
		fmt.Sprintf(`Digest|mismatch|With the secret "current" it is %s; received: %s…%s.`,
			short(plenigo.digest([]byte(secret), []byte(unixText+"."), c.body)), received[15:23], received[71:]),
		"Signature|mismatch|The signature matches none of the secrets that are valid now: another secret was used, or the body was changed on the way.",
		"Basic authentication|valid|User and password are the ones of the source.",
		"Header X-Token|valid|The value is the one of the source.",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if e.Signed == nil || e.Signed.Size != len(c.body)+11 || e.Signed.First != `1729583536.{\n  "entityTy` || !strings.HasSuffix(e.Signed.Last, `example.org/"\n  }\n}`) {
		t.Errorf("signed %+v", e.Signed)
	}
	wantFinding := Finding{
		Cause: CauseBodyWhitespace,
		Words: "The signature fits when the body is written without blanks and line breaks between its parts.",
		Do:    "Something between the sender and Recall takes the body apart and writes it anew: let every proxy, filter and tool on the way pass its bytes as they are.",
	}
	if !reflect.DeepEqual(e.Finding, wantFinding) {
		t.Errorf("finding %+v", e.Finding)
	}
	for _, trial := range e.Tried {
		if trial.Variants == 0 || trial.Cause == CauseBodyWhitespace || trial.Cause.Words() == "" {
			t.Errorf("tried %+v", trial)
		}
	}
}

// Where several checks fail, the first that decides is explained, and the others' causes follow.
func TestExplainSeveralChecks(t *testing.T) {
	c := genuine()
	c.sign(oldSecret, sent)
	c.basic(password + ":Shop")
	c.header.Set("X-Token", strings.ToLower(tokenValue))
	c.settings.Disabled = true
	e := explain(t, c)
	got := []Cause{e.Finding.Cause}
	for _, f := range e.Further {
		got = append(got, f.Cause)
	}
	if want := []Cause{CauseSourceDisabled, CauseSecretEnded, CauseBasicSwapped, CauseAuthHeaderSpelling}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	c = genuine() // the first has no cause that is known, and keeps its place
	c.sign("who knows", sent)
	c.basic(password + ":Shop")
	e = explain(t, c)
	if e.Finding.Cause != "" || len(e.Further) != 1 || e.Further[0].Cause != CauseBasicSwapped {
		t.Errorf("got %+v, further %+v", e.Finding, e.Further)
	}
}

func TestExplainSaysWhatDidNotFit(t *testing.T) {
	c := genuine()
	c.sign("who knows", sent)
	c.header.Set("Content-Length", "17")
	e := explain(t, c)
	if len(e.Tried) < 12 || len(e.NotTried) != 0 {
		t.Errorf("tried %v, not tried %q", e.Tried, e.NotTried)
	}
	if want := fmt.Sprintf("none of the %d other explanations", len(e.Tried)); !strings.Contains(e.Finding.Words, want) {
		t.Errorf("%q does not say %q", e.Finding.Words, want)
	}
	if !strings.Contains(e.Finding.Do, "at plenigo") || !strings.Contains(e.Finding.Do, "Content-Length says 17") {
		t.Errorf("what to do: %q", e.Finding.Do)
	}
}
