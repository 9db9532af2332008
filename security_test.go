package recall_test

import (
	"go/ast"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestGuardsOfThreatsExist: docs/security.md names a test in each row of its tables, and each test it names is there.
func TestGuardsOfThreatsExist(t *testing.T) {
	is := map[string]bool{}
	for _, s := range sources(t) {
		if !s.test() {
			continue
		}
		for _, declared := range s.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil {
				is[f.Name.Name] = true
			}
		}
	}
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
	for _, named := range name.FindAllStringSubmatch(string(text), -1) {
		if !is[named[1]] {
			t.Errorf("docs/security.md names %s, and there is no such test", named[1])
		}
	}
}
