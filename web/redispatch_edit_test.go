package web

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"recall/store"
	"recall/verify"
)

// TestEditAndSend: what is made of an event is sent as a test, and its record is shown with it and with the destination.
func TestEditAndSend(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, "{\n\"entityType\":\"ORDER\",\"callbackType\":\"CHANGE\",\"entityId\":\"<b>7\"\n}")
	path := "/events/" + e.ID.String()
	anna := s.as(t, "anna")
	if href := anna.show(path).one(t, ".redispatch a.button").attr("href"); href != path+"/edit" {
		t.Errorf("the way there: %s", href)
	}
	form := anna.show(path + "/edit")
	if got := form.one(t, "#body").text(); got != strings.Join(strings.Fields(string(e.Body)), " ") {
		t.Errorf("the body to edit: %q", got)
	}
	if got := form.one(t, "#header").text(); got != "Content-Type: application/json X-Plenigo-Api-Version: 20240827" {
		t.Errorf("the headers to edit: %q", got)
	}
	wish := func(change ...string) url.Values {
		v := url.Values{"to": {"crm"}, "body": {"{\r\n\"entityId\":\"<i>8\"\r\n}"}, "header": {"Content-Type: application/json\r\nX-Debug: 1\r\n"}, "reason": {"does it take <i>"}}
		for i := 0; i+1 < len(change); i += 2 {
			v.Set(change[i], change[i+1])
		}
		return v
	}
	for name, test := range map[string]struct {
		form url.Values
		says string
	}{
		"no reason":        {wish("reason", " "), "takes a reason"},
		"no destination":   {wish("to", ""), "Choose the destination"},
		"a reserved name":  {wish("header", "Recall-Test: false"), "Recall-Test"},
		"no header":        {wish("header", "application/json"), "is not written as Name: value"},
		"a long reason":    {wish("reason", strings.Repeat("ü", 501)), "at most 500 characters"},
		"a body too large": {wish("body", strings.Repeat("x", maxForm)), "large"},
	} {
		a := anna.post(path+"/edit", test.form)
		if text := a.page().one(t, "main").text(); a.StatusCode < 400 || a.StatusCode >= 500 || !strings.Contains(text, test.says) {
			t.Errorf("%s: %s %s", name, a.Status, text)
		}
	}
	if list, err := s.db.ListEditedTests(t.Context(), e.ID); err != nil || len(list) != 0 {
		t.Fatalf("sent already: %v, %v", list, err)
	}
	a := anna.postParts(path+"/edit", wish())
	to := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, path+"/tests/") {
		t.Fatalf("%s %s", a.Status, to)
	}
	page := anna.show(to)
	text := page.one(t, "main").text()
	for _, want := range []string{"Edited test to crm", "418 I'm a teapot", "no callback of plenigo’s, and no delivery", "anna", "with another body", "does it take <i>", `"entityId":"<i>8"`, "The answer’s body is hidden", "X-Debug"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	list, err := s.db.ListEditedTests(t.Context(), e.ID)
	must(t, err)
	if kept, err := s.db.FindEditedTest(t.Context(), e.ID, list[0].ID); err != nil || string(kept.Body) != "{\n\"entityId\":\"<i>8\"\n}" {
		t.Errorf("it sent %q, %v", kept.Body, err)
	}
	s.addUser(t, "vera", store.RoleViewer)
	vera := s.as(t, "vera")
	for where, element := range map[string]string{path: "#deliveries .edited-tests", "/destinations/crm": ".edited-tests"} {
		if got := vera.show(where).one(t, element); got.one(t, "a").attr("href") != to || !strings.Contains(got.text(), "418") {
			t.Errorf("%s: %s", where, got.text())
		}
	}
	if a := vera.get(to); a.StatusCode != http.StatusOK || len(a.page().all("a[href='"+path+"/edit?to=crm']")) != 0 {
		t.Errorf("a viewer looks: %s", a.Status)
	}
	if a := vera.post(path+"/edit", wish()); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer sends: %s", a.Status)
	}

	// What is hidden is revealed on the very page that would edit it.
	hidden := s.record(t, customerBody)
	edit := "/events/" + hidden.ID.String() + "/edit"
	strip := anna.show(edit)
	if len(strip.all("#body")) != 0 || !strings.Contains(strip.one(t, ".notice").text(), "Reveal it first") {
		t.Errorf("it is edited unseen: %s", strip.one(t, "main").text())
	}
	if a := anna.post("/reveals", filled(t, strip, "#hidden form", url.Values{"reason": {"ticket 12"}})); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != edit {
		t.Errorf("revealed: %s to %s", a.Status, a.Header.Get("Location"))
	}
	if text := anna.show(edit).one(t, "#body").text(); text != customerBody {
		t.Errorf("revealed, and to be edited: %s", text)
	}

	binary := s.record(t, "\x00\x01")
	if text := anna.show("/events/"+binary.ID.String()+"/edit").one(t, "main").text(); !strings.Contains(text, "The body is no text.") || !strings.Contains(text, "recall event test "+binary.ID.String()) {
		t.Errorf("a body that is no text: %s", text)
	}
	forged := s.record(t, `{"a":1}`, rejected(verify.ReasonSignatureMismatch))
	if a := anna.get("/events/" + forged.ID.String() + "/edit"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a rejected event: %s", a.Status)
	}
	for _, address := range []string{path + "/tests/x", path + "/tests/" + e.ID.String(), "/events/" + binary.ID.String() + "/tests/" + list[0].ID.String()} {
		if a := anna.get(address); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", address, a.Status)
		}
	}
}

// postParts sends a form as a page with a long text does.
func (v *visitor) postParts(path string, form url.Values) answer {
	v.t.Helper()
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	for name := range form {
		must(v.t, parts.WriteField(name, form.Get(name)))
	}
	must(v.t, parts.Close())
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.site.URL+path, &body)
	must(v.t, err)
	r.Header.Set("Content-Type", parts.FormDataContentType())
	w, err := v.http.Do(r)
	must(v.t, err)
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	must(v.t, err)
	return answer{w, v.t, string(b)}
}

// TestWaitingInOrder: what waits for an earlier event of its entity is shown with the one it waits for.
func TestWaitingInOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.crm.Ordering = store.OrderEntity
	must(t, s.db.UpdateDestination(t.Context(), s.crm))
	anna := s.as(t, "anna")
	if text := anna.show("/destinations/crm").one(t, "#held").text(); !strings.Contains(text, "No delivery waits for an earlier one") {
		t.Errorf("nothing waits: %s", text)
	}
	made := 0
	add := func(state store.DeliveryState, entity string, attempts int, lastError string) *store.Event {
		e := s.record(t, `{"entityType":"ORDER","callbackType":"CHANGE","entityId":"`+entity+`"}`, func(e *store.Event) {
			made++
			e.Body = append(e.Body, strings.Repeat(" ", made)...) // a callback of its own
		})
		_, err := s.db.Pool().Exec(t.Context(), `
			INSERT INTO deliveries (event_id, id, destination_id, trigger, state, created_at, entity, attempts, last_error, next_attempt_at)
			VALUES ($1, $1, $2, 'automatic', $3, now(), $4, $5, $6, now() + interval '1 hour')`, e.ID, s.crm.ID, state, "ORDER "+entity, attempts, lastError)
		must(t, err)
		return e
	}
	first := add(store.DeliveryWaiting, "<b>7", 2, "connection refused")
	second := add(store.DeliveryPending, "<b>7", 0, "")
	add(store.DeliveryPending, "8", 0, "")
	text := anna.show("/destinations/crm").one(t, "#held").text()
	for _, want := range []string{"order <b>7", "1 waits behind the first", "2 attempts", "connection refused", "next"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if strings.Contains(text, "order 8") {
		t.Errorf("one that waits for nobody: %s", text)
	}
	held := anna.show("/events/"+second.ID.String()).one(t, "#deliveries .held-lane")
	if got := held.text(); !strings.Contains(got, "at crm") || !strings.Contains(got, "this event") || held.all("li a")[0].attr("href") != "/events/"+first.ID.String()+"#deliveries" {
		t.Errorf("on its page: %s", got)
	}
}
