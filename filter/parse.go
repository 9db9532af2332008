package filter

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of a filter text.
const (
	MaxText   = 2000 // bytes
	MaxTerms  = 50
	MaxValues = 100 // of one term
	MaxKey    = 256 // bytes of a path; likewise of a value
)

// Parse reads a filter text. Ages such as 2h count back from now. The error is an *Error.
func Parse(text string, now time.Time) (Filter, error) {
	var f Filter
	if len(text) > MaxText {
		return f, &Error{Pos: MaxText, End: len(text), Message: fmt.Sprintf("The filter is longer than %d bytes.", MaxText)}
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return f, &Error{End: len(text), Message: "The filter is not valid UTF-8 text."}
	}
	s := &scanner{text: text}
	for s.blanks(); s.pos < len(text); s.blanks() {
		if len(f.Terms) == MaxTerms {
			return Filter{}, &Error{Pos: s.pos, End: len(text), Message: fmt.Sprintf("A filter has at most %d terms.", MaxTerms)}
		}
		term, err := s.term(now)
		if err != nil {
			return Filter{}, err
		}
		f.Terms = append(f.Terms, term)
	}
	return f, nil
}

type scanner struct {
	text string
	pos  int
}

func (s *scanner) blanks() {
	for s.pos < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[s.pos:])
		if !unicode.IsSpace(r) {
			return
		}
		s.pos += n
	}
}

// term reads one term: key:value,value, or text.
func (s *scanner) term(now time.Time) (Term, error) {
	t := Term{Pos: s.pos}
	if strings.HasPrefix(s.text[s.pos:], "-") {
		t.Negated = true
		s.pos++
	}
	if err := s.key(&t); err != nil {
		return t, err
	}
	for {
		at := s.pos
		w, err := s.value(t.Key)
		if err != nil {
			return t, err
		}
		value, message := parseValue(t, w, now)
		if message != "" {
			return t, &Error{Pos: at, End: s.pos, Message: message}
		}
		if len(t.Values) == MaxValues {
			return t, &Error{Pos: at, End: s.pos, Message: fmt.Sprintf("%s has more than %d values.", t.Key, MaxValues)}
		}
		t.Values = append(t.Values, value)
		if s.pos == len(s.text) || s.text[s.pos] != ',' {
			break
		}
		s.pos++
	}
	if s.pos < len(s.text) {
		if r, _ := utf8.DecodeRuneInString(s.text[s.pos:]); !unicode.IsSpace(r) {
			where := "after the closing quote"
			if r == '"' {
				where = "before the quote"
			}
			return t, &Error{Pos: s.pos, End: s.pos + 1, Message: "A blank is missing " + where + "."}
		}
	}
	t.End = s.pos
	return t, nil
}

// key reads what stands before the colon. Where there is none, the term is text.
func (s *scanner) key(t *Term) error {
	start := s.pos
	name, ok := s.name()
	if !ok {
		s.pos = start
		t.Key = KeyText
		r, _ := utf8.DecodeRuneInString(s.text[start:] + " ")
		if unicode.IsSpace(r) { // a minus alone
			return &Error{Pos: start, End: start, Message: "A term is missing after the minus: it is key:value or a word."}
		}
		return nil
	}
	problem := ""
	first, rest, dotted := strings.Cut(name, ".")
	switch first = lower(first); {
	case !dotted && first != string(KeyPayload) && first != string(KeyHeader):
		if t.Key = Key(first); !slices.ContainsFunc(Keys(), func(k KeyHelp) bool { return k.Key == t.Key }) {
			problem = unknownKey(name)
		}
	case first == string(KeyHeader):
		if t.Key, t.Name = KeyHeader, textproto.CanonicalMIMEHeaderKey(rest); rest == "" || strings.ContainsFunc(rest, func(r rune) bool { return !inHeader(r) }) {
			problem = "A header is looked at by its name, as in header.content-type:application/json."
		}
	case first == string(KeyPayload) && rest == "":
		problem = "A value of the body is looked at by its path, as in entity.email:anna@example.org or payload.entityId:48213."
	default:
		if t.Key = KeyPayload; first == string(KeyPayload) {
			name = rest
		}
		if t.Name, problem = ParsePath(name); problem == "" && len(t.Name) > MaxKey {
			problem = fmt.Sprintf("The path is longer than %d bytes.", MaxKey)
		}
		if t.Path = PathKey(t.Name); t.Path == "" && problem == "" {
			problem = "A name is missing in the path: it is written as entity.items[].productId."
		}
	}
	if problem != "" {
		return &Error{Pos: start, End: s.pos, Message: problem}
	}
	s.pos++ // the colon
	return nil
}

func inHeader(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// name reads a key up to its colon, which it leaves. It begins with a letter; what does not, or has no colon, is text.
func (s *scanner) name() (string, bool) {
	start := s.pos
	if !startsKey(s.text[s.pos:]) {
		return "", false
	}
	for s.pos < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[s.pos:])
		switch {
		case r == ':':
			return s.text[start:s.pos], true
		case r == '"' && s.text[s.pos-1] == '.':
			if _, err := s.quoted(); err != nil {
				return "", false
			}
			continue
		case !inName(r) && !inHeader(r) && r != '[' && r != ']':
			return "", false
		}
		s.pos += n
	}
	return "", false
}

// word is a value as it was read.
type word struct {
	op     Op
	text   string
	quoted bool
}

// compared are the keys whose values may begin with an operator; with others it is part of the value.
var compared = map[Key][]Op{
	KeyPayload:  {OpAtLeast, OpAtMost, OpMore, OpLess, OpWords},
	KeyHeader:   {OpWords},
	KeySize:     {OpAtLeast, OpAtMost, OpMore, OpLess},
	KeyAnswered: {OpAtLeast, OpAtMost, OpMore, OpLess},
	KeyReceived: {OpAtLeast, OpAtMost, OpMore, OpLess},
}

// value reads up to a comma or blank, or a quoted text, with the operator before it.
func (s *scanner) value(key Key) (word, error) {
	var w word
	for _, op := range compared[key] {
		if strings.HasPrefix(s.text[s.pos:], string(op)) {
			w.op = op
			s.pos += len(op)
			break
		}
	}
	if strings.HasPrefix(s.text[s.pos:], `"`) {
		var err error
		w.quoted = true
		w.text, err = s.quoted()
		return w, err
	}
	start := s.pos
	for s.pos < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[s.pos:])
		if r == ',' || r == '"' || unicode.IsSpace(r) {
			break
		}
		s.pos += n
	}
	w.text = s.text[start:s.pos]
	return w, nil
}

// quoted reads a text in quotes.
func (s *scanner) quoted() (string, error) {
	open := s.pos
	var b strings.Builder
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return b.String(), nil
		case c == '\\' && s.pos+1 < len(s.text):
			s.pos++
			b.WriteByte(s.text[s.pos])
		default:
			b.WriteByte(c)
		}
	}
	return "", &Error{Pos: open, End: len(s.text), Message: "The closing quote is missing."}
}
