package web

import (
	"context"
	"io"
	"strings"

	"github.com/a-h/templ"
)

// tree shows a payload that folds. It is written in Go for the reason that code is: every blank counts here.
func tree(t *payloadTree) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		b.WriteString(`<div class="tree" role="group" aria-label="Body">`)
		writeNode(&b, &t.Root)
		b.WriteString(`</div>`)
		_, err := io.WriteString(w, b.String())
		return err
	})
}

func writeNode(b *strings.Builder, n *treeNode) {
	b.WriteString(`<div class="node">`)
	writeActions(b, n)
	comma := ""
	if n.Comma {
		comma = ","
	}
	switch {
	case n.Brackets == "":
		b.WriteString(`<div class="leaf">`)
		writeName(b, n)
		if n.URL != "" {
			b.WriteString(`<a href="` + templ.EscapeString(n.URL) + `" title="` + templ.EscapeString(n.URLTitle) + `">`)
		}
		for _, t := range n.Values {
			writeToken(b, t)
		}
		if n.URL != "" {
			b.WriteString(`</a>`)
		}
		writeToken(b, token{"p", comma})
		b.WriteString(`</div>`)
	case len(n.Children) == 0 && n.Left == 0:
		b.WriteString(`<div class="leaf">`)
		writeName(b, n)
		writeToken(b, token{"p", n.Brackets + comma})
		b.WriteString(`</div>`)
	default:
		b.WriteString(`<details`)
		if n.Open {
			b.WriteString(` open`)
		}
		b.WriteString(`><summary>`)
		writeName(b, n)
		writeToken(b, token{"p", n.Brackets[:1]})
		b.WriteString(`<span class="held">` + n.Count + `</span><span class="p closed">` + n.Brackets[1:] + comma + `</span></summary><div class="in">`)
		for i := range n.Children {
			writeNode(b, &n.Children[i])
		}
		if n.Left > 0 {
			b.WriteString(`<div class="leaf left">… ` + grouped(int64(n.Left)) + ` more are in the raw bytes</div>`)
		}
		b.WriteString(`</div><div class="leaf">`)
		writeToken(b, token{"p", n.Brackets[1:] + comma})
		b.WriteString(`</div></details>`)
	}
	b.WriteString("</div>\n")
}

func writeName(b *strings.Builder, n *treeNode) {
	if n.Name != "" {
		writeToken(b, token{"k", cut(n.Name, maxFilterValue)})
		writeToken(b, token{"p", ": "})
	}
}

// writeActions writes a node's path, a button that copies it and a link that filters by it. They stand outside of the
// summary, which is a button itself.
func writeActions(b *strings.Builder, n *treeNode) {
	if n.Path == "" {
		return
	}
	path := templ.EscapeString(plainText(cut(n.Path, 2*maxFilterValue)))
	b.WriteString(`<span class="acts"><code class="path">` + path + `</code>`)
	b.WriteString(`<button type="button" class="act" data-copy="` + path + `" title="Copy the path" aria-label="Copy the path ` + path + `" hidden>copy</button>`)
	if n.Filter != "" {
		b.WriteString(`<a class="act" href="` + templ.EscapeString(n.Filter) + `" title="Events with this value here" aria-label="Events with this value at ` + path + `">filter</a>`)
	}
	b.WriteString(`</span>`)
}
