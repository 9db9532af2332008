package filter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestScalars(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"empty":              {"", nil},
		"no JSON":            {"a=1&b=\xff", []string{"|string|a=1&b=\uFFFD"}},
		"cut off":            {`{"a":1`, []string{`|string|{"a":1`}},
		"two documents":      {`{}{}`, []string{"|string|{}{}"}},
		"bare values":        {" 1.50 ", []string{"|number|1.50"}},
		"all kinds":          {`{"s":"x","n":-1E+2,"t":true,"f":false,"z":null,"o":{},"l":[]}`, []string{"s|string|x", "n|number|-1E+2", "t|bool|true", "f|bool|false", "z|null|null"}},
		"within one another": {`{"a":{"b":[{"c":1},[2,{"d":3}]]}}`, []string{"a.b[].c|number|1", "a.b[][]|number|2", "a.b[][].d|number|3"}},
		"a list at the top":  {`["x",{"y":1}]`, []string{"[]|string|x", "[].y|number|1"}},
		"odd names":          {`{"a b":{"":1,"c.d":2,"\"\\":3,"ü":4,"x[]":5}}`, []string{`"a b".""|number|1`, `"a b"."c.d"|number|2`, `"a b"."\"\\"|number|3`, `"a b".ü|number|4`, `"a b"."x[]"|number|5`}},
		"escapes":            {`{"\u0061":"\u00fc\n\ud83d\ude00\ud83d","b":"a\/b"}`, []string{"a|string|ü\n😀\uFFFD", "b|string|a/b"}},
		"not UTF-8":          {"{\"a\":\"\xff\"}", []string{"a|string|\uFFFD"}},
		"a name twice":       {`{"a":1,"a":2}`, []string{"a|number|1", "a|number|2"}},
		"long numbers":       {`[12345678901234567890123456789.000000000000001]`, []string{"[]|number|12345678901234567890123456789.000000000000001"}},
		"brackets in text":   {`{"a":"]}\",{[","b":[ ]}`, []string{`a|string|]}",{[`}},
	} {
		var got []string
		for s := range Scalars([]byte(c.body)) {
			got = append(got, fmt.Sprintf("%s|%s|%s", s.Path, s.Kind, s.Text))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestScalarsAreBounded(t *testing.T) {
	count := func(body string) (n int, last Scalar) {
		for last = range Scalars([]byte(body)) {
			n++
		}
		return n, last
	}
	if n, _ := count("[" + strings.Repeat("1,", MaxScalars+9) + "1]"); n != MaxScalars {
		t.Errorf("%d scalars", n)
	}
	if n, _ := count(strings.Repeat("[", MaxDepth) + "1" + strings.Repeat("]", MaxDepth)); n != 1 {
		t.Error("what is just deep enough is missing")
	}
	if n, last := count(`{"a":` + strings.Repeat("[", MaxDepth) + "1" + strings.Repeat("]", MaxDepth) + `,"b":2}`); n != 1 || last.Path != "b" {
		t.Errorf("too deep: %d, %+v", n, last)
	}
	if _, last := count(`"` + strings.Repeat("ü", MaxScalarText) + `"`); len(last.Text) != MaxScalarText || !utf8.ValidString(last.Text) {
		t.Errorf("a long text has %d bytes", len(last.Text))
	}
	if n, last := count(`{"` + strings.Repeat("a", MaxPath+1) + `":1}`); n != 1 || last.Path != "" || last.Text != "1" {
		t.Errorf("a long path: %+v", last)
	}
	for range Scalars([]byte("[1,2,3]")) {
		break
	}
}

func TestFoldedNumbers(t *testing.T) {
	for _, same := range [][]string{
		{"1", "1.0", "1e0", "10E-1", "0.01e+2"}, {"0", "-0", "0.000", "0e99"}, {"-12.5", "-1.25e1"}, {"1e30", "1000000000000000000000000000000"},
		{"1e999999999", "10e999999998"}, {"12345678901234567890.1", "1.23456789012345678901e19"}, {"0.001", "1e-3"},
	} {
		for _, text := range same {
			if got, want := (Scalar{Kind: KindNumber, Text: text}).Folded(), (Scalar{Kind: KindNumber, Text: same[0]}).Folded(); got != want {
				t.Errorf("%s is %s, and %s is %s", text, got, same[0], want)
			}
		}
	}
	ascending := []string{"-1e999999999", "-12", "-1.5", "-1.25", "-1e-9", "0", "1e-999999999", "0.1", "0.11", "1", "1.0000000000000000000001", "2", "10", "9007199254740993", "9007199254740994", "1e20"}
	for i, a := range ascending {
		for j, b := range ascending {
			x, okX := ParseNumber(a)
			y, okY := ParseNumber(b)
			if got := x.Compare(y); !okX || !okY || got != compareInts(i, j) {
				t.Errorf("%s against %s: %d", a, b, got)
			}
		}
	}
	for _, text := range []string{"", "-", "01", "+1", "1.", ".5", "1e", "1e9999999999", "0x1", "NaN", " 1", "1 ", "true", "1,2"} {
		if n, ok := ParseNumber(text); ok {
			t.Errorf("%q is taken for %s", text, n)
		}
	}
}

func compareInts(a, b int) int { return max(-1, min(1, a-b)) }

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"Anna Müller":                    "anna muller",
		"MU\u0308LLER":                   "muller",
		"anna@example.org":               "anna example org",
		"Große STRASSE 7a":               "grosse strasse 7a",
		"–  …!":                          "",
		"12.50":                          "12 50",
		"Łódź Ærø İstanbul ısı":          "lodz aero istanbul isi",
		"ΣΊΣΥΦΟΣ":                        "σισυφοσ",
		"ﬁn ２３ x²":                       "fin 23 x2",
		"हिन्दी":                         "हिनदी",
		"a_b-c":                          "a b c",
		"\x00\xff":                       "",
		strings.Repeat("a", 100):         strings.Repeat("a", MaxWord),
		strings.Repeat("ж", 40) + " end": strings.Repeat("ж", MaxWord/2) + " end",
	} {
		if got := strings.Join(Words(text), " "); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestPathKey(t *testing.T) {
	for _, same := range [][]string{
		{"entity.items[].productId", "entity.items.productId", "Entity.ITEMS[].productid"}, {"[].a", "a"}, {"a[][]", "a"}, {`a."b c"`, `A."B C"`}, {"straße", "STRASSE"},
	} {
		for _, path := range same {
			if PathKey(path) != PathKey(same[0]) {
				t.Errorf("%s is %s, and %s is %s", path, PathKey(path), same[0], PathKey(same[0]))
			}
		}
	}
	for _, other := range [][2]string{{"a.b", `"a.b"`}, {"a", `"a[]"`}, {`"a\"[]"`, `"a\""`}, {"a.b", "ab"}} {
		if PathKey(other[0]) == PathKey(other[1]) {
			t.Errorf("%s and %s are one", other[0], other[1])
		}
	}
}

// FuzzScalars compares what is found with what the standard library finds, on any bytes.
func FuzzScalars(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x",{"b":null}],"c d":true}`, `"\u00fc\ud800"`, "[[[]]]", `{"":{"":""}}`, "\xef\xbb\xbf{}", `[1e5,-0.0]`, "{\"a\xff\":\"\xff\"}", "nul", `{"a":1}x`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got []Scalar
		for s := range Scalars(body) {
			got = append(got, s)
			if !utf8.ValidString(s.Path) || !utf8.ValidString(s.Text) {
				t.Fatalf("%+v", s)
			}
			for _, w := range s.Words() {
				if w == "" || len(w) > MaxWord {
					t.Fatalf("word %q of %q", w, s.Text)
				}
			}
			s.Folded()
			if s.Path != "" {
				if path, problem := ParsePath(s.Path); path != s.Path {
					t.Fatalf("the path %q reads as %q: %s", s.Path, path, problem)
				}
			}
			if term := PayloadTerm(s.Path, s.Text); term != "" {
				if f, err := Parse(term, now); err != nil || !f.Match(Subject{Payload: NewPayload(body)}) {
					t.Fatalf("%s does not find %q: %v", term, body, err)
				}
			}
		}
		if want := decoded(body); json.Valid(body) && len(body) < MaxScalarText && len(want) != len(got) {
			t.Fatalf("%q: got %d, want %d", body, len(got), len(want))
		} else if json.Valid(body) && len(body) < MaxScalarText {
			for i := range want {
				if got[i].Text != want[i] {
					t.Fatalf("%q: got %+v, want %q", body, got[i], want[i])
				}
			}
		}
	})
}

// decoded are the texts of the scalars not too deep, as the standard library reads them.
func decoded(body []byte) []string {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var list []string
	var stack []byte
	name := false
	for {
		token, err := d.Token()
		if err != nil {
			return list
		}
		if delim, is := token.(json.Delim); is {
			if delim == '{' || delim == '[' {
				stack = append(stack, byte(delim))
				name = delim == '{'
				continue
			}
			stack = stack[:len(stack)-1]
		} else if name {
			name = false
			continue
		} else if len(stack) <= MaxDepth {
			if token == nil {
				token = "null"
			}
			list = append(list, fmt.Sprint(token))
		}
		name = len(stack) > 0 && stack[len(stack)-1] == '{'
	}
}
