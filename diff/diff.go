// Package diff tells what differs between two JSON documents: fields added, removed and changed, each with its path.
// It looks at what is meant, not at how it is written: key order, blanks, escapes and the spelling of numbers (1, 1.0, 1e0)
// are no difference, and numbers of any length are compared exactly. Items of an array are matched by what identifies
// them, an id or a position, and otherwise by the longest sequence both arrays have in common. What is no JSON is compared
// line by line. Nothing here knows of callbacks: the names that identify items are handed in.
//
// It is own code because no library kept today does this: josephburnett/jd matches by identity but reads numbers as
// float64, which takes two ids of 20 digits for one; wI2L/jsondiff knows positions and sequences only; yudai/gojsondiff is
// no longer kept, and gives another answer when the sides are swapped. None of them knows absent, null, "" and 0 as one
// (REFERENCE §2), or a name that stands twice.
package diff

import "bytes"

// Kind says what happened to a value.
type Kind int

const (
	Same      Kind = iota // equal, however written
	Inside                // an object or array on both sides; some of what it holds differs
	Changed               // both sides have a value here, another one
	Added                 // only the new side has it
	Removed               // only the old side has it
	Reordered             // array whose items, matched by identity, stand in another order
	Folded                // not set on either side, written differently; only with Options.Fold
)

func (k Kind) String() string {
	return [...]string{"same", "inside", "changed", "added", "removed", "reordered", "unset"}[k]
}

// Options of a comparison.
type Options struct {
	// Fold takes everything that says "not set" for equal: a name that is absent, null, "", 0, false, [] and {}, and an
	// object of nothing but these. What it hides is counted.
	Fold bool
	// Whole keeps what is the same: every object and array that both sides have is gone into.
	Whole bool
	// Identity names the members that identify an item of an array, best first. "id" comes after them, then any other name
	// that ends in "Id".
	Identity []string
}

// Node is a place in the two documents. Old is nil where it was added, New where it was removed.
type Node struct {
	Kind      Kind
	Step      Step // from the place around it
	Old, New  *Value
	OldName   []byte // of a member: its name as each side sent it, with its quotes
	NewName   []byte
	Reordered bool   // Inside: the items' order differs too
	Children  []Node // Inside, and Same with Options.Whole: everything in it, in the order of the new side
}

// Result of a comparison.
type Result struct {
	Root   Node
	Lines  bool // at least one is no JSON, so both were compared line by line
	Coarse bool // too deep or too large in places: there whole values were compared by their text
	Folded int  // differences that Options.Fold hides
}

// Equal tells that there is no difference, but for folded ones.
func (r *Result) Equal() bool { return r.Root.Kind == Same || r.Root.Kind == Folded }

// Compare finds the differences between two bodies. It takes any bytes.
func Compare(older, newer []byte, o Options) *Result {
	a, aIsJSON := Parse(older)
	b, bIsJSON := Parse(newer)
	if !aIsJSON || !bIsJSON {
		return compareLines(older, newer, o)
	}
	return CompareValues(a, b, o)
}

// CompareValues is Compare of documents that are parsed already.
func CompareValues(older, newer *Value, o Options) *Result {
	c := comparer{Options: o, result: &Result{}}
	c.result.Root = c.compare(older, newer)
	c.settle(&c.result.Root)
	c.result.Coarse = older.coarse || newer.coarse
	return c.result
}

type comparer struct {
	Options
	result *Result
}

// compare finds what happened between two values, either of which may be missing.
func (c *comparer) compare(older, newer *Value) Node {
	n := Node{Old: older, New: newer}
	switch {
	case older != nil && newer != nil && equal(older, newer):
		n.Kind = Same
		if c.Whole && older.Type == newer.Type {
			n.Children, _ = c.inside(older, newer)
		}
	case c.Fold && older.notSet() && newer.notSet():
		n.Kind = Folded
		c.result.Folded++
	case older == nil:
		n.Kind = Added
	case newer == nil:
		n.Kind = Removed
	case older.Type == newer.Type && (older.Type == Object || older.Type == Array):
		n.Kind = Inside
		n.Children, n.Reordered = c.inside(older, newer)
	default:
		n.Kind = Changed
	}
	return n
}

// inside compares what two objects, or two arrays, hold. Other values hold nothing.
func (c *comparer) inside(older, newer *Value) (nodes []Node, reordered bool) {
	if older.Type == Object {
		return c.members(older.Members, newer.Members), false
	}
	return c.items(older.Items, newer.Items)
}

// equal tells that two values mean the same. One that was not taken apart is compared by its text.
func equal(a, b *Value) bool {
	if a.Type == Opaque || b.Type == Opaque {
		return bytes.Equal(compact(a.Raw), compact(b.Raw))
	}
	return a.exact == b.exact
}

// settle makes a place where nothing differs, or only what is folded, say so itself.
func (c *comparer) settle(n *Node) {
	if n.Kind != Inside {
		return
	}
	kind := Same
	for i := range n.Children {
		child := &n.Children[i]
		c.settle(child)
		switch {
		case child.Kind == Same:
		case child.Kind == Folded && kind == Same:
			kind = Folded
		case child.Kind != Folded:
			kind = Inside
		}
	}
	if !n.Reordered {
		n.Kind = kind
	}
}

// members compares two objects name by name. Where a name stands several times in one, the last one counts, as
// encoding/json has it; the ones before it are compared among themselves, counted from the last.
func (c *comparer) members(older, newer []Member) []Node {
	type place struct {
		name    string
		earlier int
	}
	places := func(members []Member) []place {
		list := make([]place, len(members))
		seen := make(map[string]int, len(members))
		for i := len(members) - 1; i >= 0; i-- {
			name := members[i].Name
			list[i] = place{name, seen[name]}
			seen[name]++
		}
		return list
	}
	olds, news := places(older), places(newer)
	at := make(map[place]int, len(news))
	for j, p := range news {
		at[p] = j
	}
	match := make([]int, len(olds))
	for i, p := range olds {
		match[i] = -1
		if j, is := at[p]; is {
			match[i] = j
		}
	}
	var nodes []Node
	merge(match, len(newer), func(i, j int) {
		var n Node
		switch {
		case i < 0:
			n = c.compare(nil, &newer[j].Value)
		case j < 0:
			n = c.compare(&older[i].Value, nil)
		default:
			n = c.compare(&older[i].Value, &newer[j].Value)
		}
		if i >= 0 {
			n.Step, n.OldName = Step{Name: older[i].Name, Earlier: olds[i].earlier}, older[i].RawName
		}
		if j >= 0 {
			n.Step, n.NewName = Step{Name: newer[j].Name, Earlier: news[j].earlier}, newer[j].RawName
		}
		nodes = append(nodes, n)
	})
	return nodes
}

// merge goes through both sides in the order of the new one; what is only on the old side comes after the neighbour it
// had there. match has the new index of each old one, or -1.
func merge(match []int, newer int, visit func(i, j int)) {
	old := make([]int, newer)
	for j := range old {
		old[j] = -1
	}
	gone := make([][]int, newer+1) // by the new index, plus one, that they come after
	after := 0
	for i, j := range match {
		if j >= 0 {
			old[j] = i
			after = j + 1
		} else {
			gone[after] = append(gone[after], i)
		}
	}
	for j := -1; j < newer; j++ {
		if j >= 0 {
			visit(old[j], j)
		}
		for _, i := range gone[j+1] {
			visit(i, -1)
		}
	}
}
