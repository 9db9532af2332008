package verify

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// veil hides secrets in what was received before it is shown: a sender can put a secret anywhere by mistake.
type veil [][]byte // longest first

func newVeil(all ...Settings) veil {
	var v veil
	add := func(text string) {
		for _, form := range []string{text, strings.TrimSpace(text), strings.TrimPrefix(text, base64SecretPrefix)} {
			if form != "" {
				v = append(v, []byte(form))
			}
		}
	}
	for _, s := range all {
		for _, secret := range s.Secrets {
			add(secret.Key)
		}
		if s.Basic != nil {
			add(s.Basic.Password)
			add(base64.StdEncoding.EncodeToString([]byte(s.Basic.User + ":" + s.Basic.Password)))
		}
		for _, h := range s.Headers {
			add(h.Value)
		}
	}
	slices.SortFunc(v, func(a, b []byte) int { return len(b) - len(a) })
	return v
}

// hide returns a copy with asterisks in place of every secret; case does not matter.
func (v veil) hide(text []byte) []byte {
	text = bytes.Clone(text)
	lower := lowerASCII(text)
	hidden := make([]bool, len(text))
	for _, secret := range v {
		secret = lowerASCII(secret)
		for from := 0; ; {
			i := bytes.Index(lower[from:], secret)
			if i < 0 {
				break
			}
			for j := range secret {
				hidden[from+i+j] = true
			}
			from += i + 1
		}
	}
	for i, hide := range hidden {
		if hide {
			text[i] = '*'
		}
	}
	return text
}

// lowerASCII keeps the length, so that places stay the same.
func lowerASCII(text []byte) []byte {
	lower := bytes.Clone(text)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}

// margin is how much further than what is shown the eye must go, so that no part of a secret stands at its edge.
func (v veil) margin() int {
	if len(v) == 0 {
		return 0
	}
	return len(v[0])
}

// ends returns the first and the last n bytes of the parts joined, printable, with no secret in them; last is empty
// where first is all.
func (v veil) ends(n int, prefix, body []byte) (first, last string) {
	margin := n + v.margin()
	head := slices.Concat(prefix, body[:min(len(body), margin)])
	first = printable(v.hide(head)[:min(len(head), n)])
	whole := len(prefix) + len(body)
	if whole <= n {
		return first, ""
	}
	tail := body[max(0, len(body)-margin):]
	if len(body) < margin {
		tail = slices.Concat(prefix, body)
	}
	tail = v.hide(tail)
	return first, printable(tail[max(0, len(tail)-min(n, whole-n)):])
}

// show makes something received fit for a sentence: no secret, printable, at most n bytes.
func (v veil) show(text string, n int) string {
	hidden := v.hide([]byte(text[:min(len(text), n+v.margin())]))
	if len(hidden) > n {
		return printable(hidden[:n]) + "…"
	}
	return printable(hidden)
}

// printable writes what cannot be printed as Go escapes; everything else stays as it is.
func printable(text []byte) string {
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case !unicode.IsPrint(r) || r == utf8.RuneError:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		text = text[size:]
	}
	return b.String()
}
