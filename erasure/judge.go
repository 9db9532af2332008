package erasure

import (
	"slices"
	"strings"
	"unicode"

	"recall/filter"
	"recall/plenigo"
	"recall/store"
)

// leastInText is how long an id must be to mean something as a word of a text.
const leastInText = 4

// Judge tells whether an event may be the person's, and what makes that doubtful; "" nothing does. It goes by the table of
// REFERENCE §7: a customer's number stands under names that are known, and is another's, or no customer's at all, under others.
func Judge(e *store.Event, person string) (doubt string, is bool) {
	own, by, others := "", "", false
	for _, l := range e.Envelope.Customers {
		acted := strings.HasSuffix(l.Path, ".createdBy") || strings.HasSuffix(l.Path, ".changedBy")
		switch {
		case l.CustomerID != person:
			others = others || !acted
		case acted:
			by = l.Path
		default:
			own = l.Path
		}
	}
	switch {
	case own != "" && others:
		return "it names another customer too, as with a gift: one pays, and one receives", true
	case own != "":
		return "", true
	case by != "" && others:
		return "the person only acted on it (" + lastName(by) + "); it is of another customer", true
	case by != "":
		return "the person only acted on it (" + lastName(by) + "); whose it is, it does not say", true
	}
	return judgeValues(e, person)
}

// judgeValues looks through the values of a body in which no place is known to name this person.
func judgeValues(e *store.Event, person string) (doubt string, is bool) {
	texts := map[string]string{}
	var equal, within []filter.Scalar
	for s := range filter.Scalars(e.Body) {
		texts[s.Path] = s.Text
		switch {
		case s.Kind != filter.KindString && s.Kind != filter.KindNumber:
		case s.Text == person:
			equal = append(equal, s)
		case s.Kind == filter.KindString && len(person) >= leastInText && holdsWord(s.Text, person):
			within = append(within, s)
		}
	}
	for _, s := range equal {
		parent := strings.TrimSuffix(s.Path, lastName(s.Path))
		sibling := func(name string) string { return texts[parent+name] }
		switch refers := plenigo.Refers(e.Envelope.EntityType, s.Path, sibling); {
		case refers == "CUSTOMER":
			return "", true
		case refers != "", s.Path == "entityId": // the number of something else
		case strings.HasSuffix(s.Path, "By") && sibling(lastName(s.Path)+"Type") != "": // a member of the staff, with the same number
		case strings.HasSuffix(strings.ToLower(lastName(s.Path)), "customerid"):
			return "the id stands at " + place(s.Path) + ", which may be of another company's numbering", true
		case s.Kind == filter.KindString:
			return "the id stands at " + place(s.Path) + ", which is not known to name a customer", true
		}
	}
	if len(within) > 0 {
		return "the id is a word of a text, at " + place(within[0].Path), true
	}
	return "", false
}

func lastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// place is a path to be shown: names are the body's own.
func place(path string) string {
	if path == "" {
		return "a place without a name"
	}
	if r := []rune(path); len(r) > 80 {
		path = string(r[:79]) + "…"
	}
	return path
}

// holdsWord tells whether a text holds a word, and not only as a part of a longer one.
func holdsWord(text, word string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' }), word)
}

// maxNames bounds what is looked for in filters.
const maxNames = 50

// naming are the members whose value names a person well enough to be looked for.
var naming = []string{"email", "invoiceemail", "username", "mobilenumber", "externalsystemid"}

// names are what a person may be called by where people write: the id, addresses, numbers, the whole name.
type names struct{ list []string }

func newNames(person string) *names { return &names{[]string{person}} }

// add takes the names of a person from an event that is theirs alone.
func (n *names) add(e *store.Event) {
	if e.Envelope.EntityType != "CUSTOMER" && e.Envelope.EntityType != "CUSTOMER_GDPR" {
		return
	}
	given := map[string]string{} // first names, by where they stand
	for s := range filter.Scalars(e.Body) {
		if s.Kind == filter.KindString && strings.EqualFold(lastName(s.Path), "firstName") {
			given[strings.TrimSuffix(s.Path, lastName(s.Path))] = strings.TrimSpace(s.Text)
		}
	}
	for s := range filter.Scalars(e.Body) {
		text, name := strings.TrimSpace(s.Text), lastName(s.Path)
		switch first := given[strings.TrimSuffix(s.Path, name)]; {
		case s.Kind != filter.KindString || text == "":
		case slices.Contains(naming, strings.ToLower(name)):
			n.know(text)
		case strings.EqualFold(name, "lastName") && first != "": // alone it is many people's
			n.know(first + " " + text)
			n.know(text + ", " + first)
		}
	}
}

func (n *names) know(text string) {
	if len(text) >= leastInText && len(text) <= 200 && len(n.list) < maxNames && !slices.Contains(n.list, text) {
		n.list = append(n.list, text)
	}
}
