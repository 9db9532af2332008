package web

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"

	"github.com/google/uuid"

	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func TestEmptyListSaysHowToBegin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")
	text := v.show("/events").one(t, ".empty").text()
	for _, want := range []string{"No events yet", "https://recall.example/callbacks/shop", "recall simulate --to https://recall.example/callbacks/shop"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	must(t, s.db.RemoveSource(t.Context(), "shop"))
	if text := v.show("/events").one(t, ".empty").text(); !strings.Contains(text, "recall source add") {
		t.Errorf("without a source: %q", text)
	}
	if text := v.show("/events?q=customer:1").one(t, ".empty").text(); !strings.Contains(text, "Nothing matches") {
		t.Errorf("nothing matches: %q", text)
	}
}

func TestListShowsWhatArrived(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.record(t, `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48213"}`)
	s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"7","entity":{"invoiceCustomerId":"48213"}}`, rejected(verify.ReasonSignatureMismatch))
	last := s.record(t, `not JSON at all`)
	v := s.as(t, "anna")
	rows := v.show("/events").all(".row")
	if len(rows) != 3 {
		t.Fatalf("%d rows", len(rows))
	}
	if got := rows[0].one(t, "a.open").attr("href"); got != "/events/"+last.ID.String() {
		t.Errorf("the newest row leads to %s", got)
	}
	if text := rows[0].one(t, "a.open").text(); text != "No type" {
		t.Errorf("no JSON: %q", text)
	}
	text := rows[1].text()
	for _, want := range []string{"Rejected", "signature does not match", "Order", "creation", "7", "48213", "shop", "401"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the row %q", want, text)
		}
	}

	for q, want := range map[string]int{"verdict:rejected": 1, "type:customer.creation": 1, "customer:48213": 2, "source:shop": 3, "-verdict:rejected": 2, "before:2020-01-01": 0} {
		page := v.show("/events?q=" + url.QueryEscape(q))
		if n := len(page.all(".row")); n != want {
			t.Errorf("%s: %d rows, want %d", q, n, want)
		}
		if got := page.one(t, "#q").attr("value"); got != q {
			t.Errorf("the box says %q, want %q", got, q)
		}
	}
	page := v.show("/events?q=verdict:rejected+type:order")
	if got := page.one(t, "#set-type").attr("value"); got != "order" {
		t.Errorf("the type's field says %q", got)
	}
	if got := page.one(t, "#set-verdict option[selected]").attr("value"); got != "rejected" {
		t.Errorf("the verdict's field says %q", got)
	}
}

func TestSearchBecomesAnAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")
	a := v.get("/events?q=source:shop&base=source:shop&set.source=shop&set.verdict=late&set.type=&set.entity=&set.customer=&set.after=&set.before=")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/events?q=source:shop+verdict:late" {
		t.Errorf("%s to %q", a.Status, a.Header.Get("Location"))
	}
}

func TestMistakeInTheFilter(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.record(t, `{}`)
	s.record(t, `{}`, rejected(verify.ReasonNoSecret))
	v := s.as(t, "anna")
	page := v.show("/events?q=verdict:rejected+verdict:nonsense&base=verdict:rejected")
	if got := page.one(t, "#q-problem .at").text(); got != "nonsense" {
		t.Errorf("the mistake is shown at %q", got)
	}
	if page.one(t, "#q").attr("aria-invalid") != "true" || page.one(t, "#q").attr("aria-describedby") != "q-problem" {
		t.Error("the box is not marked")
	}
	if n := len(page.all(".row")); n != 1 {
		t.Errorf("%d rows: the list is not kept", n)
	}
	if n := len(v.show("/events?q=verdict:nonsense").all(".row")); n != 2 {
		t.Errorf("%d rows, want all", n)
	}
}

func TestPagesGoByKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var ids []string
	for i := range 2*pageLength + 10 {
		e := s.record(t, fmt.Sprintf(`{"entityId":"%d"}`, i))
		ids = append(ids, "/events/"+e.ID.String())
	}
	slices.Reverse(ids)
	v := s.as(t, "anna")
	links := func(p element) []string {
		var l []string
		for _, a := range p.all("a.open") {
			l = append(l, a.attr("href"))
		}
		return l
	}
	var seen []string
	path, last := "/events?q=source:shop", ""
	for path != "" {
		page := v.show(path)
		seen = append(seen, links(page)...)
		last, path = path, ""
		if older := page.all(".panel-head a[rel=next]"); len(older) == 1 {
			path = older[0].attr("href")
			if !strings.Contains(path, "q=source:shop") {
				t.Fatalf("the filter is lost: %s", path)
			}
		}
	}
	if !slices.Equal(seen, ids) {
		t.Fatalf("%d events seen, %d recorded, or in another order", len(seen), len(ids))
	}
	page := v.show(v.show(last).one(t, ".panel-head a[rel=prev]").attr("href"))
	if got := links(page); !slices.Equal(got, ids[pageLength-40:][:pageLength]) && !slices.Equal(got, ids[pageLength:2*pageLength]) {
		t.Errorf("one page newer shows %d events from %s", len(got), got[0])
	}
	// A new event does not move a page.
	before := links(v.show(last))
	s.record(t, `{}`)
	if !slices.Equal(before, links(v.show(last))) {
		t.Error("the last page changed")
	}
}

const customerBody = `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48377","entity":{"customerId":"48377","sortKey":12345678901234567890,"price":0.10,"lastName":"Çelik"}}`

func TestEventPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, customerBody, func(e *store.Event) {
		e.Header = http.Header{
			"Authorization": {"Basic cGxlbmlnbzpzM2NyZXQ="}, "X-Shop-Token": {"s3cret"}, "Content-Type": {"application/json"},
			"X-Twice": {"one", "two"}, "Cookie": {"session=s3cret"},
		}
	})
	v := s.as(t, "anna")
	a := v.get("/events/" + e.ID.String())
	page := a.page()
	if containsSecret(a.body) || strings.Contains(a.body, "cGxlbmlnbzpzM2NyZXQ") {
		t.Error("a secret is shown")
	}
	if text := page.one(t, "h1").text(); text != "Customer creation 48377" {
		t.Errorf("heading %q", text)
	}
	if text := page.one(t, ".event-head .badge").text(); text != "Verified" {
		t.Errorf("verdict %q", text)
	}
	if text := page.one(t, "#payload").text(); !strings.Contains(text, `"sortKey": 12345678901234567890,`) || !strings.Contains(text, `"price": 0.10,`) || strings.Contains(text, "Çelik") {
		t.Errorf("payload %q", text)
	}
	for i, step := range e.Verification.Explain() {
		if text := page.all("#verification li")[i].text(); !strings.Contains(text, step.Name) || !strings.Contains(text, step.Words) {
			t.Errorf("check %d says %q, want %q", i, text, step.Words)
		}
	}
	if headers := page.one(t, "#headers").text(); strings.Contains(headers, "Twice one") {
		t.Errorf("a header that may say anything is shown: %q", headers)
	}
	v.reveal(t, e)
	page = v.show("/events/" + e.ID.String())
	if text := page.one(t, "#payload").text(); !strings.Contains(text, "Çelik") {
		t.Errorf("revealed payload %q", text)
	}
	headers := page.one(t, "#headers").text()
	for _, want := range []string{"X-Twice one", "X-Twice two", "Content-Type application/json", "Authorization Basic ••••••"} {
		if !strings.Contains(headers, want) {
			t.Errorf("%q is not in the headers %q", want, headers)
		}
	}
	if !strings.Contains(v.show("/events/"+e.ID.String()+"?view=text").one(t, "#payload .code").text(), customerBody) {
		t.Error("the text is not as sent")
	}
	if text := v.show("/events/"+e.ID.String()+"?view=hex").one(t, "#payload .hex").text(); !strings.Contains(text, "00000000 7b 22 65 6e") {
		t.Errorf("bytes %q", text)
	}
}

func TestRawBytesAreExact(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	body := "\x00\xff\r\n<script>alert(1)</script>" + strings.Repeat("[", 1<<20)
	e := s.record(t, body)
	v := s.as(t, "anna")
	v.reveal(t, e)
	a := v.get("/events/" + e.ID.String() + "/raw")
	if a.body != body {
		t.Error("the bytes are not those that arrived")
	}
	if a.Header.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment;") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", a.Header)
	}
	if page := v.get("/events/" + e.ID.String()); len(page.body) > 2<<20 || !strings.Contains(page.page().one(t, "#payload").text(), "The raw bytes are whole") {
		t.Errorf("the page has %d bytes", len(page.body))
	}
}

func TestEventsWithoutABody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")
	e := s.record(t, "")
	if text := v.show("/events/"+e.ID.String()).one(t, "#payload").text(); !strings.Contains(text, "The request had no body.") {
		t.Errorf("says %q", text)
	}
	e = s.record(t, "", rejected(verify.ReasonBodyTooLarge), func(e *store.Event) { e.Size, e.Answered = 5<<20, http.StatusRequestEntityTooLarge })
	if text := v.show("/events/"+e.ID.String()).one(t, "#payload").text(); !strings.Contains(text, "5.2 MB") || !strings.Contains(text, "RECALL_MAX_BODY") {
		t.Errorf("says %q", text)
	}
}

func TestArrivalsLeadToEachOther(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	body := `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"1","entity":{"customerId":"1","changedDate":"2026-11-24T10:00:00Z"}}`
	first := s.record(t, body)
	second := s.record(t, body)
	v := s.as(t, "anna")
	if got := v.show("/events/"+second.ID.String()).one(t, "#arrivals a").attr("href"); got != "/events/"+first.ID.String() {
		t.Errorf("the second leads to %s", got)
	}
	if got := v.show("/events/"+first.ID.String()).one(t, "#arrivals a").attr("href"); got != "/events/"+second.ID.String() {
		t.Errorf("the first leads to %s", got)
	}
	if text := v.show("/events").all(".row")[0].text(); !strings.Contains(text, "2nd arrival") {
		t.Errorf("the list does not say it: %q", text)
	}
}

func TestRedispatch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, customerBody)
	v := s.as(t, "anna")
	path := "/events/" + e.ID.String()

	a := v.post(path+"/redispatch", url.Values{"destination": {"crm"}, "reason": {"  lost on Monday  "}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path+"#deliveries" {
		t.Fatalf("%s to %q", a.Status, a.Header.Get("Location"))
	}
	asked := s.sent.asked()
	if want := (store.Redispatch{EventID: e.ID, Destination: "crm", By: "anna", Reason: "lost on Monday"}); len(asked) != 1 || asked[0] != want {
		t.Fatalf("asked for %+v, want %+v", asked, want)
	}
	page := v.show(path)
	if text := page.one(t, "[role=status]").text(); !strings.Contains(text, "Sending to crm") {
		t.Errorf("message %q", text)
	}
	if text := page.one(t, ".delivery").text(); !strings.Contains(text, "redispatched by anna") || !strings.Contains(text, "lost on Monday") || !strings.Contains(text, "pending") {
		t.Errorf("delivery %q", text)
	}
	if page.one(t, "#delivery-list").attr("hx-get") != path {
		t.Error("the deliveries do not renew themselves while one is pending")
	}
	if n := len(v.show(path).all("[role=status]")); n != 0 {
		t.Error("the message is shown twice")
	}

	for says, form := range map[string]url.Values{
		"Choose the destination":   {},
		"no destination “nowhere”": {"destination": {"nowhere"}},
		"at most 500 characters":   {"destination": {"crm"}, "reason": {strings.Repeat("ü", 501)}},
	} {
		if a := v.post(path+"/redispatch", form); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.page().one(t, "main").text(), says) {
			t.Errorf("%v: %s, want it to say %q", form, a.Status, says)
		}
	}
	bad := s.record(t, customerBody, rejected(verify.ReasonSignatureMismatch))
	if a := v.post("/events/"+bad.ID.String()+"/redispatch", url.Values{"destination": {"crm"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("a rejected event: %s", a.Status)
	}
	if len(s.sent.asked()) != 1 {
		t.Errorf("%d sent", len(s.sent.asked()))
	}
}

func TestAttemptsAreShown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, customerBody)
	d, err := s.sent.Redispatch(t.Context(), store.Redispatch{EventID: e.ID, Destination: "crm", By: "anna"})
	must(t, err)
	attempt := storetest.Begin(t, s.db, d)
	attempt.RequestURL, attempt.RequestHeader = s.crm.URL, http.Header{"Content-Type": {"application/json"}}
	attempt.Duration, attempt.Status = 212*time.Millisecond, http.StatusServiceUnavailable
	attempt.ResponseHeader = http.Header{"Retry-After": {"120"}, "Set-Cookie": {"s3cret"}}
	attempt.ResponseBody = []byte("<h1>come back \xff later</h1>")
	storetest.End(t, s.db, d, attempt, store.DeliveryWaiting, time.Now().Add(time.Hour))

	v := s.as(t, "anna")
	page := v.show("/events/" + e.ID.String())
	if text := page.one(t, ".delivery").text(); strings.Contains(text, "come back") {
		t.Errorf("what a destination answered is shown: %q", text)
	}
	v.reveal(t, e)
	page = v.show("/events/" + e.ID.String())
	text := page.one(t, ".delivery").text()
	for _, want := range []string{"waiting", "next attempt in 59 min", "#1", "503 Service Unavailable", "212 ms", "Retry-After", "120", `<h1>come back \xFF later</h1>`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if containsSecret(text) {
		t.Error("a cookie of the answer is shown")
	}
	_, err = s.db.Pool().Exec(t.Context(), `UPDATE attempts SET response_header = NULL, response_body = NULL, answer_removed_at = '2026-03-04 12:00:00Z'`)
	must(t, err)
	if text := v.show("/events/"+e.ID.String()).one(t, ".attempt").text(); !strings.Contains(text, "503 Service Unavailable") || !strings.Contains(text, "retention removed it at 2026-03-04 12:00:00.000 UTC") {
		t.Errorf("an attempt whose answer retention removed says %q", text)
	}
	_, err = s.db.Pool().Exec(t.Context(), `UPDATE deliveries SET next_attempt_at = next_attempt_at - interval '2 hours'`)
	must(t, err)
	if text := v.show("/events/"+e.ID.String()).one(t, ".delivery").text(); !strings.Contains(text, "due, and waits until its destination can be sent to") || strings.Contains(text, "next attempt") {
		t.Errorf("overdue: %q", text)
	}
}

// hostile is what may stand in any field and header.
const hostile = "\u202e</td></script><script>alert(1)</script><img src=x onerror=alert(2)>\"' onmouseover='alert(3)\x1b[31m\u200b&lt;"

// Whatever arrives, the pages keep their shape: nothing of it becomes an element, an attribute or an invisible character.
func TestHostileEventsBreakNoPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	bodies := map[string]string{
		"script":        hostile,
		"JSON":          `{"` + strings.ReplaceAll(strings.ReplaceAll(hostile, `"`, `\"`), "\x1b", "") + `":"` + strings.ReplaceAll(strings.ReplaceAll(hostile, `"`, `\"`), "\x1b", "") + `"}`,
		"invalid UTF-8": "{\"a\":\"\xff\xfe\xc3\x28\"}",
		"NUL":           "\x00\x00\x00",
		"brackets":      strings.Repeat("[", 1<<20),
		"deep":          strings.Repeat("[", 9999) + strings.Repeat("]", 9999),
		"one line":      strings.Repeat("W", 1<<20),
	}
	e := func(body string) *store.Event {
		return s.record(t, body, func(e *store.Event) {
			text := plenigo.Clean(hostile)
			e.APIVersion = text
			e.Envelope = plenigo.Envelope{
				EntityType: text, CallbackType: text, EntityID: text,
				Customers: []plenigo.CustomerLink{{CustomerID: text, Path: text}, {CustomerID: strings.Repeat("9", 256), Path: "entityId"}},
			}
			e.Header = http.Header{"X-Evil": {hostile, "\xff\x00"}, "Content-Type": {hostile}}
			e.Verification.Secret = hostile
		})
	}
	v := s.as(t, "anna")
	check := func(path string) {
		t.Helper()
		a := v.get(path)
		if a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, a.Status)
			return
		}
		if !utf8.ValidString(a.body) {
			t.Errorf("%s: the page is no UTF-8", path)
		}
		if len(a.body) > 3<<20 {
			t.Errorf("%s: %d bytes", path, len(a.body))
		}
		page := a.page()
		for _, script := range page.all("script") {
			if !strings.HasPrefix(script.attr("src"), "/static/") || script.text() != "" {
				t.Errorf("%s: a foreign script", path)
			}
		}
		for _, img := range page.all("img") {
			if !strings.HasPrefix(img.attr("src"), "/static/") {
				t.Errorf("%s: a foreign image", path)
			}
		}
		const unseen = "\x00\x1b\u202e\u200b"
		for n := range page.Descendants() {
			if n.Type == html.TextNode && strings.ContainsAny(n.Data, unseen) {
				t.Errorf("%s: invisible characters in the text %.40q", path, n.Data)
			}
			for _, attr := range n.Attr {
				// What was searched for stands in the form as it is, so that it can be sent again; and what is copied is exact.
				if strings.ContainsAny(attr.Val, unseen) && !(n.Data == "input" && attr.Key == "value") && attr.Key != "data-copy" {
					t.Errorf("%s: invisible characters in %s=%.40q", path, attr.Key, attr.Val)
				}
				if strings.HasPrefix(attr.Key, "on") || attr.Key == "style" {
					t.Errorf("%s: attribute %s", path, attr.Key)
				}
				if (attr.Key == "href" || attr.Key == "src") && n.Type == html.ElementNode && !strings.HasPrefix(attr.Val, "/") && !strings.HasPrefix(attr.Val, "#") && !strings.HasPrefix(attr.Val, "?") {
					t.Errorf("%s: leads to %q", path, attr.Val)
				}
			}
		}
		if len(page.all("main")) != 1 || len(page.all("main section"))+len(page.all("main form"))+len(page.all("main figure")) == 0 {
			t.Errorf("%s: the page lost its shape", path)
		}
	}
	var before *store.Event
	for name, body := range bodies {
		event := e(body)
		if before != nil {
			check("/events/" + event.ID.String() + "/compare/" + before.ID.String())
		}
		before = event
		for _, path := range []string{"/redispatch/new?to=crm&id=" + event.ID.String(), "/reveals/new?of=event:" + event.ID.String()} {
			check(path)
		}
		v.reveal(t, event)
		for _, view := range []string{"", "?view=pretty", "?view=text", "?view=hex", "?view=%3Cscript%3E"} {
			check("/events/" + event.ID.String() + view)
		}
		if raw := v.get("/events/" + event.ID.String() + "/raw"); !bytes.Equal([]byte(raw.body), []byte(body)) {
			t.Errorf("%s: the raw bytes differ", name)
		}
	}
	text := url.PathEscape(plenigo.Clean(hostile))
	for _, path := range []string{"/events", "/overview", "/customers/" + text, "/entities/" + strings.ToLower(text) + "/" + text} {
		check(path)
	}
	check("/events?q=" + url.QueryEscape(`customer:"`+strings.ReplaceAll(hostile, `"`, ``)+`"`))
	check("/events?q=" + url.QueryEscape(hostile) + "&base=" + url.QueryEscape(hostile))
	if rows := v.show("/events").all(".row"); len(rows) != len(bodies) {
		t.Errorf("%d rows", len(rows))
	}
}

// A forged flash, an odd id or a removed source break nothing either.
func TestEventOfARemovedSource(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, customerBody, func(e *store.Event) { e.Header = http.Header{"X-Shop-Token": {"s3cret"}} })
	must(t, s.db.RemoveSource(t.Context(), "shop"))
	a := s.as(t, "anna").get("/events/" + e.ID.String())
	if a.StatusCode != http.StatusOK || containsSecret(a.body) {
		t.Errorf("%s, or a secret is shown", a.Status)
	}
	if a := s.as(t, "anna").get("/events/" + strings.ToUpper(e.ID.String())); a.StatusCode != http.StatusNotFound {
		t.Errorf("an id in capitals: %s", a.Status)
	}
	if a := s.as(t, "anna").get("/events/" + uuid.NewString()); a.StatusCode != http.StatusNotFound {
		t.Errorf("another id: %s", a.Status)
	}
}

func TestSettingsPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.Demo = true })
	v := s.as(t, "anna")
	for path, want := range map[string][]string{
		"/sources":          {"Shop", "https://recall.example/callbacks/shop", "signature, basic authentication, 1 header", "first valid"},
		"/sources/shop":     {"Settings › Development › Callbacks", "https://recall.example/callbacks/shop", "X-Shop-Token", "plenigo", "5 min", "32 h"},
		"/destinations":     {"crm", "https://crm.example/in", "by hand only"},
		"/destinations/crm": {"X-Crm-Token", "5 s"},
		"/account":          {"anna", "operator"},
	} {
		a := v.get(path)
		text := a.page().one(t, "main").text()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is not in %q", path, w, text)
			}
		}
		if containsSecret(a.body) {
			t.Errorf("%s shows a secret", path)
		}
		if !strings.Contains(a.page().one(t, ".demo").text(), "Demonstration data") {
			t.Errorf("%s is not marked as a demonstration", path)
		}
	}
	for section, path := range map[string]string{"Events": "/events", "Sources": "/sources/shop", "Destinations": "/destinations"} {
		if got := v.show(path).one(t, "nav[aria-label=Main] [aria-current=page]").text(); got != section {
			t.Errorf("%s: current section %q", path, got)
		}
	}
}
