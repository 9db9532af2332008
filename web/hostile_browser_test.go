package web

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"recall/store"
)

// What would like to be markup, wherever it is put: a link that runs, the end of an attribute in either quotes, of a script, a
// text area and a title, elements and handlers that run at once or when they are looked at, what templates of other kinds run, and
// signs that turn the reading direction. Each calls owned, and each element and attribute is marked.
const (
	mischiefName = `javascript:owned()//"'><svg data-owned onload=owned()>`
	mischief     = `javascript:owned()//"'></script></textarea></title></style>--><script data-owned>owned()</script><img data-owned src=x onerror=owned()>` +
		`<p data-owned tabindex=0 autofocus onfocus=owned() onmouseover='owned()' hx-on:load="owned()" hx-get=/owned hx-trigger=load>{{owned()}}${owned()}<%=owned()%>` + "\u202e\u2066"
)

var hostileDress = dress{
	name: func(string) string { return mischiefName },
	text: func(string) string { return mischief },
	body: plantMischief,
}

// plantMischief puts it in the place of every text of an entity, and as a name beside the others.
func plantMischief(body string) string {
	var top map[string]any
	if json.Unmarshal([]byte(body), &top) != nil {
		return body
	}
	var plant func(v any) any
	plant = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name := range v {
				v[name] = plant(v[name])
			}
			v[mischief] = mischief
			return v
		case []any:
			for i := range v {
				v[i] = plant(v[i])
			}
			return v
		case string:
			return mischief
		}
		return v
	}
	top["entity"] = plant(top["entity"])
	top[mischief] = mischief
	text, err := json.Marshal(top)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// lookForMischief opens what is folded, looks at everything as a mouse and a keyboard do, and lists what no template has written.
const lookForMischief = `(() => {
	const found = [], add = (e, what) => found.push(e.localName + ": " + what.slice(0, 150));
	for (const d of document.querySelectorAll("details")) d.open = true;
	const turned = /[\u200b\u202a-\u202e\u2066-\u2069]/;
	for (const e of document.querySelectorAll("*")) {
		for (const a of e.attributes) {
			const name = a.name.toLowerCase();
			if (name.includes("owned") || name.startsWith("on") || name.startsWith("hx-on") || name === "srcdoc") add(e, a.name + "=" + a.value);
			if (turned.test(a.value) && !["value", "data-copy"].includes(name)) add(e, "turned: " + a.name + "=" + a.value);
			if (["href", "src", "action", "formaction", "xlink:href", "data", "hx-get", "hx-post"].includes(name) && new URL(a.value, location).origin !== location.origin) add(e, a.name + "=" + a.value);
		}
		if (["iframe", "object", "embed", "base", "frame"].includes(e.localName)) add(e, "is no element of ours");
		if (e.localName === "script" && (e.textContent || !e.src.startsWith(location.origin + "/static/"))) add(e, e.src + e.textContent);
		if (e.localName === "img" && !e.src.startsWith(location.origin + "/static/") && !e.src.startsWith("data:image/png;base64,")) add(e, e.src);
		if (!["textarea", "script"].includes(e.localName)) for (const n of e.childNodes) if (n.nodeType === 3 && turned.test(n.data)) add(e, "turned: " + n.data);
		e.dispatchEvent(new Event("mouseover"));
		e.dispatchEvent(new Event("focus"));
	}
	return found;
})()`

// hostilePages are the addresses of every page that there is, and those to which people are led by others.
func hostilePages(t *testing.T, s *site, pages map[string][]string) []string {
	t.Helper()
	for _, r := range s.server.routes() {
		method, pattern, found := strings.Cut(r.pattern, " ")
		if _, there := pages[pattern]; found && method == http.MethodGet && !there {
			t.Errorf("no page of %s is looked at: add it to furnish, or say there why it is none", pattern)
		}
	}
	var list []string
	for _, pattern := range slices.Sorted(maps.Keys(pages)) {
		list = append(list, pages[pattern]...)
	}
	id, typed, name := pages["/events/{id}"][0], url.QueryEscape(mischief), url.PathEscape(mischief)
	quoted := url.QueryEscape(`customer:"` + strings.ReplaceAll(mischief, `"`, `\"`) + `"`)
	return append(list,
		id+"?view=text", id+"?view=hex", id+"?view="+typed, "/events?q="+typed, "/events?q="+quoted+"&cols="+typed+"&zone="+typed, "/events?q=source:shop&view="+typed+"&base="+typed,
		"/customers/"+name, "/entities/"+name+"/"+name, "/audit?text="+typed, "/audit?actor="+typed+"&action="+typed+"&subject="+typed, "/failures?source="+typed+"&state="+typed,
		"/exhausted?destination="+typed, "/replays/new?q="+typed, "/reverify/new?q="+typed, "/redispatch/new?q="+quoted, "/overview?source="+typed+"&range="+typed, "/masking?type="+typed,
		"/alerts?state="+typed, "/erasures/new?customer="+typed, "/erasures/report?customer="+typed, "/reveals/new?of=customer:"+typed+"&back="+typed, "/sources/shop/secret?name="+url.QueryEscape(mischiefName),
		"/sources/shop/reveal?what=secret&name="+url.QueryEscape(mischiefName), "/events/count?q="+quoted, "/login/once?next="+typed,
	)
}

// Whatever stands in callbacks, in what destinations answer, and in what people enter, on no page does it become markup or a
// script, hidden or revealed: not where the security policy would stop it, and not where the browser is told to overlook the policy.
// The pages are those of the routes that are served.
func TestBrowserNoScriptFromOutside(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) {
		o.Spool = func() Spool { return Spool{Events: 1, Refused: 1, Damaged: 1, Dir: "/" + mischief} }
	})
	pages := s.furnish(t, hostileDress)
	paths := hostilePages(t, s, pages)
	t.Run("pages", func(t *testing.T) { s.openHostilePages(t, pages, paths) })
	s.addUser(t, "rosa", store.RoleAdmin)
	hostileForms(t, s, s.as(t, "rosa"), paths)
}

func (s *site) openHostilePages(t *testing.T, pages map[string][]string, paths []string) {
	for _, test := range []struct {
		name     string
		revealed bool // and without the policy; of the pages that show more then
	}{{"hidden", false}, {"revealed, without the policy", true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s.addUser(t, "root-"+test.name[:6], store.RoleAdmin)
			b := s.openTabFor(t, 3*tabTime)
			b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
				_, err := cdp.Call(ctx, target, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{
					Source: `window.owned = window.OWNED = () => localStorage.setItem("owned", location.href)`,
				})
				if err != nil || !test.revealed {
					return err
				}
				_, err = cdp.Call(ctx, target, cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: true})
				return err
			}))
			b.open("/login?next=" + url.QueryEscape(mischief))
			b.logIn("root-" + test.name[:6])

			// What looks for it sees it, and the policy does stop it.
			asks[bool](b, `document.querySelector("main").insertAdjacentHTML("beforeend", `+jsText(t, mischief+mischiefName)+`), true`)
			if found := asks[[]string](b, lookForMischief); len(found) < 5 {
				t.Fatalf("what is put into a page is not found: %q", found)
			}
			b.until(t, `localStorage.getItem("owned") !== null`, test.revealed)
			asks[bool](b, `localStorage.removeItem("owned"), true`)
			b.open("/account") // what was put in is gone
			if said := b.forget(); !test.revealed && !strings.Contains(strings.Join(said, "\n"), "Content Security Policy") {
				t.Fatalf("the policy said nothing: %q", said)
			}

			if test.revealed {
				for _, path := range pages["/events/{id}"] {
					b.reveal("event:" + strings.TrimPrefix(path, "/events/"))
				}
				b.reveal("customer:48377")
				b.reveal("entity:CUSTOMER/48377")
				b.open(pages["/events/{id}"][0])
				b.sees("form#hidden", "minutes left")
			}
			for _, path := range paths {
				if test.revealed && !strings.HasPrefix(path, "/events") && !strings.HasPrefix(path, "/customers/") && !strings.HasPrefix(path, "/entities/") {
					continue
				}
				b.open(path)
				if found := asks[[]string](b, lookForMischief); len(found) > 0 {
					t.Errorf("%.60s: %q", path, found[:min(len(found), 5)])
				}
			}
			// A page that goes on by itself, and suggestions.
			b.open("/events?live=1")
			b.sees("#tail-heard", "heard")
			s.record(t, plantMischief(`{"entityType":"VOUCHER_CAMPAIGN","callbackType":"FINISHED","entityId":"77"}`))
			b.sees("#events tbody", "Voucher campaign")
			b.do(chromedp.SendKeys("#q", "source:"))
			if found := asks[[]string](b, lookForMischief); len(found) > 0 {
				t.Errorf("the live list: %q", found)
			}
			if asks[bool](b, `localStorage.getItem("owned") !== null`) {
				t.Errorf("a script ran at %s", asks[string](b, `localStorage.getItem("owned")`))
			}
			b.quiet("the server responded with a status of 4") // of pages that are not there, or gone
		})
	}
}

// reveal shows to the tab's session what is hidden.
func (b *tab) reveal(of string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`fetch("/reveals", {method: "POST", redirect: "manual", body: new URLSearchParams({of: `+jsText(b.t, of)+
		`, reason: "ticket 12", secrets: "true"})}).then(r => r.status)`, chromedp.EvalAwaitPromise))
	must(b.t, err)
}

// jsText writes a text as JavaScript has it.
func jsText(t *testing.T, text string) string {
	t.Helper()
	b, err := json.Marshal(text)
	must(t, err)
	return string(b)
}

// forget returns what the console has said until now, and begins anew.
func (b *tab) forget() []string {
	b.t.Helper()
	const now = "said until now"
	asks[bool](b, `console.log("`+now+`"), true`)
	for b.ctx.Err() == nil {
		b.mu.Lock()
		if at := slices.IndexFunc(b.messages, func(m string) bool { return strings.Contains(m, now) }); at >= 0 {
			said := b.messages[:at]
			b.messages = b.messages[at+1:]
			b.mu.Unlock()
			return said
		}
		b.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Fatal("the console says nothing")
	return nil
}

// until waits for an expression to be true, and where it must not become true asks once.
func (b *tab) until(t *testing.T, expression string, want bool) {
	t.Helper()
	for want && !asks[bool](b, expression) {
		select {
		case <-b.ctx.Done():
			t.Fatalf("%s does not hold", expression)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if got := asks[bool](b, expression); got != want {
		t.Fatalf("%s is %t", expression, got)
	}
}
