package alert

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"recall/store"
)

const (
	mostTold  = 20 // alerts of one part of a message; of the rest the number is told
	mostTitle = 120
	timeForm  = "2006-01-02 15:04 UTC"
)

// words says things as the people of one installation find them.
type words struct {
	adminURL string // "": links are left out
	instance string
}

// Title is an alert in a few words.
func Title(a *store.Alert) string {
	title := AboutOf(a.Kind).Title
	if strings.Contains(title, "%s") {
		title = fmt.Sprintf(title, a.Subject)
	}
	if a.Instance != "" {
		title += " on " + a.Instance
	}
	return title
}

// Told is one alert as programs are told of it.
type Told struct {
	ID       int64     `json:"id,omitempty"` // 0: it is not in the database yet
	State    string    `json:"state"`        // new, lasting, over
	Kind     string    `json:"kind"`
	Subject  string    `json:"subject"`
	Instance string    `json:"instance,omitempty"`
	Level    int       `json:"level"`
	Title    string    `json:"title"`
	Words    string    `json:"words"`
	Opened   time.Time `json:"opened_at"`
	Resolved time.Time `json:"resolved_at,omitzero"`
	URL      string    `json:"url,omitempty"` // of the page where it is looked into
	Runbook  string    `json:"runbook"`
}

// Digest is a message as programs are told.
type Digest struct {
	Event  string    `json:"event"` // digest, or test
	At     time.Time `json:"at"`
	By     string    `json:"by"`            // the instance
	URL    string    `json:"url,omitempty"` // of the page of alerts
	Alerts []Told    `json:"alerts"`
}

func (w words) url(path string) string {
	if w.adminURL == "" || path == "" {
		return ""
	}
	return strings.TrimRight(w.adminURL, "/") + path
}

// Runbook is the section that says what to do about a kind.
func Runbook(kind string) string { return "docs/runbook.md#" + AboutOf(kind).Runbook }

// digest is one message; nil: there is nothing to say.
func (w words) digest(alerts []*store.Alert, now time.Time) *store.AlertMessage {
	if len(alerts) == 0 {
		return nil
	}
	d := Digest{Event: "digest", At: now.UTC(), By: w.instance, URL: w.url("/alerts"), Alerts: []Told{}}
	parts := map[string][]Told{}
	for _, a := range alerts {
		t := Told{
			ID: a.ID, State: "new", Kind: a.Kind, Subject: a.Subject, Instance: a.Instance, Level: a.Level, Title: Title(a), Words: a.Words,
			Opened: a.OpenedAt.UTC(), Resolved: a.ResolvedAt, URL: w.url(a.Page), Runbook: Runbook(a.Kind),
		}
		switch {
		case !a.Open():
			t.State = "over"
		case a.Told > 0:
			t.State = "lasting"
		}
		parts[t.State] = append(parts[t.State], t)
	}
	var b strings.Builder
	for _, part := range []struct{ state, head string }{{"new", "New"}, {"lasting", "Still so"}, {"over", "Over"}} {
		list := parts[part.state]
		d.Alerts = append(d.Alerts, list...)
		if len(list) == 0 {
			continue
		}
		b.WriteString(part.head + "\n")
		for _, t := range list[:min(mostTold, len(list))] {
			b.WriteString("\n" + t.Title + "\n" + t.Words + "\n")
			if t.State == "over" {
				fmt.Fprintf(&b, "From %s to %s.\n", t.Opened.Format(timeForm), t.Resolved.UTC().Format(timeForm))
				continue
			}
			fmt.Fprintf(&b, "Since %s.", t.Opened.Format(timeForm))
			if t.URL != "" {
				b.WriteString(" " + t.URL)
			}
			b.WriteString("\nWhat to do: " + t.Runbook + "\n")
		}
		if more := len(list) - mostTold; more > 0 {
			fmt.Fprintf(&b, "\nand %d more\n", more)
		}
		b.WriteString("\n")
	}
	if d.URL != "" {
		b.WriteString("All alerts: " + d.URL + "\nAcknowledge one there, and it is not repeated.\n")
	}
	data, err := json.Marshal(d)
	if err != nil {
		panic(err) // it holds texts, numbers and times
	}
	return &store.AlertMessage{MadeAt: now, Title: headline(parts), Body: b.String(), Data: data}
}

// headline says the most important first, and the number of the rest.
func headline(parts map[string][]Told) string {
	all := len(parts["new"]) + len(parts["lasting"]) + len(parts["over"])
	var text string
	switch {
	case len(parts["new"]) > 0:
		text = parts["new"][0].Title
	case len(parts["lasting"]) > 0:
		text = "Still: " + parts["lasting"][0].Title
	default:
		text = "Over: " + parts["over"][0].Title
	}
	if r := []rune(text); len(r) > mostTitle {
		text = string(r[:mostTitle-1]) + "…"
	}
	if all > 1 {
		text += fmt.Sprintf(" (and %d more)", all-1)
	}
	return text
}

// test is a message that says only that it arrived.
func (w words) test(channel string, now time.Time) *store.AlertMessage {
	d := Digest{Event: "test", At: now.UTC(), By: w.instance, URL: w.url("/alerts"), Alerts: []Told{}}
	data, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	body := "This is a test of the channel " + channel + ". Alerts of Recall will arrive here.\n"
	if d.URL != "" {
		body += "\nAll alerts: " + d.URL + "\n"
	}
	return &store.AlertMessage{MadeAt: now, Title: "Test of the channel " + channel, Body: body, Data: data}
}
