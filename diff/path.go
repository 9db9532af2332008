package diff

import (
	"strconv"
	"strings"
)

// Step leads from an object or array to something in it.
type Step struct {
	Name    string // of a member; of an item: the name that identifies it, "" where none does
	Earlier int    // of a member whose name stands several times: how many of the same name come after it
	Item    bool
	ID      string // of an item: the value of Name, as sent
	Old     int    // of an item: its index on the old side; -1: none
	New     int    // likewise on the new side
}

// Path leads from the root to a place.
type Path []Step

// String writes a path for people: entity.items[position=2].price, items[0], a["odd name"].
func (p Path) String() string {
	var b strings.Builder
	for _, s := range p {
		b.WriteString(s.text(b.Len() == 0))
	}
	return b.String()
}

func (s Step) text(first bool) string {
	switch {
	case s.Item && s.Name != "":
		return "[" + s.Name + "=" + s.ID + "]"
	case s.Item && s.New >= 0:
		return "[" + strconv.Itoa(s.New) + "]"
	case s.Item:
		return "[" + strconv.Itoa(s.Old) + "]"
	}
	text := s.Name
	if !plain(s.Name) {
		text = `["` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s.Name) + `"]`
	} else if !first {
		text = "." + text
	}
	if s.Earlier > 0 {
		text += "(" + strconv.Itoa(s.Earlier) + " before the last)"
	}
	return text
}

// plain tells that a name needs no quotes in a path.
func plain(name string) bool {
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '$' || r > 0x9f) {
			return false
		}
	}
	return name != ""
}

// Change is one difference.
type Change struct {
	Kind Kind // Changed, Added, Removed or Reordered
	Path Path
	Old  *Value
	New  *Value
	// Items of a Reordered array, in the new order; Step.Old has the one before.
	Items []Step
}

// Changes lists the differences in order, at most limit of them, and says how many there are. What was added or removed
// whole is one.
func (r *Result) Changes(limit int) (list []Change, count int) {
	var walk func(n *Node, path Path)
	walk = func(n *Node, path Path) {
		add := func(kind Kind) {
			if count++; count <= limit {
				c := Change{Kind: kind, Path: append(Path(nil), path...), Old: n.Old, New: n.New}
				if kind == Reordered {
					for _, child := range n.Children {
						c.Items = append(c.Items, child.Step)
					}
				}
				list = append(list, c)
			}
		}
		switch n.Kind {
		case Changed, Added, Removed:
			add(n.Kind)
		case Inside:
			if n.Reordered {
				add(Reordered)
			}
			for i := range n.Children {
				walk(&n.Children[i], append(path, n.Children[i].Step))
			}
		}
	}
	walk(&r.Root, nil)
	return list, count
}
