package web

import (
	"archive/zip"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"recall/erasure"
	"recall/store"
)

// workErasures has cases go on until one is in a state.
func (s *site) workErasures(t *testing.T, id int64, until store.ErasureState) *store.ErasureCase {
	t.Helper()
	e := erasure.New(s.db, nil, "", nil)
	for i := range 3000 {
		_, err := e.Work(t.Context())
		must(t, err)
		c, err := s.db.FindErasure(t.Context(), id)
		must(t, err)
		if c.State == until {
			return c
		}
		if i < 300 {
			s.ahead.Add(int64(5 * time.Second))
		} else {
			time.Sleep(20 * time.Millisecond) // a transaction of another test is waited for
		}
	}
	c, err := s.db.FindErasure(t.Context(), id)
	t.Fatalf("case %d is %s at %q (%s), not %s; %v", id, c.State, c.Step, c.Why, until, err)
	return nil
}

// A case by pages, from the customer's page to the tombstone and the certificate, with texts that would like to be markup.
func TestErasurePages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "root", store.RoleAdmin)
	root, anna := s.as(t, "root"), s.as(t, "anna")
	must(t, s.db.CreateSource(t.Context(), &store.Source{Slug: "news", Name: `<i>News`, Enabled: true, Tolerance: time.Minute}))
	own := s.record(t, `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48213","entity":{"customerId":"48213","email":"erase.me@example.org"}}`)
	gift := s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"7","entity":{"invoiceCustomerId":"555","items":[{"deliveryCustomerId":"48213"}]}}`)
	odd := s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"8","<b>evil":"48213"}`)
	other := s.record(t, `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"9","entity":{"customerId":"9"}}`)
	_, err := s.sent.Redispatch(t.Context(), store.Redispatch{EventID: own.ID, Destination: "crm", By: "anna", Reason: "lost"})
	must(t, err)

	if there(anna.show("/customers/48213"), "a[href=/erasures/new?customer=48213]") || there(anna.show(eventURL(own.ID)), "#erase") || there(anna.show("/account"), ".menu a[href=/erasures]") {
		t.Error("an operator is shown the way to erasures")
	}
	if href := root.show(eventURL(own.ID)).one(t, "#erase a").attr("href"); href != "/erasures/new?event="+own.ID.String() {
		t.Errorf("the way from the event: %s", href)
	}
	for _, path := range []string{"/erasures", "/erasures/new", "/erasures/report"} {
		root.show(path)
	}
	if text := root.show("/erasures/new?event="+own.ID.String()).one(t, "main").text(); !strings.Contains(text, "Erase one event") {
		t.Error(text)
	}
	for name, test := range map[string]struct {
		path   string
		form   url.Values
		status int
		says   string
	}{
		"no id":          {"/erasures", url.Values{"reason": {"x"}}, 422, "customer id"},
		"markup as id":   {"/erasures", url.Values{"customer": {hostile}, "reason": {"x"}}, 422, "customer id"},
		"no reason":      {"/erasures", url.Values{"customer": {"48213"}}, 422, "Say why"},
		"no such event":  {"/erasures", url.Values{"event": {"x"}, "reason": {"x"}}, 404, "not the id"},
		"report of none": {"/erasures/report", url.Values{"reason": {"x"}}, 422, "customer id"},
		"no such case":   {"/erasures/9/confirm", url.Values{}, 404, "no case 9"},
		"no grace":       {"/erasures/settings", url.Values{"grace": {"0"}}, 400, "grace time"},
		"no number":      {"/erasures/settings", url.Values{"grace": {"72"}, "backups": {"many"}}, 400, "number of days"},
	} {
		a := root.post(test.path, test.form)
		if text := a.page().one(t, "main").text(); a.StatusCode != test.status || !strings.Contains(text, test.says) {
			t.Errorf("%s: %s %s", name, a.Status, text)
		}
	}
	if a := root.post("/erasures/settings", url.Values{"automatic": {"true"}, "grace": {"24"}, "backups": {"30"}, "one_company": {"true"}, "reason": {"agreed"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("settings: %s", a.Status)
	}
	if got, err := s.db.ErasureSettings(t.Context()); err != nil || got != (store.ErasureSettings{Automatic: true, GraceHours: 24, BackupsDays: 30, OneCompany: true}) {
		t.Errorf("settings %+v %v", got, err)
	}

	// Opened from the customer's page, looked at, decided, confirmed.
	href := root.show("/customers/48213").one(t, "a[href=/erasures/new?customer=48213]").attr("href")
	form := root.show(href)
	if form.one(t, "#customer").attr("value") != "48213" || len(form.all("input[name=source]")) != 2 {
		t.Error("the form does not know the customer, or the sources")
	}
	open := url.Values{"customer": {"48213"}, "reason": {"<script>asked by letter"}}
	a := root.post("/erasures", open)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/erasures/1" {
		t.Fatalf("open: %s %s", a.Status, a.page().one(t, "main").text())
	}
	if a := root.post("/erasures", open); a.StatusCode != http.StatusConflict || a.page().one(t, "[role=alert] a").attr("href") != "/erasures/1" {
		t.Errorf("opened twice: %s", a.Status)
	}
	if text := root.show("/customers/48213").one(t, ".row-links").text(); !strings.Contains(text, "Case 1") {
		t.Errorf("the customer's page: %s", text)
	}
	if page := root.show("/erasures/1"); !there(page, "#case[hx-get=/erasures/1]") || there(page, "#confirm") {
		t.Error("while it looks, the page does not renew itself, or can be confirmed")
	}
	s.workErasures(t, 1, store.ErasureOpen)
	if h := root.get("/erasures/1", "HX-Request", "true").Header.Get("HX-Refresh"); h != "true" {
		t.Error("the page is not told that it is another one now")
	}
	page := root.show("/erasures/1")
	text := page.one(t, "main").text()
	for _, want := range []string{"customer 48213", "1 event", "2 doubtful events", "gift", "<b>evil", "<script>asked by letter", "Decide on what is doubtful first"} {
		if !strings.Contains(text, want) {
			t.Errorf("the case does not say %q: %s", want, text)
		}
	}
	if there(page, "#confirm") || len(page.all("#doubts input[name=event]")) != 2 {
		t.Error("doubts, or the form to confirm")
	}
	for name, test := range map[string]struct {
		path string
		form url.Values
		says string
	}{
		"confirmed with doubts": {"confirm", url.Values{"sure": {"48213"}, "reason": {"x"}}, "doubtful"},
		"none ticked":           {"decide", url.Values{"do": {"erase"}}, "Tick"},
		"left without a reason": {"decide", url.Values{"do": {"leave"}, "event": {gift.ID.String()}}, "Say why"},
		"neither":               {"decide", url.Values{"event": {gift.ID.String()}}, "erased or left"},
		"of no case":            {"decide", url.Values{"do": {"erase"}, "event": {other.ID.String()}}, "None of these"},
		"not sure":              {"confirm", url.Values{"sure": {"48214"}, "reason": {"x"}}, "Type “48213”"},
	} {
		if a := root.post("/erasures/1/"+test.path, test.form); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.page().one(t, "main").text(), test.says) {
			t.Errorf("%s: %s %s", name, a.Status, a.page().one(t, "main").text())
		}
	}
	for _, form := range []url.Values{{"do": {"leave"}, "event": {gift.ID.String()}, "reason": {"it is 555's"}}, {"do": {"erase"}, "all": {"true"}}} {
		if a := root.post("/erasures/1/decide", form); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("decide: %s %s", a.Status, a.page().one(t, "main").text())
		}
	}
	if text := root.show("/erasures/1").one(t, "#confirm").text(); !strings.Contains(text, "2 events are destroyed") {
		t.Error(text)
	}
	if text := root.show("/erasures").one(t, "table").text(); !strings.Contains(text, "waits for your word") || !strings.Contains(text, "customer 48213") || !strings.Contains(text, "by root") {
		t.Error(text)
	}
	if a := root.post("/erasures/1/confirm", url.Values{"sure": {" 48213 "}, "reason": {"checked"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("confirm: %s %s", a.Status, a.page().one(t, "main").text())
	}
	if page := root.show("/erasures/1"); !there(page, "progress") || there(page, "form[action=/erasures/1/cancel]") {
		t.Error("a running case shows no progress, or can be cancelled")
	}
	if a := root.post("/erasures/1/cancel", url.Values{"reason": {"no"}}); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "not in a state") {
		t.Errorf("cancelled while it runs: %s", a.Status)
	}
	if a := root.get("/erasures/1/certificate"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a certificate too early: %s", a.Status)
	}
	s.workErasures(t, 1, store.ErasureClosed)

	// What is left: the case without the name, the certificate, a tombstone that says so.
	if text := root.show("/erasures/1").one(t, "main").text(); strings.Contains(text, "48213") || !strings.Contains(text, "2 events") {
		t.Errorf("the closed case: %s", text)
	}
	cert := root.show("/erasures/1/certificate").one(t, "article").text()
	for _, want := range []string{"Certificate of erasure", "Case 1", "confirmed", "kept for 30 days", own.ID.String(), gift.ID.String(), "it is 555's", "<script>asked by letter", "CUSTOMER.CREATION"} {
		if !strings.Contains(strings.ToLower(cert), strings.ToLower(want)) {
			t.Errorf("the certificate does not say %q: %s", want, cert)
		}
	}
	if strings.Contains(cert, "48213") || strings.Contains(cert, "erase.me") {
		t.Error("the certificate tells who it was")
	}
	file := root.get("/erasures/1/certificate.json")
	var read erasure.Certificate
	if err := json.Unmarshal([]byte(file.body), &read); err != nil || read.Case != 1 || read.EventsOfAll != 2 || !strings.Contains(file.Header.Get("Content-Disposition"), "recall-erasure-1.json") {
		t.Errorf("the file: %v %s", err, file.body)
	}
	for name, v := range map[string]*visitor{"root": root, "anna": anna} {
		a := v.get(eventURL(own.ID))
		text := a.page().one(t, "main").text()
		for _, want := range []string{"Customer", "Erased", "Verified", "by root", "case 1", "cannot be redispatched", "crm", strings.ToLower(sha(own))} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the tombstone does not say %q: %s", name, want, text)
			}
		}
		if a.StatusCode != http.StatusGone || strings.Contains(text, "48213") || there(a.page(), "main a[href=/erasures/1]") != (name == "root") {
			t.Errorf("%s: the tombstone: %s %s", name, a.Status, text)
		}
	}
	sent := len(s.sent.asked())
	for _, path := range []string{"/redispatch", "/edit", "/reverify"} {
		a := anna.post(eventURL(own.ID)+path, url.Values{"destination": {"crm"}, "to": {"crm"}, "reason": {"again"}, "body": {"{}"}})
		if text := a.page().one(t, "main").text(); a.StatusCode != http.StatusGone || !strings.Contains(text, "cannot be shown, verified or sent again") {
			t.Errorf("%s of an erased event: %s %s", path, a.Status, text)
		}
	}
	if a := anna.get(eventURL(odd.ID) + "/raw"); a.StatusCode != http.StatusGone {
		t.Errorf("raw: %s", a.Status)
	}
	if len(s.sent.asked()) != sent {
		t.Error("an erased event was sent")
	}
	anna.show(eventURL(gift.ID))

	// One event alone.
	if a := root.post("/erasures", url.Values{"event": {other.ID.String()}, "reason": {"sent by mistake"}}); a.Header.Get("Location") != "/erasures/2" {
		t.Fatalf("one event: %s", a.Status)
	}
	s.workErasures(t, 2, store.ErasureOpen)
	if a := root.post("/erasures/2/confirm", url.Values{"sure": {"erase"}, "reason": {"checked"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("one event, confirmed: %s", a.Status)
	}
	s.workErasures(t, 2, store.ErasureClosed)
	if text := root.show("/erasures/2/certificate").one(t, "article").text(); !strings.Contains(text, "event "+other.ID.String()) {
		t.Error(text)
	}
	if a := root.post("/erasures/list", url.Values{}); a.StatusCode != http.StatusOK || strings.Count(a.body, `"event"`) != 3 {
		t.Errorf("the erasure list: %s %s", a.Status, a.body)
	}
	for _, action := range []string{"erasure.open", "erasure.decide", "erasure.confirm", "erasure.close"} {
		if entries, err := s.db.FindAudit(t.Context(), store.AuditQuery{Subject: "case 1", Action: action, Limit: 10}); err != nil || len(entries) == 0 {
			t.Errorf("the audit list has no %s: %v", action, err)
		}
	}
}

// The answer to a person's request is one file with everything, and in the audit list.
func TestReportPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "root", store.RoleAdmin)
	root := s.as(t, "root")
	own := s.record(t, `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"48213","entity":{"customerId":"48213","lastName":"<b>Quokka"}}`)
	s.record(t, `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"9","entity":{"customerId":"9","lastName":"Wombat"}}`)
	href := root.show("/customers/48213").one(t, "a[href=/erasures/report?customer=48213]").attr("href")
	if root.show(href).one(t, "#customer").attr("value") != "48213" {
		t.Error("the form does not know the customer")
	}
	a := root.post("/erasures/report", url.Values{"customer": {"48213"}, "reason": {"asked by letter"}})
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/zip" || !strings.Contains(a.Header.Get("Content-Disposition"), "recall-customer-48213") {
		t.Fatalf("%s %v", a.Status, a.Header)
	}
	z, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
	must(t, err)
	for _, f := range z.File {
		r, err := f.Open()
		must(t, err)
		text, err := io.ReadAll(r)
		must(t, err)
		if !strings.Contains(string(text), own.ID.String()) || strings.Contains(string(text), "Wombat") || strings.HasSuffix(f.Name, "html") == strings.Contains(string(text), "<b>Quokka") {
			t.Errorf("%s: %s", f.Name, text)
		}
	}
	entries := s.audited(t, "48213")
	if len(entries) < 2 || entries[0].Action != "customer.reported" || entries[1].Action != "customer.report" || entries[1].Reason != "asked by letter" || entries[1].Actor != "root" {
		t.Errorf("audit %+v", entries)
	}
}

func sha(e *store.Event) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range e.BodySHA256 {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// there tells whether something is on a page.
func there(page element, selector string) bool { return len(page.all(selector)) > 0 }
