package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/store"
	"recall/verify"
)

// drive takes the steps of replays that are due, which serve takes in the background. What is enqueued is made, and not sent.
func (s *site) drive(t testing.TB) {
	t.Helper()
	for worked := true; worked; {
		var err error
		worked, err = s.db.StepReplays(t.Context(), func(ctx context.Context, tx pgx.Tx, ds []*store.Delivery) error {
			_, err := s.db.CreateDeliveriesTx(ctx, tx, ds)
			return err
		})
		must(t, err)
	}
}

// deliver ends the deliveries under way.
func (s *site) deliver(t testing.TB, state store.DeliveryState) {
	t.Helper()
	_, err := s.db.Pool().Exec(t.Context(), `UPDATE deliveries SET state = $1, attempts = 1, finished_at = now() WHERE state = 'pending'`, state)
	must(t, err)
}

func TestReplayPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.ReasonAbove = 20
	s.server.DB.ReasonAbove = 20
	for i := range 25 {
		s.record(t, fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d"}`, i))
	}
	s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"x"}`, rejected(verify.ReasonSignatureMismatch))
	s.ahead.Store(int64(time.Second))
	anna := s.as(t, "anna")
	s.addUser(t, "vera", store.RoleViewer)
	vera := s.as(t, "vera")

	if got := anna.show("/replays").one(t, ".empty").text(); !strings.Contains(got, "None yet") {
		t.Errorf("an empty list: %s", got)
	}
	if got := anna.show("/events?q=source:shop").all("button[form=marked]"); got[len(got)-1].attr("formaction") != "/redispatch/new" {
		t.Errorf("in the list of events: %q", got[len(got)-1].text())
	}
	form := anna.show("/replays/new?q=source:shop")
	if form.one(t, "#q").attr("value") != "source:shop" || len(form.all("#to option")) != 1 {
		t.Errorf("form: %s", form.one(t, "form.panel").text())
	}
	wish := func(change ...string) url.Values {
		v := url.Values{"q": {"source:shop"}, "to": {"crm"}, "order": {"all"}, "rate": {"50"}, "canary": {"5"}, "stop": {"10"}}
		for i := 0; i+1 < len(change); i += 2 {
			v.Set(change[i], change[i+1])
		}
		return v
	}
	for name, test := range map[string]struct {
		wish url.Values
		says string
	}{
		"a filter that is none": {wish("q", "verdict:"), "verdict"},
		"no destination":        {wish("to", "nobody"), "Choose a destination."},
		"no number":             {wish("rate", "fast"), "must be numbers"},
		"too fast":              {wish("rate", "9999"), "The rate must be from 0.1 to 5000 events a second, not 9999."},
		"a share of what":       {wish("stop", "101"), "from 0 to 100 %"},
	} {
		a := anna.post("/replays", test.wish)
		if text := a.page().one(t, "[role=alert]").text(); a.StatusCode != http.StatusBadRequest || !strings.Contains(text, test.says) {
			t.Errorf("%s: %s %s", name, a.Status, text)
		}
	}
	if a := vera.post("/replays", wish()); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer plans: %s", a.Status)
	}

	a := anna.post("/replays", wish())
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/replays/1" {
		t.Fatalf("planned: %s %s", a.Status, a.Header.Get("Location"))
	}
	page := anna.show("/replays/1")
	if page.one(t, "#run").attr("hx-get") != "/replays/1" || !strings.Contains(page.one(t, "noscript").text(), `http-equiv="refresh" content="5"`) || len(page.all("#start")) != 0 {
		t.Errorf("planning: %s", page.one(t, "#run").text())
	}
	s.drive(t)
	page = anna.show("/replays/1")
	text := page.one(t, "#run").text()
	for _, want := range []string{"waits for your word", "26 by the filter", "25 on the list", "25 ORDER.CREATION", "1 rejected, and not proven genuine since", "about 6 seconds at 50 a second, 5 events first", "The list is frozen"} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan lacks %q: %s", want, text)
		}
	}
	for state, says := range map[store.DestinationState]string{store.DestinationPaused: "would wait until somebody resumes it", store.DestinationBroken: "would stop at once"} {
		_, err := s.db.SetDestinationState(t.Context(), s.crm.ID, state, "")
		must(t, err)
		if text := anna.show("/replays/1").one(t, "#standstill").text(); !strings.Contains(text, says) {
			t.Errorf("%s: %s", state, text)
		}
	}
	_, err := s.db.SetDestinationState(t.Context(), s.crm.ID, store.DestinationActive, "")
	must(t, err)
	if !page.one(t, "#reason").has("required") {
		t.Error("no reason is asked")
	}
	if a := anna.post("/replays/1/start", nil); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.page().one(t, "main").text(), "Say why") {
		t.Errorf("without a reason: %s", a.Status)
	}
	if a := vera.post("/replays/1/start", url.Values{"reason": {"x"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer starts: %s", a.Status)
	}
	if got := vera.show("/replays/1"); len(got.all("#start")) != 0 || !strings.Contains(got.one(t, "#run").text(), "Your role is viewer") {
		t.Error("a viewer is offered to start")
	}
	if a := anna.post("/replays/1/start", url.Values{"reason": {`they <script>alert(1)</script> were down`}}); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("start: %s", a.Status)
	}
	tick := func() { s.ahead.Add(int64(2 * time.Second)); s.drive(t) }
	for range 4 { // one, the rest of the first few, and some more
		tick()
		s.deliver(t, store.DeliverySucceeded)
	}
	page = anna.show("/replays/1")
	text = page.one(t, "#run").text()
	if bar := page.one(t, "progress"); bar.attr("max") != "25" || bar.attr("value") == "0" || !strings.Contains(text, "under way") || !strings.Contains(text, "of 50 a second, about") {
		t.Errorf("under way: %s", text)
	}
	if len(page.all("main script")) != 0 || !strings.Contains(text, "<script>alert(1)</script>") {
		t.Error("a reason is not escaped")
	}
	anna.post("/replays/1/pause", nil)
	if text := anna.show("/replays/1").one(t, "#run").text(); !strings.Contains(text, "It is paused") || !strings.Contains(text, "Resume") {
		t.Errorf("paused: %s", text)
	}
	anna.post("/replays/1/resume", nil)
	tick()
	s.deliver(t, store.DeliveryExhausted)
	tick()
	if text := anna.show("/replays/1").one(t, "#run").text(); !strings.Contains(text, "It has stopped by itself") || !strings.Contains(text, "first attempts failed") {
		t.Errorf("stopped: %s", text)
	}
	if a := anna.post("/replays/1/start", nil); a.StatusCode != http.StatusBadRequest {
		t.Errorf("started again: %s", a.Status)
	}
	events, err := s.db.ListReplayItems(t.Context(), 1, [16]byte{}, 1)
	must(t, err)
	if got := anna.show("/events/"+events[0].String()).one(t, ".delivery .why a").text(); got != "replay 1" {
		t.Errorf("at the event: %q", got)
	}
	anna.post("/replays/1/cancel", nil)
	list := anna.show("/replays")
	if text := list.one(t, "tbody").text(); !strings.Contains(text, "cancelled") || !strings.Contains(text, "Replay 1") || !strings.Contains(text, "by anna") {
		t.Errorf("list: %s", text)
	}
	if got := anna.show("/replays/1").one(t, "#run p a").attr("href"); got != "/replays/new?q=source%3Ashop&to=crm" {
		t.Errorf("the way on: %s", got)
	}
	for path, want := range map[string]int{"/replays/9": http.StatusNotFound, "/replays/x": http.StatusNotFound, "/replays/01": http.StatusNotFound} {
		if a := anna.get(path); a.StatusCode != want {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	if a := anna.post("/replays/1/explode", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("no such action: %s", a.Status)
	}
}
