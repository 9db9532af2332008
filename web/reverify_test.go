package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/store"
	"recall/verify"
)

// released counts the events that the store hands on.
func (s *site) released() *atomic.Int64 {
	var n atomic.Int64
	s.db.OnRecord(func(_ context.Context, _ pgx.Tx, events []*store.Event) error {
		for _, e := range events {
			if e.Verification.Accepted() {
				n.Add(1)
			}
		}
		return nil
	})
	return &n
}

// mend adds the secret to the source that was missing.
func (s *site) mend(t testing.TB, secret string) {
	t.Helper()
	source := s.bare(t)
	source.Secrets = append(source.Secrets, verify.Secret{Name: "second", Key: secret})
	must(t, s.db.UpdateSource(t.Context(), source))
}

// carryOut takes the steps of runs that serve takes in the background.
func (s *site) carryOut(t testing.TB) {
	t.Helper()
	for worked := true; worked; {
		var err error
		worked, err = s.db.StepReverifyRuns(t.Context(), s.server.Reverify.Check)
		must(t, err)
	}
}

func TestReverifyOneEvent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	released := s.released()
	e := s.signedBy(t, "s3cret-missing", time.Now())
	v := s.as(t, "anna")
	path := "/events/" + e.ID.String()
	again := func(form url.Values, says string) element {
		t.Helper()
		a := v.post(path+"/reverify", form)
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path+"#verification" {
			t.Fatalf("%s to %q: %s", a.Status, a.Header.Get("Location"), a.page().one(t, "main").text())
		}
		page := v.show(path)
		if text := page.one(t, "[role=status]").text(); !strings.Contains(text, says) {
			t.Errorf("says %q, want %q", text, says)
		}
		return page
	}
	again(url.Values{"release": {"1"}}, "still rejected, signature does not match")
	if v.post(path+"/redispatch", url.Values{"destination": {"crm"}}).StatusCode != http.StatusForbidden {
		t.Error("a rejected event was redispatched")
	}
	s.mend(t, "s3cret-missing")
	page := again(url.Values{"reason": {" mended "}}, "It was not released")
	if text := page.one(t, ".event-says").text(); !strings.Contains(text, "Found genuine when it was checked again.") {
		t.Errorf("the head says %q", text)
	}
	page = again(url.Values{"release": {"1"}}, "no destination’s matching rule fits it")
	if text := page.one(t, ".later").text(); !strings.Contains(text, "Verifiedreleased") || !strings.Contains(text, "by anna") || strings.Count(text, "Rejected") != 1 {
		t.Errorf("later results: %q", text)
	}
	if text := page.one(t, "#release-hint").text(); !strings.Contains(text, "released already") || !page.one(t, "#reverify [name=release]").has("disabled") {
		t.Errorf("it can be released twice: %q", text)
	}
	again(url.Values{"release": {"1"}}, "not sent on, since this callback was already")
	if released.Load() != 1 {
		t.Errorf("released %d times", released.Load())
	}
	if text := v.show("/events").one(t, "tr.row").text(); !strings.Contains(text, "Rejected") || !strings.Contains(text, "re-verified: genuine") {
		t.Errorf("the list says %q", text)
	}
	// What is genuine by now can be redispatched.
	if a := v.post(path+"/redispatch", url.Values{"destination": {"crm"}}); a.StatusCode != http.StatusSeeOther || len(s.sent.asked()) != 1 {
		t.Errorf("redispatch: %s", a.Status)
	}
	audit, err := s.db.ListAudit(t.Context(), e.ID.String(), 10)
	must(t, err)
	audit = slices.DeleteFunc(audit, func(e store.AuditEntry) bool { return e.Action == actionView })
	if len(audit) != 4 || audit[2].Reason != "mended" || audit[2].Actor != "anna" {
		t.Errorf("audit: %+v", audit)
	}
}

func TestReverifyIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "vera", store.RoleViewer)
	e := s.signedBy(t, "s3cret-missing", time.Now())
	genuine := s.record(t, customerBody)
	path := "/events/" + e.ID.String() + "/reverify"
	run, err := s.db.CreateReverifyRun(t.Context(), "", "anna", "")
	must(t, err)
	vera, anna := s.as(t, "vera"), s.as(t, "anna")
	for _, p := range []string{path, "/reverify", runURL(run.ID) + "/start", runURL(run.ID) + "/cancel"} {
		if a := vera.post(p, url.Values{}); a.StatusCode != http.StatusForbidden {
			t.Errorf("a viewer at %s: %s", p, a.Status)
		}
		if a := anna.post(p, url.Values{}, "Sec-Fetch-Site", "cross-site"); a.StatusCode != http.StatusForbidden {
			t.Errorf("another site at %s: %s", p, a.Status)
		}
	}
	if a := vera.get("/reverify/new"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer's form: %s", a.Status)
	}
	if text := vera.show(runURL(run.ID)).one(t, "#run").text(); !strings.Contains(text, "Your role is viewer") {
		t.Errorf("a viewer's run: %q", text)
	}
	if a := anna.post("/events/"+genuine.ID.String()+"/reverify", url.Values{}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a verified event: %s", a.Status)
	}
	if a := anna.post(path, url.Values{"reason": {strings.Repeat("ü", 501)}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a long reason: %s", a.Status)
	}
	if list, err := s.db.ListReverifications(t.Context(), e.ID); err != nil || len(list) != 0 {
		t.Errorf("it was checked all the same: %v, %v", list, err)
	}
}

func TestReverifyRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	released := s.released()
	for range 3 {
		s.signedBy(t, "s3cret-missing", time.Now(), func(e *store.Event) {
			e.Body = []byte(`{"id":"` + e.ID.String() + `"}`)
			e.Header.Set(verify.HeaderSignature, verify.Sign("s3cret-missing", time.Now(), e.Body))
		})
	}
	s.signedBy(t, "s3cret-forged", time.Now())
	s.mend(t, "s3cret-missing")
	v := s.as(t, "anna")

	page := v.show("/events?q=source:bare")
	form := page.one(t, "#marked")
	if page.all("button[form=marked]")[1].attr("formaction") != "/reverify/new" || form.one(t, "[name=q]").attr("value") != "source:bare" || len(page.all(".row [name=id]")) != 4 {
		t.Errorf("the list offers %q, %d marks", form.text(), len(page.all(".row [name=id]")))
	}
	if got := v.show("/reverify/new?q=source:bare").one(t, "#q").attr("value"); got != "source:bare" {
		t.Errorf("the form says %q", got)
	}
	ids := []string{page.all(".row [name=id]")[0].attr("value"), page.all(".row [name=id]")[1].attr("value")}
	if page := v.show("/reverify/new?q=source:bare&id=" + strings.Join(ids, "&id=")); page.one(t, "[name=q]").attr("value") != "id:"+strings.Join(ids, ",") || !strings.Contains(page.one(t, "form.panel").text(), "2 selected events") {
		t.Error("the marked events are not those of the form")
	}
	if a := v.get("/reverify/new?id=nonsense"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a broken id: %s", a.Status)
	}
	a := v.post("/reverify", url.Values{"q": {"source:bare nonsense:1"}, "reason": {"mended"}})
	if a.StatusCode != http.StatusBadRequest || a.page().one(t, "#q-problem .at").text() != "nonsense" || a.page().one(t, "#reason").attr("value") != "mended" {
		t.Errorf("a mistake in the filter: %s", a.Status)
	}

	a = v.post("/reverify", url.Values{"q": {"source:bare"}, "reason": {"mended"}})
	path := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther || path != "/reverify/1" {
		t.Fatalf("%s to %q", a.Status, path)
	}
	run := v.show(path).one(t, "#run")
	if run.attr("hx-get") != path || len(run.all("#start")) != 0 {
		t.Error("while counting: it does not renew itself, or can be started")
	}
	if a := v.post(path+"/start", url.Values{}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("started while counting: %s", a.Status)
	}
	s.carryOut(t)
	run = v.show(path).one(t, "#run")
	for _, want := range []string{"waits for your word", "looked at 4", "genuine 3", "rejected 1", "not sent on yet 3", "mended", "Nothing was changed"} {
		if !strings.Contains(run.text(), want) {
			t.Errorf("counted: %q is not in %q", want, run.text())
		}
	}
	if run.has("hx-get") || released.Load() != 0 {
		t.Error("counted: it still renews itself, or something was sent on")
	}
	if a := v.post(path+"/start", url.Values{"release": {"1"}}); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != path {
		t.Fatalf("start: %s", a.Status)
	}
	if progress := v.show(path).one(t, "progress"); progress.attr("max") != "4" || progress.attr("value") != "0" {
		t.Errorf("progress %s of %s", progress.attr("value"), progress.attr("max"))
	}
	s.carryOut(t)
	run = v.show(path).one(t, "#run")
	if text := run.text(); !strings.Contains(text, "done") || !strings.Contains(text, "released 3") || released.Load() != 3 || len(run.all("form")) != 0 {
		t.Errorf("done: %q, %d released", text, released.Load())
	}
	if a := v.post(path+"/cancel", url.Values{}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("cancelled after it was done: %s", a.Status)
	}

	a = v.post("/reverify", url.Values{"q": {""}})
	if a := v.post(a.Header.Get("Location")+"/cancel", url.Values{}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("cancel: %s", a.Status)
	}
	rows := v.show("/reverify").all("tbody tr")
	if len(rows) != 2 || !strings.Contains(rows[0].text(), "cancelled") || !strings.Contains(rows[0].text(), "all") || !strings.Contains(rows[1].text(), "3 released") {
		t.Errorf("%d rows", len(rows))
	}
	for _, wrong := range []string{"/reverify/3", "/reverify/x", "/reverify/01", "/reverify/-1"} {
		if a := v.get(wrong); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", wrong, a.Status)
		}
	}
}
