package erasure

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"time"

	"recall/plenigo"
	"recall/store"
)

// ReportCounts is what a report holds.
type ReportCounts struct {
	Events   int  `json:"events"`
	Doubtful int  `json:"doubtful"`
	Complete bool `json:"complete"`
}

// reportEvent is one event of a report.
type reportEvent struct {
	ID         string              `json:"id"`
	ReceivedAt time.Time           `json:"received_at"`
	Type       string              `json:"type"`
	EntityID   string              `json:"entity_id,omitempty"`
	Verdict    string              `json:"verdict"`
	Doubt      string              `json:"doubtful,omitempty"` // why it may not be about this person
	Paths      []string            `json:"names_the_person_at,omitempty"`
	Header     map[string][]string `json:"header"`
	Body       json.RawMessage     `json:"body,omitempty"`
	BodyBytes  string              `json:"body_base64,omitempty"` // where it is no JSON
	Sent       []reportDelivery    `json:"sent_to"`
	Shown      string              `json:"-"` // the body, for people
}

type reportDelivery struct {
	Destination string          `json:"destination"`
	Cause       string          `json:"cause"`
	State       string          `json:"state"`
	Attempts    []reportAttempt `json:"attempts"`
}

type reportAttempt struct {
	At     time.Time `json:"at"`
	URL    string    `json:"url"`
	Status int       `json:"status,omitempty"`
	Answer string    `json:"answer,omitempty"` // as far as it was kept
	Error  string    `json:"error,omitempty"`
}

// WriteReport writes everything held about a customer, and where it was sent and when, as a zip with report.html for people and
// report.jsonl for programs. One event is in memory at a time, so a report may be of any length; it is begun with what there is when
// it is begun. Credentials are left out of headers. sources bound it to events that came to them; none: to any.
func (e *Eraser) WriteReport(ctx context.Context, w io.Writer, person string, sources []int64) (counts ReportCounts, err error) {
	z := zip.NewWriter(w)
	now := e.now().UTC()
	lines, err := z.CreateHeader(&zip.FileHeader{Name: "report.jsonl", Method: zip.Deflate, Modified: now})
	if err != nil {
		return counts, err
	}
	out := json.NewEncoder(lines)
	out.SetEscapeHTML(false)
	if err := out.Encode(map[string]any{"customer": person, "made_at": now, "by": "Recall", "what": "callbacks of plenigo that name this customer, each a line, and where they were sent"}); err != nil {
		return counts, err
	}
	if err := e.eachReported(ctx, person, sources, &counts, func(r *reportEvent) error { return out.Encode(r) }); err != nil {
		return counts, err
	}
	if err := out.Encode(map[string]any{"end": counts}); err != nil {
		return counts, err
	}
	page, err := z.CreateHeader(&zip.FileHeader{Name: "report.html", Method: zip.Deflate, Modified: now})
	if err != nil {
		return counts, err
	}
	if err := reportHead.Execute(page, map[string]any{"Person": person, "At": now.Format("2006-01-02 15:04 UTC")}); err != nil {
		return counts, err
	}
	counts = ReportCounts{}
	if err := e.eachReported(ctx, person, sources, &counts, func(r *reportEvent) error { return reportBody.Execute(page, r) }); err != nil {
		return counts, err
	}
	if err := reportFoot.Execute(page, counts); err != nil {
		return counts, err
	}
	return counts, z.Close()
}

// eachReported goes through the events of a person.
func (e *Eraser) eachReported(ctx context.Context, person string, sources []int64, counts *ReportCounts, do func(*reportEvent) error) error {
	complete, err := e.Find(ctx, person, sources, func(ev *store.Event, doubt string) error {
		deliveries, err := e.db.ListDeliveries(ctx, ev.ID)
		if err != nil {
			return err
		}
		counts.Events++
		if doubt != "" {
			counts.Doubtful++
		}
		return do(newReportEvent(ev, person, doubt, deliveries))
	})
	counts.Complete = complete
	return err
}

func newReportEvent(ev *store.Event, person, doubt string, deliveries []*store.Delivery) *reportEvent {
	r := &reportEvent{
		ID: ev.ID.String(), ReceivedAt: ev.ReceivedAt(), Type: ev.Envelope.EntityType, EntityID: ev.Envelope.EntityID,
		Verdict: string(ev.Verification.Verdict), Doubt: doubt, Header: map[string][]string{}, Sent: []reportDelivery{},
	}
	if ev.Envelope.CallbackType != "" {
		r.Type += "." + ev.Envelope.CallbackType
	}
	for _, l := range ev.Envelope.Customers {
		if l.CustomerID == person {
			r.Paths = append(r.Paths, l.Path)
		}
	}
	for name, values := range ev.Header {
		if plenigo.SensitiveHeader(http.CanonicalHeaderKey(name)) {
			values = []string{"(a credential, left out)"}
		}
		r.Header[name] = values
	}
	if json.Valid(ev.Body) {
		r.Body = ev.Body
		r.Shown = string(indented(ev.Body))
	} else {
		r.BodyBytes = base64.StdEncoding.EncodeToString(ev.Body)
		r.Shown = fmt.Sprintf("%q", ev.Body)
	}
	for _, d := range deliveries {
		sent := reportDelivery{Destination: d.Destination, Cause: string(d.Trigger), State: string(d.State), Attempts: []reportAttempt{}}
		for _, a := range d.History {
			sent.Attempts = append(sent.Attempts, reportAttempt{a.StartedAt, a.RequestURL, a.Status, string(a.ResponseBody), a.Error})
		}
		r.Sent = append(r.Sent, sent)
	}
	return r
}

// The page is for people who got it by mail: it needs nothing from elsewhere, and everything in it is escaped.
var (
	reportHead = template.Must(template.New("head").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>What is held about customer {{.Person}}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}h2{font-size:1.1rem;margin:2rem 0 .25rem;border-top:1px solid;padding-top:1rem}pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid;padding:.75rem;font-size:.85rem}dt{font-weight:600}dd{margin:0 0 .5rem}.doubt{font-style:italic}dd,dt,summary{overflow-wrap:anywhere}</style>
</head><body><h1>What is held about customer {{.Person}}</h1>
<p>Made on {{.At}} by Recall, which keeps the callbacks of plenigo, the subscription system. Each is shown as it came, and where it was passed on to. Newest first.</p>
`))
	reportBody = template.Must(template.New("event").Parse(`<h2>{{if .Type}}{{.Type}}{{else}}A callback{{end}}{{with .EntityID}} {{.}}{{end}}</h2>
<dl><dt>Received</dt><dd>{{.ReceivedAt.Format "2006-01-02 15:04:05 UTC"}}, {{.Verdict}}, as event {{.ID}}</dd>
{{with .Doubt}}<dt>Doubtful</dt><dd class="doubt">{{.}}</dd>{{end}}
{{if .Paths}}<dt>Names the customer at</dt><dd>{{range $i, $p := .Paths}}{{if $i}}, {{end}}{{$p}}{{end}}</dd>{{end}}
<dt>Passed on to</dt>{{range .Sent}}<dd>{{.Destination}} ({{.Cause}}, {{.State}}){{range .Attempts}}<br>{{.At.Format "2006-01-02 15:04:05 UTC"}}: {{.URL}}, {{if .Status}}answered {{.Status}}{{else}}{{.Error}}{{end}}{{end}}</dd>{{else}}<dd>nobody</dd>{{end}}</dl>
<pre>{{.Shown}}</pre>
{{if .Header}}<details><summary>Headers it came with</summary><dl>{{range $name, $values := .Header}}<dt>{{$name}}</dt>{{range $values}}<dd>{{.}}</dd>{{end}}{{end}}</dl></details>{{end}}
`))
	reportFoot = template.Must(template.New("foot").Parse(`<h2>End</h2><p>{{.Events}} events, of which {{.Doubtful}} are doubtful: they may be about somebody else.{{if not .Complete}} The customer id is so short that not every place could be looked at where it might stand as another number.{{end}}</p></body></html>
`))
)

// indented is a body with line breaks; numbers stay as they are.
func indented(body []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		return body
	}
	return b.Bytes()
}
