package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// mischiefIn lists what of mischief became an element or an attribute of a page.
func mischiefIn(a answer) (found []string) {
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
		return nil
	}
	for n := range a.page().Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, attr := range n.Attr {
			leads := attr.Key == "href" || attr.Key == "src" || attr.Key == "action" || attr.Key == "formaction"
			if strings.Contains(attr.Key, "owned") || strings.HasPrefix(attr.Key, "on") || leads && strings.HasPrefix(attr.Val, "javascript:") {
				found = append(found, n.Data+": "+attr.Key+"="+cut(attr.Val, 80))
			}
		}
	}
	return found
}

// sentForm is a form as a page has it.
type sentForm struct {
	at, action string
	parts      bool // sent as multipart/form-data
	fixed      url.Values
	typed      []string // names of what people type or choose
}

// formsOf are the forms of a page that are sent by POST.
func formsOf(at string, page element) (list []sentForm) {
	for _, form := range page.all("form") {
		if !strings.EqualFold(form.attr("method"), http.MethodPost) {
			continue
		}
		f := sentForm{at: at, action: form.attr("action"), parts: form.attr("enctype") == "multipart/form-data", fixed: url.Values{}}
		for _, kind := range []string{"input", "textarea", "select", "button"} {
			for _, input := range form.all(kind) {
				switch name := input.attr("name"); {
				case name == "":
				case input.attr("type") == "hidden":
					f.fixed.Add(name, input.attr("value"))
				default:
					f.typed = append(f.typed, name)
				}
			}
		}
		list = append(list, f)
	}
	return list
}

// hostileForms sends every form of the pages with mischief in everything that is typed, and then in what is hidden, too: whatever
// becomes of it, what is shown again is text, nothing fails, and no answer has a header that was typed.
func hostileForms(t *testing.T, s *site, root *visitor, paths []string) {
	t.Helper()
	forms := map[string]sentForm{}
	for _, path := range paths {
		a := root.get(path)
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			continue
		}
		for _, f := range formsOf(path, a.page()) {
			forms[f.action+" "+strings.Join(f.typed, " ")] = f
		}
	}
	reached := map[string]bool{}
	mux := http.NewServeMux()
	for _, r := range s.server.routes() {
		mux.HandleFunc(r.pattern, func(http.ResponseWriter, *http.Request) {})
	}
	for _, f := range forms {
		if f.action == "/logout" || strings.HasPrefix(f.action, "/account/sessions") {
			continue // ends what asks
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+f.action, nil)
		must(t, err)
		_, pattern := mux.Handler(r)
		reached[pattern] = true
		for _, hidden := range []bool{false, true} {
			for _, text := range []string{mischief, mischiefName, "a\r\nX-Owned: 1\r\n\r\n" + mischief, "//evil.example/", "https://evil.example/"} {
				values := url.Values{}
				for name, list := range f.fixed {
					if values[name] = list; hidden {
						values[name] = []string{text}
					}
				}
				for _, name := range f.typed {
					values.Set(name, text)
				}
				send := func() answer { return root.post(f.action, values) }
				if f.parts {
					send = func() answer { return root.postParts(f.action, values) }
				}
				a := send()
				where := f.action + " of " + f.at
				if a.StatusCode >= http.StatusInternalServerError && a.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("%s: %s\n%s", where, a.Status, s.log)
				}
				if found := mischiefIn(a); len(found) > 0 {
					t.Errorf("%s: %q", where, found[:min(len(found), 5)])
				}
				for name, list := range a.Header {
					if strings.EqualFold(name, "X-Owned") || strings.ContainsAny(strings.Join(list, ""), "\r\n<") {
						t.Errorf("%s: header %s: %q", where, name, list)
					}
				}
				to, err := a.Location()
				if err != nil {
					continue
				}
				if to.Host != r.URL.Host || strings.HasPrefix(to.Path, "/login") {
					t.Fatalf("%s leads to %s", where, to)
				}
				if found := mischiefIn(root.get(to.RequestURI())); len(found) > 0 {
					t.Errorf("%s, and then: %q", where, found[:min(len(found), 5)])
				}
			}
		}
	}
	if len(reached) < 40 {
		t.Errorf("only the forms of %d routes were sent", len(reached))
	}
}
