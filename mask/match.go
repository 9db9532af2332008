package mask

import (
	"strings"
)

// How near a rule is to a value. The nearest decides, among equally near ones the one that names the place most deeply,
// and then the stricter.
const (
	nearSet   = iota * 2 // set by the operator; one more where it is of every type
	nearKnown            // Recall's own; likewise
	nearShape            // nothing but what the value looks like
	nowhere
)

// compiled is a rule made ready to be compared.
type compiled struct {
	names    []string // folded
	anywhere bool     // it begins with **
	class    Class
	near     int
}

func compile(rule Rule, nearness int) compiled {
	c := compiled{class: rule.Class, near: 2 * nearness}
	if rule.EntityType == EveryType {
		c.near++
	}
	if rule.EntityType == Headers {
		c.names = []string{strings.ToLower(rule.Path)}
		return c
	}
	for _, name := range strings.Split(rule.Path, ".") {
		if name == "**" {
			c.anywhere = true
			continue
		}
		c.names = append(c.names, fold(name))
	}
	return c
}

// fold makes names equal that differ in case or in how their words are joined: firstName, first_name, FIRST-NAME.
func fold(name string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))
}

// holds tells whether a rule names the place of a path, folded names from the root on.
func (c compiled) holds(path []string) bool {
	if len(c.names) > len(path) || !c.anywhere && len(c.names) != len(path) {
		return false
	}
	tail := path[len(path)-len(c.names):]
	for i := len(c.names) - 1; i >= 0; i-- {
		if !like(c.names[i], tail[i]) {
			return false
		}
	}
	return true
}

// like tells whether a text fits a pattern, in which * stands for any characters.
func like(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

// list are the rules of one type.
type list struct {
	exact map[string][]compiled // by the last name, where it is written out
	rest  []compiled
	root  []compiled // ** alone
}

func (l *list) add(c compiled) {
	switch n := len(c.names); {
	case n == 0:
		l.root = append(l.root, c)
	case strings.Contains(c.names[n-1], "*"):
		l.rest = append(l.rest, c)
	default:
		if l.exact == nil {
			l.exact = map[string][]compiled{}
		}
		l.exact[c.names[n-1]] = append(l.exact[c.names[n-1]], c)
	}
}

// decision is how a value is treated, and why so.
type decision struct {
	class Class
	near  int
	depth int // of the place that the rule named
}

// at decides at a place, given what was decided above it.
func (l *list) at(path []string, above decision) decision {
	d := above
	consider := func(rules []compiled) {
		for _, c := range rules {
			if c.near <= d.near && c.holds(path) {
				d = d.or(c, len(path))
			}
		}
	}
	if len(path) == 0 {
		consider(l.root)
		return d
	}
	consider(l.exact[path[len(path)-1]])
	consider(l.rest)
	return d
}

// or takes a rule where it goes before what was decided.
func (d decision) or(c compiled, depth int) decision {
	if c.near < d.near || c.near == d.near && (depth > d.depth || strictness(c.class) > strictness(d.class)) {
		return decision{c.class, c.near, depth}
	}
	return d
}

func strictness(c Class) int {
	switch c {
	case Secret:
		return 2
	case Personal:
		return 1
	}
	return 0
}

// looksPersonal tells a text with a mail address in it, wherever it stands.
func looksPersonal(text string) bool {
	for from := 0; ; {
		i := strings.IndexByte(text[from:], '@')
		if i < 0 {
			return false
		}
		i += from
		from = i + 1
		if i > 0 && inAddress(text[i-1]) && i+1 < len(text) {
			host, _, _ := strings.Cut(text[i+1:], "@")
			for j := 0; j < len(host) && inAddress(host[j]); j++ {
				if host[j] == '.' && j > 0 && j+1 < len(host) && inAddress(host[j+1]) {
					return true
				}
			}
		}
	}
}

func inAddress(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80 || strings.IndexByte("._%+-", c) >= 0
}
