package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"recall/store"
)

// The page sets rules, says what would go, holds and releases; and an event that went says so.
func TestRetentionPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "root", store.RoleAdmin)
	s.addUser(t, "vera", store.RoleViewer)
	admin, viewer := s.as(t, "root"), s.as(t, "vera")
	old := func(e *store.Event) {
		at := store.IDAt(time.Now().AddDate(0, 0, -100))
		copy(e.ID[:6], at[:6])
	}
	due, held := s.record(t, `{"entityType":"CUSTOMER","entityId":"1"}`, old), s.record(t, `{"entityType":"CUSTOMER","entityId":"2"}`, old)
	for range 100 { // a commit is counted when what was there before it is over
		must(t, s.db.Rollup(t.Context(), nil))
		if v, err := s.db.CountedAt(t.Context()); err == nil && !v.IsZero() {
			break
		}
	}
	if text := viewer.show("/retention").one(t, "main").text(); !strings.Contains(text, "for ever") || strings.Contains(text, "Set a rule") || !strings.Contains(text, "Nobody has said for how long accepted events, rejected events and the audit list are kept") {
		t.Errorf("a viewer sees %s", text)
	}
	for path, form := range map[string]url.Values{
		"/retention": {"class": {"accepted"}, "how": {"days"}, "days": {"30"}}, "/retention/holds": {"filter": {"source:shop"}, "reason": {"x"}}, "/retention/holds/1/release": {},
	} {
		if a := s.as(t, "anna").post(path, form); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s by an operator: %s", path, a.Status)
		}
	}
	for name, form := range map[string]url.Values{
		"no class":        {"how": {"ever"}},
		"no days":         {"class": {"accepted"}, "how": {"days"}},
		"zero days":       {"class": {"accepted"}, "how": {"days"}, "days": {"0"}},
		"audit of one":    {"class": {"audit"}, "how": {"ever"}, "source": {"shop"}},
		"unknown source":  {"class": {"accepted"}, "how": {"ever"}, "source": {"nobody"}},
		"all follows all": {"class": {"accepted"}, "how": {"all"}},
	} {
		if a := admin.post("/retention", form); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	hold := url.Values{"event": {held.ID.String()}, "reason": {`<b>case 7</b>`}}
	if a := admin.post("/retention/holds", hold); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != eventURL(held.ID) {
		t.Fatalf("hold: %s", a.Status)
	}
	if text := viewer.show(eventURL(held.ID)).one(t, "#hold").text(); !strings.Contains(text, "<b>case 7</b>") || !strings.Contains(text, "by root") {
		t.Errorf("the event says %q", text)
	}
	for _, bad := range []url.Values{{"reason": {"x"}}, {"filter": {"nonsense:x"}, "reason": {"x"}}, {"filter": {"source:shop"}}, {"filter": {"customer:nobody"}, "reason": {"x"}}} {
		if a := admin.post("/retention/holds", bad); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%v: %s", bad, a.Status)
		}
	}
	if a := admin.post("/retention", url.Values{"class": {"accepted"}, "how": {"days"}, "days": {"30"}, "source": {"shop"}, "reason": {"agreed"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("set: %s: %s", a.Status, a.page().one(t, "main").text())
	}
	entries := s.audited(t, "shop")
	if len(entries) != 1 || entries[0].Action != "retention.set" || entries[0].Actor != "root" || entries[0].Reason != "agreed" {
		t.Errorf("audit %+v", entries)
	}
	if text := viewer.show("/retention").one(t, "main").text(); !strings.Contains(text, "30 days") || !strings.Contains(text, "1 is kept by holds") {
		t.Errorf("the page says %s", text)
	}
	if text := viewer.show("/retention").one(t, "main").text(); !strings.Contains(text, "No run has come to its end yet") {
		t.Errorf("before the first run the page says %s", text)
	}
	must(t, s.db.RunRetention(t.Context(), "recall"))
	if text := viewer.show("/retention").one(t, "main").text(); !strings.Contains(text, "All that was due was last removed at") {
		t.Errorf("after it the page says %s", text)
	}
	a := viewer.get(eventURL(due.ID))
	if _, on, found := strings.Cut(a.body, "retention removed 1 accepted event, on "); a.StatusCode != http.StatusGone || !found || !isToday(on[:len(time.DateOnly)]) {
		t.Errorf("removed: %s %s", a.Status, a.page().one(t, "main").text())
	}
	viewer.show(eventURL(held.ID))
	if a := admin.post("/retention/holds/1/release", url.Values{"reason": {"over"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("release: %s", a.Status)
	}
	if a := admin.post("/retention/holds/1/release", url.Values{}); a.StatusCode != http.StatusNotFound {
		t.Errorf("released twice: %s", a.Status)
	}
	must(t, s.db.RunRetention(t.Context(), "recall"))
	if a := viewer.get(eventURL(held.ID)); a.StatusCode != http.StatusGone {
		t.Errorf("after the release: %s", a.Status)
	}
}
