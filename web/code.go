package web

import (
	"context"
	"io"
	"strings"

	"github.com/a-h/templ"
)

// code shows lines of tokens. It is written in Go since every blank counts here, and a template may move them; every
// text goes through the same escaping as in a template.
func code(lines [][]token) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var b strings.Builder
		b.WriteString(`<div class="code" role="group" aria-label="Body">`)
		for _, line := range lines {
			b.WriteString(`<div class="l"><span class="t">`)
			for _, t := range line {
				writeToken(&b, t)
			}
			b.WriteString("</span></div>\n")
		}
		b.WriteString(`</div>`)
		_, err := io.WriteString(w, b.String())
		return err
	})
}

func writeToken(b *strings.Builder, t token) {
	if t.Class == "m" {
		b.WriteString(`<span class="m">` + templ.EscapeString(t.Text) + `<span class="unseen"> hidden</span></span>`)
		return
	}
	if t.Class != "" {
		b.WriteString(`<span class="` + templ.EscapeString(t.Class) + `">`)
		defer b.WriteString(`</span>`)
	}
	for _, p := range textPieces(t.Text) {
		if p.Mark {
			b.WriteString(`<span class="mark">` + templ.EscapeString(p.Text) + `</span>`)
		} else {
			b.WriteString(templ.EscapeString(p.Text))
		}
	}
}
