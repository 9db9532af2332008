// Package mask hides what is personal or secret in an event until somebody asks for it. Rules say which values of which
// entity types these are: Recall's own, made of the reference of plenigo callbacks, and beside them what the operator set.
// It works on the bytes as they were sent: all that is not hidden stays exactly as it is, numbers and order included. Who
// may see what is hidden, and for how long, is not decided here.
package mask

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Class says how a value is to be treated.
type Class string

const (
	Shown    Class = "shown"    // anybody who may see payloads sees it
	Personal Class = "personal" // says something of a person: hidden until it is revealed
	Secret   Class = "secret"   // whoever knows it can use it: a voucher code, a key; hidden until it is asked for by itself
)

// Classes are all of them, in the order of showing.
var Classes = []Class{Shown, Personal, Secret}

// What stands in the place of everything hidden, whatever it was and however long: the one of what is personal, the other of
// what is secret, which is revealed by itself.
const (
	Cover       = "••••"
	SecretCover = "•••• secret"
)

func coverOf(c Class) string {
	if c == Secret {
		return SecretCover
	}
	return Cover
}

// EveryType is the entity type of rules that hold for every type, those that nobody knows yet included.
const EveryType = "*"

// Headers is, in place of an entity type, what rules on request headers stand under: their path is the header's name.
// Entity types are written in capitals, so that none is called so.
const Headers = "headers"

// Rule says how the values at a path are treated, and all that lies below it.
type Rule struct {
	EntityType string // in capitals; EveryType; Headers
	Path       string // entity.items[].deliveryAddress; **.email at any depth; * stands for any characters within a name
	Class      Class
	Why        string // of Recall's own rules: where it is known from
}

// maxPath bounds the path of a rule, in bytes.
const maxPath = 300

// Check says what is wrong with a rule, and writes it as it is kept: its type in capitals, its path without [].
func (r Rule) Check() (Rule, error) {
	r.EntityType, r.Path = strings.TrimSpace(r.EntityType), strings.TrimSpace(r.Path)
	if strings.EqualFold(r.EntityType, Headers) {
		r.EntityType = Headers
	} else {
		r.EntityType = upper(r.EntityType)
	}
	switch {
	case r.EntityType == "":
		return r, fmt.Errorf("name the entity type, such as CUSTOMER; %s stands for every one, %s for request headers", EveryType, Headers)
	case len(r.EntityType) > 100 || strings.ContainsFunc(r.EntityType, func(c rune) bool { return c <= ' ' || c == 0x7f }) || !utf8.ValidString(r.EntityType):
		return r, fmt.Errorf("%.40q is no entity type: it is one word, such as CUSTOMER", r.EntityType)
	case !slices.Contains(Classes, r.Class):
		return r, fmt.Errorf("there is no class %.40q: a value is shown, personal or secret", r.Class)
	case r.Path == "":
		return r, fmt.Errorf("name the path, such as entity.email; **.email stands for that name at any depth")
	case len(r.Path) > maxPath || !utf8.ValidString(r.Path) || strings.ContainsFunc(r.Path, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return r, fmt.Errorf("a path is at most %d characters in one line", maxPath)
	}
	if r.EntityType == Headers {
		return r, nil
	}
	r.Path = strings.ReplaceAll(r.Path, "[]", "")
	if r.Path == "**" {
		return r, nil
	}
	for i, name := range strings.Split(r.Path, ".") {
		if name == "" {
			return r, fmt.Errorf("%.60q is no path: it is names with dots between, as in entity.items.deliveryAddress", r.Path)
		}
		if strings.Contains(name, "**") && (i > 0 || name != "**") {
			return r, fmt.Errorf("%.60q is no path: ** can only stand alone at its beginning, as in **.email", r.Path)
		}
	}
	return r, nil
}

// Key is what a rule is known by: setting another class at the same place takes the place of the first.
func (r Rule) Key() string { return r.EntityType + " " + strings.ToLower(r.Path) }

// Rules decide what is hidden. They never change, and several may use them at once.
type Rules struct {
	own    []Rule
	byType map[string]*list // with those of EveryType among them
	other  *list            // of types that have no rules of their own
	header []compiled
}

// New joins Recall's own rules and those that were set, which go first. A rule of them that cannot be read is an error: who
// goes on without it would show what was to be hidden.
func New(own []Rule) (*Rules, error) {
	r := &Rules{byType: map[string]*list{}, other: &list{}}
	types := map[string]bool{}
	for _, rule := range own {
		rule, err := rule.Check()
		if err != nil {
			return nil, fmt.Errorf("the masking rule %s %.60s: %w", rule.EntityType, rule.Path, err)
		}
		r.own = append(r.own, rule)
		types[rule.EntityType] = true
	}
	slices.SortStableFunc(r.own, byPlace)
	for _, rule := range known {
		types[rule.EntityType] = true
	}
	delete(types, EveryType)
	delete(types, Headers)
	for t := range types {
		r.byType[t] = &list{}
	}
	for nearness, rules := range [][]Rule{r.own, known} {
		for _, rule := range rules {
			c := compile(rule, nearness)
			switch rule.EntityType {
			case Headers:
				r.header = append(r.header, c)
			case EveryType:
				r.other.add(c)
				for _, l := range r.byType {
					l.add(c)
				}
			default:
				r.byType[rule.EntityType].add(c)
			}
		}
	}
	return r, nil
}

// Default are Recall's own rules alone.
func Default() *Rules {
	r, err := New(nil)
	if err != nil {
		panic(err) // nothing of it was given
	}
	return r
}

// Own are the rules that were set, by place.
func (r *Rules) Own() []Rule { return slices.Clone(r.own) }

// Known are Recall's own rules, by place.
func Known() []Rule {
	all := slices.Clone(known)
	slices.SortStableFunc(all, byPlace)
	return all
}

// byPlace is by type, those of every type last.
func byPlace(a, b Rule) int {
	last := func(r Rule) int {
		switch r.EntityType {
		case EveryType:
			return 1
		case Headers:
			return 2
		}
		return 0
	}
	return cmp.Or(cmp.Compare(last(a), last(b)), strings.Compare(a.EntityType, b.EntityType), strings.Compare(a.Path, b.Path))
}

// upper changes ASCII letters only, as filters compare types.
func upper(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		return c
	}, s)
}
