package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// listener is a browser's end of a live list.
type listener struct {
	t      *testing.T
	answer *http.Response
	lines  *bufio.Scanner
	cancel context.CancelFunc
	last   string // id of the last message
}

func (v *visitor) listen(t *testing.T, path string, headers ...string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.site.URL+path, nil)
	must(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := v.http.Do(r)
	must(t, err)
	t.Cleanup(func() { w.Body.Close() })
	lines := bufio.NewScanner(w.Body)
	lines.Buffer(nil, 1<<20)
	return &listener{t: t, answer: w, lines: lines, cancel: cancel}
}

// next reads a message; "" and false at the end.
func (l *listener) next() (event string, m tailMessage, ok bool) {
	l.t.Helper()
	data := ""
	for l.lines.Scan() {
		line := l.lines.Text()
		switch name, value, _ := strings.Cut(line, ": "); {
		case name == "id":
			l.last = value
		case name == "event":
			event = value
		case name == "data":
			data = value
		case line == "" && data != "":
			if err := json.Unmarshal([]byte(data), &m); err != nil {
				l.t.Fatalf("%s: %v", data, err)
			}
			return event, m, true
		}
	}
	return "", m, false
}

// told is the first message that says more than that the list is alive, or that the database is slow.
func (l *listener) told() tailMessage {
	l.t.Helper()
	for {
		_, m, ok := l.next()
		if !ok {
			l.t.Fatal("the list ended and told of nothing")
		}
		if m.Count > 0 || m.Reload {
			return m
		}
	}
}

// news waits for messages until they tell of so many events, and returns them as one.
func (l *listener) news(count int) tailMessage {
	l.t.Helper()
	var all tailMessage
	for all.Count < count {
		_, m, ok := l.next()
		if !ok {
			l.t.Fatalf("the list ended after %d of %d events", all.Count, count)
		}
		all.Rows = m.Rows + all.Rows
		all.Count += m.Count
		all.More += m.More
	}
	return all
}

// tailOf takes from the page of a live list where it is told what is new.
func (v *visitor) tailOf(t *testing.T, path string) string {
	t.Helper()
	return v.show(path).one(t, "#tail").attr("data-url")
}

func TestLiveListIsToldWhatIsNew(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"old"}`)
	v := s.as(t, "anna")
	if len(v.show("/events").all("#tail")) != 0 {
		t.Error("the list is live unasked")
	}
	address := v.tailOf(t, "/events?q=verdict:rejected&live=1&cols=size&tz=Asia/Tokyo")
	if n := len(v.show("/events?q=verdict:rejected&live=1").all(".row")); n != 0 {
		t.Fatalf("%d rows", n)
	}
	// What comes between the page and its first question is not lost.
	between := s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"between"}`, rejected(verify.ReasonNoSecret))
	l := v.listen(t, address)
	if got := l.answer.Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
		t.Fatalf("%s: Content-Type %q", l.answer.Status, got)
	}
	first := l.news(1)
	if first.Count != 1 || first.More != 0 || !strings.Contains(first.Rows, between.ID.String()) {
		t.Errorf("got %+v", first)
	}
	page := parsePage(t, strings.NewReader("<table>"+first.Rows+"</table>"))
	tokyo := between.ReceivedAt().Add(9 * time.Hour)
	if got := page.one(t, "tbody").attr("data-day"); got != tokyo.Format(time.DateOnly) {
		t.Errorf("day %q", got)
	}
	if text := page.one(t, ".row time").text(); !strings.HasPrefix(text, tokyo.Format("15:04:05.000")) {
		t.Errorf("time %q, want that of Tokyo, %s", text, tokyo)
	}
	if len(page.all(".c-size")) != 1 || len(page.all(".c-source")) != 0 {
		t.Errorf("the columns are not those of the list: %s", first.Rows)
	}

	s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"other"}`)
	s.record(t, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"<script>"}`, rejected(verify.ReasonNoSecret))
	if m := l.news(1); m.Count != 1 || strings.Contains(m.Rows, "<script") || !strings.Contains(m.Rows, "&lt;script&gt;") {
		t.Errorf("got %+v", m)
	}

	// Who comes back misses nothing, and hears nothing twice.
	l.cancel()
	s.record(t, `{"entityId":"away"}`, rejected(verify.ReasonNoSecret))
	back := v.listen(t, address, "Last-Event-ID", l.last)
	s.record(t, `{"entityId":"again"}`, rejected(verify.ReasonNoSecret))
	if m := back.news(2); m.Count != 2 || strings.Count(m.Rows, `class="row`) != 2 {
		t.Errorf("after coming back: %+v", m)
	}
}

func TestLiveListIsSampledAndCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")
	address := v.tailOf(t, "/events?live=1")
	const many = 3000
	s.recordMany(t, many)
	m := v.listen(t, address).news(many)
	rows := strings.Count(m.Rows, `class="row`)
	if m.Count != many || m.More+rows != many || rows == 0 || rows > 20*tailRows {
		t.Errorf("%d events, %d rows, %d more", m.Count, rows, m.More)
	}
	s.recordMany(t, tailMissed)
	_, cursor, _ := strings.Cut(address, "since=")
	for { // writers elsewhere on the database server hold up what is told of
		ids, _, err := s.db.CommittedSince(t.Context(), cursor, 10_000)
		must(t, err)
		if len(ids) == many+tailMissed {
			break
		}
	}
	if m := v.listen(t, address).told(); !m.Reload || m.Count != 0 {
		t.Errorf("after too much: told of %d events, reload %v, want to be told to reload", m.Count, m.Reload)
	}
	if m := v.listen(t, "/events/tail?since=nonsense").told(); !m.Reload {
		t.Error("with a cursor that is none the list is not told to reload")
	}
}

// recordMany stores events that have just arrived.
func (s *site) recordMany(t testing.TB, n int) {
	t.Helper()
	for n > 0 {
		var batch []*store.Event
		for range min(n, 500) {
			batch = append(batch, s.newEvent(fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entityId":"%s"}`, uuid.NewString())))
		}
		n -= len(batch)
		for _, err := range s.db.RecordEvents(t.Context(), batch) {
			must(t, err)
		}
	}
}

func TestLiveListEndsWithTheSession(t *testing.T) {
	t.Parallel()
	stopping := make(chan struct{})
	s := newSite(t, func(o *Options) { o.Stopping = stopping })
	v := s.as(t, "anna")
	l := v.listen(t, "/events/tail")
	if event, m, ok := l.next(); !ok || event != "" || m.Heard == "" {
		t.Errorf("at first: %q %+v", event, m)
	}
	must(t, s.db.SetPassword(t.Context(), "anna", "another horse battery"))
	s.ahead.Store(int64(tailAgain))
	for {
		event, _, ok := l.next()
		if !ok {
			t.Fatal("the list ended without a word")
		}
		if event == "end" {
			break
		}
	}
	if _, _, ok := l.next(); ok {
		t.Error("the list goes on after the session")
	}

	s.addUser(t, "ben", store.RoleViewer)
	l = s.as(t, "ben").listen(t, "/events/tail")
	close(stopping)
	for ok := true; ok; {
		_, _, ok = l.next()
	}
}

// The server's limits for whole requests and answers do not end a live list.
func TestLiveListOutlivesTheServersLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")
	address := v.tailOf(t, "/events?live=1")
	s.Server = httptest.NewUnstartedServer(s.Config.Handler)
	s.Config.ReadTimeout, s.Config.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	s.Start()
	t.Cleanup(s.Close)
	l := v.listen(t, address)
	for range 3 { // each is found by a look of its own, tailEvery after the last
		s.record(t, `{}`)
		l.news(1)
	}
}

func TestLiveListsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	v := s.as(t, "anna")
	var open []*listener
	for range tailMostUser {
		open = append(open, v.listen(t, "/events/tail"))
	}
	if a := v.get("/events/tail"); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s", a.Status)
	}
	if a := v.get("/events/tail?q=nonsense:"); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a filter with a mistake: %s", a.Status)
	}
	for _, l := range open {
		l.cancel()
	}
	var places tailPlaces
	for i := range tailMost {
		if !places.take(int64(i)) {
			t.Fatalf("%d places", i)
		}
	}
	if places.take(-1) {
		t.Error("there is no end of places")
	}
	places.leave(3)
	if !places.take(-1) {
		t.Error("a place that was left is not free")
	}
}
