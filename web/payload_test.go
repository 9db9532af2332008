package web

import (
	"strings"
	"testing"
)

// laid joins a listing's lines to text.
func laid(l listing) string {
	var b strings.Builder
	for _, line := range l.Lines {
		for _, t := range line {
			b.WriteString(t.Text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestPrettyJSONKeepsTheText(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ body, want string }{
		"numbers stay exact": {
			`{"sortKey":12345678901234567890,"price":0.10,"e":1E+2}`,
			"{\n  \"sortKey\": 12345678901234567890,\n  \"price\": 0.10,\n  \"e\": 1E+2\n}\n",
		},
		"keys keep their order, also equal ones": {
			`{"b":1,"a":2,"b":3}`, "{\n  \"b\": 1,\n  \"a\": 2,\n  \"b\": 3\n}\n",
		},
		"escapes stay as sent": {`{"a":"Zo\u00eb \"x\" \\"}`, "{\n  \"a\": \"Zo\\u00eb \\\"x\\\" \\\\\"\n}\n"},
		"empty ones stay on a line": {
			`{"a":{},"b":[ ],"c":[{}]}`, "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    {}\n  ]\n}\n",
		},
		"blanks between do not matter": {" [ 1 ,\n2 ] ", "[\n  1,\n  2\n]\n"},
		"a bare value":                 {`"text"`, "\"text\"\n"},
		"words":                        {`[true,false,null]`, "[\n  true,\n  false,\n  null\n]\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, ok := prettyJSON([]byte(test.body))
			if got := laid(l); !ok || !l.Whole || got != test.want {
				t.Errorf("got %q, ok %v, whole %v; want %q", got, ok, l.Whole, test.want)
			}
		})
	}
}

func TestPrettyJSONClasses(t *testing.T) {
	t.Parallel()
	l, _ := prettyJSON([]byte(`{"k":["s",1,null]}`))
	var got []string
	for _, line := range l.Lines {
		for _, token := range line {
			if token.Class != "" && token.Class != "p" {
				got = append(got, token.Class+" "+token.Text)
			}
		}
	}
	if want := `k "k",s "s",n 1,w null`; strings.Join(got, ",") != want {
		t.Errorf("got %s, want %s", strings.Join(got, ","), want)
	}
}

// However deep or long a body is, the page stays small.
func TestListingsAreBounded(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	wide := "[" + strings.Repeat("1,", 500_000) + "1]"
	long := `{"a":"` + strings.Repeat("ü", 500_000) + `"}`
	for name, body := range map[string]string{"deep": deep, "wide": wide, "long": long} {
		l, ok := prettyJSON([]byte(body))
		if !ok || l.Whole {
			t.Errorf("%s: ok %v, whole %v", name, ok, l.Whole)
		}
		if n := len(laid(l)); n > 2*maxShown {
			t.Errorf("%s: %d bytes shown", name, n)
		}
		if len(l.Lines) > maxLines {
			t.Errorf("%s: %d lines", name, len(l.Lines))
		}
	}
	if _, ok := prettyJSON([]byte(strings.Repeat("[", 1<<20))); ok {
		t.Error("a mebibyte of [ counts as JSON")
	}
	for name, body := range map[string]string{"brackets": strings.Repeat("[", 1<<20), "lines": strings.Repeat("\n", 1<<20), "bytes": strings.Repeat("\xff", 1<<20)} {
		l := textLines([]byte(body))
		if l.Whole || len(l.Lines) > maxLines || len(laid(l)) > 2*maxShown {
			t.Errorf("%s: whole %v, %d lines, %d bytes", name, l.Whole, len(l.Lines), len(laid(l)))
		}
	}
	rows, whole := hexRows(make([]byte, 1<<20))
	if whole || len(rows) != maxHex/16 {
		t.Errorf("hex: whole %v, %d rows", whole, len(rows))
	}
}

func TestHexRows(t *testing.T) {
	t.Parallel()
	rows, whole := hexRows([]byte("{\"a\":\x00\xff}0123456789"))
	if !whole || len(rows) != 2 {
		t.Fatalf("rows %v, whole %v", rows, whole)
	}
	if want := (hexRow{"00000000", "7b 22 61 22 3a 00 ff 7d  30 31 32 33 34 35 36 37", `{"a":..}01234567`}); rows[0] != want {
		t.Errorf("got %+v, want %+v", rows[0], want)
	}
	if want := (hexRow{"00000010", "38 39", "89"}); rows[1] != want {
		t.Errorf("got %+v, want %+v", rows[1], want)
	}
}

func FuzzPrettyJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,"x\"",null]}`, "[", "\xff", ` "\u0000" `, `[[],{}]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		l, ok := prettyJSON(body)
		if !ok {
			textLines(body)
			return
		}
		if !l.Whole {
			return
		}
		// Nothing but blanks between tokens may differ.
		squeeze := func(s string) string {
			return strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(s)
		}
		if got, want := squeeze(laid(l)), squeeze(string(body)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
