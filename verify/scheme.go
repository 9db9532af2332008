package verify

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Scheme is how a sender signs, as data: an HMAC over a few parts, in elements of a header. The zero Scheme is Plenigo.
type Scheme struct {
	Name        string `json:"name"`                   // what people call it; a shipped name belongs to the shipped scheme
	Header      string `json:"header"`                 // carries the signatures
	Separator   string `json:"separator"`              // between the elements of that header: "," or ";" or " "
	Assign      string `json:"assign"`                 // between an element's name and its value: "=" or "," or ":"
	Signature   string `json:"signature"`              // name of the elements that are signatures; unknown elements are skipped
	TimeElement string `json:"time_element,omitempty"` // name of the element that is the time, in Unix seconds
	TimeHeader  string `json:"time_header,omitempty"`  // or a header of its own; exactly one of the two is set
	IDHeader    string `json:"id_header,omitempty"`    // the header with the callback's id, where it is signed
	Signed      string `json:"signed"`                 // the parts that are signed, as they are joined: "time.body", "id.time.body"
	Digest      string `json:"digest"`                 // "sha256" or "sha512"
	Encoding    string `json:"encoding"`               // of a signature: "hex" or "base64"
	Key         string `json:"key"`                    // the key is the secret's "utf8" bytes, or the secret read as "hex" or "base64" (after whsec_, if it begins so)
}

// Plenigo is the scheme of plenigo's article "plenigo signature" (REFERENCE §3).
var Plenigo = Scheme{
	Name: "plenigo", Header: "plenigo-signature", Separator: ",", Assign: "=", Signature: "s", TimeElement: "t",
	Signed: "time.body", Digest: "sha256", Encoding: "hex", Key: "utf8",
}

// StandardWebhooks is version 1.0.0 of standardwebhooks.com, with symmetric keys.
var StandardWebhooks = Scheme{
	Name: "standard-webhooks", Header: "webhook-signature", Separator: " ", Assign: ",", Signature: "v1",
	TimeHeader: "webhook-timestamp", IDHeader: "webhook-id",
	Signed: "id.time.body", Digest: "sha256", Encoding: "base64", Key: "base64",
}

// Schemes returns the shipped schemes, the default first.
func Schemes() []Scheme { return []Scheme{Plenigo, StandardWebhooks} }

// ParseScheme reads what String writes: the name of a shipped scheme, or a scheme as JSON. Nothing at all is plenigo.
func ParseScheme(text string) (Scheme, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Plenigo, nil
	}
	for _, shipped := range Schemes() {
		if text == shipped.Name {
			return shipped, nil
		}
	}
	if !strings.HasPrefix(text, "{") {
		return Scheme{}, fmt.Errorf("%q is not a signing scheme; write plenigo, standard-webhooks, or a scheme as JSON", text)
	}
	var s Scheme
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return Scheme{}, fmt.Errorf("the signing scheme is not readable JSON: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Scheme{}, errors.New("the signing scheme must be one JSON object and nothing after it")
	}
	if err := s.Validate(); err != nil {
		return Scheme{}, err
	}
	return s.orDefault(), nil
}

// String is the name of a shipped scheme, or the scheme as JSON.
func (s Scheme) String() string {
	s = s.orDefault()
	if slices.Contains(Schemes(), s) {
		return s.Name
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		panic(err) // strings only
	}
	return strings.TrimSpace(text.String())
}

// Validate names in one sentence what is wrong with the scheme.
func (s Scheme) Validate() error {
	_, err := s.compile()
	return err
}

func (s Scheme) orDefault() Scheme {
	if s == (Scheme{}) {
		return Plenigo
	}
	return s
}

// compiled is a scheme made ready, once per policy.
type compiled struct {
	Scheme
	header, timeHeader, idHeader string // canonical; "" where there is none
	reported                     string // Result.SignatureHeader
	parts                        []string
	hash                         func() hash.Hash
	size                         int // bytes of a digest
	decode                       func(string) ([]byte, error)
	encode                       func([]byte) string
}

func (s Scheme) compile() (*compiled, error) {
	s = s.orDefault()
	c := &compiled{Scheme: s, parts: strings.Split(s.Signed, ".")}
	for _, shipped := range Schemes() {
		if s.Name == shipped.Name && s != shipped {
			return nil, fmt.Errorf("the signing scheme %s is a shipped one and cannot be changed; give yours another name", s.Name)
		}
	}
	if len(s.Name) > 64 || !httpguts.ValidHeaderFieldName(s.Name) {
		return nil, errors.New("the signing scheme needs a name of letters, digits and hyphens")
	}
	for _, h := range []struct {
		is        string
		name      string
		canonical *string
	}{{"header", s.Header, &c.header}, {"time_header", s.TimeHeader, &c.timeHeader}, {"id_header", s.IDHeader, &c.idHeader}} {
		if h.name == "" && h.is != "header" {
			continue
		}
		if len(h.name) > 256 || !httpguts.ValidHeaderFieldName(h.name) {
			return nil, fmt.Errorf("%s of the signing scheme: %q is not a header name", h.is, h.name)
		}
		*h.canonical = http.CanonicalHeaderKey(h.name)
	}
	switch {
	case c.header == c.timeHeader || c.header == c.idHeader || c.timeHeader != "" && c.timeHeader == c.idHeader:
		return nil, errors.New("header, time_header and id_header of the signing scheme must be different headers")
	case (s.TimeElement == "") == (s.TimeHeader == ""):
		return nil, errors.New("the signing scheme needs a time, which is part of what is signed: set time_element or time_header, not both")
	case s.Separator != "," && s.Separator != ";" && s.Separator != " ":
		return nil, fmt.Errorf("separator of the signing scheme is %q; it can be a comma, a semicolon or a blank", s.Separator)
	case s.Assign != "=" && s.Assign != "," && s.Assign != ":" || s.Assign == s.Separator:
		return nil, fmt.Errorf("assign of the signing scheme is %q; it can be an equals sign, a comma or a colon, and must differ from separator", s.Assign)
	case !elementName(s.Signature) || s.TimeElement != "" && !elementName(s.TimeElement):
		return nil, errors.New("signature and time_element of the signing scheme are names of letters, digits, hyphens and underscores")
	case s.Signature == s.TimeElement:
		return nil, errors.New("signature and time_element of the signing scheme must be different elements")
	case s.IDHeader == "" && s.Signed != "time.body", s.IDHeader != "" && s.Signed != "id.time.body" && s.Signed != "time.id.body":
		// The body comes last and the others hold no full stop, so that no two callbacks have the same signed text.
		return nil, fmt.Errorf("signed of the signing scheme is %q; it can be time.body, or with an id_header id.time.body or time.id.body", s.Signed)
	}
	switch s.Digest {
	case "sha256":
		c.hash, c.size = sha256.New, sha256.Size
	case "sha512":
		c.hash, c.size = sha512.New, sha512.Size
	default:
		return nil, fmt.Errorf("digest of the signing scheme is %q; it can be sha256 or sha512", s.Digest)
	}
	switch s.Encoding {
	case "hex":
		c.decode, c.encode = hex.DecodeString, hex.EncodeToString
	case "base64":
		c.decode, c.encode = decodeBase64, base64.StdEncoding.EncodeToString
	default:
		return nil, fmt.Errorf("encoding of the signing scheme is %q; it can be hex or base64", s.Encoding)
	}
	if s.Key != "utf8" && s.Key != "hex" && s.Key != "base64" {
		return nil, fmt.Errorf("key of the signing scheme is %q; it can be utf8, hex or base64", s.Key)
	}
	if s != Plenigo {
		c.reported = c.header
	}
	return c, nil
}

func elementName(name string) bool {
	return name != "" && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// decodeBase64 takes each digest in one spelling only.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, base64.CorruptInputError(0)
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

const base64SecretPrefix = "whsec_"

// key makes the bytes of the key from a secret's text. The error never quotes the secret.
func (c *compiled) key(secret string) ([]byte, error) {
	var key []byte
	var err error
	switch c.Key {
	case "hex":
		key, err = hex.DecodeString(secret)
	case "base64":
		key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, base64SecretPrefix))
	default:
		key = []byte(secret)
	}
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("is not %s, as the signing scheme %s asks of secrets", c.Key, c.Name)
	}
	return key, nil
}
