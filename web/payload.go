package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// What one page shows of a body. Everything beyond is behind the link to the raw bytes.
const (
	maxLines  = 1500
	maxShown  = 256 << 10 // bytes
	maxToken  = 8 << 10   // bytes of one string, number or line
	maxHex    = 4 << 10   // bytes
	maxIndent = 40        // levels; deeper ones stand no further right
)

// token is a part of a line with its class: k key, s string, n number, w word (true, false, null), p punctuation, or ""
// for plain text.
type token struct {
	Class string
	Text  string
}

// listing is a body made ready to be shown, line by line.
type listing struct {
	Lines [][]token
	Whole bool // nothing was left out
}

// prettyJSON lays out valid JSON, one member a line. It works on the text: keys keep their order, numbers and escapes
// stand exactly as they were sent. It stops when the page is full, however deep or long the body is. The second result
// is false when the body is not JSON.
func prettyJSON(body []byte) (listing, bool) {
	if !json.Valid(body) {
		return listing{}, false
	}
	p := printer{rest: bytes.TrimLeft(body, " \t\r\n")}
	for len(p.rest) > 0 && !p.full {
		p.next()
	}
	p.flush()
	return listing{Lines: p.lines, Whole: len(p.rest) == 0 && !p.shortened}, true
}

// printer walks over JSON known to be valid.
type printer struct {
	rest      []byte
	lines     [][]token
	line      []token
	stack     []byte // the open brackets
	shown     int
	wantValue bool // after a colon
	full      bool
	shortened bool
}

func (p *printer) next() {
	c := p.rest[0]
	switch c {
	case ' ', '\t', '\r', '\n':
		p.rest = p.rest[1:]
	case '{', '[':
		p.wantValue = false
		inner := bytes.TrimLeft(p.rest[1:], " \t\r\n")
		if inner[0] == c+2 { // { and }, [ and ] are two apart: an empty one stays on its line
			p.add("p", string([]byte{c, c + 2}))
			p.rest = inner[1:]
			return
		}
		p.add("p", string(c))
		p.stack = append(p.stack, c)
		p.rest = inner
		p.flush()
	case '}', ']':
		p.stack = p.stack[:len(p.stack)-1]
		p.flush()
		p.add("p", string(c))
		p.rest = p.rest[1:]
	case ',':
		p.add("p", ",")
		p.rest = p.rest[1:]
		p.flush()
	case ':':
		p.add("p", ": ")
		p.rest = p.rest[1:]
		p.wantValue = true
	case '"':
		end := 1
		for p.rest[end] != '"' {
			if p.rest[end] == '\\' {
				end++
			}
			end++
		}
		class := "s"
		if len(p.stack) > 0 && p.stack[len(p.stack)-1] == '{' && !p.wantValue {
			class = "k"
		}
		p.wantValue = false
		p.add(class, string(p.rest[:end+1]))
		p.rest = p.rest[end+1:]
	default:
		end := bytes.IndexAny(p.rest, " \t\r\n,]}")
		if end < 0 {
			end = len(p.rest)
		}
		class := "n"
		if c == 't' || c == 'f' || c == 'n' {
			class = "w"
		}
		p.wantValue = false
		p.add(class, string(p.rest[:end]))
		p.rest = p.rest[end:]
	}
}

func (p *printer) add(class, text string) {
	if len(p.line) == 0 && len(p.stack) > 0 {
		p.line = append(p.line, token{"", strings.Repeat("  ", min(len(p.stack), maxIndent))})
	}
	if len(text) > maxToken {
		left := len(text) - maxToken
		text = shorten(text, maxToken)
		p.line = append(p.line, token{class, text}, token{"p", fmt.Sprintf(" … %s more", size(int64(left)))})
		p.shortened = true
	} else {
		p.line = append(p.line, token{class, text})
	}
	p.shown += len(text)
}

func (p *printer) flush() {
	if len(p.line) == 0 {
		return
	}
	p.lines = append(p.lines, p.line)
	p.line = nil
	if len(p.lines) >= maxLines || p.shown >= maxShown {
		p.full = true
	}
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
		l.Lines = append(l.Lines, tokens)
		shown += min(len(text), maxToken)
	}
	return l
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
