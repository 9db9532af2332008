package web

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"recall/filter"
	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

func TestExportHoldsEveryEventOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const many = 2*exportPage + 7
	s.recordMany(t, many)
	last := s.record(t, `{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48213","price":1.10}`, rejected(verify.ReasonNoSecret))
	s.record(t, "no JSON \xff", rejected(verify.ReasonNoSecret))
	v := s.as(t, "anna")

	a := v.post("/events/export", url.Values{"q": {"type:order.creation"}, "format": {"jsonl"}})
	if a.Header.Get("Content-Type") != "application/x-ndjson; charset=utf-8" || !strings.HasSuffix(a.Header.Get("Content-Disposition"), `.jsonl"`) {
		t.Errorf("%s: headers %v", a.Status, a.Header)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(a.body) {
		var e store.EventJSON
		must(t, json.Unmarshal([]byte(line), &e))
		seen[e.ID.String()] = true
	}
	if n := strings.Count(a.body, "\n"); n != many || len(seen) != many {
		t.Errorf("%d lines, %d events, want %d", n, len(seen), many)
	}

	a = v.post("/events/export", url.Values{"q": {"verdict:rejected"}, "format": {"jsonl"}, "payloads": {"1"}, "reveal": {"1"}, "reason": {"a test"}})
	if !strings.Contains(a.body, `"payload":{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"48213","price":1.10}`) || !strings.Contains(a.body, `"payload_base64":"bm8gSlNPTiD/"`) {
		t.Errorf("payloads: %s", a.body)
	}

	for format, comma := range map[string]rune{"csv": ',', "csv-semicolon": ';'} {
		a = v.post("/events/export", url.Values{"q": {"verdict:rejected customer:48213"}, "format": {format}})
		text, marked := strings.CutPrefix(a.body, "\ufeff")
		if marked != (comma == ';') {
			t.Errorf("%s: marked as UTF-8: %v", format, marked)
		}
		r := csv.NewReader(strings.NewReader(text))
		r.Comma = comma
		rows, err := r.ReadAll()
		must(t, err)
		if len(rows) != 2 || rows[0][0] != "id" || rows[1][0] != last.ID.String() || rows[1][3] != "rejected" || rows[1][10] != "48213" {
			t.Errorf("%s: %q", format, rows)
		}
	}
	if a := v.post("/events/export", url.Values{"q": {"customer:none"}, "format": {"csv"}}); strings.Count(a.body, "\n") != 1 {
		t.Errorf("without events: %q", a.body)
	}

	entries, err := s.db.ListAudit(t.Context(), "events", 20)
	must(t, err)
	end, begin := entries[len(entries)-2], entries[len(entries)-1]
	if begin.Action != "event.export" || begin.Actor != "anna" || begin.Detail["filter"] != "type:order.creation" || begin.Detail["format"] != "jsonl" {
		t.Errorf("the first entry is %+v", begin)
	}
	if end.Action != "event.exported" || end.Detail["events"] != float64(many) || end.Detail["whole"] != true {
		t.Errorf("the second entry is %+v", end)
	}
}

func TestExportIsForThoseWhoMay(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.addUser(t, "ben", store.RoleViewer)
	s.record(t, `{}`)
	ben := s.as(t, "ben")
	if a := ben.post("/events/export", url.Values{"format": {"csv"}}); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer: %s", a.Status)
	}
	if len(ben.show("/events").all("#export")) != 0 {
		t.Error("a viewer is offered an export")
	}
	anna := s.as(t, "anna")
	for name, form := range map[string]url.Values{
		"no format": {"q": {""}}, "another format": {"format": {"xlsx"}}, "a mistake in the filter": {"format": {"csv"}, "q": {"verdict:good"}},
	} {
		if a := anna.post("/events/export", form); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	if got := anna.show("/events?q=verdict:verified").one(t, "#export [name=q]").attr("value"); got != "verdict:verified" {
		t.Errorf("the form exports %q", got)
	}
	if a := anna.post("/events/export", url.Values{"format": {"csv"}}, "Sec-Fetch-Site", "cross-site"); a.StatusCode != http.StatusForbidden {
		t.Errorf("from another site: %s", a.Status)
	}
}

// Nothing piles up: what was read goes out before more is read.
func TestExportHoldsOnePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const many = 4 * exportPage
	s.recordMany(t, many)
	e := &export{s: s.server, filter: filter.Filter{}}
	must(t, e.read(t.Context()))
	out := &lineCounter{}
	out.check = func() {
		if len(e.page.Events) > exportPage || e.count-out.lines > exportPage {
			t.Errorf("%d events read, %d of them written, %d held", e.count, out.lines, len(e.page.Events))
		}
	}
	buffered := bufio.NewWriterSize(out, 32<<10)
	must(t, e.write(t.Context(), newJSONLines(buffered)))
	must(t, buffered.Flush())
	if out.lines != many {
		t.Errorf("%d lines, want %d", out.lines, many)
	}
}

type lineCounter struct {
	lines int
	check func()
}

func (l *lineCounter) Write(b []byte) (int, error) {
	l.check()
	l.lines += bytes.Count(b, []byte("\n"))
	return len(b), nil
}

// An export ends with its reader, and the audit list says that it was not whole.
func TestExportEndsWithItsReader(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	long := strings.Repeat("x", 64<<10)
	var batch []*store.Event
	for range 400 { // more than the connection's buffers take in
		batch = append(batch, s.newEvent(`{"a":"`+long+`"}`))
	}
	for _, err := range s.db.RecordEvents(t.Context(), batch) {
		must(t, err)
	}
	v := s.as(t, "anna")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/events/export", strings.NewReader("format=jsonl&payloads=1"))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w, err := v.http.Do(r)
	must(t, err)
	_, err = io.ReadFull(w.Body, make([]byte, 1<<10))
	must(t, err)
	w.Body.Close()
	for {
		entries, err := s.db.ListAudit(t.Context(), "events", 1)
		must(t, err)
		if entries[0].Action == "event.exported" {
			if entries[0].Detail["whole"] != false || entries[0].Detail["events"].(float64) >= 400 {
				t.Errorf("the entry is %+v", entries[0])
			}
			return
		}
	}
}

func TestExportedCellsAreNoFormulas(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"": "", "48213": "48213", "a=b": "a=b", "=1+1": "'=1+1", "+49": "'+49", "-2": "'-2", "@SUM(A1)": "'@SUM(A1)", "  =1": "'  =1",
		"\t=1": "'\t=1", "\r=1": "'\r=1", "\ntext": "'\ntext", "＝1": "'＝1", "'=1": "'=1",
	} {
		if got := noFormula(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
	s := newSite(t)
	s.record(t, `{}`, func(e *store.Event) {
		e.Envelope = plenigo.Envelope{IsJSON: true, EntityType: `=HYPERLINK("https://evil.example","x")`, EntityID: "@x;\"y\"\r\n=z"}
	})
	a := s.as(t, "anna").post("/events/export", url.Values{"format": {"csv"}})
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	must(t, err)
	if len(rows) != 2 || rows[1][7] != `'=HYPERLINK("https://evil.example","x")` || !strings.HasPrefix(rows[1][9], "'@x;") {
		t.Errorf("rows %q", rows)
	}
}
