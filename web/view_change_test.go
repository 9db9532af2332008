package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"recall/store"
)

func TestViewsOfTheList(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.record(t, customerBody)
	s.addUser(t, "ben", store.RoleViewer)
	anna, ben := s.as(t, "anna"), s.as(t, "ben")

	// What the list shows is what is saved.
	page := anna.show("/events?q=type:customer.*+after:2h&cols=size,id&tz=Europe/Berlin")
	form := page.one(t, "#save-view form")
	values := url.Values{"name": {"New <customers>"}, "shared": {"1"}}
	for _, name := range []string{"q", "cols", "tz"} {
		values.Set(name, form.one(t, "[name="+name+"]").attr("value"))
	}
	a := anna.post("/views", values)
	to := a.Header.Get("Location")
	if a.StatusCode != http.StatusSeeOther || to != "/events?cols=size,id&q=type:customer.*+after:2h&tz=Europe/Berlin&view=1" {
		t.Fatalf("%s to %s", a.Status, to)
	}
	page = anna.show(to)
	if got := page.one(t, ".view[aria-current=page]").text(); got != "New <customers>" {
		t.Errorf("the current view is %q", got)
	}
	if len(page.all(".c-size")) != 1 || len(page.all(".c-customers")) != 0 || !strings.Contains(page.one(t, "thead").text(), "CE") {
		t.Errorf("columns and zone: %s", page.one(t, "thead").text())
	}
	if len(page.all("[action=/views/1]")) != 0 {
		t.Error("a view that has not changed is to be updated")
	}

	// Narrowed further, it can be updated by its owner, and by nobody else who is no admin.
	narrower := strings.Replace(to, "after:2h", "after:1h", 1)
	if len(anna.show(narrower).all("[action=/views/1]")) != 1 || len(ben.show(narrower).all("[action=/views/1]")) != 0 {
		t.Error("a changed view cannot be updated, or by anybody")
	}
	if a := ben.post("/views/1", url.Values{"q": {""}}); a.StatusCode != http.StatusNotFound {
		t.Errorf("updated by another: %s", a.Status)
	}
	if a := anna.post("/views/1", url.Values{"q": {"type:customer.*"}, "cols": {"size"}}); a.Header.Get("Location") != "/events?cols=size&q=type:customer.*&view=1" {
		t.Errorf("updated: %s to %s", a.Status, a.Header.Get("Location"))
	}

	// Shared: ben sees it and begins with it.
	if a := ben.post("/views/1/start", url.Values{"start": {"1"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("begin with it: %s", a.Status)
	}
	if got := ben.get("/").Header.Get("Location"); got != "/events?cols=size&q=type:customer.*&view=1" {
		t.Errorf("ben begins at %s", got)
	}
	if got := ben.show("/views").one(t, ".view-item").text(); !strings.Contains(got, "by anna") || !strings.Contains(got, "you begin with it") {
		t.Errorf("ben's page says %q", got)
	}
	if got := anna.get("/").Header.Get("Location"); got != "/events" {
		t.Errorf("anna begins at %s", got)
	}

	if a := anna.post("/views", url.Values{"name": {"new <CUSTOMERS>"}}); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a name twice: %s", a.Status)
	}
	anna.post("/views/1", url.Values{"name": {"Mine"}})
	if got := anna.show("/views").one(t, ".view-item").text(); !strings.HasPrefix(got, "Mine") || strings.Contains(got, "shared") {
		t.Errorf("renamed: %q", got)
	}
	if got := ben.get("/").Header.Get("Location"); got != "/events" {
		t.Errorf("no longer shared, and ben begins at %s", got)
	}
	if a := anna.post("/views/1/remove", url.Values{}); a.StatusCode != http.StatusSeeOther || len(anna.show("/views").all(".view-item")) != 0 {
		t.Errorf("removed: %s", a.Status)
	}
	entries, err := s.db.ListAudit(t.Context(), "view 1", 10)
	must(t, err)
	if len(entries) != 2 || entries[0].Action != "view.set" || entries[1].Action != "view.add" || entries[1].Actor != "anna" {
		t.Errorf("audit: %+v", entries)
	}
}

func TestHabits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.record(t, customerBody)
	v := s.as(t, "anna")
	german := e.ReceivedAt().Format("02.01.2006")
	if text := v.do(http.MethodGet, "/events", nil, "Accept-Language", "de-DE,en;q=0.5").page().one(t, ".day").text(); !strings.Contains(text, german) {
		t.Errorf("a German browser: %q", text)
	}
	if text := v.show("/events").one(t, ".day").text(); strings.Contains(text, german) {
		t.Errorf("an English browser: %q", text)
	}
	if a := v.post("/account/habits", url.Values{"habits": {"de"}, "zone": {"Asia/Tokyo"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	page := v.show("/events")
	if text := page.one(t, "thead").text(); !strings.Contains(text, "JST") {
		t.Errorf("the head says %q", text)
	}
	if text := page.one(t, ".row time").text(); !strings.HasPrefix(text, e.ReceivedAt().In(mustZone(t, "Asia/Tokyo")).Format("15:04:05,000")) {
		t.Errorf("the time is %q", text)
	}
	event := v.show("/events/"+e.ID.String()).one(t, ".event-head").text()
	if want := e.ReceivedAt().In(mustZone(t, "Asia/Tokyo")).Format("02.01.2006 15:04:05,000 JST"); !strings.Contains(event, want) {
		t.Errorf("the event's page says %q, want in it %s", event, want)
	}
	if rows := v.show(v.show("/events/"+e.ID.String()).one(t, ".event-head .around").attr("href")).all(".row"); len(rows) != 1 {
		t.Errorf("around the event there are %d", len(rows))
	}
	for _, form := range []url.Values{{"habits": {"fr"}}, {"zone": {"Mars/Olympus"}}, {"zone": {"Local"}}, {"zone": {"../../etc/passwd"}}} {
		if a := v.post("/account/habits", form); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%v: %s", form, a.Status)
		}
	}
	h := habits{German: true}
	for got, want := range map[string]string{
		h.grouped(1234567): "1.234.567", h.size(12_345): "12,3 kB", h.size(1_234): "1.234 bytes", h.plural(1000, "event", "events"): "1.000 events",
		habits{}.grouped(1234): "1,234", h.exact(testNow): "24.11.2026 10:41:07,000 UTC", habits{}.exact(testNow): "2026-11-24 10:41:07.000 UTC",
		h.dayName(testNow, testNow): "Today · Tuesday, 24.11.2026",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func mustZone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	must(t, err)
	return zone
}
