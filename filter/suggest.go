package filter

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// MaxSuggestions is how many Suggest gives at most.
const MaxSuggestions = 24

// Known are values that the data has, for suggestions: of KeySource, KeyType, KeyVersion, KeyReason, KeySender, KeyCustomer
// and so on their values, of KeyDelivery the names of destinations, of KeyPayload paths as Scalars gives them, of KeyHeader
// names. The values of one path or header stand under its label: Key("entity.status"). Whoever fills it bounds it.
type Known map[Key][]string

// Suggestion is something that can be put in where the cursor is.
type Suggestion struct {
	Insert   string // takes the place of the bytes From up to To
	From, To int
	Words    string // what it means; "" where it says so itself
	More     bool   // it is the beginning of a term: go on suggesting
}

// candidate is a suggestion without its place.
type candidate struct {
	insert, words string
	more          bool
}

// Suggest offers what can stand at the cursor, a byte offset: keys and paths where a term begins, terms that a word may be
// meant as, and values behind a colon; what begins with what is there comes first. The text may have any mistake.
func Suggest(text string, cursor int, known Known) []Suggestion {
	p := placeOf(text, cursor)
	var list []candidate
	switch {
	case p.text:
	case p.key == "":
		list = ranked(keyCandidates(known, p.prefix), p.prefix)
		if p.whole != "" {
			list = append(list, guesses(p.whole, known)...)
		}
	default:
		list = ranked(p.valueCandidates(known), p.prefix)
	}
	var found []Suggestion
	for _, c := range list {
		if c.insert == text[p.from:p.to] || slices.ContainsFunc(found, func(s Suggestion) bool { return s.Insert == c.insert }) {
			continue
		}
		if found = append(found, Suggestion{c.insert, p.from, p.to, c.words, c.more}); len(found) == MaxSuggestions {
			break
		}
	}
	return found
}

// place is where a cursor stands.
type place struct {
	text     bool   // in a quoted text
	key      string // the label before the colon; "" before or without one
	op       Op     // before the value
	from, to int    // what a suggestion takes the place of
	prefix   string // of it, what is left of the cursor, without quotes
	whole    string // all of it, where the cursor is at its end
}

func placeOf(text string, cursor int) place {
	cursor = max(0, min(cursor, len(text)))
	for cursor > 0 && cursor < len(text) && !utf8.RuneStart(text[cursor]) {
		cursor--
	}
	// The term around the cursor, its colon, and the value around the cursor.
	start, colon, valueStart, end := 0, -1, -1, len(text)
	quoted := false
scan:
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case quoted && r == '\\' && i+1 < len(text):
			n = 2
		case r == '"':
			quoted = !quoted
		case quoted:
		case unicode.IsSpace(r):
			if i >= cursor {
				end = i
				break scan
			}
			start, colon, valueStart = i+n, -1, -1
		case r == ':' && colon < 0:
			if colon = i; i < cursor {
				valueStart = i + n
			}
		case r == ',' && colon >= 0:
			if i >= cursor {
				end = i
				break scan
			}
			valueStart = i + n
		}
		i += n
	}
	if start < cursor && text[start] == '-' {
		start++
	}
	if valueStart < 0 || !startsKey(text[start:]) {
		p := place{from: start, to: end, text: strings.HasPrefix(text[start:], `"`)}
		if colon >= cursor && !p.text {
			p.to = colon + 1
		}
		if p.from > p.to { // within the minus or a blank
			p.from = p.to
		}
		p.prefix = text[p.from:max(p.from, cursor)]
		if cursor == p.to {
			p.whole = p.prefix
		}
		return p
	}
	p := place{key: text[start:colon], from: valueStart, to: end}
	for _, op := range []Op{OpAtLeast, OpAtMost, OpMore, OpLess, OpWords} {
		if rest := text[valueStart:cursor]; strings.HasPrefix(rest, string(op)) {
			p.op, p.from = op, valueStart+len(op)
			break
		}
	}
	p.prefix = strings.TrimPrefix(text[p.from:cursor], `"`)
	return p
}

// ranked are the candidates that fit a prefix, the best first: those that begin with it, have a part that does, contain it;
// where there are none, those it may be a slip of.
func ranked(list []candidate, prefix string) []candidate {
	prefix = Fold(prefix)
	rank := func(c candidate) int {
		text := Fold(strings.TrimPrefix(c.insert, `"`))
		at := strings.Index(text, prefix)
		switch {
		case at < 0 && len(prefix) > 2 && distance(prefix, strings.TrimSuffix(text, ":")) < 3:
			return 3
		case at < 0:
			return 4
		case at == 0:
			return 0
		case strings.Contains(text, "."+prefix) || strings.Contains(text, "/"+prefix):
			return 1
		}
		return 2
	}
	worst := 4
	if slices.ContainsFunc(list, func(c candidate) bool { return rank(c) < 3 }) {
		worst = 3
	}
	list = slices.DeleteFunc(list, func(c candidate) bool { return rank(c) >= worst })
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(rank(a), rank(b)) })
	return list
}

func keyCandidates(known Known, prefix string) []candidate {
	var list []candidate
	for _, k := range Keys() {
		switch k.Key {
		case KeyText:
		case KeyPayload:
			list = append(list, candidate{"entity.", k.Words, true})
		case KeyHeader:
			list = append(list, candidate{"header.", k.Words, true})
		default:
			list = append(list, candidate{string(k.Key) + ":", k.Words, true})
		}
	}
	if prefix == "" {
		return list
	}
	for _, path := range known[KeyPayload] {
		t := Term{Key: KeyPayload, Name: path}
		list = append(list, candidate{t.label() + ":", "", true})
	}
	for _, name := range known[KeyHeader] {
		list = append(list, candidate{"header." + lower(name) + ":", "", true})
	}
	return list
}

// guesses are the terms that a word may be meant as.
func guesses(word string, known Known) []candidate {
	var list []candidate
	add := func(key, value, words string) {
		list = append(list, candidate{key + ":" + Quote(value), words, false})
	}
	if _, err := uuid.Parse(word); err == nil {
		add("id", word, "the event with this id")
	}
	if _, err := netip.ParseAddr(word); err == nil {
		add("sender", word, "what came from this address")
	}
	if strings.Trim(word, "0123456789") == "" {
		add("customer", word, "what names this customer")
		add("entity", word, "what is of an entity with this id")
	}
	if before, after, at := strings.Cut(word, "@"); at && before != "" && strings.Contains(after, ".") {
		for _, path := range append([]string{"entity.email"}, known[KeyPayload]...) {
			if strings.HasSuffix(PathKey(path), "email") {
				add(Term{Key: KeyPayload, Name: path}.label(), word, "this mail address, exactly")
			}
		}
	}
	if len(word) < 2 {
		return list
	}
	for _, key := range []Key{KeySource, KeyVerdict, KeyType, KeyDelivery, KeyTrigger, KeyReason, KeySignature} {
		for _, c := range (place{key: string(key)}).valueCandidates(known) {
			if text := Fold(c.insert); strings.HasPrefix(text, Fold(word)) || strings.Contains(text, "."+Fold(word)) {
				list = append(list, candidate{string(key) + ":" + c.insert, c.words, c.more})
			}
		}
	}
	return list
}
