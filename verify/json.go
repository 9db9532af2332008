package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions here rewrite JSON without reading its values: numbers and strings stay as they were written. They return
// nil for what is not JSON.

// maxDepth bounds what is worked on level by level; plenigo's bodies have about five.
const maxDepth = 64

// outerKeys is the order of the envelope's keys (REFERENCE §2).
var outerKeys = []string{"entityType", "callbackType", "entityId", "entity"}

// escapes are the escape sequences of JSON strings; a pair of surrogates is one.
var escapes = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.`)

// plainASCII are characters that some senders escape although JSON does not ask for it, and the two separators that
// break old JavaScript.
func plainASCII(r rune) bool { return ' ' <= r && r <= '~' || r == '\u2028' || r == '\u2029' }

func beyondASCII(r rune) bool { return r > '~' && r != '\u2028' && r != '\u2029' }

// unescape writes the wanted characters plainly where they are \u escapes.
func unescape(wanted func(rune) bool) func([]byte) []byte {
	return func(body []byte) []byte {
		if !json.Valid(body) {
			return nil
		}
		return escapes.ReplaceAllFunc(body, func(escape []byte) []byte {
			if escape[1] != 'u' {
				return escape
			}
			r := hexRune(escape[2:6])
			if len(escape) == 12 {
				r = utf16.DecodeRune(r, hexRune(escape[8:12]))
			}
			switch {
			case utf16.IsSurrogate(r) || !wanted(r):
				return escape
			case r == '"' || r == '\\':
				return []byte{'\\', byte(r)}
			}
			return utf8.AppendRune(nil, r)
		})
	}
}

func hexRune(digits []byte) rune {
	r, _ := strconv.ParseUint(string(digits), 16, 32) // the pattern has four digits
	return rune(r)
}

// escapeHTML writes strings as Go's encoding/json does by default, and so presumably plenigo.
func escapeHTML(body []byte) []byte {
	if !json.Valid(body) {
		return nil
	}
	var text bytes.Buffer
	json.HTMLEscape(&text, body)
	return text.Bytes()
}

func escapeUnicode(form string) func([]byte) []byte {
	return func(body []byte) []byte {
		if !json.Valid(body) || !utf8.Valid(body) {
			return nil
		}
		text := make([]byte, 0, len(body))
		for _, r := range string(body) {
			switch {
			case r < utf8.RuneSelf:
				text = append(text, byte(r))
			case r > 0xffff:
				high, low := utf16.EncodeRune(r)
				text = fmt.Appendf(text, form+form, high, low)
			default:
				text = fmt.Appendf(text, form, r)
			}
		}
		return text
	}
}

func unescapeSlashes(body []byte) []byte {
	if !json.Valid(body) {
		return nil
	}
	return escapes.ReplaceAllFunc(body, func(escape []byte) []byte {
		if escape[1] == '/' {
			return escape[1:]
		}
		return escape
	})
}

func escapeSlashes(body []byte) []byte {
	plain := unescapeSlashes(body)
	if plain == nil {
		return nil
	}
	return bytes.ReplaceAll(plain, []byte("/"), []byte(`\/`))
}

// spaced puts a blank after each comma and colon, as Python and PostgreSQL's jsonb do.
func spaced(body []byte) []byte {
	dense := compact(body)
	if dense == nil {
		return nil
	}
	text := make([]byte, 0, len(dense)*5/4)
	for i := 0; i < len(dense); i++ {
		switch c := dense[i]; c {
		case '"':
			end := stringEnd(dense, i)
			text = append(text, dense[i:end]...)
			i = end - 1
		case ',', ':':
			text = append(text, c, ' ')
		default:
			text = append(text, c)
		}
	}
	return text
}

// stringEnd is the place after the string that begins at i.
func stringEnd(body []byte, i int) int {
	for i++; body[i] != '"'; i++ {
		if body[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// deep tells whether valid JSON is nested more than limit levels.
func deep(dense []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(dense); i++ {
		switch dense[i] {
		case '"':
			i = stringEnd(dense, i) - 1
		case '{', '[':
			if depth++; depth > limit {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// reorder writes the keys of objects in another order, without blanks between the parts; nil where they are in it. The
// outermost object's keys come as plenigo has them or else alphabetically, the inner ones' alphabetically or as they are.
func reorder(envelope, inner bool) func([]byte) []byte {
	return func(body []byte) []byte {
		dense := compact(body)
		if dense == nil || deep(dense, maxDepth) {
			return nil
		}
		w := reorderer{body: dense, envelope: envelope, inner: inner}
		w.value(0, 0)
		if bytes.Equal(w.out, dense) {
			return nil
		}
		return w.out
	}
}

type reorderer struct {
	body            []byte // valid and compact
	envelope, inner bool
	out             []byte
}

type member struct {
	key          string // decoded
	start, value int    // where the key and the value begin
}

// value writes the value that begins at i.
func (w *reorderer) value(i, depth int) {
	switch w.body[i] {
	case '{':
		members := w.members(i)
		if depth == 0 || w.inner {
			slices.SortStableFunc(members, func(a, b member) int {
				if depth == 0 && w.envelope {
					if d := rank(a.key) - rank(b.key); d != 0 {
						return d
					}
					if !w.inner {
						return 0
					}
				}
				return strings.Compare(a.key, b.key)
			})
		}
		w.out = append(w.out, '{')
		for n, m := range members {
			if n > 0 {
				w.out = append(w.out, ',')
			}
			w.out = append(w.out, w.body[m.start:m.value]...)
			w.value(m.value, depth+1)
		}
		w.out = append(w.out, '}')
	case '[':
		w.out = append(w.out, '[')
		for i++; w.body[i] != ']'; {
			if w.body[i] == ',' {
				w.out = append(w.out, ',')
				i++
			}
			w.value(i, depth+1)
			i = w.end(i)
		}
		w.out = append(w.out, ']')
	default:
		w.out = append(w.out, w.body[i:w.end(i)]...)
	}
}

func rank(key string) int {
	if i := slices.Index(outerKeys, key); i >= 0 {
		return i
	}
	return len(outerKeys)
}

// members finds those of the object that begins at i.
func (w *reorderer) members(i int) []member {
	var all []member
	for i++; w.body[i] != '}'; {
		if w.body[i] == ',' {
			i++
		}
		m := member{start: i}
		keyEnd := stringEnd(w.body, i)
		json.Unmarshal(w.body[i:keyEnd], &m.key) // valid
		m.value = keyEnd + 1
		all = append(all, m)
		i = w.end(m.value)
	}
	return all
}

// end is the place after the value that begins at i.
func (w *reorderer) end(i int) int {
	for depth := 0; i < len(w.body); {
		switch w.body[i] {
		case '"':
			i = stringEnd(w.body, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		case ',', ':':
			i++
			continue
		default:
			for i < len(w.body) && w.body[i] != ',' && w.body[i] != ']' && w.body[i] != '}' {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
	return i
}
