// Package recall_test holds the house rules that no compiler checks.
package recall_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "recall"
	root   = "cmd/recall" // the one room that sees every other
	drawn  = "docs/architecture.md"
)

// source is one Go file of the house.
type source struct {
	name string // "web/page.go"
	*ast.File
}

func (s source) room() string { return path.Dir(s.name) }
func (s source) test() bool   { return strings.HasSuffix(s.name, "_test.go") }

// sources reads every Go file.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if base := path.Base(name); name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || name == "data") {
				return fs.SkipDir
			}
			return nil
		case path.Ext(name) != ".go":
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		all = append(all, source{name, file})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestImportsRunAsDrawn: each room imports those that docs/architecture.md draws an arrow to, no more and no fewer.
func TestImportsRunAsDrawn(t *testing.T) {
	arrows := readArrows(t)
	found := map[string]map[string]bool{}
	for _, s := range sources(t) {
		if s.test() {
			continue // a test may use any room that the compiler lets it
		}
		room := s.room()
		if found[room] == nil {
			found[room] = map[string]bool{}
		}
		for _, spec := range s.Imports {
			if to, ours := strings.CutPrefix(unquote(t, spec.Path.Value), module+"/"); ours {
				found[room][to] = true
			}
		}
	}
	for _, room := range slices.Sorted(maps.Keys(found)) {
		to, is := arrows[room]
		if !is {
			t.Errorf("%s is a room, and %s does not draw it", room, drawn)
			continue
		}
		if room == root {
			continue
		}
		for _, other := range slices.Sorted(maps.Keys(found[room])) {
			if !slices.Contains(to, other) {
				t.Errorf("%s imports %s: %s draws no such arrow", room, other, drawn)
			}
		}
		for _, other := range to {
			if !found[room][other] {
				t.Errorf("%s draws an arrow from %s to %s, and there is no such import", drawn, room, other)
			}
		}
	}
	for room := range arrows {
		if found[room] == nil {
			t.Errorf("%s draws the room %s, and there is none", drawn, room)
		}
	}
}

// readArrows reads the drawing: the block whose lines are "room, room → room, room", "→ every room" and "→ nothing".
func readArrows(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(drawn)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```arrows\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatalf("%s has no block of arrows", drawn)
	}
	arrows := map[string][]string{}
	for line := range strings.Lines(string(block[1])) {
		from, to, is := strings.Cut(strings.TrimSpace(line), "→")
		if !is {
			t.Fatalf("%s: no arrow in %q", drawn, line)
		}
		for _, room := range rooms(from) {
			switch strings.TrimSpace(to) {
			case "every room":
				if room != root {
					t.Errorf("%s lets %s see every room: only %s may", drawn, room, root)
				}
				arrows[room] = nil
			case "nothing":
				arrows[room] = nil
			default:
				arrows[room] = rooms(to)
			}
		}
	}
	return arrows
}

func rooms(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// readsEnvironment names what may look at the environment without being a program, and why.
var readsEnvironment = map[string]string{
	"cluster/server.go Environ":           "PostgreSQL's programs get the environment, less what would point them elsewhere",
	"store/storetest/storetest.go Getenv": "tests are started without cmd",
}

// TestEnvironmentIsReadOnce: only a program reads it, once, so that each setting is found in one place.
func TestEnvironmentIsReadOnce(t *testing.T) {
	needed := maps.Clone(readsEnvironment)
	for _, s := range sources(t) {
		if s.test() || s.Name.Name == "main" {
			continue
		}
		ast.Inspect(s.File, func(n ast.Node) bool {
			what, is := n.(*ast.SelectorExpr)
			if !is {
				return true
			}
			of, is := what.X.(*ast.Ident)
			if !is || of.Name != "os" && of.Name != "syscall" {
				return true
			}
			switch what.Sel.Name {
			case "Getenv", "LookupEnv", "Environ", "ExpandEnv":
				use := s.name + " " + what.Sel.Name
				if readsEnvironment[use] == "" {
					t.Errorf("%s reads the environment with %s.%s: let %s read it and hand the value in", s.name, of.Name, what.Sel.Name, root)
				}
				delete(needed, use)
			}
			return true
		})
	}
	for use := range needed {
		t.Errorf("%q is excepted, and there is no such use", use)
	}
}

// TestNothingIsSkipped: what a test needs, `make test` installs, so a test that cannot run is a failure.
func TestNothingIsSkipped(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.File, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is {
				return true
			}
			what, is := call.Fun.(*ast.SelectorExpr)
			if !is {
				return true
			}
			switch what.Sel.Name {
			case "Skip", "Skipf", "SkipNow":
				if of, is := what.X.(*ast.Ident); is && (of.Name == "t" || of.Name == "b" || of.Name == "f" || of.Name == "tb") {
					t.Errorf("%s skips a test", s.name)
				}
			}
			return true
		})
	}
}

// settings are all that there are, by variable, with their defaults.
func settings(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, s := range sources(t) {
		if s.room() != root || s.test() {
			continue
		}
		ast.Inspect(s.File, func(n ast.Node) bool {
			if field, is := n.(*ast.Field); is && field.Tag != nil {
				tag := reflect.StructTag(unquote(t, field.Tag.Value))
				if name, is := tag.Lookup("env"); is {
					all[name] = tag.Get("default")
				}
			}
			return true
		})
	}
	if len(all) == 0 {
		t.Fatal("no settings found in " + root)
	}
	return all
}

// TestSettingsOfREADME: what README's short table says of a setting is so; docs/settings.md has them all.
func TestSettingsOfREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	all := settings(t)
	rows := regexp.MustCompile("(?m)^\\| `(RECALL_[A-Z_]+)` \\| (?:`([^`]*)`)? ?\\|").FindAllStringSubmatch(string(text), -1)
	if len(rows) == 0 {
		t.Fatal("README has no table of settings")
	}
	for _, row := range rows {
		if want, is := all[row[1]]; !is || row[2] != want {
			t.Errorf("README says of %s the default %q, want %q (%t)", row[1], row[2], want, is)
		}
	}
}

func unquote(t *testing.T, literal string) string {
	t.Helper()
	text, err := strconv.Unquote(literal)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
