package diff

import (
	"bytes"
	"slices"
	"strings"
)

// maxTable bounds the table in which the longest common sequence is found: cells. Longer arrays are compared by position
// between their equal beginnings and ends.
const maxTable = 1 << 20

// maxIDNames bounds the names that are tried where none is known.
const maxIDNames = 20

// items compares two arrays, and tells whether items matched by identity stand in another order.
func (c *comparer) items(older, newer []Value) (nodes []Node, reordered bool) {
	match := make([]int, len(older))
	for i := range match {
		match[i] = -1
	}
	key := c.identity(older, newer)
	if key != "" {
		at := map[hash]int{}
		for j := range newer {
			if id := newer[j].id(key); id != nil {
				at[id.exact] = j
			}
		}
		last := -1
		for i := range older {
			if id := older[i].id(key); id != nil {
				if j, is := at[id.exact]; is {
					match[i] = j
					reordered = reordered || j < last
					last = j
				}
			}
		}
	}
	c.align(older, newer, key, match)
	merge(match, len(newer), func(i, j int) {
		var n Node
		var from *Value
		switch {
		case i < 0:
			from = &newer[j]
			n = c.compare(nil, from)
		case j < 0:
			from = &older[i]
			n = c.compare(from, nil)
		default:
			from = &newer[j]
			n = c.compare(&older[i], from)
		}
		if n.Kind == Folded && (i < 0 || j < 0) { // an array is longer by an item, whatever the item says
			n.Kind = Added
			if j < 0 {
				n.Kind = Removed
			}
			c.result.Folded--
		}
		n.Step = Step{Item: true, Old: i, New: j}
		if id := from.id(key); id != nil {
			n.Step.Name, n.Step.ID = key, string(id.Raw)
		}
		nodes = append(nodes, n)
	})
	return nodes, reordered
}

// id is the member that identifies an item, nil where it has none that is set.
func (v *Value) id(key string) *Value {
	if key == "" {
		return nil
	}
	id := v.Member(key)
	if id == nil || id.unset || id.Type != String && id.Type != Number {
		return nil
	}
	return id
}

// identity finds the name that identifies the items of both arrays: no value of it stands twice on a side. A name that was
// handed in, and "id", need only be there; another that ends in "Id" may be a reference to something else, so the two
// sides must have a value of it in common.
func (c *comparer) identity(older, newer []Value) string {
	for _, key := range append(slices.Clone(c.Identity), "id") {
		if a, b := ids(older, key), ids(newer, key); len(a) > 0 && len(b) > 0 {
			return key
		}
	}
	best, most := "", 0
	for _, key := range idNames(older, newer) {
		a, b := ids(older, key), ids(newer, key)
		shared := 0
		for id := range a {
			if b[id] {
				shared++
			}
		}
		if shared > most {
			best, most = key, shared
		}
	}
	return best
}

// ids are the values of a name, or none where one stands twice.
func ids(items []Value, key string) map[hash]bool {
	found := map[hash]bool{}
	for i := range items {
		id := items[i].id(key)
		if id == nil {
			continue
		}
		if found[id.exact] {
			return nil
		}
		found[id.exact] = true
	}
	return found
}

// idNames are the names ending in "Id" in the first item of either side, in the order of the alphabet.
func idNames(sides ...[]Value) []string {
	var names []string
	for _, items := range sides {
		if len(items) == 0 {
			continue
		}
		for _, m := range items[0].Members {
			if strings.HasSuffix(m.Name, "Id") {
				names = append(names, m.Name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxIDNames)]
}

// align matches the items that have no identity: equal ones by the longest common sequence, and what lies between two of
// these one by one, as far as both are of a kind.
func (c *comparer) align(older, newer []Value, key string, match []int) {
	a, b := anonymous(older, key), anonymous(newer, key)
	if len(a) == 0 || len(b) == 0 {
		return
	}
	hashes := func(items []Value, at []int) []hash {
		list := make([]hash, len(at))
		for k, i := range at {
			list[k] = items[i].exact
			if c.Fold {
				list[k] = items[i].folded
			}
		}
		return list
	}
	between := func(i, iEnd, j, jEnd int) {
		for ; i < iEnd && j < jEnd; i, j = i+1, j+1 {
			if kin(&older[a[i]], &newer[b[j]]) {
				match[a[i]] = b[j]
			}
		}
	}
	i, j := 0, 0
	for _, pair := range common(hashes(older, a), hashes(newer, b)) {
		between(i, pair[0], j, pair[1])
		match[a[pair[0]]] = b[pair[1]]
		i, j = pair[0]+1, pair[1]+1
	}
	between(i, len(a), j, len(b))
}

// kin tells that one value may be what became of the other: both simple, or containers of a type.
func kin(a, b *Value) bool {
	return a.Type == b.Type || a.Type < Array && b.Type < Array
}

// anonymous are the indexes of items without an identity.
func anonymous(items []Value, key string) []int {
	var list []int
	for i := range items {
		if items[i].id(key) == nil {
			list = append(list, i)
		}
	}
	return list
}

// common finds the longest common sequence of two lists, as pairs of indexes. Which of several it finds does not depend
// on which list is the first, so that a comparison the other way round finds the same.
func common(a, b []hash) [][2]int {
	var pairs [][2]int
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		pairs = append(pairs, [2]int{start, start})
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	left, right := a[start:len(a)-end], b[start:len(b)-end]
	byHash := func(x, y hash) int { return bytes.Compare(x[:], y[:]) }
	swapped := slices.CompareFunc(left, right, byHash) > 0
	if swapped {
		left, right = right, left
	}
	for _, pair := range sequence(left, right) {
		if swapped {
			pair[0], pair[1] = pair[1], pair[0]
		}
		pairs = append(pairs, [2]int{pair[0] + start, pair[1] + start})
	}
	for ; end > 0; end-- {
		pairs = append(pairs, [2]int{len(a) - end, len(b) - end})
	}
	return pairs
}

// sequence is common by the table; nothing where that would be too large.
func sequence(a, b []hash) (pairs [][2]int) {
	if len(a) == 0 || len(b) == 0 || len(a) > maxTable/len(b) {
		return nil
	}
	width := len(b) + 1
	length := make([]int32, (len(a)+1)*width) // of the longest one from here on
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i*width+j] = length[(i+1)*width+j+1] + 1
			} else {
				length[i*width+j] = max(length[(i+1)*width+j], length[i*width+j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			pairs = append(pairs, [2]int{i, j})
			i, j = i+1, j+1
		case length[(i+1)*width+j] >= length[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}
