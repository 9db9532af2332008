package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// PathKey is what paths are compared by: entity.items[].productId, entity.items.productId and entity.Items[].ProductID
// are one path. Array positions have no part in it.
func PathKey(path string) string {
	b := make([]byte, 0, MaxPath)
	quoted, ascii := false, true
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case !quoted && c == '[' && strings.HasPrefix(path[i:], "[]"):
			i++
			continue
		case quoted && c == '\\' && i+1 < len(path):
			b = append(b, c)
			i++
		case c == '"':
			quoted = !quoted
		}
		c := path[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		ascii = ascii && c < utf8.RuneSelf
		b = append(b, c)
	}
	key := strings.TrimPrefix(string(b), ".")
	if ascii {
		return key
	}
	return Fold(key)
}

// appendName adds a member's name to a path.
func appendName(path []byte, name string) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	if isPlain(name) {
		return append(path, name...)
	}
	return append(path, quote(name)...)
}

// isPlain tells whether a name needs no quotes.
func isPlain(name string) bool {
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= utf8.RuneSelf:
			return !strings.ContainsFunc(name[i:], func(r rune) bool { return !inName(r) })
		case !inName(rune(c)):
			return false
		}
	}
	return name != ""
}

// inName tells the characters that need no quotes in a path.
func inName(r rune) bool {
	return r == '_' || r == '-' || r == '$' || r == '@' || r < utf8.RuneSelf && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9') ||
		r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// ParsePath reads a path as people write it and returns it as Scalars would, or what is wrong with it.
func ParsePath(text string) (path, problem string) {
	var b []byte
	rest := text
	for first := true; ; first = false {
		name := ""
		plain := strings.IndexFunc(rest, func(r rune) bool { return !inName(r) })
		switch {
		case strings.HasPrefix(rest, `"`):
			s := &scanner{text: rest}
			var err error
			if name, err = s.quoted(); err != nil {
				return "", "The closing quote of a name is missing."
			}
			b, rest = appendName(b, name), rest[s.pos:]
		case plain < 0 && rest != "":
			b, rest = appendName(b, rest), ""
		case plain > 0:
			b, rest = appendName(b, rest[:plain]), rest[plain:]
		case first && strings.HasPrefix(rest, "[]"): // the document is an array
		default:
			return "", "A name is missing in the path: it is written as entity.items[].productId."
		}
		for strings.HasPrefix(rest, "[]") {
			b, rest = append(b, "[]"...), rest[2:]
		}
		switch {
		case rest == "":
			return string(b), ""
		case rest[0] == '[':
			return "", "Positions in an array are not told apart: write [], as in entity.items[].productId."
		case rest[0] != '.':
			return "", "A path is names with dots between, as in entity.items[].productId; other characters stand in quotes."
		}
		rest = rest[1:]
	}
}
