package diff

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// identity is as plenigo's bodies need it.
var identity = []string{"subscriptionItemId", "position"}

// TestGolden compares the two documents of each file in testdata with its list of changes. A second list says what comes
// on top when what is not set is told apart.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split(string(text), "-----\n")
			if len(parts) != 4 && len(parts) != 2 {
				t.Fatalf("%s has %d parts", file, len(parts))
			}
			older, newer := []byte(parts[0]), []byte(parts[1])
			folded := written(Compare(older, newer, Options{Fold: true, Identity: identity}))
			apart := written(Compare(older, newer, Options{Identity: identity}))
			if *update {
				text := strings.Join([]string{parts[0], parts[1], folded, apart}, "-----\n")
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if parts[2] != folded {
				t.Errorf("got\n%swant\n%s", folded, parts[2])
			}
			if parts[3] != apart {
				t.Errorf("with empty values told apart, got\n%swant\n%s", apart, parts[3])
			}
		})
	}
}

// written is a comparison as the golden files have it.
func written(r *Result) string {
	var b strings.Builder
	list, _ := r.Changes(1000)
	for _, c := range list {
		fmt.Fprintf(&b, "%s %s", c.Kind, c.Path)
		if c.Kind == Changed || c.Kind == Removed {
			fmt.Fprintf(&b, " %s", c.Old.Raw)
		}
		if c.Kind == Changed || c.Kind == Added {
			fmt.Fprintf(&b, " → %s", c.New.Raw)
		}
		b.WriteString("\n")
	}
	if r.Folded > 0 {
		fmt.Fprintf(&b, "%d folded\n", r.Folded)
	}
	if r.Equal() {
		b.WriteString("equal\n")
	}
	return b.String()
}

func TestNumbersAreExact(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"0", "-0", "0.0", "0e9", "-0.000E-7", "0e99999999999999999999"},
		{"1", "1.0", "1e0", "10e-1", "0.1e1", "1E+0", "0.001e3", "100e-02"},
		{"12345678901234567890", "12345678901234567890.0", "1.2345678901234567890e19", "123456789012345678900e-1"},
		{"-1.5", "-15e-1", "-1.50"},
		{"1e99999999999999999999", "1.0e99999999999999999999", "1E+0099999999999999999999"},
	} {
		for _, other := range same {
			if !Compare([]byte(same[0]), []byte(other), Options{}).Equal() {
				t.Errorf("%s and %s differ: %s, %s", same[0], other, canonical([]byte(same[0])), canonical([]byte(other)))
			}
		}
	}
	for _, pair := range [][2]string{
		{"12345678901234567890", "12345678901234567891"}, {"9007199254740993", "9007199254740992"}, {"1", "-1"}, {"0.1", "0.10000000000000001"},
		{"1e400", "1e401"}, {"1e99999999999999999999", "1e-99999999999999999999"}, {"1", `"1"`}, {"12", "1e2"}, {"100", "10"}, {"1e-5", "1e5"},
	} {
		if Compare([]byte(pair[0]), []byte(pair[1]), Options{Fold: true}).Equal() {
			t.Errorf("%s and %s are equal", pair[0], pair[1])
		}
	}
}

func TestTextsAreExact(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{`"\u00e9\u0026\/\ud83d\ude00\n"`, "\"é&/😀\\u000a\""}, {`"\ud800"`, `"\uD800"`}} {
		if !Compare([]byte(pair[0]), []byte(pair[1]), Options{}).Equal() {
			t.Errorf("%s and %s differ", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]string{{`"\ud800"`, `"\ud801"`}, {"\"\xff\"", "\"\xfe\""}, {`"\ufffd"`, "\"\xff\""}, {`"é"`, `"e\u0301"`}, {`"a"`, `"a "`}} {
		if Compare([]byte(pair[0]), []byte(pair[1]), Options{}).Equal() {
			t.Errorf("%q and %q are equal", pair[0], pair[1])
		}
	}
}

// A hostile body costs what its size is worth, and what is not taken apart is still compared.
func TestBounds(t *testing.T) {
	t.Parallel()
	deep := func(inner string) string { return strings.Repeat(`{"a":[`, 2000) + inner + strings.Repeat("]}", 2000) }
	wide := func(last string) string { return "[" + strings.Repeat("[0],", 200_000) + last + "]" }
	pretty := strings.ReplaceAll(deep("1"), ":", ": ")
	for name, test := range map[string]struct {
		older, newer string
		equal        bool
	}{
		"deep, equal":         {deep("1"), pretty, true},
		"deep":                {deep("1"), deep("2"), false},
		"wide, equal":         {wide("[1]"), wide("[1]"), true},
		"wide":                {wide("[1]"), wide("[2]"), false},
		"no common beginning": {"[1," + wide("[1]")[1:], "[2," + wide("[2]")[1:], false},
		"names":               {`{"a":1` + strings.Repeat(`,"a":1`, 100_000) + "}", `{"a":2` + strings.Repeat(`,"a":1`, 100_001) + "}", false},
		"lines":               {strings.Repeat("\n", 1<<20), strings.Repeat("x\n", 1<<19), false},
		"a long number":       {"1" + strings.Repeat("0", 1<<20), "1" + strings.Repeat("0", 1<<20) + ".0", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := Compare([]byte(test.older), []byte(test.newer), Options{Fold: true, Identity: identity})
			if r.Equal() != test.equal {
				t.Errorf("equal %v", r.Equal())
			}
			if list, count := r.Changes(10); len(list) > 10 || !test.equal && count == 0 {
				t.Errorf("%d changes, %d listed", count, len(list))
			}
		})
	}
	if r := Compare([]byte(deep("1")), []byte(deep("2")), Options{}); !r.Coarse {
		t.Error("a deep body counts as compared throughout")
	}
}

// reversed is a comparison seen from the other side.
func reversed(n Node) Node {
	switch n.Kind {
	case Added:
		n.Kind = Removed
	case Removed:
		n.Kind = Added
	}
	n.Old, n.New = n.New, n.Old
	n.Step.Old, n.Step.New = n.Step.New, n.Step.Old
	children := make([]Node, len(n.Children))
	for i, child := range n.Children {
		children[i] = reversed(child)
	}
	n.Children = children
	return n
}

// sorted is what a comparison says, without the order in which it says it.
func sorted(r *Result) []string {
	lines := strings.Split(written(r), "\n")
	slices.Sort(lines)
	return lines
}

func FuzzCompare(f *testing.F) {
	for _, pair := range [][2]string{
		{`{"a":1,"b":[1,2,3]}`, `{"b":[2,3,4],"a":1.0}`}, {`{"a":null,"c":{"d":""}}`, `{"a":0}`}, {`[[1],[2],{"id":1}]`, `[[2],{"id":1,"x":2},[1]]`},
		{`[{"id":1},{"id":2}]`, `[{"id":2},{"id":1}]`}, {`{"a":1,"a":2}`, `{"a":2}`}, {"x\ny", "y\nx\xff"}, {`[1,2]`, `{`}, {`"\ud800\u0041"`, `1e-9`},
		{`[{"aId":1,"bId":2}]`, `[{"aId":2,"bId":2},{"aId":1}]`}, {`[null,0,""]`, `[0]`}, {`[{"position":1},{"position":0}]`, `[{"position":"1"},{}]`},
	} {
		f.Add([]byte(pair[0]), []byte(pair[1]), true)
	}
	f.Fuzz(func(t *testing.T, a, b []byte, fold bool) {
		o := Options{Fold: fold, Identity: identity}
		for _, body := range [][]byte{a, b} {
			r := Compare(body, body, o)
			if list, count := r.Changes(1); count > 0 || r.Folded > 0 || !r.Equal() || r.Root.Kind != Same {
				t.Fatalf("%q differs from itself: %v", body, list)
			}
		}
		there, back := Compare(a, b, o), Compare(b, a, o)
		back.Root = reversed(back.Root)
		if x, y := sorted(there), sorted(back); !slices.Equal(x, y) {
			t.Fatalf("%q and %q: there %q, back %q", a, b, x, y)
		}
		if _, count := there.Changes(0); (count == 0) != there.Equal() {
			t.Fatalf("%q and %q: equal %v, and %d changes", a, b, there.Equal(), count)
		}
		if fold && there.Equal() != (there.Folded > 0 || Compare(a, b, Options{Identity: identity}).Equal()) && there.Folded == 0 {
			t.Fatalf("%q and %q: folding nothing changes whether they are equal", a, b)
		}
	})
}
