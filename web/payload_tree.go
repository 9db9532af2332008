package web

import (
	"strings"

	"recall/diff"
	"recall/filter"
	"recall/plenigo"
)

// What one page shows of a tree. Everything beyond is behind the link to the raw bytes.
const (
	maxNodes     = 1000 // lines
	maxTreeDepth = 30   // levels; what lies deeper is shown as it is written
	openNodes    = 200  // a tree of more lines begins folded below its third level
)

// payloadTree is JSON made ready to be shown: objects and arrays that fold, values exactly as they were sent.
type payloadTree struct {
	Root  treeNode
	Whole bool // nothing was left out
	Nodes int  // lines shown
}

// treeNode is a value with its name.
type treeNode struct {
	Name     string     // as sent, with its quotes; "" of an item and of the root
	Values   []token    // of a simple value
	URL      string     // where the value leads: the history of the entity whose id it is, or a search for it; "" nowhere
	URLTitle string     // what is there
	Brackets string     // {} or [] of an object or array
	Count    string     // what it holds, in words
	Children []treeNode // in order; names may stand several times
	Left     int        // children that are not shown
	Open     bool
	Comma    bool
	Path     string // for people, such as entity.items[0].price; "" of the root
	Filter   string // address of the list of events with this value at this path; "" where there is no such filter
}

// newPayloadTree takes a body apart; the second result is false when it is no JSON. linked lets values lead somewhere.
func newPayloadTree(body []byte) (*payloadTree, bool) {
	root, isJSON := diff.Parse(body)
	if !isJSON {
		return nil, false
	}
	return newTreeOf(root), true
}

// newTreeOf is newPayloadTree of what is parsed already.
func newTreeOf(root *diff.Value) *payloadTree {
	b := treeBuilder{entityType: strings.ToUpper(textOf(root.Member("entityType")))}
	t := &payloadTree{Root: b.node(root, nil, "", nil)}
	t.Nodes, t.Whole = b.nodes, !b.cut
	if b.nodes > openNodes {
		fold(t.Root.Children, 2)
	}
	return t
}

func fold(nodes []treeNode, depth int) {
	for i := range nodes {
		nodes[i].Open = nodes[i].Open && depth > 0
		fold(nodes[i].Children, depth-1)
	}
}

type treeBuilder struct {
	entityType string
	nodes      int
	shown      int // bytes
	cut        bool
}

// node makes the node of a value. at is its path with [] for any item, in is the object it stands in.
func (b *treeBuilder) node(v *diff.Value, path diff.Path, at string, in *diff.Value) treeNode {
	b.nodes++
	n := treeNode{Path: path.String()}
	switch {
	case v.Type == diff.Object && len(path) < maxTreeDepth:
		n.Brackets, n.Count, n.Open = "{}", plural(len(v.Members), "field", "fields"), true
		earlier := namesAfter(v.Members)
		for i := range v.Members {
			if b.full() {
				n.Left = len(v.Members) - i
				return n
			}
			m := &v.Members[i]
			step := diff.Step{Name: m.Name, Earlier: earlier[i]}
			b.shown += min(len(m.RawName), maxFilterValue)
			b.cut = b.cut || len(m.RawName) > maxFilterValue
			child := b.node(&m.Value, append(path, step), joinPath(at, m.Name), v)
			child.Name, child.Comma = string(m.RawName), i < len(v.Members)-1
			n.Children = append(n.Children, child)
		}
	case v.Type == diff.Array && len(path) < maxTreeDepth:
		n.Brackets, n.Count, n.Open = "[]", plural(len(v.Items), "item", "items"), true
		for i := range v.Items {
			if b.full() {
				n.Left = len(v.Items) - i
				return n
			}
			child := b.node(&v.Items[i], append(path, diff.Step{Item: true, New: i}), at+"[]", nil)
			child.Comma = i < len(v.Items)-1
			n.Children = append(n.Children, child)
		}
	default:
		n.Values = valueTokens(v)
		b.shown += min(len(v.Raw), maxToken)
		b.cut = b.cut || len(v.Raw) > maxToken
		if v.Type <= diff.String && !v.Covered && len(path) > 0 && len(v.Raw) <= maxFilterValue {
			n.Filter = pathFilterURL(at, v)
			n.URL, n.URLTitle = b.leads(v, at, in)
		}
	}
	return n
}

// full tells that the page is, and that something is left out for it.
func (b *treeBuilder) full() bool {
	full := b.nodes >= maxNodes || b.shown >= maxShown
	b.cut = b.cut || full
	return full
}

// namesAfter says of each member how many of its name come after it.
func namesAfter(members []diff.Member) []int {
	after, seen := make([]int, len(members)), make(map[string]int, len(members))
	for i := len(members) - 1; i >= 0; i-- {
		after[i] = seen[members[i].Name]
		seen[members[i].Name]++
	}
	return after
}

// joinPath adds a name to a path as filters write it.
func joinPath(at, name string) string {
	if _, problem := filter.ParsePath(name); problem != "" || strings.ContainsAny(name, `."[]`) {
		name = quoted(name)
	}
	if at == "" {
		return name
	}
	return at + "." + name
}

// leads finds where a value leads by the table of plenigo's ids. An id that nothing is known of leads to a search for it.
func (b *treeBuilder) leads(v *diff.Value, at string, in *diff.Value) (url, title string) {
	id := scalarText(v)
	if v.Unset() || id == "" || v.Type != diff.String && v.Type != diff.Number || in == nil {
		return "", ""
	}
	entityType := plenigo.Refers(b.entityType, at, func(name string) string { return textOf(in.Member(name)) })
	switch {
	case entityType == "CUSTOMER":
		return customerURL(id), "All callbacks that name this customer"
	case entityType != "":
		return entityURL(entityType, id), "History of this " + words(entityType)
	case strings.HasSuffix(at, "Id") && at != "entityId":
		return eventQuery{Text: quoted(id)}.url(), "Events with this value anywhere"
	}
	return "", ""
}

// scalarText is a simple value as a filter has it.
func scalarText(v *diff.Value) string {
	if v.Type == diff.String {
		return v.Text
	}
	return string(v.Raw)
}

func textOf(v *diff.Value) string {
	if v == nil || v.Type != diff.String {
		return ""
	}
	return v.Text
}

// maxFilterValue bounds a value that is filtered by, in bytes.
const maxFilterValue = 200

// pathFilterURL lists the events with a value at a path of their payload; "" where the language of filters cannot say so.
func pathFilterURL(at string, v *diff.Value) string {
	term := filter.PayloadTerm(at, scalarText(v))
	if term == "" {
		return ""
	}
	return eventQuery{Text: term}.url()
}

// quoted is a text or name as filters quote it.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// valueTokens shows a value as it was sent, shortened where it is very long.
func valueTokens(v *diff.Value) []token {
	if v.Covered {
		return []token{{"m", v.Text}}
	}
	class := "p"
	switch v.Type {
	case diff.String:
		class = "s"
	case diff.Number:
		class = "n"
	case diff.Bool, diff.Null:
		class = "w"
	case diff.Line:
		class = ""
	}
	return shortTokens(class, string(v.Raw), maxToken)
}

func shortTokens(class, text string, most int) []token {
	if len(text) <= most {
		return []token{{class, text}}
	}
	return []token{{class, shorten(text, most)}, {"p", " … " + size(int64(len(text)-most)) + " more"}}
}
