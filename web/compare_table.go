package web

import (
	"cmp"
	"slices"
	"strings"

	"recall/diff"
	"recall/plenigo"
	"recall/store"
)

// What one comparison shows.
const (
	maxChanges    = 300     // rows
	maxValueLines = 40      // of a value in a row
	maxValueBytes = 4 << 10 // likewise
	maxBrief      = 48      // bytes of a value in a sentence
)

// changeTable lists what differs between two bodies.
type changeTable struct {
	Rows   []changeRow
	More   int    // differences that are not listed
	Lines  bool   // of texts that are no JSON
	Folded int    // differences only in how "not set" is written, which are not listed
	Coarse bool   // compared in parts by the text of whole values
	Note   string // why there are no rows
}

// changeRow is one difference. Old or New has no lines where there is nothing on that side.
type changeRow struct {
	mood // what happened, in a word
	Path string
	Old  [][]token
	New  [][]token
}

// compareBodies compares the bodies of two events, packed ones in clear. apart tells what is not set apart by how it is
// written; whole keeps what is the same.
//
// It goes by what the values are, and shows them as far as they may be seen. nil: one is hidden whole.
func compareBodies(older, newer *store.Event, look sight, maxBody int64, apart, whole bool) *diff.Result {
	options := diff.Options{Fold: !apart, Whole: whole, Identity: plenigo.ItemIDs}
	a, oldFound := look.tree(older, maxBody)
	b, newFound := look.tree(newer, maxBody)
	if oldFound.Whole && !look.of(older).Personal || newFound.Whole && !look.of(newer).Personal {
		return nil
	}
	if a != nil && b != nil {
		return diff.CompareValues(a, b, options)
	}
	oldBody, _, _ := look.body(older, maxBody)
	newBody, _, _ := look.body(newer, maxBody)
	return diff.Compare(oldBody, newBody, options)
}

// hiddenDifferences stands where two bodies cannot be shown side by side.
const hiddenDifferences = "At least one body is no JSON, so nothing tells what in it is personal, and the differences are hidden."

func newChangeTable(r *diff.Result, most int) *changeTable {
	if r == nil {
		return &changeTable{Note: hiddenDifferences}
	}
	list, count := r.Changes(most)
	t := &changeTable{More: count - len(list), Lines: r.Lines, Folded: r.Folded, Coarse: r.Coarse}
	for _, c := range list {
		row := changeRow{mood: changeMood(c.Kind), Path: c.Path.String()}
		if r.Lines {
			row.Path = lineWords(c.Path)
		}
		if c.Kind == diff.Reordered {
			row.Old, row.New = orderLines(c.Items)
		} else {
			row.Old, row.New = valueLines(c.Old), valueLines(c.New)
		}
		t.Rows = append(t.Rows, row)
	}
	switch {
	case count > 0:
	case r.Folded > 0:
		t.Note = "Nothing differs, but for how “not set” is written."
	default:
		t.Note = "Nothing differs."
	}
	return t
}

func changeMood(k diff.Kind) mood {
	switch k {
	case diff.Added:
		return mood{toneGood, "plus", "added"}
	case diff.Removed:
		return mood{toneBad, "minus", "removed"}
	case diff.Reordered:
		return mood{toneInfo, "order", "reordered"}
	}
	return mood{toneWarn, "change", "changed"}
}

// lineWords names a line of a text by its number.
func lineWords(p diff.Path) string {
	if len(p) == 0 {
		return ""
	}
	s := p[len(p)-1]
	if s.New >= 0 {
		return "line " + grouped(int64(s.New)+1)
	}
	return "line " + grouped(int64(s.Old)+1)
}

// orderLines names the items of an array in their order on each side, by what identifies them.
func orderLines(items []diff.Step) (older, newer [][]token) {
	line := func(at func(diff.Step) int) [][]token {
		side := slices.DeleteFunc(slices.Clone(items), func(s diff.Step) bool { return at(s) < 0 })
		slices.SortStableFunc(side, func(a, b diff.Step) int { return cmp.Compare(at(a), at(b)) })
		var names []string
		for _, s := range side[:min(len(side), maxValueLines)] {
			names = append(names, diff.Path{s}.String())
		}
		if len(side) > maxValueLines {
			names = append(names, "…")
		}
		return [][]token{{{"p", strings.Join(names, " ")}}}
	}
	return line(func(s diff.Step) int { return s.Old }), line(func(s diff.Step) int { return s.New })
}

// valueLines lays out a value over lines, as far as a row goes.
func valueLines(v *diff.Value) [][]token {
	if v == nil {
		return nil
	}
	l := layouter{most: maxValueLines, bytes: maxValueBytes}
	l.value(v, nil, 0)
	l.flush()
	if l.left {
		l.lines = append(l.lines, []token{{"p", "… " + size(int64(len(v.Raw))) + " in all"}})
	}
	return l.lines
}

// layouter writes a value over several lines, exactly as it was sent but for the blanks.
type layouter struct {
	lines       [][]token
	line        []token
	most, bytes int
	left        bool // something does not fit
}

func (l *layouter) flush() {
	if len(l.line) > 0 {
		l.lines, l.line = append(l.lines, l.line), nil
	}
}

// comma ends the line of a member or item.
func (l *layouter) comma(more bool) {
	if more && len(l.line) > 0 {
		l.line = append(l.line, token{"p", ","})
	}
	l.flush()
}

func (l *layouter) full() bool {
	full := len(l.lines) >= l.most || l.bytes <= 0
	l.left = l.left || full
	return full
}

func (l *layouter) value(v *diff.Value, before []token, depth int) {
	if len(l.line) == 0 && depth > 0 {
		l.line = append(l.line, token{"", strings.Repeat("  ", depth)})
	}
	l.line = append(l.line, before...)
	l.bytes -= min(len(v.Raw), maxToken)
	switch {
	case len(v.Members) > 0:
		l.bytes += min(len(v.Raw), maxToken)
		l.line = append(l.line, token{"p", "{"})
		l.flush()
		for i := range v.Members {
			if l.full() {
				return
			}
			m := &v.Members[i]
			l.value(&m.Value, []token{{"k", cut(string(m.RawName), maxFilterValue)}, {"p", ": "}}, depth+1)
			l.comma(i < len(v.Members)-1)
		}
		l.line = []token{{"p", strings.Repeat("  ", depth) + "}"}}
	case len(v.Items) > 0:
		l.bytes += min(len(v.Raw), maxToken)
		l.line = append(l.line, token{"p", "["})
		l.flush()
		for i := range v.Items {
			if l.full() {
				return
			}
			l.value(&v.Items[i], nil, depth+1)
			l.comma(i < len(v.Items)-1)
		}
		l.line = []token{{"p", strings.Repeat("  ", depth) + "]"}}
	case v.Type == diff.Object:
		l.line = append(l.line, token{"p", "{}"})
	case v.Type == diff.Array:
		l.line = append(l.line, token{"p", "[]"})
	case v.Type == diff.Line:
		l.line = append(l.line, shortTokens("", strings.TrimRight(string(v.Raw), "\r\n"), maxValueBytes)...)
	default:
		tokens := valueTokens(v)
		tokens[0] = shortTokens(tokens[0].Class, tokens[0].Text, maxValueBytes)[0]
		l.line = append(l.line, tokens...)
	}
}

// bookkeeping tells a field that changes with every change and says nothing of it.
func bookkeeping(p diff.Path) bool {
	if len(p) == 0 {
		return false
	}
	switch p[len(p)-1].Name {
	case "changedDate", "changedBy", "changedByType":
		return true
	case "callbackType":
		return len(p) == 1
	}
	return false
}

// briefChange is a difference in a sentence.
type briefChange struct {
	Path     string
	Kind     diff.Kind
	Old, New string
}

// briefChanges are the first few differences, and how many more there are. Bookkeeping does not count among them.
func briefChanges(r *diff.Result, most int) (list []briefChange, more int, all int) {
	changes, all := r.Changes(maxChanges)
	told := 0
	for _, c := range changes {
		if bookkeeping(c.Path) {
			continue
		}
		if told++; told > most {
			continue
		}
		b := briefChange{Path: strings.TrimPrefix(c.Path.String(), "entity."), Kind: c.Kind, Old: brief(c.Old), New: brief(c.New)}
		if r.Lines {
			b.Path = lineWords(c.Path)
		}
		list = append(list, b)
	}
	more = max(told-most, 0)
	if all > len(changes) {
		more += all - len(changes)
	}
	return list, more, all
}

// brief is a value in a sentence.
func brief(v *diff.Value) string {
	switch {
	case v == nil:
		return ""
	case v.Covered:
		return v.Text
	case len(v.Members) > 0:
		return "{" + plural(len(v.Members), "field", "fields") + "}"
	case len(v.Items) > 0:
		return "[" + plural(len(v.Items), "item", "items") + "]"
	case v.Type == diff.String && v.Text != "" && strings.TrimSpace(v.Text) == v.Text:
		return cut(v.Text, maxBrief)
	case v.Type == diff.Line:
		return cut(strings.TrimSpace(string(v.Raw)), maxBrief)
	}
	return cut(string(v.Raw), maxBrief)
}
