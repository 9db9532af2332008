package filter

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// String writes the filter so that Parse reads the same from it. Ages have become times.
func (f Filter) String() string {
	terms := make([]string, len(f.Terms))
	for i, t := range f.Terms {
		terms[i] = t.String()
	}
	return strings.Join(terms, " ")
}

// Text writes the filter as it was written, with one blank between terms: ages stay ages, so that a bookmark of the last
// two hours stays one.
func (f Filter) Text() string {
	terms := make([]string, len(f.Terms))
	for i, t := range f.Terms {
		terms[i] = t.Text()
	}
	return strings.Join(terms, " ")
}

// Text writes one term as it was written.
func (t Term) Text() string { return t.prefix() + t.ValuesText() }

// ValuesText writes the values of a term as they were written.
func (t Term) ValuesText() string {
	values := make([]string, len(t.Values))
	for i, v := range t.Values {
		values[i] = v.written(t)
	}
	return strings.Join(values, ",")
}

// String writes one term.
func (t Term) String() string {
	values := make([]string, len(t.Values))
	for i, v := range t.Values {
		values[i] = v.write(t)
	}
	return t.prefix() + strings.Join(values, ",")
}

// prefix is what stands before the values.
func (t Term) prefix() string {
	minus := ""
	if t.Negated {
		minus = "-"
	}
	if t.Key == KeyText && len(t.Values) > 0 {
		return minus
	}
	return minus + t.label() + ":"
}

// write writes a value so that it is read the same at any time.
func (v Value) write(t Term) string {
	switch t.Key {
	case KeyAfter, KeyBefore:
		return v.Time.Format(time.RFC3339Nano)
	case KeyType:
		text := star(v.EntityType)
		if v.CallbackType != "" || v.EntityType == "" {
			text += "." + star(v.CallbackType)
		}
		return Quote(lower(text))
	case KeyEntity:
		if v.EntityType != "" {
			return Quote(lower(v.EntityType) + "/" + v.ID)
		}
		if strings.Contains(v.ID, "/") {
			return Quote("/" + v.ID)
		}
		return Quote(v.ID)
	case KeyCustomer, KeyID:
		return Quote(v.ID)
	case KeySender:
		if v.Sender.IsSingleIP() {
			return v.Sender.Addr().String()
		}
		return v.Sender.String()
	case KeyReceived, KeyPayload:
		if text, is := v.writeAges(); is {
			return text
		}
	}
	return v.written(t)
}

// writeAges writes what is compared with an age as times, to the nanosecond where the end of one counts.
func (v Value) writeAges() (string, bool) {
	if !v.Aged {
		return "", false
	}
	const exact = "2006-01-02T15:04:05.000000000Z"
	start, end := v.Time.Format(time.RFC3339Nano), v.Until.Add(-1).Format(exact)
	switch v.Op {
	case OpMore:
		return string(OpMore) + v.Time.Add(-1).Format(exact), true
	case OpAtLeast:
		return string(OpAtLeast) + start, true
	case OpLess:
		return string(OpLess) + v.Until.Format(time.RFC3339Nano), true
	case OpAtMost:
		return string(OpAtMost) + end, true
	}
	return start + ".." + end, true
}

// written writes a value as it was written, ages as ages.
func (v Value) written(t Term) string {
	switch t.Key {
	case KeyText:
		if strings.ContainsAny(v.Text, ":*") || strings.HasPrefix(v.Text, "-") {
			return quote(v.Text)
		}
		return Quote(v.Text)
	case KeyPayload, KeyHeader:
		switch {
		case v.Op == OpPresent:
			return "*"
		case v.Op == OpRange:
			return v.Text
		case v.Op == OpEqual:
			return literal(v.Text)
		}
		return string(v.Op) + Quote(v.Text)
	case KeyReceived, KeySize, KeyAnswered:
		if v.Op != OpRange {
			return string(v.Op) + Quote(v.Text)
		}
	}
	return Quote(v.Text)
}

func star(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

// upper and lower change the letters of ASCII only, as PostgreSQL does alike in every locale with COLLATE "C". Beyond
// them a filter would not even be read as it was written: the lower case of İ is i, and its upper case I.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}, s)
}

func lower(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r >= 'A' && r <= 'Z' }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// Quote puts a value into quotes where the language needs them.
func Quote(value string) string {
	if value != "" && !strings.ContainsFunc(value, func(r rune) bool { return r == ',' || r == '"' || r == '\\' || unicode.IsSpace(r) }) {
		return value
	}
	return quote(value)
}

var inQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quote(value string) string { return `"` + inQuotes.Replace(value) + `"` }

// literal writes a value that is compared for being equal, so that no part of it is taken for an operator.
func literal(value string) string {
	if strings.Contains(value, "..") || strings.ContainsAny(value, "<>~*") {
		return quote(value)
	}
	return Quote(value)
}

// Aged tells whether the filter has an age in it, such as 2h, so that it is another one later.
func (f Filter) Aged() bool {
	return slices.ContainsFunc(f.Terms, func(t Term) bool {
		return slices.ContainsFunc(t.Values, func(v Value) bool { return v.Aged })
	})
}

// Get returns the only value of a key's only positive term, as text; "" where there is none or where it says more than a
// single field can show.
func (f Filter) Get(key Key) string {
	found := ""
	for _, t := range f.Terms {
		if t.Key != key {
			continue
		}
		if t.Negated || len(t.Values) != 1 || found != "" {
			return ""
		}
		found = t.Values[0].write(t)
	}
	return found
}

// Without drops every term of a key.
func (f Filter) Without(key Key) Filter {
	var kept Filter
	for _, t := range f.Terms {
		if t.Key != key {
			kept.Terms = append(kept.Terms, t)
		}
	}
	return kept
}

// startsKey tells whether a text begins as a key may.
func startsKey(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return unicode.IsLetter(r) || r == '_' || r == '$' || r == '@'
}
