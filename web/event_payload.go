package web

import (
	"errors"
	"net/http"
	"sort"
	"strings"
	"unicode/utf8"

	"recall/plenigo"
	"recall/store"
)

// payloadView is the body in one of three views.
type payloadView struct {
	View        string // tree, text or hex
	Views       []payloadTab
	ContentType string
	Size        string
	Notes       []string // what the reader should know about this body
	Tree        *payloadTree
	Lines       [][]token
	Hex         []hexRow
	Shown       string // how much is shown, when it is not all of it
	RawURL      string
	Empty       string // why there is nothing to show
}

type payloadTab struct {
	link
	Current bool
}

// newPayloadView shows a body as far as a page goes. maxBody bounds one that came packed, in clear.
func newPayloadView(e *store.Event, view string, maxBody int64) payloadView {
	v := payloadView{
		ContentType: e.Header.Get("Content-Type"),
		Size:        size(e.Size),
		RawURL:      eventURL(e.ID) + "/raw",
	}
	if len(e.Body) == 0 {
		v.Empty = "The request had no body."
		if e.Size > 0 {
			v.Empty = "The body of " + size(e.Size) + " was larger than this Recall takes in (RECALL_MAX_BODY), so only headers and size were kept."
		}
		return v
	}

	body, note := unpacked(e, maxBody)
	if note != "" {
		v.Notes = append(v.Notes, note)
	}
	tree, isJSON := newPayloadTree(body)
	validText := utf8.Valid(body)
	switch {
	case !isJSON && !validText:
		v.Notes = append(v.Notes, "This is not JSON, and not text in UTF-8 either. Bytes that are no text are shown as \\xNN.")
	case !isJSON:
		v.Notes = append(v.Notes, "This is not JSON. It is shown as text.")
	case !validText:
		v.Notes = append(v.Notes, "Some bytes are not valid UTF-8. They are shown as \\xNN.")
	}
	v.View = view
	if v.View != "text" && v.View != "hex" {
		v.View = "text"
		if isJSON {
			v.View = "tree"
		}
	}
	if isJSON {
		v.addTab(e, "tree", "Tree")
	}
	v.addTab(e, "text", "As sent")
	v.addTab(e, "hex", "Bytes")

	var whole bool
	shown := ""
	switch v.View {
	case "tree":
		v.Tree, whole = tree, tree.Whole
		shown = plural(tree.Nodes, "value", "values")
	case "text":
		text := textLines(body)
		v.Lines, whole = text.Lines, text.Whole
		shown = plural(len(v.Lines), "line", "lines")
	case "hex":
		body = e.Body
		v.Hex, whole = hexRows(body)
		shown = size(maxHex)
	}
	if !whole {
		v.Shown = "This page shows the beginning, " + shown + ", of a body of " + size(int64(len(body))) + ". The raw bytes are whole."
	}
	return v
}

// unpacked is a body in clear, and what to say of a packed one. One that cannot be unpacked stays as it is.
func unpacked(e *store.Event, maxBody int64) (body []byte, note string) {
	if !plenigo.Packed(e.Header) {
		return e.Body, ""
	}
	plain, err := plenigo.Unpack(e.Header, e.Body, maxBody)
	if errors.Is(err, plenigo.ErrUnpackedTooLarge) {
		return e.Body, "This body came packed (Content-Encoding: gzip) and is shown as it came: unpacked it would be larger than this Recall takes in (RECALL_MAX_BODY)."
	}
	if err != nil {
		return e.Body, "This body came with “Content-Encoding: gzip”, but it cannot be unpacked, so it is shown as it came."
	}
	return plain, "This body came packed (Content-Encoding: gzip, " + size(int64(len(e.Body))) + ") and is shown unpacked (" +
		size(int64(len(plain))) + "). Bytes and Raw are as it came; so was it signed."
}

func (v *payloadView) addTab(e *store.Event, view, name string) {
	v.Views = append(v.Views, payloadTab{link{name, eventURL(e.ID) + "?view=" + view + "#payload"}, v.View == view})
}

// headerView is one header line; a hidden one has no value.
type headerView struct {
	Name   string
	Value  string
	Hidden bool
}

// maxHeaderValue bounds what a page shows of one value.
const maxHeaderValue = 2000

// headerViews lists headers by name. Values that let someone in are hidden: authorization, cookies, and the headers that
// the source itself asks for.
func headerViews(h http.Header, source *store.Source) []headerView {
	own := map[string]bool{}
	if source != nil {
		for _, header := range source.Headers {
			own[http.CanonicalHeaderKey(header.Name)] = true
		}
	}
	var names []string
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	var views []headerView
	for _, name := range names {
		for _, value := range h[name] {
			view := headerView{Name: name}
			if own[http.CanonicalHeaderKey(name)] || hiddenHeader(name) {
				view.Hidden = true
				// The scheme tells an operator what was sent, and nothing about the secret.
				if scheme, rest, ok := strings.Cut(value, " "); ok && rest != "" && strings.HasSuffix(name, "Authorization") && isScheme(scheme) {
					view.Value = scheme
				}
			} else {
				view.Value = cut(value, maxHeaderValue)
			}
			views = append(views, view)
		}
	}
	return views
}

func isScheme(s string) bool { return s == "Basic" || s == "Bearer" || s == "Digest" }

func hiddenHeader(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie":
		return true
	}
	return plenigo.SensitiveHeader(name)
}
