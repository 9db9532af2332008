package web

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// piece is a part of a text: shown as it is, or, as a mark, in place of something that has no visible form of its own.
type piece struct {
	Text string
	Mark bool
}

// pieces makes a text from outside fit to be shown: bytes that are no UTF-8 become \xNN, control characters and
// characters that are invisible or turn the reading direction become U+NNNN.
func pieces(text string) []piece {
	var out []piece
	start := 0
	mark := func(at, size int, shown string) {
		if at > start {
			out = append(out, piece{Text: text[start:at]})
		}
		out = append(out, piece{Text: shown, Mark: true})
		start = at + size
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			mark(i, 1, fmt.Sprintf(`\x%02X`, text[i]))
		case !visible(r):
			mark(i, size, fmt.Sprintf("U+%04X", r))
		}
		i += size
	}
	if start < len(text) {
		out = append(out, piece{Text: text[start:]})
	}
	return out
}

func visible(r rune) bool { return r == ' ' || unicode.IsPrint(r) }

// isPlain tells that a text is visible ASCII: it needs no marks, and can turn nothing round.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// plainText is pieces as one text, for places that cannot carry marks: attributes, titles, logs.
func plainText(text string) string {
	var b strings.Builder
	for _, p := range pieces(text) {
		b.WriteString(p.Text)
	}
	return b.String()
}

// cut shortens a text to at most n bytes, between characters, and says so.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// textPieces is pieces of a text of several lines: line feeds and tabs stay what they are.
func textPieces(text string) []piece {
	var out []piece
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			out = append(out, piece{Text: "\n"})
		}
		for j, part := range strings.Split(strings.TrimSuffix(line, "\r"), "\t") {
			if j > 0 {
				out = append(out, piece{Text: "\t"})
			}
			out = append(out, pieces(part)...)
		}
	}
	return out
}
