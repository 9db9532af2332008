package filter

import "strings"

// Pill is a term as a page shows it, and the filter without it and with it turned round.
type Pill struct {
	Key      Key
	Label    string   // what is looked at: verdict, entity.email, header.accept, text
	Operator string   // how: is, is not, from, before, has, …
	Values   []string // joined by "or"; none where the operator says it all
	Text     string   // the term as written
	Without  string   // the filter without it; of a filter with one term ""
	Turned   string   // the filter with it negated, or no longer negated
}

// Pills shows a filter term by term. Pills joined by blanks, each by its Text, are the filter's text again.
func (f Filter) Pills() []Pill {
	texts := make([]string, len(f.Terms))
	for i, t := range f.Terms {
		texts[i] = t.Text()
	}
	with := func(i int, text ...string) string {
		parts := append(append(append([]string{}, texts[:i]...), text...), texts[i+1:]...)
		return strings.Join(parts, " ")
	}
	var pills []Pill
	for i, t := range f.Terms {
		turned := t
		turned.Negated = !t.Negated
		p := Pill{Key: t.Key, Label: t.label(), Text: texts[i], Without: with(i), Turned: with(i, turned.Text())}
		p.Operator, p.Values = t.words()
		pills = append(pills, p)
	}
	return pills
}

// operators are the words for a term, and for it negated.
var operators = map[Key][2]string{
	KeyText:     {"contains", "does not contain"},
	KeyAfter:    {"at or after", "not at or after"},
	KeyBefore:   {"before", "not before"},
	KeySender:   {"is", "is not"},
	KeyDelivery: {"is", "is not"},
	KeyTrigger:  {"is", "is not"},
}

var compareWords = map[Op][2]string{
	OpMore:    {"is more than", "is not more than"},
	OpAtLeast: {"is at least", "is not at least"},
	OpLess:    {"is less than", "is not less than"},
	OpAtMost:  {"is at most", "is not at most"},
	OpWords:   {"contains", "does not contain"},
	OpPresent: {"is set", "is not set"},
}

var receivedWords = map[Op][2]string{
	OpMore:    {"after", "not after"},
	OpAtLeast: {"at or after", "not at or after"},
	OpLess:    {"before", "not before"},
	OpAtMost:  {"at or before", "not at or before"},
}

// words are how a term compares, and with what. Where its values are compared in several ways, each says how by its sign.
func (t Term) words() (operator string, values []string) {
	side := 0
	if t.Negated {
		side = 1
	}
	pair, known := operators[t.Key]
	if !known {
		pair = [2]string{"is", "is not"}
	}
	same := true
	for _, v := range t.Values {
		same = same && v.Op == t.Values[0].Op
	}
	for _, v := range t.Values {
		text := v.Text
		words, compares := compareWords[v.Op]
		if t.Key == KeyReceived {
			words, compares = receivedWords[v.Op]
		}
		switch {
		case same && v.Op == OpPresent:
			return words[side], nil
		case same && compares:
			pair = words
		case v.Op == OpRange:
			text = strings.Replace(text, "..", " to ", 1)
		case v.Op == OpPresent:
		default:
			text = string(v.Op) + text
		}
		if text == "" {
			text = `""`
		}
		values = append(values, text)
	}
	return pair[side], values
}
