package filter

import (
	"strings"
	"time"
)

// TermText writes a term of one key, such as source, entity.email or header.accept, from what stands in its field, which
// may be several values, as in the search box. What the language cannot read is quoted whole.
func TermText(key, value string) string {
	for _, text := range []string{key + ":" + value, key + ":" + Quote(value), key + ":" + quote(value)} {
		// The time does not matter here: only the form is looked at.
		if f, err := Parse(text, time.Unix(1<<31, 0)); err == nil && len(f.Terms) == 1 {
			return text
		}
	}
	return key + ":" + Quote(value)
}

// Set writes the filter with other values for some keys, as TermText does; "" takes a key away. Only terms that a field
// can show are replaced: a negated term stays. Keys that were not there are added in the order given.
func (f Filter) Set(values map[Key]string, order []Key) string {
	var parts []string
	written := map[Key]bool{}
	for _, term := range f.Terms {
		value, changes := values[term.Key]
		if !changes || term.Negated {
			parts = append(parts, term.Text())
			continue
		}
		if value != "" && !written[term.Key] {
			parts = append(parts, TermText(string(term.Key), value))
		}
		written[term.Key] = true
	}
	for _, key := range order {
		if value := values[key]; value != "" && !written[key] {
			parts = append(parts, TermText(string(key), value))
		}
	}
	return strings.Join(parts, " ")
}

// PayloadTerm writes the term that finds a value of a body: what Scalars gave as Path and Text. It is "" where the language
// has no such term, because the path or the value is too long or there is no path.
func PayloadTerm(path, text string) string {
	t := Term{Key: KeyPayload, Name: path, Values: []Value{{Text: text}}}
	if f, err := Parse(t.Text(), time.Unix(1<<31, 0)); path == "" || err != nil || len(f.Terms) != 1 || f.Terms[0].Name != path {
		return ""
	}
	return t.Text()
}

// And writes the filter with one more term at its end, unless it has it already.
func (f Filter) And(term string) string {
	for _, t := range f.Terms {
		if t.Text() == term {
			return f.Text()
		}
	}
	return strings.TrimSpace(f.Text() + " " + term)
}
