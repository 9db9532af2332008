package web

import (
	"errors"
	"net/http"
	"sort"
	"unicode/utf8"

	"recall/mask"
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
	RawURL      string // "": it cannot be had, since something is hidden
	RawAsks     bool   // RawURL asks first why it is to be shown
	Found       mask.Found
	Hides       bool   // something is hidden
	Empty       string // why there is nothing to show
}

type payloadTab struct {
	link
	Current bool
}

// newPayloadView shows a body as far as a page goes and it may be seen. maxBody bounds one that came packed, in clear.
func newPayloadView(e *store.Event, view string, look sight, maxBody int64) payloadView {
	v := payloadView{
		ContentType: e.Header.Get("Content-Type"),
		Size:        look.habits.size(e.Size),
		RawURL:      eventURL(e.ID) + "/raw",
	}
	if len(e.Body) == 0 {
		v.Empty = "The request had no body."
		if e.Size > 0 {
			v.Empty = "The body of " + size(e.Size) + " was larger than this Recall takes in (RECALL_MAX_BODY), so only headers and size were kept."
		}
		return v
	}

	body, note, found := look.body(e, maxBody)
	if note != "" {
		v.Notes = append(v.Notes, note)
	}
	v.Found, v.Hides = found, found.Hides(look.of(e))
	if v.Hides {
		v.RawURL, v.RawAsks = "", look.may
		if look.may {
			v.RawURL = revealAskURL(revealOf(store.RevealEvent, e.ID.String()), eventURL(e.ID)+"?view=hex#payload")
		}
	}
	if body == nil {
		v.Empty = "Nothing of it is shown."
		return v
	}
	var tree *payloadTree
	root, _ := look.tree(e, maxBody)
	isJSON := root != nil
	if isJSON {
		tree = newTreeOf(root)
	}
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
		if v.Hides {
			v.Empty = "The bytes as they came are shown once nothing in them is hidden."
			return v
		}
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
	Name    string
	Value   string
	Hidden  bool
	Covered bool // hidden since it may be personal: a reveal shows it
}

// maxHeaderValue bounds what a page shows of one value.
const maxHeaderValue = 2000

// headerViews lists headers by name. Values that let someone in are hidden, whatever is revealed: authorization, cookies, and
// the headers that the source itself asks for.
func headerViews(h http.Header, class func(name string) mask.Class, reveal mask.Reveal) []headerView {
	var names []string
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	var views []headerView
	for _, name := range names {
		for _, value := range h[name] {
			view := headerView{Name: name}
			switch c := class(name); {
			case c == mask.Secret:
				view.Hidden, view.Value = true, mask.AuthScheme(name, value)
			case c == mask.Personal && !reveal.Personal && value != "":
				view.Hidden, view.Covered = true, true
			default:
				view.Value = cut(value, maxHeaderValue)
			}
			views = append(views, view)
		}
	}
	return views
}

// sentHeader is what is hidden of a request that Recall made itself: nothing in it is personal.
func sentHeader(name string) mask.Class {
	if plenigo.SensitiveHeader(name) {
		return mask.Secret
	}
	return mask.Shown
}

// coveredHeaders counts the headers that a reveal would show.
func coveredHeaders(list []headerView) (n int) {
	for _, h := range list {
		if h.Covered {
			n++
		}
	}
	return n
}
