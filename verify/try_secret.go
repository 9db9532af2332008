package verify

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
)

// key is the key of a reading.
type key struct {
	assumption
	key []byte
}

// keys are the keys that may have signed: the ones that are valid now, then those of secrets that are not, of other
// sources, and of the source's own secrets written or read otherwise.
func (s *search) keys() []key {
	var now, then, spelled, encoded []key
	for i, secret := range s.p.settings.Secrets {
		switch {
		case secret.ValidAt(s.now):
			now = append(now, key{key: s.p.keys[i]})
		case s.now.Before(secret.From):
			then = append(then, key{assumption{CauseSecretNotYet,
				fmt.Sprintf("the secret %q is used, which is valid only from %s", secret.Name, clockWords(secret.From)),
				"Let the secret be valid earlier, then verify the callback again."}, s.p.keys[i]})
		default:
			then = append(then, key{assumption{CauseSecretEnded,
				fmt.Sprintf("the secret %q is used, which is no longer valid since %s", secret.Name, clockWords(secret.Until)),
				"It is still in use: let it be valid until nothing is signed by it any more, then verify the callback again."}, s.p.keys[i]})
		}
		spelled = append(spelled, s.spelledKeys(secret)...)
		encoded = append(encoded, s.encodedKeys(secret)...)
	}
	keys := append(now, then...)
	for _, other := range s.facts.Others {
		if other.Settings.Scheme.orDefault() != s.c.Scheme {
			continue // otherSchemes
		}
		for _, secret := range other.Settings.Secrets {
			if k, err := s.c.key(secret.Key); err == nil {
				keys = append(keys, key{s.otherSource(other, secret), k})
			}
		}
	}
	return append(append(keys, spelled...), encoded...)
}

func (s *search) otherSource(other Other, secret Secret) assumption {
	return assumption{CauseOtherSource,
		fmt.Sprintf("the secret %q of the source %q is used", secret.Name, other.Name),
		fmt.Sprintf("It is a callback of that source: give it that source's URL at %s. If it is right here, add the secret to this source and verify the callback again.", s.sender())}
}

// bare takes off what is easily copied along with a secret.
func bare(secret string) string {
	return strings.TrimFunc(secret, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("\"'`“”„‘’\ufeff\u200b\x00", r)
	})
}

// spelledKeys are the secret with and without blanks, line breaks and quotation marks around it.
func (s *search) spelledKeys(secret Secret) []key {
	bare := bare(secret.Key)
	if bare == "" {
		return nil
	}
	var keys []key
	for _, v := range []struct{ text, how string }{
		{strings.TrimSpace(secret.Key), "without the blanks or line breaks around it"},
		{bare, "without the quotation marks, blanks or line breaks around it"},
		{strings.Join(strings.Fields(bare), ""), "without the blanks or line breaks in it"},
		{bare + "\n", "with a line break after it"},
		{bare + "\r\n", "with a line break (CRLF) after it"},
		{bare + " ", "with a blank after it"},
		{" " + bare, "with a blank before it"},
		{"\"" + bare + "\"", "with quotation marks around it"},
	} {
		k, err := s.c.key(v.text)
		if v.text == secret.Key || err != nil {
			continue
		}
		keys = append(keys, key{assumption{CauseSecretBlanks,
			fmt.Sprintf("the secret %q is used %s", secret.Name, v.how),
			"Enter the secret on both sides again, exactly as it is shown, and verify the callback again."}, k})
	}
	return keys
}

// encodedKeys are the secret decoded where it should not be, or not decoded where it should.
func (s *search) encodedKeys(secret Secret) []key {
	bare := bare(secret.Key)
	short := strings.TrimPrefix(bare, base64SecretPrefix)
	var keys []key
	add := func(k []byte, err error, how, do string) {
		if err == nil && len(k) > 0 {
			keys = append(keys, key{assumption{CauseSecretEncoding, fmt.Sprintf("the secret %q is %s", secret.Name, how), do}, k})
		}
	}
	do := "The sender makes the key from the secret in another way: give the source a signing scheme whose key is %s, then verify the callback again."
	odd := "Ask the sender how the key is made from the secret; no signing scheme of Recall makes it so."
	if s.c.Key != "utf8" {
		add([]byte(bare), nil, "used as it is written, not decoded", fmt.Sprintf(do, "utf8"))
	}
	if short != bare {
		add([]byte(short), nil, "used without whsec_ and not decoded", odd)
	}
	if s.c.Key != "hex" {
		k, err := hex.DecodeString(bare)
		add(k, err, "read as hex", fmt.Sprintf(do, "hex"))
	}
	if s.c.Key != "base64" {
		k, err := base64.StdEncoding.DecodeString(short)
		add(k, err, "read as base64", fmt.Sprintf(do, "base64"))
	}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		k, err := encoding.DecodeString(short)
		add(k, err, "read as base64 in one of its other forms", odd)
	}
	return keys
}

// otherSchemes reads the callback by the rules of the other schemes that are at hand.
func (s *search) otherSchemes() (Finding, bool) {
	for _, shipped := range Schemes() {
		if shipped == s.c.Scheme {
			continue
		}
		for _, secret := range s.p.settings.Secrets {
			if !s.signedBy(shipped, secret, CauseOtherScheme) {
				continue
			}
			f := fitting([]assumption{{CauseOtherScheme,
				fmt.Sprintf("it is read by the signing scheme %s, with the secret %q", shipped.Name, secret.Name),
				fmt.Sprintf("Set the signing scheme of the source to %s, then verify the callback again.", shipped.Name)}})
			return f, true
		}
	}
	for _, other := range s.facts.Others {
		scheme := other.Settings.Scheme.orDefault()
		if scheme == s.c.Scheme {
			continue // keys
		}
		for _, secret := range other.Settings.Secrets {
			if s.signedBy(scheme, secret, CauseOtherSource) {
				return fitting([]assumption{s.otherSource(other, secret)}), true
			}
		}
	}
	return Finding{}, false
}

func (s *search) signedBy(scheme Scheme, secret Secret, cause Cause) bool {
	c, err := scheme.compile()
	if err != nil || s.spent() {
		return false
	}
	k, err := c.key(secret.Key)
	if err != nil {
		return false
	}
	sig, err := c.read(s.header)
	if err != nil {
		return false
	}
	s.try(cause)
	s.work += len(s.body) + workPerTry
	return anyEqual(c.digest(k, c.prefix(sig), s.body), sig.s)
}
