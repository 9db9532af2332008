package web

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"recall/mask"
)

// What one page shows of a body. Everything beyond is behind the link to the raw bytes.
const (
	maxLines = 1500
	maxShown = 256 << 10 // bytes
	maxToken = 8 << 10   // bytes of one string, number or line
	maxHex   = 4 << 10   // bytes
)

// token is a part of a line with its class: k key, s string, n number, w word (true, false, null), p punctuation, m where
// something is hidden, or "" for plain text.
type token struct {
	Class string
	Text  string
}

// listing is a body made ready to be shown, line by line.
type listing struct {
	Lines [][]token
	Whole bool // nothing was left out
}

// textLines shows a body as it is, line by line.
func textLines(body []byte) listing {
	l := listing{Whole: true}
	shown := 0
	for len(body) > 0 {
		if len(l.Lines) >= maxLines || shown >= maxShown {
			l.Whole = false
			return l
		}
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		body = rest
		text := string(bytes.TrimSuffix(line, []byte("\r")))
		tokens := []token{{"", text}}
		if len(text) > maxToken {
			tokens = []token{{"", shorten(text, maxToken)}, {"p", fmt.Sprintf(" … %s more", size(int64(len(text)-maxToken)))}}
			l.Whole = false
		}
		l.Lines = append(l.Lines, splitCovered(tokens))
		shown += min(len(text), maxToken)
	}
	return l
}

// splitCovered makes the texts that stand for something hidden tokens of their own.
func splitCovered(tokens []token) []token {
	var out []token
	for _, t := range tokens {
		rest := t.Text
		for t.Class == "" {
			i := strings.Index(rest, `"`+mask.Cover)
			if i < 0 {
				break
			}
			n := len(mask.Cover) + 2
			if strings.HasPrefix(rest[i+1:], mask.SecretCover+`"`) {
				n = len(mask.SecretCover) + 2
			} else if !strings.HasPrefix(rest[i+1:], mask.Cover+`"`) {
				break
			}
			out = append(out, token{t.Class, rest[:i]}, token{"m", rest[i+1 : i+n-1]})
			rest = rest[i+n:]
		}
		out = append(out, token{t.Class, rest})
	}
	return out
}

// shorten cuts between characters and leaves bytes that are no characters alone.
func shorten(text string, n int) string {
	for i := 0; i < utf8.UTFMax && n > 0 && !utf8.RuneStart(text[n]); i++ {
		n--
	}
	return text[:n]
}

// hexRow is sixteen bytes of a body.
type hexRow struct{ Offset, Hex, Text string }

// hexRows shows the first bytes of a body as numbers, with what is printable beside them.
func hexRows(body []byte) (rows []hexRow, whole bool) {
	whole = len(body) <= maxHex
	for at := 0; at < min(len(body), maxHex); at += 16 {
		part := body[at:min(at+16, len(body))]
		var hex, text strings.Builder
		for i, b := range part {
			if i == 8 {
				hex.WriteByte(' ')
			}
			fmt.Fprintf(&hex, "%02x ", b)
			if b >= ' ' && b <= '~' {
				text.WriteByte(b)
			} else {
				text.WriteByte('.')
			}
		}
		rows = append(rows, hexRow{fmt.Sprintf("%08x", at), strings.TrimRight(hex.String(), " "), text.String()})
	}
	return rows, whole
}
