package web

import (
	"slices"
	"strings"

	"github.com/a-h/templ"
)

// drawn are our drawings, 16 by 16, in lines of the colour of the text.
var drawn = map[string]string{
	"check":    `<circle cx="8" cy="8" r="6.25"/><path d="m5.4 8.2 1.8 1.8 3.5-3.8"/>`,
	"clock":    `<circle cx="8" cy="8" r="6.25"/><path d="M8 4.6V8l2.3 1.5"/>`,
	"cross":    `<path d="M5.4 1.75h5.2l3.65 3.65v5.2l-3.65 3.65H5.4L1.75 10.6V5.4z"/><path d="m6 6 4 4m0-4-4 4"/>`,
	"dash":     `<circle cx="8" cy="8" r="6.25" stroke-dasharray="2.2 2"/><path d="M5.6 8h4.8"/>`,
	"dots":     `<circle cx="8" cy="8" r="6.25"/><path d="M5.2 8h.01M8 8h.01M10.8 8h.01" stroke-width="1.9"/>`,
	"question": `<circle cx="8" cy="8" r="6.25"/><path d="M6.3 6.3a1.8 1.8 0 1 1 2.4 1.7c-.5.2-.7.5-.7 1M8 11.2h.01"/>`,
	"retry":    `<path d="M2.4 8a5.6 5.6 0 0 1 9.7-3.8l1.5 1.6M13.6 2.6v3.2h-3.2M13.6 8a5.6 5.6 0 0 1-9.7 3.8l-1.5-1.6M2.4 13.4v-3.2h3.2"/>`,
	"send":     `<path d="M14 2 7.2 8.8M14 2 9.7 14l-2.5-5.2L2 6.3z"/>`,
	"info":     `<circle cx="8" cy="8" r="6.25"/><path d="M8 7.4v3.4M8 5h.01"/>`,
	"plus":     `<path d="M8 3.2v9.6M3.2 8h9.6"/>`,
	"minus":    `<path d="M3.2 8h9.6"/>`,
	"change":   `<path d="M3 5.6h9.6M10 2.8l2.8 2.8L10 8.4M13 11H3.4M6 8.4 3.2 11 6 13.6"/>`,
	"order":    `<path d="M5 13V3M2.4 5.6 5 3l2.6 2.6M11 3v10M8.4 10.4 11 13l2.6-2.6"/>`,
	"search":   `<circle cx="7" cy="7" r="4.5"/><path d="m10.4 10.4 3.4 3.4"/>`,
	"down":     `<path d="m4.5 6.5 3.5 3.5 3.5-3.5"/>`,
	"right":    `<path d="m6.5 4.5 3.5 3.5-3.5 3.5"/>`,
	"left":     `<path d="M9.5 4.5 6 8l3.5 3.5"/>`,
	"person":   `<circle cx="8" cy="5.4" r="2.7"/><path d="M2.9 13.6a5.2 5.2 0 0 1 10.2 0"/>`,
	"copy":     `<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5"/>`,
	"download": `<path d="M8 2.5v7.2M5 7l3 3 3-3M2.5 13.5h11"/>`,
	"inbox":    `<path d="M1.8 9h3.7l1 1.8h3L10.5 9h3.7M3.8 3h8.4l2 6v4H1.8V9z"/>`,
	"lost":     `<circle cx="7" cy="7" r="4.8"/><path d="m10.6 10.6 3.6 3.6M5.4 5.4l3.2 3.2m0-3.2L5.4 8.6"/>`,
	"close":    `<path d="m4.5 4.5 7 7m0-7-7 7"/>`,
	"columns":  `<path d="M2 3h12v10H2zM6 3v10M10 3v10"/>`,
	"star":     `<path d="m8 1.9 1.9 3.8 4.2.6-3 3 .7 4.2L8 11.5l-3.8 2 .7-4.2-3-3 4.2-.6z"/>`,
	"eye":      `<path d="M1.6 8S4 3.6 8 3.6 14.4 8 14.4 8 12 12.4 8 12.4 1.6 8 1.6 8z"/><circle cx="8" cy="8" r="1.9"/>`,
	"eye-off":  `<path d="M6.4 3.8A6 6 0 0 1 8 3.6C12 3.6 14.4 8 14.4 8a11 11 0 0 1-1.7 2.2M4.2 5A10.6 10.6 0 0 0 1.6 8S4 12.4 8 12.4a6 6 0 0 0 3-.8M2.5 2.5l11 11"/>`,
	"bell":     `<path d="M3.4 11.6h9.2c-1-1-1.4-2-1.4-4.2a3.2 3.2 0 0 0-6.4 0c0 2.2-.4 3.2-1.4 4.2zM6.7 13.8h2.6M8 2.4v1.4"/>`,
}

// listIcons are the drawings of the list of events and of the frame around every page; otherIcons are the rest.
var (
	listIcons = []string{
		"check", "clock", "cross", "dash", "dots", "question", "retry", "send", "search", "down", "right", "left", "person",
		"download", "close", "columns", "star", "bell",
	}
	otherIcons = []string{"copy", "lost", "info", "inbox", "plus", "minus", "change", "order", "eye", "eye-off"}
)

// icon refers to a drawing. A page has hundreds: it is written as short as can be.
func icon(name string) templ.Component {
	return templ.Raw(`<svg aria-hidden=true><use href="#i-` + templ.EscapeString(name) + `"/></svg>`)
}

// What icon refers to, each drawing once: on a page that has few of them, and on the others.
var leanDrawings, allDrawings = symbols(listIcons), symbols(slices.Concat(listIcons, otherIcons))

func symbols(names []string) templ.Component {
	var b strings.Builder
	b.WriteString(`<svg class="drawings" aria-hidden="true">`)
	for _, name := range names {
		b.WriteString(`<symbol id="i-` + name + `" viewBox="0 0 16 16">` + drawn[name] + `</symbol>`)
	}
	b.WriteString(`</svg>`)
	return templ.Raw(b.String())
}

func (p page) drawings() templ.Component {
	if p.Lean {
		return leanDrawings
	}
	return allDrawings
}
