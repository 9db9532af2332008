package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"recall/store"
)

// TestRedispatchOfWhatIsStale: newer events of the entity are told of, and each way out is offered.
func TestRedispatchOfWhatIsStale(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	old := s.record(t, `{"entityType":"ORDER","callbackType":"CHANGE","entityId":"<b>7","entity":{"number":1}}`)
	newest := s.record(t, `{"entityType":"ORDER","callbackType":"CHANGE","entityId":"<b>7","entity":{"number":2}}`)
	v := s.as(t, "anna")
	path := "/events/" + old.ID.String() + "/redispatch"
	a := v.post(path, url.Values{"destination": {"crm"}, "reason": {"lost \"it\""}})
	if a.StatusCode != http.StatusConflict || len(s.sent.asked()) != 0 {
		t.Fatalf("%s, %d asked for", a.Status, len(s.sent.asked()))
	}
	page := a.page()
	text := page.one(t, "#stale").text()
	for _, want := range []string{"1 newer event of this entity came since", "order <b>7", "None of them was delivered to crm."} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	if form := page.one(t, "#send-newest"); form.attr("action") != "/events/"+newest.ID.String()+"/redispatch" {
		t.Errorf("the newest would be sent by %q", form.attr("action"))
	}
	if field := page.one(t, "#send-anyway #reason"); field.attr("value") != `lost "it"` {
		t.Errorf("the reason is %q", field.attr("value"))
	}
	if a := v.post(path, url.Values{"destination": {"crm"}, "anyway": {"yes"}, "reason": {" "}}); a.StatusCode != http.StatusConflict {
		t.Errorf("anyway, without a reason: %s", a.Status)
	}
	if a := v.post(path, url.Values{"destination": {"crm"}, "anyway": {"yes"}, "reason": {"lost"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("anyway: %s", a.Status)
	}
	if a := v.post("/events/"+newest.ID.String()+"/redispatch", url.Values{"destination": {"crm"}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the newest: %s", a.Status)
	}
	asked := s.sent.asked()
	if len(asked) != 2 || asked[0] != (store.Redispatch{EventID: old.ID, Destination: "crm", By: "anna", Reason: "lost", Anyway: true}) || asked[1].Anyway {
		t.Errorf("%+v", asked)
	}
}
