package filter

import (
	"strings"
	"time"
	"unicode"
)

// String writes the filter so that Parse reads the same from it. Ages have become times.
func (f Filter) String() string {
	terms := make([]string, len(f.Terms))
	for i, t := range f.Terms {
		terms[i] = t.String()
	}
	return strings.Join(terms, " ")
}

// String writes one term.
func (t Term) String() string {
	var b strings.Builder
	if t.Negated {
		b.WriteByte('-')
	}
	b.WriteString(string(t.Key) + ":")
	for i, v := range t.Values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(Quote(v.write(t.Key)))
	}
	return b.String()
}

func (v Value) write(key Key) string {
	switch key {
	case KeyAfter, KeyBefore:
		return v.Time.Format(time.RFC3339Nano)
	case KeyType:
		text := star(v.EntityType)
		if v.CallbackType != "" || v.EntityType == "" {
			text += "." + star(v.CallbackType)
		}
		return lower(text)
	case KeyEntity:
		if v.EntityType != "" {
			return lower(v.EntityType) + "/" + v.ID
		}
		if strings.Contains(v.ID, "/") {
			return "/" + v.ID
		}
		return v.ID
	case KeyCustomer, KeyID:
		return v.ID
	case KeySender:
		if v.Sender.IsSingleIP() {
			return v.Sender.Addr().String()
		}
		return v.Sender.String()
	}
	return v.Text
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
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
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
		found = t.Values[0].write(key)
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
