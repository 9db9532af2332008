package recall_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestThreatsHaveGuards: docs/security.md names a test in each row of its tables. TestNamesInDocumentsExist looks whether it is there.
func TestThreatsHaveGuards(t *testing.T) {
	text, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| threat ") || strings.HasPrefix(line, "| --- ") {
			continue
		}
		rows++
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || !name.MatchString(cells[len(cells)-1]) {
			t.Errorf("no test guards: %s", line)
		}
	}
	if rows == 0 {
		t.Fatal("no threats found")
	}
}
