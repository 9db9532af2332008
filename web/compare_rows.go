package web

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"recall/diff"
)

// maxAligned bounds the lines of two whole bodies on a page.
const maxAligned = 1500

// alignedRow is a line of each of two bodies, side by side; a side without tokens has no line there.
type alignedRow struct {
	Kind     diff.Kind
	Old, New []token
	OldLine  int // from 1
	NewLine  int
}

// alignedRows lays out two bodies side by side, a member a line. left tells that the page is full before they end.
func alignedRows(r *diff.Result) (rows []alignedRow, left bool) {
	a := aligner{}
	a.node(&r.Root, nil, nil, 0, false, false)
	return a.rows, a.left
}

type aligner struct {
	rows  []alignedRow
	bytes int
	old   int // lines so far
	new   int
	left  bool
}

func (a *aligner) add(kind diff.Kind, older, newer []token) {
	row := alignedRow{Kind: kind, Old: older, New: newer}
	if len(older) > 0 {
		a.old++
		row.OldLine = a.old
	}
	if len(newer) > 0 {
		a.new++
		row.NewLine = a.new
	}
	for _, side := range [][]token{older, newer} {
		for _, t := range side {
			a.bytes += len(t.Text)
		}
	}
	a.rows = append(a.rows, row)
}

func (a *aligner) full() bool {
	full := len(a.rows) >= maxAligned || a.bytes >= 2*maxShown
	a.left = a.left || full
	return full
}

// node adds a place of the two bodies. names are what stands before the value on each side; commas what follows it.
func (a *aligner) node(n *diff.Node, oldName, newName []token, depth int, oldComma, newComma bool) {
	if a.full() {
		return
	}
	if len(n.Children) == 0 || n.Old == nil || n.New == nil {
		older, newer := a.lines(n.Old, oldName, depth, oldComma), a.lines(n.New, newName, depth, newComma)
		for i := range max(len(older), len(newer)) {
			if a.full() {
				return
			}
			a.add(n.Kind, lineAt(older, i), lineAt(newer, i))
		}
		return
	}
	kind := n.Kind
	if n.Kind == diff.Inside && n.Reordered {
		kind = diff.Reordered
	} else if n.Kind == diff.Inside {
		kind = diff.Same
	}
	open, end := "{", "}"
	if n.New.Type == diff.Array {
		open, end = "[", "]"
	}
	lines := n.New.Type == diff.Array && len(n.New.Items) > 0 && n.New.Items[0].Type == diff.Line || n.Old.Type == diff.Array && len(n.Old.Items) > 0 && n.Old.Items[0].Type == diff.Line
	if !lines {
		a.add(kind, bracket(depth, oldName, open, false), bracket(depth, newName, open, false))
		depth++
	}
	lastOld, lastNew := lastSides(n.Children)
	for i := range n.Children {
		c := &n.Children[i]
		var oldName, newName []token
		if !c.Step.Item {
			oldName, newName = nameTokens(c.OldName), nameTokens(c.NewName)
		}
		a.node(c, oldName, newName, depth, !lines && i < lastOld, !lines && i < lastNew)
	}
	if !lines && !a.full() {
		a.add(kind, bracket(depth-1, nil, end, oldComma), bracket(depth-1, nil, end, newComma))
	}
}

// lastSides are the places of the last children that each side has.
func lastSides(children []diff.Node) (older, newer int) {
	for i := range children {
		if children[i].Old != nil {
			older = i
		}
		if children[i].New != nil {
			newer = i
		}
	}
	return older, newer
}

func lineAt(lines [][]token, i int) []token {
	if i < len(lines) {
		return lines[i]
	}
	return nil
}

func nameTokens(raw []byte) []token {
	if len(raw) == 0 {
		return nil
	}
	return []token{{"k", cut(string(raw), maxFilterValue)}, {"p", ": "}}
}

func bracket(depth int, name []token, text string, comma bool) []token {
	line := append([]token{{"", strings.Repeat("  ", depth)}}, name...)
	if comma {
		text += ","
	}
	return append(line, token{"p", text})
}

// lines lays out a value that is whole on one side.
func (a *aligner) lines(v *diff.Value, name []token, depth int, comma bool) [][]token {
	if v == nil {
		return nil
	}
	l := layouter{most: maxAligned, bytes: maxShown}
	l.value(v, name, depth)
	l.flush()
	a.left = a.left || l.left
	if comma && len(l.lines) > 0 {
		l.lines[len(l.lines)-1] = append(l.lines[len(l.lines)-1], token{"p", ","})
	}
	return l.lines
}

// cell shows the lines of a value.
func cell(lines [][]token) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		if len(lines) == 0 {
			_, err := io.WriteString(w, `<span class="faint">—<span class="unseen">nothing</span></span>`)
			return err
		}
		var b strings.Builder
		b.WriteString(`<div class="cell">`)
		for i, line := range lines {
			if i > 0 {
				b.WriteByte('\n')
			}
			for _, t := range line {
				writeToken(&b, t)
			}
		}
		b.WriteString(`</div>`)
		_, err := io.WriteString(w, b.String())
		return err
	})
}

// aligned shows two bodies side by side. What differs says so in a word as well.
func aligned(rows []alignedRow) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		b.WriteString(`<table class="aligned"><thead class="unseen"><tr><th scope="col">Before</th><th scope="col">After</th></tr></thead><tbody>`)
		for _, row := range rows {
			b.WriteString(`<tr class="` + row.Kind.String() + `">`)
			writeSide(&b, "old", row.Old, row.OldLine, row.Kind)
			writeSide(&b, "new", row.New, row.NewLine, row.Kind)
			b.WriteString("</tr>\n")
		}
		b.WriteString(`</tbody></table>`)
		_, err := io.WriteString(w, b.String())
		return err
	})
}

func writeSide(b *strings.Builder, side string, line []token, number int, kind diff.Kind) {
	if len(line) == 0 {
		b.WriteString(`<td class="` + side + ` none"></td>`)
		return
	}
	b.WriteString(`<td class="` + side + `" data-line="` + strconv.Itoa(number) + `"><div class="t">`)
	for _, t := range line {
		writeToken(b, t)
	}
	if kind != diff.Same {
		b.WriteString(`<span class="unseen"> (` + kind.String() + `)</span>`)
	}
	b.WriteString(`</div></td>`)
}
