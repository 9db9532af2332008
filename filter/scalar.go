package filter

import (
	"encoding/json"
	"iter"
	"strings"
	"unicode/utf8"
)

// Kind is what a scalar is in JSON.
type Kind string

const (
	KindString Kind = "string"
	KindNumber Kind = "number"
	KindBool   Kind = "bool"
	KindNull   Kind = "null"
)

// Bounds of what is found of a body. Past them nothing is lost, but not searched.
const (
	MaxDepth      = 64     // objects and arrays within one another; what lies deeper is passed over
	MaxScalars    = 50_000 // the first of a body
	MaxScalarText = 16_384 // bytes of one value, the first
	MaxPath       = 512    // bytes; a value with a longer path is found by its words only
)

// Scalar is one value of a body that is neither object nor array.
type Scalar struct {
	Path string // entity.items[].productId; names that are not plain stand in quotes; "" at the top, or past MaxPath
	Kind Kind
	Text string // a string's content, valid UTF-8; a number exactly as sent; true, false, null
}

// Folded is what equality compares: a number in one spelling, whatever it was sent in, anything else without regard to
// case and accents. A value of a filter says by Value.Folded what it is equal to.
func (s Scalar) Folded() string {
	if s.Kind == KindNumber {
		return foldNumber(s.Text)
	}
	return Fold(s.Text)
}

// Words are the words in which free text is looked for: of strings and numbers, none of the others.
func (s Scalar) Words() []string {
	if s.Kind == KindString || s.Kind == KindNumber {
		return Words(s.Text)
	}
	return nil
}

// FoldedAndWords is Folded and Words in one go.
func (s Scalar) FoldedAndWords() (folded string, words []string) {
	switch s.Kind {
	case KindString:
		folded = Fold(s.Text)
		return folded, wordsOf(folded)
	case KindNumber:
		return s.Folded(), Words(s.Text)
	}
	return s.Folded(), nil
}

// Scalars gives the scalars of a JSON document in their order, each with its path, within the bounds above. Where a name
// occurs twice in an object both values are given. A body that is no JSON is one string without a path; an empty one has
// none. Whatever the bytes, it neither fails nor panics, and the same bytes always give the same.
func Scalars(body []byte) iter.Seq[Scalar] {
	return func(yield func(Scalar) bool) {
		switch {
		case len(body) == 0:
		case json.Valid(body):
			w := &walker{json: body, yield: yield}
			w.value(0)
		default:
			yield(Scalar{Kind: KindString, Text: cut(strings.ToValidUTF8(string(body), "\uFFFD"), MaxScalarText)})
		}
	}
}

// walker goes through valid JSON.
type walker struct {
	json  []byte
	at    int
	path  []byte
	given int
	yield func(Scalar) bool
}

// value reads the value that comes next, depth objects and arrays down, and tells whether to go on.
func (w *walker) value(depth int) bool {
	w.blanks()
	switch w.json[w.at] {
	case '{':
		return w.members('}', func() bool {
			w.blanks()
			name := w.text()
			w.blanks()
			w.at++ // the colon
			parent := len(w.path)
			w.path = appendName(w.path, name)
			more := w.value(depth + 1)
			w.path = w.path[:parent]
			return more
		})
	case '[':
		parent := len(w.path)
		w.path = append(w.path, "[]"...)
		more := w.members(']', func() bool { return w.value(depth + 1) })
		w.path = w.path[:parent]
		return more
	case '"':
		return w.give(depth, KindString, w.text())
	case 't', 'f':
		return w.give(depth, KindBool, w.literal())
	case 'n':
		return w.give(depth, KindNull, w.literal())
	}
	return w.give(depth, KindNumber, w.literal())
}

// members calls one for each member up to the closing bracket.
func (w *walker) members(end byte, one func() bool) bool {
	w.at++
	for w.blanks(); w.json[w.at] != end; w.blanks() {
		if w.json[w.at] == ',' {
			w.at++
			continue
		}
		if !one() {
			return false
		}
	}
	w.at++
	return true
}

func (w *walker) give(depth int, kind Kind, text string) bool {
	if depth > MaxDepth {
		return true
	}
	s := Scalar{Kind: kind, Text: cut(text, MaxScalarText)}
	if len(w.path) <= MaxPath {
		s.Path = string(w.path)
	}
	w.given++
	return w.yield(s) && w.given < MaxScalars
}

func (w *walker) blanks() {
	for w.at < len(w.json) && (w.json[w.at] == ' ' || w.json[w.at] == '\t' || w.json[w.at] == '\n' || w.json[w.at] == '\r') {
		w.at++
	}
}

func (w *walker) literal() string {
	start := w.at
	for ; w.at < len(w.json); w.at++ {
		switch w.json[w.at] {
		case ' ', '\t', '\r', '\n', ',', ']', '}':
			return string(w.json[start:w.at])
		}
	}
	return string(w.json[start:])
}

// text reads a string.
func (w *walker) text() string {
	start, plain := w.at, true
	for w.at++; w.json[w.at] != '"'; w.at++ {
		if w.json[w.at] == '\\' {
			plain = false
			w.at++
		}
	}
	w.at++
	raw := w.json[start:w.at]
	if inner := raw[1 : len(raw)-1]; plain && utf8.Valid(inner) {
		return string(inner)
	}
	var text string
	json.Unmarshal(raw, &text) // cannot fail: the document is valid; what is not UTF-8 becomes U+FFFD
	return text
}

// cut keeps the first n bytes at most, whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
