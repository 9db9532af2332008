package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"recall/store"
	"recall/verify"
)

// TestRedispatchSome: of several marked events each is decided on as it stands at the destination, and nothing is sent before.
func TestRedispatchSome(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.ReasonAbove = 2
	order := func(id string, number int) string {
		return fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CHANGE","entityId":%q,"entity":{"number":%d}}`, id, number)
	}
	fresh := s.record(t, order("<i>1", 1))
	old := s.record(t, order("2", 1))
	newest := s.record(t, order("2", 2))
	passed := s.record(t, order("3", 1))
	got := s.record(t, order("3", 2))
	forged := s.record(t, order("4", 1), rejected(verify.ReasonSignatureMismatch))
	_, err := s.db.Pool().Exec(t.Context(), `
		INSERT INTO deliveries (event_id, id, destination_id, trigger, state, created_at, finished_at) VALUES ($1, $1, $2, 'automatic', 'succeeded', now(), now())`, got.ID, s.crm.ID)
	must(t, err)
	anna := s.as(t, "anna")
	marked := []string{fresh.ID.String(), old.ID.String(), passed.ID.String(), got.ID.String(), forged.ID.String(), fresh.ID.String()}

	page := anna.show("/redispatch/new?" + url.Values{"id": marked, "q": {"type:order.*"}}.Encode())
	if title := page.one(t, "h1").text(); title != "Redispatch 5 events" {
		t.Errorf("title %q", title)
	}
	for id, want := range map[string]struct{ state, note, choice string }{
		fresh.ID.String():  {"can be sent", "", "send"},
		old.ID.String():    {"stale", "1 newer event of this entity came since. None of them was delivered to crm.", "newest"},
		passed.ID.String(): {"stale", "The newest was delivered to crm", "skip"},
		got.ID.String():    {"delivered", "It was delivered there", "send"},
		forged.ID.String(): {"not sent", "It was rejected.", ""},
	} {
		row := page.one(t, "#event-"+id)
		text := strings.Join(strings.Fields(row.text()), " ")
		if !strings.Contains(text, want.state) || !strings.Contains(text, want.note) {
			t.Errorf("%+v is not in %q", want, text)
		}
		chosen := ""
		for _, o := range row.all("option") {
			if o.has("selected") {
				chosen = o.attr("value")
			}
		}
		if chosen != want.choice {
			t.Errorf("%s: %q is chosen, want %q", text, chosen, want.choice)
		}
	}
	if href := page.one(t, "#choose a").attr("href"); !strings.HasPrefix(href, "/replays/new?q=id%3A"+marked[0]+"%2C") {
		t.Errorf("a replay of them: %s", href)
	}

	wish := func(change ...string) url.Values {
		v := url.Values{"id": marked, "to": {"crm"}, "do." + marked[0]: {"send"}, "do." + marked[1]: {"newest"}, "do." + marked[2]: {"skip"}, "do." + marked[3]: {"skip"}}
		for i := 0; i+1 < len(change); i += 2 {
			v.Set(change[i], change[i+1])
		}
		return v
	}
	for name, test := range map[string]struct {
		form   url.Values
		status int
		says   string
	}{
		"a destination that is not": {wish("to", "erp"), http.StatusBadRequest, "There is no destination “erp”."},
		"an id that is none":        {wish("id", "x"), http.StatusBadRequest, "id must be the id of an event"},
		"stale, and not decided on": {wish("do."+marked[1], "send"), http.StatusConflict, "Things have changed"},
		"anyway without a reason":   {wish("do."+marked[1], "anyway"), http.StatusConflict, "Say why an older state"},
		"many without a reason":     {wish("do."+marked[3], "send"), http.StatusConflict, "Say why so many"},
		"all left":                  {wish("do."+marked[0], "skip", "do."+marked[1], "skip"), http.StatusConflict, "Nothing was sent"},
	} {
		a := anna.post("/redispatch", test.form)
		if text := a.page().one(t, "main").text(); a.StatusCode != test.status || !strings.Contains(text, test.says) {
			t.Errorf("%s: %s %s", name, a.Status, text)
		}
	}
	if asked := s.sent.asked(); len(asked) != 0 {
		t.Fatalf("sent already: %+v", asked)
	}
	a := anna.post("/redispatch", wish("do."+marked[2], "anyway", "reason", "lost on Monday"))
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/events?q=id:"+marked[0]+",") {
		t.Fatalf("%s %s", a.Status, a.Header.Get("Location"))
	}
	if text := anna.show(a.Header.Get("Location")).one(t, "main").text(); !strings.Contains(text, "3 events are being sent to crm. 2 were left.") {
		t.Errorf("it says %s", text)
	}
	want := []store.Redispatch{
		{EventID: fresh.ID, Destination: "crm", By: "anna", Reason: "lost on Monday"},
		{EventID: newest.ID, Destination: "crm", By: "anna", Reason: "lost on Monday"},
		{EventID: passed.ID, Destination: "crm", By: "anna", Reason: "lost on Monday", Anyway: true},
	}
	if asked := s.sent.asked(); fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("asked for %+v, want %+v", asked, want)
	}

	if a := anna.get("/redispatch/new?q=source:shop"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/replays/new?q=source%3Ashop" {
		t.Errorf("nothing marked: %s %s", a.Status, a.Header.Get("Location"))
	}
	s.addUser(t, "vera", store.RoleViewer)
	if a := s.as(t, "vera").post("/redispatch", wish()); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer: %s", a.Status)
	}
	for state, says := range map[store.DestinationState]string{store.DestinationPaused: "waits until somebody resumes it", store.DestinationBroken: "tried once at once"} {
		_, err := s.db.SetDestinationState(t.Context(), s.crm.ID, state, "")
		must(t, err)
		if text := anna.show("/redispatch/new?id="+marked[0]).one(t, "#standstill").text(); !strings.Contains(text, says) {
			t.Errorf("%s: %s", state, text)
		}
		a := anna.post("/events/"+marked[0]+"/redispatch", url.Values{"destination": {"crm"}})
		if text := anna.show("/events/"+marked[0]).one(t, "main").text(); a.StatusCode != http.StatusSeeOther || !strings.Contains(text, says) {
			t.Errorf("%s, from its page: %s %s", state, a.Status, text)
		}
	}
}
