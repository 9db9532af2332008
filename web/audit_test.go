package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"recall/store"
)

// What is done through the pages shows in the audit list, to those who may see it, found by who, what and when.
func TestAuditList(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, `{"entityType":"CUSTOMER"}`)
	admin := s.admin(t)
	anna := s.as(t, "anna")
	if a := admin.post("/sources/shop/enabled", url.Values{"enabled": {"false"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("disabling the source: %s", a.Status)
	}
	hostile := "<script>alert(1)</script>\u202e"
	for i := range 120 {
		must(t, s.db.AddAudit(t.Context(), store.AuditEntry{
			At: time.Date(2026, 3, 4, 5, 6, i%60, 0, time.UTC), Actor: "cli:backup", Action: "event.redispatch", Subject: e.ID.String(),
			Reason: hostile, Detail: map[string]any{"count": i, "rate": map[string]any{"before": nil, "after": 2.5}, "names": []string{"a", "b"}},
		}))
	}

	first := anna.show("/audit")
	rows := first.all("table.audit tbody tr")
	if len(rows) != 100 {
		t.Fatalf("%d rows on the first page, want 100", len(rows))
	}
	text := rows[0].text()
	for _, want := range []string{"cli:backup", "event: redispatch", "<script>alert(1)</script>", "count 119", "none → 2.5", "a, b"} {
		if !strings.Contains(text, want) {
			t.Errorf("the newest entry lacks %q: %s", want, text)
		}
	}
	if link := rows[0].all("td a")[1].attr("href"); link != eventURL(e.ID) {
		t.Errorf("the entry leads to %q", link)
	}
	second := anna.show(first.one(t, "a[rel=next]").attr("href"))
	older := second.all("table.audit tbody tr")
	if len(older) < 20 || len(older) > 40 || strings.Contains(older[0].text(), "count 20") {
		t.Errorf("%d rows on the second page, the first says %s", len(older), older[0].text())
	}
	if found := second.all("a[rel=next]"); len(found) > 0 {
		t.Error("a third page is offered")
	}

	for query, want := range map[string]int{
		"actor=anna&action=user.login":       1,
		"actor=nobody":                       0,
		"action=source&subject=shop":         1,
		"from=2026-03-04&until=2026-03-04":   100,
		"from=2026-03-05&actor=cli:backup":   0,
		"until=2026-03-03&subject=" + "shop": 0,
	} {
		if got := len(anna.show("/audit?" + query).all("table.audit tbody tr")); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
	// Words anywhere in an entry; signs that a search could take for others are themselves.
	for words, want := range map[string]int{"ALERT(1)": 100, "count\": 119": 1, "100%": 0, "_": 0, "' OR '1'='1": 0} {
		if got := len(anna.show("/audit?" + url.Values{"text": {words}, "actor": {"cli:backup"}}.Encode()).all("table.audit tbody tr")); got != want {
			t.Errorf("words %q: %d rows, want %d", words, got, want)
		}
	}

	// What is shown can be had as a file, whole and without formulas.
	for format, want := range map[string]string{"csv": "'=HYPERLINK", "jsonl": `"reason":"=HYPERLINK`} {
		must(t, s.db.AddAudit(t.Context(), store.AuditEntry{Actor: "mallory", Action: "event.redispatch", Reason: "=HYPERLINK(1)"}))
		a := anna.post("/audit/export", url.Values{"format": {format}, "text": {"hyperlink"}})
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, want) || !strings.Contains(a.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %s %s", format, a.Status, a.body)
		}
		if a := anna.post("/audit/export", url.Values{"format": {format}, "actor": {"cli:backup"}}); strings.Count(a.body, "cli:backup") < 120 {
			t.Errorf("%s: of 120 entries %d are in the file", format, strings.Count(a.body, "cli:backup"))
		}
	}
	if a := anna.post("/audit/export", url.Values{"format": {"xml"}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("another format: %s", a.Status)
	}

	// The chain is checked from the page, and a change past Recall is said.
	must(t, s.db.SealAudit(t.Context()))
	if a := anna.post("/audit/check", url.Values{}); a.StatusCode != http.StatusOK || !strings.Contains(a.page().one(t, "#checked").text(), "The audit list fits") {
		t.Errorf("checked: %s", a.Status)
	}
	_, err := s.db.Pool().Exec(t.Context(), `UPDATE audit_entries SET reason = 'never' WHERE id = (SELECT min(id) FROM audit_entries)`)
	must(t, err)
	if a := anna.post("/audit/check", url.Values{}); !strings.Contains(a.page().one(t, "#checked").text(), "does not fit") {
		t.Errorf("changed past Recall: %s", a.page().one(t, "#checked").text())
	}

	for _, query := range []string{"from=yesterday", "until=2026-13-01", "before=x", "before=-1"} {
		if a := anna.get("/audit?" + query); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s, want 400", query, a.Status)
		}
	}

	s.addUser(t, "vera", store.RoleViewer)
	if a := s.as(t, "vera").get("/audit"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer: %s, want 403", a.Status)
	}
}

// Whatever stands in an entry is shown, in bounded room.
func TestAuditValues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		want  string
	}{
		{nil, "none"}, {"", "empty"}, {"a", "a"}, {true, "yes"}, {false, "no"}, {1e6, "1000000"}, {[]any{}, "none"},
		{[]any{"a", "b"}, "a, b"}, {[]any{"a", 1.0}, `["a",1]`}, {map[string]any{"b_c": "x", "a": 1.0}, "a 1, b c x"}, {map[string]any{}, "none"},
	} {
		if got := valueText(c.value); got != c.want {
			t.Errorf("%v: %q, want %q", c.value, got, c.want)
		}
	}
	if got := valueText(fmt.Sprintf("%5000d", 1)); len([]rune(got)) > maxAuditValue+1 {
		t.Errorf("a long value takes %d characters", len(got))
	}
}
