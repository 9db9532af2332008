package web

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"golang.org/x/net/html"
)

// element is a node of a page under test.
type element struct{ *html.Node }

// parsePage reads a page; a page is one that any browser would read alike.
func parsePage(t testing.TB, r io.Reader) element {
	t.Helper()
	n, err := html.Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	return element{n}
}

func renderText(t testing.TB, c templ.Component) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// all finds by a selector of simple parts: tag, .class, #id, [name], [name=value], joined by blanks for "somewhere below".
func (e element) all(selector string) []element {
	found := []element{e}
	for _, part := range strings.Fields(selector) {
		var next []element
		seen := map[*html.Node]bool{}
		for _, from := range found {
			for n := range from.Descendants() {
				if n.Type == html.ElementNode && !seen[n] && matches(n, part) {
					seen[n] = true
					next = append(next, element{n})
				}
			}
		}
		found = next
	}
	return found
}

// one finds exactly one.
func (e element) one(t testing.TB, selector string) element {
	t.Helper()
	found := e.all(selector)
	if len(found) != 1 {
		t.Fatalf("%q: %d found, want 1", selector, len(found))
	}
	return found[0]
}

func matches(n *html.Node, part string) bool {
	for part != "" {
		kind := part[0]
		rest := part
		if kind == '.' || kind == '#' || kind == '[' {
			rest = part[1:]
		}
		end := strings.IndexAny(rest, ".#[")
		if kind == '[' {
			end = strings.IndexByte(rest, ']')
		}
		word := rest
		part = ""
		if end >= 0 {
			word, part = rest[:end], strings.TrimPrefix(rest[end:], "]")
		}
		e := element{n}
		ok := n.Data == word
		switch kind {
		case '.':
			ok = strings.Contains(" "+e.attr("class")+" ", " "+word+" ")
		case '#':
			ok = e.attr("id") == word
		case '[':
			name, value, given := strings.Cut(word, "=")
			ok = e.has(name) && (!given || e.attr(name) == value)
		}
		if !ok {
			return false
		}
	}
	return true
}

func (e element) has(name string) bool {
	for _, a := range e.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

func (e element) attr(name string) string {
	for _, a := range e.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text is what a reader sees, with blanks as in the eye.
func (e element) text() string {
	var b strings.Builder
	for n := range e.Descendants() {
		switch n.Data {
		case "p", "div", "li", "td", "th", "tr", "dt", "dd", "dl", "h1", "h2", "h3", "h4", "label", "option", "pre":
			b.WriteByte(' ')
		}
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func containsSecret(text string) bool { return strings.Contains(text, "s3cret") }
