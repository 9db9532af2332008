package filter_test

import (
	"bufio"
	"net/http"
	"net/netip"
	"net/textproto"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"recall/filter"
)

const docs = "../docs/filters.md"

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// example is the event of the documentation, read from it.
func example(t *testing.T, text string) filter.Subject {
	t.Helper()
	block := func(language string) string {
		found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("%s has no block of %s", docs, language)
		}
		return found[1]
	}
	body := block("json")
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(block("http") + "\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	return filter.Subject{
		ID: "0192b1f4-7a3c-7000-8000-000000000000", Source: "shop", Verdict: "verified", Signature: "valid",
		EntityType: "ORDER", CallbackType: "CREATION", Entity: "12841", Customers: []string{"48213", "48999"},
		Sender: netip.MustParseAddr("203.0.113.7"), ReceivedAt: now.Add(-time.Hour + 123*time.Millisecond),
		Header: http.Header(header), Payload: filter.NewPayload([]byte(body)), Size: int64(len(body)),
		Answered: 200, Version: header.Get("X-Plenigo-Api-Version"), Deliveries: []filter.Delivery{{Destination: "crm", State: "exhausted", Trigger: "automatic"}},
	}
}

// TestExamplesOfTheDocumentation runs every row of its tables: a filter and whether it finds the example, or the message.
func TestExamplesOfTheDocumentation(t *testing.T) {
	file, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	subject := example(t, text)
	rows := regexp.MustCompile("(?m)^\\| `(.+?)` \\| (.+?) \\|").FindAllStringSubmatch(text, -1)
	if len(rows) < 100 {
		t.Fatalf("%s has only %d examples", docs, len(rows))
	}
	seen := map[filter.Key]bool{}
	for _, row := range rows {
		f, err := filter.Parse(row[1], now)
		if row[2] != "yes" && row[2] != "no" {
			if err == nil || err.Error() != row[2] {
				t.Errorf("%s: says %v", row[1], err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", row[1], err)
			continue
		}
		if got := f.Match(subject); got != (row[2] == "yes") {
			t.Errorf("%s: %v, and it says %s", row[1], got, row[2])
		}
		if again, err := filter.Parse(f.String(), now.Add(time.Hour)); err != nil || again.Match(subject) != (row[2] == "yes") {
			t.Errorf("%s, written as %s, is another filter: %v", row[1], f, err)
		}
		if f.Text() != row[1] && !strings.Contains(row[1], "payload.entity.") && !strings.Contains(row[1], "text:") {
			t.Errorf("%s is written as %s", row[1], f.Text())
		}
		for _, term := range f.Terms {
			seen[term.Key] = true
		}
	}
	for _, k := range filter.Keys() {
		if !seen[k.Key] {
			t.Errorf("%s has no example of %s", docs, k.Key)
		}
		if _, err := filter.Parse(strings.TrimSuffix(k.Example, "-…"), now); err != nil && k.Key != filter.KeyID {
			t.Errorf("the example of %s: %v", k.Key, err)
		}
	}
}
