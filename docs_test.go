package recall_test

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// pages are the documents, by their path from the top.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(text)
		}
	}
	return all
}

var (
	fenced = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	inCode = regexp.MustCompile("`([^`\n]+)`")
)

// anchors are the names that the headings of a page can be linked to by.
func anchors(text string) []string {
	var all []string
	for line := range strings.Lines(fenced.ReplaceAllString(text, "")) {
		if !strings.HasPrefix(line, "#") {
			continue
		}
		title := strings.TrimSpace(strings.TrimLeft(line, "#"))
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, title))
	}
	return all
}

// TestLinksLead: a link from one document to a file of the house, or to a heading, leads somewhere.
func TestLinksLead(t *testing.T) {
	all := pages(t)
	found, shown := 0, map[string]bool{}
	for name, text := range all {
		for _, to := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.Contains(to[1], "://") || strings.HasPrefix(to[1], "mailto:") {
				continue
			}
			found++
			file, anchor, _ := strings.Cut(to[1], "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			shown[target] = true
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", name, to[1])
			} else if anchor != "" && !slices.Contains(anchors(all[target]), anchor) {
				t.Errorf("%s links to %s, and %s has no such heading", name, to[1], target)
			}
		}
	}
	pictures, err := filepath.Glob("docs/img/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, picture := range pictures {
		if !shown[picture] {
			t.Errorf("%s is shown nowhere", picture)
		}
	}
	if found < 100 {
		t.Errorf("only %d links were found", found)
	}
}

// TestDocumentsAreListed: docs/README.md leads to every document.
func TestDocumentsAreListed(t *testing.T) {
	all := pages(t)
	for name := range all {
		if base := path.Base(name); path.Dir(name) == "docs" && base != "README.md" && !strings.Contains(all["docs/README.md"], "]("+base) {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}

// TestNamesInDocumentsExist: files, tests and settings that a document names as code are there.
func TestNamesInDocumentsExist(t *testing.T) {
	isTest, literal := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if !s.test() {
			continue
		}
		for _, declared := range s.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil {
				isTest[f.Name.Name] = true
			}
		}
		ast.Inspect(s.File, func(n ast.Node) bool {
			if l, is := n.(*ast.BasicLit); is && l.Kind == token.STRING {
				literal[strings.Trim(l.Value, "`\"")] = true // variables that only tests read
			}
			return true
		})
	}
	setting := settings(t)
	aTest := regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]\w*$`)
	aSetting := regexp.MustCompile(`\bRECALL_[A-Z_]+[A-Z]\b`)
	aFile := regexp.MustCompile(`^[\w.-]+(/[\w.*-]+)+/?$`)
	for name, text := range pages(t) {
		for _, code := range inCode.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			switch code := code[1]; {
			case aTest.MatchString(code):
				if !isTest[code] {
					t.Errorf("%s names %s, and there is no such test", name, code)
				}
			case aFile.MatchString(code) && ours(code):
				if found, _ := filepath.Glob(code); len(found) == 0 {
					t.Errorf("%s names %s, which is not there", name, code)
				}
			}
		}
		for _, variable := range aSetting.FindAllString(text, -1) {
			if _, is := setting[variable]; !is && !literal[variable] && !elsewhere[variable] && name != "CHANGELOG.md" {
				t.Errorf("%s names %s, and there is no such setting", name, variable)
			}
		}
	}
}

// elsewhere are names that look like settings and are none: the type of test callbacks, and what a receiver may call its secret.
var elsewhere = map[string]bool{"RECALL_TEST": true, "RECALL_SIGNING_SECRET": true}

// ours: a path belongs to the house if its first part is a room or folder of it that is not made by running something.
func ours(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	if slices.Contains([]string{".", "data", "bin", "dist", "screenshots"}, first) {
		return false
	}
	info, err := os.Stat(first)
	return err == nil && info.IsDir()
}
