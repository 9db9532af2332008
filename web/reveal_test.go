package web

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"recall/mask"
	"recall/store"
)

// reveal shows what is hidden of events.
func (v *visitor) reveal(t testing.TB, events ...*store.Event) {
	t.Helper()
	for _, e := range events {
		a := v.post("/reveals", url.Values{"of": {"event:" + e.ID.String()}, "reason": {"a test"}, "secrets": {"true"}, "back": {eventURL(e.ID)}})
		if a.StatusCode != http.StatusSeeOther {
			t.Fatalf("revealing: %s", a.Status)
		}
	}
}

const orderBody = `{"entityType":"ORDER","callbackType":"CREATION","entityId":"12841","entity":{"invoiceCustomerId":"48213","invoiceAddress":{"lastName":"Weisshaeupl"},` +
	`"externalSystemId":"EXT-77","items":[{"position":1,"voucherCode":"QB4K-9XTM","price":9.99}]}}`

// hiddenValues are those of orderBody, the last one secret.
var hiddenValues = []string{"Weisshaeupl", "EXT-77", "QB4K-9XTM"}

func shows(body string) (list []string) {
	for _, value := range hiddenValues {
		if strings.Contains(body, value) {
			list = append(list, value)
		}
	}
	return list
}

func TestHiddenUntilRevealed(t *testing.T) {
	t.Parallel()
	var shift atomic.Int64
	s := newSite(t, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) } })
	s.addUser(t, "victor", store.RoleViewer)
	earlier := s.record(t, strings.Replace(orderBody, "9.99", "8.88", 1))
	e := s.record(t, orderBody, func(e *store.Event) { e.Header.Set("X-Forwarded-For", "203.0.113.99") })
	packed := s.record(t, orderBody+" ", func(e *store.Event) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		w.Write(e.Body)
		w.Close()
		e.Body = b.Bytes()
		e.Header.Set("Content-Encoding", "gzip")
	})
	v, viewer := s.as(t, "anna"), s.as(t, "victor")
	page := eventURL(e.ID)
	paths := []string{page, page + "?view=text", page + "?view=hex", eventURL(packed.ID), eventURL(packed.ID) + "?view=text",
		compareURL(earlier.ID, e.ID), compareURL(earlier.ID, e.ID) + "?show=all", "/entities/ORDER/12841", "/customers/48213", "/events"}
	for _, path := range paths {
		for who, one := range map[string]*visitor{"operator": v, "viewer": viewer} {
			body := one.get(path).body
			if list := shows(body); len(list) > 0 || strings.Contains(body, "203.0.113.99") {
				t.Errorf("%s to a %s shows %q", path, who, list)
			}
		}
	}
	if text := v.show(page).one(t, "#hidden summary").text(); !strings.Contains(text, "2 personal values and 1 secret hidden") {
		t.Error(text)
	}
	if a := v.get(page + "/raw"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/reveals/new?") {
		t.Errorf("the raw bytes: %s to %s", a.Status, a.Header.Get("Location"))
	}
	if a := viewer.get(page + "/raw"); a.StatusCode != http.StatusForbidden {
		t.Errorf("the raw bytes to a viewer: %s", a.Status)
	}
	if text := viewer.show(page).one(t, "#hidden").text(); strings.Contains(text, "Show") {
		t.Errorf("a viewer is offered to see it: %s", text)
	}
	if a := viewer.post("/reveals", url.Values{"of": {"event:" + e.ID.String()}, "reason": {"curious"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer reveals: %s", a.Status)
	}

	// Without a reason, or of nothing that is there, nothing is shown.
	for name, form := range map[string]url.Values{
		"no reason": {"of": {"event:" + e.ID.String()}, "reason": {"  "}}, "nothing": {"reason": {"x"}}, "another thing": {"of": {"source:shop"}, "reason": {"x"}},
		"no event": {"of": {"event:0192b3a4-5c6d-7e8f-9a0b-1c2d3e4f5a6b"}, "reason": {"x"}}, "no id": {"of": {"event:x"}, "reason": {"x"}},
		"no entity": {"of": {"entity:ORDER"}, "reason": {"x"}}, "three": {"of": {"customer:1", "customer:2", "customer:3"}, "reason": {"x"}},
	} {
		if a := v.post("/reveals", form); a.StatusCode < 400 {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	if text := v.show("/reveals/new?of=event:"+e.ID.String()+"&back=//evil.example").one(t, "main").text(); !strings.Contains(text, "Of the event Order creation 12841") || strings.Contains(text, "evil") {
		t.Error(text)
	}

	// The personal, and then the secret too; of this event alone, and to this session alone.
	form := url.Values{"of": {"event:" + e.ID.String()}, "reason": {"ticket 12"}, "back": {page}}
	if a := v.post("/reveals", form); a.Header.Get("Location") != page {
		t.Fatalf("%s to %q", a.Status, a.Header.Get("Location"))
	}
	a := v.get(page)
	if list := shows(a.body); len(list) != 2 || !strings.Contains(a.body, "203.0.113.99") || !strings.Contains(a.body, mask.SecretCover) {
		t.Errorf("revealed: %q", list)
	}
	if text := a.page().one(t, "form#hidden").text(); !strings.Contains(text, "15 minutes left") || a.Header.Get("Refresh") == "" {
		t.Errorf("%s, Refresh %q", text, a.Header.Get("Refresh"))
	}
	form.Set("secrets", "true")
	v.post("/reveals", form)
	if list := shows(v.get(page).body); len(list) != 3 {
		t.Errorf("with secrets: %q", list)
	}
	if a := v.get(page + "/raw"); a.body != orderBody {
		t.Errorf("the raw bytes: %s %s", a.Status, a.body)
	}
	for _, other := range []string{eventURL(packed.ID), eventURL(earlier.ID)} {
		if list := shows(v.get(other).body); len(list) > 0 {
			t.Errorf("another event shows %q", list)
		}
	}
	if list := shows(s.as(t, "anna").get(page).body); len(list) > 0 {
		t.Errorf("another session sees %q", list)
	}

	// Hidden again by hand, and by time.
	end := v.show(page).one(t, "form#hidden input[name=id]").attr("value")
	v.post("/reveals/end", url.Values{"id": {end}, "back": {page}})
	if list := shows(v.get(page).body); len(list) > 0 {
		t.Errorf("hidden again, and yet %q", list)
	}
	v.post("/reveals", url.Values{"of": {"entity:order/12841"}, "reason": {"ticket 13"}, "back": {"/entities/ORDER/12841"}})
	for _, path := range []string{"/entities/ORDER/12841", eventURL(earlier.ID), eventURL(packed.ID), compareURL(earlier.ID, e.ID) + "?show=all"} {
		if list := shows(v.get(path).body); len(list) != 2 {
			t.Errorf("the entity revealed: %s shows %q", path, list)
		}
	}
	shift.Store(int64(15*time.Minute + time.Second))
	for _, path := range paths {
		if list := shows(v.get(path).body); len(list) > 0 {
			t.Errorf("after its time: %s shows %q", path, list)
		}
	}

	entries := map[string]int{}
	list, err := s.db.FindAudit(t.Context(), store.AuditQuery{Actor: "anna", Limit: 1000})
	must(t, err)
	for _, entry := range list {
		entries[entry.Action+" "+entry.Subject+" "+entry.Reason]++
		if len(shows(valueText(entry.Detail))) > 0 {
			t.Errorf("the audit list holds a value: %+v", entry)
		}
	}
	for _, want := range []string{"event.reveal " + e.ID.String() + " ticket 12", "entity.reveal ORDER/12841 ticket 13", "event.view " + e.ID.String() + " ",
		"event.download " + e.ID.String() + " ", "entity.view ORDER/12841 ", "customer.view 48213 "} {
		if entries[want] == 0 {
			t.Errorf("%q is not in the audit list: %v", want, entries)
		}
	}
	if n := entries["event.view "+e.ID.String()+" "]; n > 2 {
		t.Errorf("a view is noted %d times", n)
	}
}

func TestExportsHide(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.record(t, orderBody)
	s.record(t, "no JSON, Weisshaeupl")
	v := s.as(t, "anna")
	form := url.Values{"format": {"jsonl"}, "payloads": {"1"}}
	a := v.post("/events/export", form)
	if len(shows(a.body)) > 0 || !strings.Contains(a.body, `"price":9.99`) || strings.Count(a.body, `"payload_masked":true`) != 2 || strings.Contains(a.body, "payload_base64") {
		t.Error(a.body)
	}
	form.Set("reveal", "1")
	if a := v.post("/events/export", form); a.StatusCode != http.StatusBadRequest || len(shows(a.body)) > 0 {
		t.Errorf("without a reason: %s", a.Status)
	}
	form.Set("reason", "asked for by the person")
	if a := v.post("/events/export", form); len(shows(a.body)) != 2 || !strings.Contains(a.body, "payload_base64") {
		t.Errorf("revealed: %s", a.body)
	}
	form.Set("secrets", "1")
	if a := v.post("/events/export", form); len(shows(a.body)) != 3 || strings.Contains(a.body, "payload_masked") {
		t.Errorf("with secrets: %s", a.body)
	}
	entry := s.audited(t, "events")[0]
	if entry.Reason != "asked for by the person" || entry.Detail["revealed"] != true {
		t.Errorf("%+v", entry)
	}
}

func TestHiddenIsNeverSuggested(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.record(t, `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"1","entity":{"status":"BLOCKED","lastName":"Weisshaeupl","nickTag":"EXT-77"}}`)
	v := s.as(t, "anna")
	ask := func(q string) string {
		return v.get("/events/suggest?" + url.Values{"q": {q}, "at": {strconv.Itoa(len(q))}}.Encode()).body
	}
	if body := ask("entity.status:"); !strings.Contains(body, "BLOCKED") {
		t.Errorf("what is shown is not suggested: %s", body)
	}
	if body := ask("entity.lastName:"); len(shows(body)) > 0 {
		t.Errorf("suggested: %s", body)
	}
	if body := ask("entity.nickTag:"); len(shows(body)) == 0 {
		t.Errorf("not suggested: %s", body)
	}
	must(t, s.db.SetMaskRule(t.Context(), mask.Rule{EntityType: "CUSTOMER", Path: "entity.nickTag", Class: mask.Personal}, store.AuditEntry{Actor: "anna", Action: "mask.set"}))
	if body := ask("entity.nickTag:"); len(shows(body)) > 0 {
		t.Errorf("suggested although a rule hides it: %s", body)
	}
}

func TestMaskingRulesOnAPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, orderBody)
	admin := s.admin(t)
	if text := admin.show("/masking?type=ORDER").one(t, "#sample").text(); !strings.Contains(text, "hidden") || strings.Contains(text, "Weißh") {
		t.Error(text)
	}
	form := url.Values{"type": {"ORDER"}, "path": {"entity.items[].price"}, "class": {"personal"}, "reason": {"agreed"}, "do": {"preview"}}
	if text := admin.post("/masking", form).page().one(t, "#sample").text(); !strings.Contains(text, "With the new rule") || !strings.Contains(text, `"price": ••••`) {
		t.Errorf("preview: %s", text)
	}
	if !strings.Contains(admin.show(eventURL(e.ID)).one(t, "#payload").text(), "9.99") {
		t.Error("a preview holds already")
	}
	form.Set("do", "set")
	if a := admin.post("/masking", form); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	if strings.Contains(admin.show(eventURL(e.ID)).one(t, "#payload").text(), "9.99") {
		t.Error("a rule does not hold")
	}
	form.Set("path", "a..b")
	if a := admin.post("/masking", form); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.page().one(t, "main").text(), "no path") {
		t.Errorf("a wrong path: %s", a.Status)
	}
	if text := admin.show("/masking?type=ORDER").one(t, ".mask-rules").text(); !strings.Contains(text, "entity.items.price personal set here") {
		t.Error(text)
	}
	for _, page := range []string{"/masking", "/masking?type=*", "/masking?type=headers", "/masking?type=NEVER_SEEN", "/masking?type=" + url.QueryEscape("<b>\x00")} {
		admin.show(page)
	}
	admin.post("/masking/reset", url.Values{"type": {"ORDER"}, "path": {"entity.items.price"}})
	if !strings.Contains(admin.show(eventURL(e.ID)).one(t, "#payload").text(), "9.99") {
		t.Error("a rule that was taken back holds")
	}
	s.addUser(t, "victor", store.RoleViewer)
	viewer := s.as(t, "victor")
	if a := viewer.post("/masking", form); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer sets a rule: %s", a.Status)
	}
	if len(viewer.show("/masking").all("main form")) > 0 {
		t.Error("a viewer is shown the form")
	}
}
