package diff

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// What is taken apart of one body. Values beyond it are compared by their text, so that a hostile body costs no more than
// its size.
const (
	MaxDepth  = 100     // levels; plenigo's bodies have fewer than ten
	MaxValues = 100_000 // of one body
)

// Type of a JSON value.
type Type int

const (
	Null Type = iota
	Bool
	Number
	String
	Array
	Object
	Opaque // an array or object that was not taken apart
	Line   // of a text that is no JSON
)

// Value is a JSON value with the very bytes it was sent as.
type Value struct {
	Type    Type
	Raw     []byte   // as sent, a part of the body
	At      int      // where in the body it begins, in bytes
	Text    string   // of a String: decoded; what cannot be decoded keeps its bytes
	Members []Member // of an Object, in order, names may stand several times
	Items   []Value  // of an Array
	Covered bool     // something stands in its place: see Cover

	exact  hash // equal where values mean the same
	folded hash // likewise, with all that is not set for one
	unset  bool
	coarse bool // of the root: something in it is Opaque
}

// Member is a name and its value.
type Member struct {
	Name    string // decoded
	RawName []byte // as sent, with its quotes
	At      int    // where in the body it begins, in bytes
	Value   Value
}

// Member finds the value of a name in an object; the last one where it stands several times, nil where there is none.
func (v *Value) Member(name string) *Value {
	if v == nil {
		return nil
	}
	for i := len(v.Members) - 1; i >= 0; i-- {
		if v.Members[i].Name == name {
			return &v.Members[i].Value
		}
	}
	return nil
}

// Cover puts a text in the place of a value that is not to be shown. A comparison still tells whether two values are the
// same, since it goes by what they were; what it shows of them, the names of items included, is the text.
func (v *Value) Cover(text string) {
	v.Type, v.Raw, v.Text, v.Covered = String, []byte(strconv.Quote(text)), text, true
	v.Members, v.Items = nil, nil
}

// CoverName does the same to a name.
func (m *Member) CoverName(text string) { m.Name, m.RawName = text, []byte(strconv.Quote(text)) }

type hash [16]byte

// notSet tells that a value is missing or says so itself.
func (v *Value) notSet() bool { return v == nil || v.unset }

// Unset tells that a value says "not set": null, "", 0, false, [], {}, or an object of nothing else.
func (v *Value) Unset() bool { return v.unset }

// Parse takes a body apart. The second result is false when it is no JSON, as encoding/json judges.
func Parse(body []byte) (*Value, bool) {
	if !json.Valid(body) {
		return nil, false
	}
	p := parser{rest: body, size: len(body), left: MaxValues}
	v := p.value(0)
	v.coarse = p.coarse
	return &v, true
}

// parser walks over JSON known to be valid.
type parser struct {
	rest   []byte
	size   int // of the body
	left   int
	coarse bool
}

func (p *parser) blanks() { p.rest = bytes.TrimLeft(p.rest, " \t\r\n") }

// at is where in the body the rest begins.
func (p *parser) at() int { return p.size - len(p.rest) }

// token takes n bytes off.
func (p *parser) token(n int) []byte {
	t := p.rest[:n:n]
	p.rest = p.rest[n:]
	return t
}

func (p *parser) value(depth int) Value {
	p.blanks()
	p.left--
	start, at := p.rest, p.at()
	var v Value
	switch c := start[0]; {
	case c == '"':
		raw := p.token(stringLength(start))
		v = Value{Type: String, Raw: raw, Text: unquote(raw)}
	case (c == '{' || c == '[') && (depth >= MaxDepth || p.left <= 0):
		v = Value{Type: Opaque, Raw: p.token(nestedLength(start))}
		p.coarse = true
	case c == '{':
		v = p.object(depth)
		v.Raw = start[: len(start)-len(p.rest) : len(start)-len(p.rest)]
	case c == '[':
		v = p.array(depth)
		v.Raw = start[: len(start)-len(p.rest) : len(start)-len(p.rest)]
	default:
		n := bytes.IndexAny(start, " \t\r\n,]}")
		if n < 0 {
			n = len(start)
		}
		v = Value{Type: Number, Raw: p.token(n)}
		switch c {
		case 't', 'f':
			v.Type = Bool
		case 'n':
			v.Type = Null
		}
	}
	v.At = at
	v.sum()
	return v
}

func (p *parser) object(depth int) Value {
	v := Value{Type: Object}
	p.token(1)
	for {
		p.blanks()
		switch p.rest[0] {
		case '}':
			p.token(1)
			return v
		case ',':
			p.token(1)
			p.blanks()
		}
		at, name := p.at(), p.token(stringLength(p.rest))
		p.blanks()
		p.token(1) // the colon
		v.Members = append(v.Members, Member{Name: unquote(name), RawName: name, At: at, Value: p.value(depth + 1)})
	}
}

func (p *parser) array(depth int) Value {
	v := Value{Type: Array}
	p.token(1)
	for {
		p.blanks()
		switch p.rest[0] {
		case ']':
			p.token(1)
			return v
		case ',':
			p.token(1)
		}
		v.Items = append(v.Items, p.value(depth+1))
	}
}

// stringLength is the length of the string that a text begins with, its quotes included.
func stringLength(text []byte) int {
	for i := 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// nestedLength is the length of the object or array that a text begins with.
func nestedLength(text []byte) int {
	depth := 0
	for i := 0; ; i++ {
		switch text[i] {
		case '"':
			i += stringLength(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// unquote decodes a valid JSON string. Unlike encoding/json it never makes two texts one: bytes that are no UTF-8 stay, and
// a lone half of a surrogate pair becomes the three bytes it would have.
func unquote(raw []byte) string {
	raw = raw[1 : len(raw)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hexRune(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(r) && i+6 < len(raw) && raw[i+1] == '\\' && raw[i+2] == 'u' {
				if pair := utf16.DecodeRune(r, hexRune(raw[i+3:])); pair != utf8.RuneError {
					r = pair
					i += 6
				}
			}
			if utf16.IsSurrogate(r) {
				out = append(out, byte(0xE0|r>>12), byte(0x80|r>>6&0x3F), byte(0x80|r&0x3F))
			} else {
				out = utf8.AppendRune(out, r)
			}
		default:
			out = append(out, raw[i])
		}
	}
	return string(out)
}

func hexRune(text []byte) rune {
	n, _ := strconv.ParseUint(string(text[:4]), 16, 16)
	return rune(n)
}

// compact is JSON without the blanks between its tokens.
func compact(raw []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// sum makes the hashes of a value from those of what it holds.
func (v *Value) sum() {
	var exact, folded []byte
	switch v.Type {
	case Null:
		exact, v.unset = []byte("n"), true
	case Bool:
		exact, v.unset = v.Raw[:1], v.Raw[0] == 'f'
	case Number:
		exact = append([]byte("#"), canonical(v.Raw)...)
		v.unset = string(exact) == "#0"
	case String:
		exact = append([]byte("s"), v.Text...)
		v.unset = v.Text == ""
	case Opaque:
		exact = append([]byte("o"), compact(v.Raw)...)
	case Array:
		exact, folded = append(exact, '['), append(folded, '[')
		for i := range v.Items {
			exact = append(exact, v.Items[i].exact[:]...)
			folded = append(folded, v.Items[i].folded[:]...)
		}
		v.unset = len(v.Items) == 0
	case Object:
		exact, folded = append(exact, '{'), append(folded, '{')
		v.unset = true
		order := make([]int, len(v.Members))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(v.Members[i].Name, v.Members[j].Name) })
		for _, i := range order {
			m := &v.Members[i]
			exact = append(appendName(exact, m.Name), m.Value.exact[:]...)
			if !m.Value.unset {
				v.unset = false
				folded = append(appendName(folded, m.Name), m.Value.folded[:]...)
			}
		}
	}
	v.exact = sum(exact)
	switch {
	case v.unset:
		v.folded = sum([]byte("u"))
	case folded != nil:
		v.folded = sum(folded)
	default:
		v.folded = v.exact
	}
}

func appendName(b []byte, name string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(name))), name...)
}

func sum(b []byte) hash {
	s := sha256.Sum256(b)
	return hash(s[:16])
}
