package alert

import (
	"os"
	"strings"
	"testing"
)

// Each kind has its section in the runbook, and a row in docs/alerts.md.
func TestRunbookHasEachKind(t *testing.T) {
	text, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if title, is := strings.CutPrefix(strings.TrimSpace(line), "## "); is {
			sections[strings.ReplaceAll(strings.ToLower(title), " ", "-")] = true
		}
	}
	for _, a := range Kinds {
		if !sections[a.Runbook] {
			t.Errorf("docs/runbook.md has no section %s, for %s", a.Runbook, a.Kind)
		}
		if a.Words == "" || a.Title == "" {
			t.Errorf("%s has no words", a.Kind)
		}
	}
	text, err = os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(text), "\nEach names")
	if rows := strings.Count(table, "\n| ") - 2; rows != len(Kinds) {
		t.Errorf("docs/alerts.md has %d rows for %d kinds", rows, len(Kinds))
	}
}
