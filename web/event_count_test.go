package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"recall/store"
)

// The list says how many events there are where it knows, and else asks for it or offers a link; it says when the search
// index is behind, and when none helped.
func TestListSaysHowMany(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for n := range pageLength + 3 {
		s.record(t, fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d","entity":{"odd":%d}}`, n, n%2))
	}
	v := s.as(t, "anna")
	for address, want := range map[string]string{
		"/events?q=entity:7":            "1 event",
		"/events?q=entity.odd:1":        "26 events",
		"/events?q=type:order":          "How many?",
		"/events?q=type:order&count=1":  "53 events",
		"/events?count=1":               "53 events",
		"/events?q=nonsense%3A&count=1": "53 events",
	} {
		if got := v.show(address).one(t, "#count").text(); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	link := v.show("/events?q=type:order").one(t, "#count")
	if a := v.get(link.attr("data-url")); a.body != "53 events" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s says %q", link.attr("data-url"), a.body)
	}
	if got := v.show(link.one(t, "a").attr("href")).one(t, "#count").text(); got != "53 events" {
		t.Errorf("the link leads to %q", got)
	}
	if a := v.get("/events/count?q=nonsense:"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a filter with a mistake: %s", a.Status)
	}

	if page := v.show("/events?q=-entity.odd:1"); !strings.Contains(page.one(t, ".searched").text(), "one by one, to the end") {
		t.Errorf("a filter that no index helps: %q", page.one(t, ".searched").text())
	}
	if page := v.show("/events?q=entity.odd:*"); !strings.Contains(page.one(t, ".searched").text(), "one by one, back to 20") {
		t.Errorf("a page that no index helps: %q", page.one(t, ".searched").text())
	}

	must(t, s.db.IndexEvents(t.Context()))
	if page := v.show("/events?q=entity:7"); len(page.all(".index-lag")) != 0 || len(page.all(".searched")) != 0 {
		t.Error("the index is up to date, and is said to be behind")
	}
	s.ahead.Store(int64(5*time.Minute + 10*time.Second))
	if got := v.show("/events?q=entity:7").one(t, ".index-lag").text(); !strings.HasPrefix(got, "The search index is 5 min behind.") {
		t.Errorf("five minutes later: %q", got)
	}
	if page := v.show("/events"); len(page.all(".index-lag")) != 0 {
		t.Error("a list that needs no index speaks of it")
	}
}

func TestCountSaid(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	for want, c := range map[string]store.EventCount{
		"1 event":     {Events: 1},
		"0 events":    {},
		"10,000":      {Events: 10_000},
		"10,000+":     {Events: 10_000, More: true},
		"counted bac": {Events: 12, More: true, CountedTo: at},
		notCounted:    {More: true, CountedTo: at},
	} {
		if got := countSaid(c, habits{}); !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}
