package erasure_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"recall/store"
)

// reportLine is a line of a report for programs.
type reportLine struct {
	ID       string
	Type     string
	Verdict  string
	Doubtful string
	Paths    []string `json:"names_the_person_at"`
	Header   map[string][]string
	Body     json.RawMessage
	Base64   string `json:"body_base64"`
	Sent     []struct {
		Destination, State string
		Attempts           []struct {
			URL, Answer string
			Status      int
		}
	} `json:"sent_to"`
	End *struct {
		Events, Doubtful int
		Complete         bool
	}
}

func (h *house) report(person string, sources ...int64) (lines []reportLine, page string) {
	h.Helper()
	var file bytes.Buffer
	counts, err := h.eraser.WriteReport(h.Context(), &file, person, sources)
	must(h, err)
	z, err := zip.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
	must(h, err)
	for _, f := range z.File {
		r, err := f.Open()
		must(h, err)
		text, err := io.ReadAll(r)
		must(h, err)
		if strings.HasSuffix(f.Name, ".html") {
			page = string(text)
			continue
		}
		for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
			var line reportLine
			must(h, json.Unmarshal(s.Bytes(), &line))
			lines = append(lines, line)
		}
	}
	if end := lines[len(lines)-1].End; end == nil || end.Events != counts.Events || end.Events != len(lines)-2 {
		h.Errorf("the report does not say how much it holds: %+v, %+v", end, counts)
	}
	return lines[1 : len(lines)-1], page
}

// A report holds every event that names the person, whatever its verdict, what it said and where it went; doubtful ones marked, and
// nothing of anybody else.
func TestReportHoldsEverything(t *testing.T) {
	h := newHouse(t)
	news := &store.Source{Slug: "news", Name: "News", Enabled: true, Tolerance: time.Minute}
	must(t, h.db.CreateSource(t.Context(), news))
	const me = "9001"
	own := h.event(strings.Replace(customerOf(me), `"email"`, `"lastName":"<img src=x onerror=alert(1)>","big":123456789012345678901234567890,"email"`, 1))
	own.Header.Set("Authorization", "Basic c2VjcmV0")
	forged := h.event(strings.Replace(customerOf(me), "CREATION", "CHANGE", 1), rejected)
	gift := h.event(orderOf("9555", me))
	elsewhere := h.event(strings.Replace(customerOf(me), "CREATION", "CHANGE2", 1), func(e *store.Event) { e.SourceID = news.ID })
	noJSON := h.event("customerId=" + me + "\x00\xff")
	h.record(own, forged, gift, elsewhere, noJSON, h.event(customerOf("9002")), h.event(orderOf("9003", "9003")))
	h.deliver(own, store.DeliverySucceeded)

	lines, page := h.report(me)
	by := map[string]reportLine{}
	for _, l := range lines {
		by[l.ID] = l
	}
	if len(by) < 4 || strings.Contains(page, "9002") || strings.Contains(page, "9003") {
		t.Errorf("%d events: %+v", len(by), lines)
	}
	l := by[own.ID.String()]
	if string(l.Body) != string(own.Body) || l.Type != "CUSTOMER.CREATION" || l.Verdict != "verified" || l.Doubtful != "" || len(l.Paths) == 0 {
		t.Errorf("their own: %+v", l)
	}
	if got := l.Header["Authorization"]; len(got) != 1 || strings.Contains(got[0], "c2VjcmV0") {
		t.Errorf("a credential: %v", got)
	}
	if len(l.Sent) != 1 || l.Sent[0].Destination != "crm" || l.Sent[0].State != "succeeded" || len(l.Sent[0].Attempts) != 1 || l.Sent[0].Attempts[0].Status != 200 ||
		!strings.Contains(l.Sent[0].Attempts[0].URL, "crm.example.org") || !strings.Contains(l.Sent[0].Attempts[0].Answer, "thanks") {
		t.Errorf("where it went: %+v", l.Sent)
	}
	if l := by[forged.ID.String()]; l.Verdict != "rejected" {
		t.Errorf("a rejected one: %+v", l)
	}
	if l := by[gift.ID.String()]; !strings.Contains(l.Doubtful, "gift") {
		t.Errorf("the gift is not marked: %+v", l)
	}
	for _, want := range []string{own.ID.String(), "123456789012345678901234567890", "&lt;img src=x", "crm.example.org", "Doubtful", "a credential, left out"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if strings.Contains(page, "<img") || strings.Contains(page, "<script") || strings.Contains(page, "http-equiv") {
		t.Error("the page holds markup of a body")
	}
	if lines, _ := h.report(me, news.ID); len(lines) != 1 || lines[0].ID != elsewhere.ID.String() {
		t.Errorf("of one source: %+v", lines)
	}
	if lines, page := h.report("9999"); len(lines) != 0 || !strings.Contains(page, "0 events") {
		t.Errorf("of nobody: %+v", lines)
	}
}
