package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

// cameAt moves an event's arrival.
func cameAt(at time.Time) func(*store.Event) {
	return func(e *store.Event) {
		prefix := store.IDAt(at)
		copy(e.ID[:6], prefix[:6])
	}
}

// subscriptionBody is the state of subscription 7 as of a time.
func subscriptionBody(status string, changed time.Time, more string) string {
	return fmt.Sprintf(`{"entityType":"SUBSCRIPTION","callbackType":"CHANGE","entityId":"7","entity":{"status":%q,"changedDate":%q,"invoiceCustomerId":"48213"%s}}`,
		status, changed.UTC().Format(time.RFC3339Nano), more)
}

func TestHistoryOfAnEntity(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	start := time.Now().Add(-3 * time.Hour).Truncate(time.Second)
	minute := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	first := s.record(t, subscriptionBody("ACTIVE", minute(0), `,"price":1.0,"endDate":null`), cameAt(minute(0)))
	second := s.record(t, subscriptionBody("INACTIVE", minute(10), `,"price":1,"endDate":"","term":5`), cameAt(minute(10)))
	forged := s.record(t, subscriptionBody("FORGED", minute(15), ""), cameAt(minute(15)), rejected(verify.ReasonSignatureMismatch))
	late := s.record(t, subscriptionBody("PAUSED", minute(5), ""), cameAt(minute(70)))
	s.record(t, strings.ReplaceAll(subscriptionBody("OTHER", minute(80), ""), `"7"`, `"8"`), cameAt(minute(80)))
	v := s.as(t, "anna")

	page := v.show("/entities/subscription/7")
	rows := page.all(".state-row")
	if len(rows) != 4 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, want := range []struct {
		event *store.Event
		class string
		says  []string
	}{
		{late, "stale", []string{"Out of date", "status INACTIVE → PAUSED", "Taken over now"}},
		{forged, "out", []string{"Rejected", "Not accepted"}},
		{second, "current", []string{"Newest state", "status ACTIVE → INACTIVE", "term 5 added"}},
		{first, "in", []string{"First state that is known"}},
	} {
		if rows[i].attr("id") != want.event.ID.String() || !strings.Contains(rows[i].attr("class"), want.class) {
			t.Errorf("row %d: %s %s", i, rows[i].attr("id"), rows[i].attr("class"))
		}
		for _, text := range want.says {
			if !strings.Contains(rows[i].text(), text) {
				t.Errorf("row %d does not say %q: %s", i, text, rows[i].text())
			}
		}
	}
	if text := rows[2].text(); strings.Contains(text, "price") || !strings.Contains(text, "only in how “not set” is written") {
		t.Errorf("the spelling of a number is a change, or a folded one is not said: %s", text)
	}
	if text := rows[1].text(); strings.Contains(text, "FORGED") {
		t.Errorf("a forgery is told: %s", text)
	}
	if got := rows[2].all(".state-links a")[1].attr("href"); got != compareURL(first.ID, second.ID) {
		t.Errorf("side by side leads to %s", got)
	}
	if got := page.one(t, "#state .newest-links a").attr("href"); got != eventURL(second.ID) {
		t.Errorf("the newest state is of %s", got)
	}
	if text := v.show("/entities/subscription/7?unset=apart").all(".state-row")[2].text(); !strings.Contains(text, `endDate null → empty`) {
		t.Errorf("told apart: %s", text)
	}

	// As of a moment.
	then := v.show("/entities/SUBSCRIPTION/7?at=" + url.QueryEscape(minute(9).UTC().Format("2006-01-02T15:04:05")))
	if got := then.all("#state .newest-links a")[0].attr("href"); got != eventURL(first.ID) || len(then.all(".state-row")) != 1 {
		t.Errorf("as of then: %s, %d rows", got, len(then.all(".state-row")))
	}
	if got := then.all("#state .newest-links a")[1].attr("href"); got != compareURL(first.ID, second.ID) {
		t.Errorf("what changed since leads to %s", got)
	}
	if got := then.one(t, "#at").attr("value"); got != minute(9).UTC().Format("2006-01-02T15:04:05") {
		t.Errorf("the field says %s", got)
	}
	if text := v.show("/entities/subscription/7?at=yesterday").one(t, "#at-problem").text(); !strings.Contains(text, "is no time") {
		t.Error(text)
	}
	if text := v.show("/entities/subscription/7?at=2001-01-01").one(t, ".empty").text(); !strings.Contains(text, "Nothing about it had arrived by then") {
		t.Error(text)
	}
	v.show("/entities/nothing/%2F%2e%22%00")

	// The customer.
	customer := v.show("/customers/48213")
	if rows, entities := customer.all(".state-row"), customer.all(".entities li"); len(rows) != 5 || len(entities) != 2 {
		t.Errorf("customer: %d rows, %d entities", len(rows), len(entities))
	}
	if text := customer.all(".state-row")[3].text(); !strings.Contains(text, "status ACTIVE → INACTIVE") {
		t.Errorf("customer: %s", text)
	}
	if got := customer.all(".entities a")[1].attr("href"); got != "/entities/subscription/7" {
		t.Errorf("customer's entity: %s", got)
	}
}

func TestHistoryInPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	start := time.Now().Add(-3 * time.Hour).Truncate(time.Second)
	for i := range historyLength*2 + 5 {
		at := start.Add(time.Duration(i) * time.Second)
		s.record(t, subscriptionBody(fmt.Sprint("S", i), at, ""), cameAt(at))
	}
	v := s.as(t, "anna")
	path, rows := "/entities/subscription/7", 0
	for range 3 {
		page := v.show(path)
		for _, row := range page.all(".state-row") {
			rows++
			n := historyLength*2 + 5 - rows
			if want := fmt.Sprintf("status S%d → S%d", n-1, n); n > 0 && !strings.Contains(row.text(), want) {
				t.Fatalf("row %d says %s", rows, row.text())
			}
		}
		path = ""
		if next := page.all("a[rel=next]"); len(next) > 0 {
			path = next[0].attr("href")
		}
	}
	if rows != historyLength*2+5 || path != "" {
		t.Errorf("%d rows, then %q", rows, path)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	start := time.Now().Add(-time.Hour)
	first := s.record(t, subscriptionBody("ACTIVE", start, `,"sortKey":12345678901234567890,"items":[{"subscriptionItemId":1,"price":1.0}],"paused":null`), cameAt(start))
	second := s.record(t, subscriptionBody("ACTIVE", start, `,"sortKey":12345678901234567891,"items":[{"subscriptionItemId":2},{"price":1,"subscriptionItemId":1}],"paused":{"a":0}`),
		func(e *store.Event) { e.Header.Set("X-Shop-Token", "other"); e.Header.Set("User-Agent", "x") })
	text := s.record(t, "no JSON\n<script>alert(1)</script>")
	v := s.as(t, "anna")

	page := v.show(compareURL(first.ID, second.ID))
	var rows []string
	for _, row := range page.all("#differences tbody tr") {
		rows = append(rows, row.text())
	}
	got := strings.Join(rows, "|")
	for _, want := range []string{"entity.sortKey changed 12345678901234567890 12345678901234567891", "entity.items[subscriptionItemId=2] added"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
	if len(rows) != 2 || !strings.Contains(page.one(t, "#differences").text(), "1 place differs only in how") {
		t.Errorf("%d rows: %s", len(rows), got)
	}
	if text := page.one(t, "#headers").text(); strings.Contains(text, "other") || !strings.Contains(text, "X-Shop-Token") || !strings.Contains(text, "User-Agent") {
		t.Errorf("headers: %s", text)
	}
	if rows := v.show(compareURL(first.ID, second.ID) + "?unset=apart").all("#differences tbody tr"); len(rows) != 3 {
		t.Errorf("told apart: %d rows", len(rows))
	}
	all := v.show(compareURL(first.ID, second.ID) + "?show=all")
	left, right := "", ""
	for _, row := range all.all(".aligned tr") {
		for _, cell := range row.all("td.old .t") {
			left += cell.text()
		}
		for _, cell := range row.all("td.new .t") {
			right += cell.text()
		}
	}
	if !strings.Contains(left, `"price": 1.0`) || strings.Contains(right, "1.0") || !strings.Contains(right, "12345678901234567891") {
		t.Errorf("everything:\n%s\n%s", left, right)
	}
	if rows := v.show(compareURL(text.ID, second.ID)).all("#differences tbody tr"); len(rows) > 0 {
		t.Error("a text is shown, and nothing tells what in it is personal")
	}
	v.reveal(t, text, second)
	if rows := v.show(compareURL(text.ID, second.ID)).all("#differences tbody tr"); len(rows) == 0 {
		t.Error("a text and JSON do not differ")
	}
	if text := v.show(compareURL(second.ID, second.ID)).one(t, "#differences").text(); !strings.Contains(text, "Nothing differs") {
		t.Error(text)
	}

	for path, want := range map[string]string{
		eventURL(second.ID) + "/compare/previous": compareURL(first.ID, second.ID),
		"/events/_compare?id=" + second.ID.String() + "&id=" + url.QueryEscape("https://x.example"+eventURL(first.ID)): compareURL(first.ID, second.ID),
	} {
		if a := v.get(path); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
			t.Errorf("%s: %s %s, want %s", path, a.Status, a.Header.Get("Location"), want)
		}
	}
	for path, want := range map[string]int{
		eventURL(first.ID) + "/compare/previous": 404, eventURL(text.ID) + "/compare/previous": 404, eventURL(first.ID) + "/compare/x": 404,
		compareURL(first.ID, uuid.New()): 404, "/events/_compare?id=" + first.ID.String(): 400, "/events/_compare?id=x&id=y": 400,
	} {
		if a := v.get(path); a.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, a.Status, want)
		}
	}
}

func TestPackedPayload(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.MaxBody = 2000 })
	pack := func(body string) func(*store.Event) {
		return func(e *store.Event) {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			w.Write([]byte(body))
			w.Close()
			e.Body, e.Size = b.Bytes(), int64(b.Len())
			e.Header.Set("Content-Encoding", "gzip")
		}
	}
	body := subscriptionBody("ACTIVE", time.Now(), "")
	packed := s.record(t, body, pack(body))
	plain := s.record(t, body)
	large := s.record(t, body, pack(strings.Repeat("x", 2001)))
	broken := s.record(t, body, func(e *store.Event) { e.Header.Set("Content-Encoding", "gzip") })
	v := s.as(t, "anna")

	v.reveal(t, packed, plain, large, broken)
	page := v.show(eventURL(packed.ID)).one(t, "#payload")
	if text := page.text(); !strings.Contains(text, "is shown unpacked") || !strings.Contains(text, `"ACTIVE"`) {
		t.Error(text)
	}
	if hex := v.show(eventURL(packed.ID)+"?view=hex").one(t, ".hex").text(); !strings.Contains(hex, "1f 8b") {
		t.Errorf("the bytes are not as sent: %s", hex)
	}
	if raw := v.get(eventURL(packed.ID) + "/raw").body; raw != string(packed.Body) {
		t.Error("the raw bytes are not as sent")
	}
	if text := v.show(compareURL(packed.ID, plain.ID)).one(t, "#differences").text(); !strings.Contains(text, "Nothing differs") {
		t.Errorf("packed and plain: %s", text)
	}
	for e, want := range map[*store.Event]string{large: "would be larger than this Recall takes in", broken: "cannot be unpacked"} {
		if text := v.show(eventURL(e.ID)).one(t, "#payload").text(); !strings.Contains(text, want) {
			t.Error(text)
		}
	}
}
