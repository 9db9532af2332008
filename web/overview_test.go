package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// countAll brings the counts up to date, whatever else the server is at.
func (s *site) countAll(t testing.TB, events int64) {
	t.Helper()
	for {
		must(t, s.db.Rollup(t.Context(), func(*store.Event) verify.Cause { return "" }))
		totals, err := s.db.VolumeTotals(t.Context(), store.TotalsQuery{From: time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -40), Length: 24 * time.Hour})
		must(t, err)
		if totals.Events() >= events {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestOverview(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")

	page := v.show("/overview")
	if text := page.one(t, "#numbers").text(); !strings.Contains(text, "Nothing has arrived yet") || !strings.Contains(text, "recall simulate --to https://recall.example/callbacks/shop") {
		t.Errorf("before the first event: %s", text)
	}

	for i := range 8 {
		s.record(t, fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d"}`, i))
	}
	s.record(t, `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"1"}`, rejected(verify.ReasonSignatureMismatch))
	s.record(t, `{}`, func(e *store.Event) {
		e.Envelope = plenigo.Envelope{EntityType: hostile, CallbackType: plenigo.Clean(hostile)}
		e.Verification.Verdict = verify.Late
	})
	must(t, s.db.AddLatencies(t.Context(), []store.AnswerLatency{{SourceID: s.source.ID, Minute: time.Now().UTC().Truncate(time.Minute), Bucket: store.LatencyBucket(8 * time.Millisecond), Answers: 10}}))
	must(t, s.db.AddUnstored(t.Context(), []store.UnstoredRequests{{SourceID: s.source.ID, Hour: time.Now().UTC().Truncate(time.Hour), Answered: 503, Requests: 2}}, nil))
	other := &store.Source{Slug: "press", Name: `Press <b>`, Enabled: true, Tolerance: time.Minute}
	must(t, s.db.CreateSource(t.Context(), other))
	s.countAll(t, 10)

	for _, span := range []string{"", "?range=1h", "?range=7d", "?range=30d", "?source=shop", "?source=shop&range=30d"} {
		a := v.get("/overview" + span)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", span, a.Status)
		}
		if len(a.body) > 40_000 {
			t.Errorf("%s: %d bytes", span, len(a.body))
		}
		page := a.page()
		text := page.one(t, "main").text()
		for _, want := range []string{"Events 10", "10 events", "Rejected 10 % 1", "Late 10 % 1", "Verified 80 % 8", "Order creation 8 80 % 0", "503 Service Unavailable 0 2", "Signature does not match", "median; 95 % within 7.9 ms"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in %s", span, want, text)
			}
		}
		if slices.ContainsFunc(page.all("script"), func(e element) bool { return !strings.HasPrefix(e.attr("src"), "/static/") }) || len(page.all("main img")) > 0 || strings.ContainsAny(text, "\u202e\u200b") {
			t.Errorf("%s: the page lost its shape", span)
		}
		if all := !strings.Contains(span, "source"); all != strings.Contains(text, "Deliveries now Destination Open Exhausted crm all delivered 0 0") || all != strings.Contains(text, "Press <b> no valid secret 0 0 0") {
			t.Errorf("%s: what is about all is not on the page of all: %s", span, text)
		}
		for _, l := range page.all("main a") { // each leads somewhere
			if url := l.attr("href"); strings.HasPrefix(url, "/events?") || strings.HasPrefix(url, "/volume") || strings.HasPrefix(url, "/overview") {
				if a := v.get(url); a.StatusCode != http.StatusOK || strings.Contains(a.body, `id="q-problem"`) {
					t.Errorf("%s leads to %s: %s", span, url, a.Status)
				}
			}
		}
	}
	if text := v.show("/overview?source=press").one(t, "#numbers").text(); !strings.Contains(text, "Nothing has arrived yet") || !strings.Contains(text, "/callbacks/press") {
		t.Errorf("a source without events: %s", text)
	}
	for path, want := range map[string]int{"/overview?range=1y": http.StatusBadRequest, "/overview?source=nobody": http.StatusNotFound, "/volume?q=nokey:": http.StatusBadRequest, "/volume?q=customer:1": http.StatusOK} {
		if a := v.get(path); a.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, a.Status, want)
		}
	}
	if rows := v.show("/volume?q=verdict:verified").all(".volume-table tbody tr"); !slices.ContainsFunc(rows, func(e element) bool { return strings.Contains(e.text(), "8 8 0 0") }) {
		t.Errorf("%d rows", len(rows))
	}

	// A viewer may look at it; the counts tell when they are behind.
	s.addUser(t, "otto", store.RoleViewer)
	s.ahead.Store(int64(5 * time.Minute))
	if text := s.as(t, "otto").show("/overview").one(t, ".page-head").text(); !strings.Contains(text, "what came later is not in it yet") {
		t.Errorf("counts that are behind: %s", text)
	}
}

func TestOverviewWords(t *testing.T) {
	t.Parallel()
	h, de := habits{}, habits{German: true}
	for got, want := range map[string]string{
		h.rateWords(0, time.Hour): "none", h.rateWords(90_000, time.Hour): "25 a second", h.rateWords(90, time.Hour): "1.5 a minute",
		de.rateWords(7, 2*time.Hour): "3,5 an hour", h.rateWords(3, 30*24*time.Hour): "0.1 a day", h.rateWords(20_000_000, time.Hour): "5,556 a second",
		h.shareWords(0, 0): "–", h.shareWords(0, 7): "0 %", h.shareWords(7, 7): "100 %", h.shareWords(1, 1_000_000): "<0.1 %", de.shareWords(999_999, 1_000_000): ">99,9 %", h.shareWords(1, 3): "33.3 %",
		h.changeWords(5, -1, "x"): "", h.changeWords(0, 0, "y") + "2": "2", h.changeWords(5, 0, "x"): "; none in x", h.changeWords(100, 100, "x"): "; as in x",
		h.changeWords(150, 100, "x"): "; 50 % more than in x", h.changeWords(0, 100, "x"): "; 100 % less than in x", h.changeWords(5000, 100, "x"): "; 50 times x",
		h.latencyWords(0): "<1 ms", de.latencyWords(8200 * time.Microsecond): "8,2 ms", h.latencyWords(820 * time.Millisecond): "820 ms", h.latencyWords(2500 * time.Millisecond): "2.5 s",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
