package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestHarmless(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Zoë Çelik 東京 🙂": "Zoë Çelik 東京 🙂", "a\x1b[2J": "aU+001B[2J", "\x00\x7f": "U+0000U+007F", "\xff": `\xFF`, "\u009b": "U+009B",
		"\u202e\u200b": "U+202EU+200B", "a\nb\tc": "aU+000AbU+0009c", "\ufffd": "\ufffd",
	} {
		if got := harmless(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := harmlessLines("a\r\nb\tc\rd\x1b"); got != "a\nb\tcU+000DdU+001B" {
		t.Errorf("%q", got)
	}
}

func TestJSONLineIsHarmlessAndExact(t *testing.T) {
	t.Parallel()
	text := "<ä> \x1b \u007f \u009b \u202e \U000e0041 🙂 \"\\"
	var b bytes.Buffer
	if err := jsonLine(&b, text); err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back != text {
		t.Errorf("%s: %q, %v", b.String(), back, err)
	}
	harmlessOnly(t, b.String())
}

func TestFit(t *testing.T) {
	t.Parallel()
	wide := func() [][]string {
		return [][]string{{"A", "B", "C"}, {strings.Repeat("a", 40), strings.Repeat("ä", 30), strings.Repeat("c", 20)}}
	}
	for name, test := range map[string]struct {
		width  int
		enough []int
		want   []int
	}{
		"fits":         {94, []int{8, 8, 8}, []int{40, 30, 20}},
		"widest first": {84, []int{8, 8, 8}, []int{30, 30, 20}},
		"both":         {74, []int{8, 8, 8}, []int{25, 25, 20}},
		"enough":       {74, []int{40, 30, 8}, []int{32, 30, 8}},
		"kept whole":   {70, []int{0, 8, 8}, []int{40, 13, 13}},
		"too narrow":   {10, []int{0, 1, 1}, []int{40, 8, 8}},
	} {
		rows := wide()
		fit(rows, test.width, 2, test.enough...)
		for i, cell := range rows[1] {
			if n := utf8.RuneCountInString(cell); n != test.want[i] {
				t.Errorf("%s: column %d has %d, want %d", name, i, n, test.want[i])
			}
		}
		if rows[0][0] != "A" {
			t.Errorf("%s: head %q", name, rows[0])
		}
	}
}

func TestSqueeze(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{31: "app_store_subscription.creation", 21: "app_store_…n.creation", 8: "app_…ion"} {
		if got := squeeze("app_store_subscription.creation", n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestLayOut(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"b":1.0,"a":[18446744073709551616,-0.10e+5],"c":"\u0026\/"}`: "{\n  \"b\": 1.0,\n  \"a\": [\n    18446744073709551616,\n    -0.10e+5\n  ],\n  \"c\": \"\\u0026\\/\"\n}",
		"{}":                    "{}",
		"{} {}":                 "{} {}",
		"not":                   "not",
		strings.Repeat("[", 33): strings.Repeat("[", 33),
		`["[[[[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["]`: "[\n  \"[[[[\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"\n]",
	} {
		if got := layOut([]byte(body)); got != want {
			t.Errorf("%s:\n%s", body, got)
		}
	}
	deep := strings.Repeat("[", 33) + strings.Repeat("]", 33)
	if layOut([]byte(deep)) != deep {
		t.Error("deep JSON was laid out")
	}
}

func FuzzLayOut(f *testing.F) {
	f.Add([]byte(`{"a":["b\"]",1e5]}`))
	f.Add([]byte("\x1b[2J\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		laidOut := layOut(body)
		var before, after bytes.Buffer
		if json.Compact(&before, body) == nil && (json.Compact(&after, []byte(laidOut)) != nil || before.String() != after.String()) {
			t.Errorf("%q became %q", body, laidOut)
		}
		harmlessOnly(t, strings.ReplaceAll(harmlessLines(laidOut), "\ufffd", "")) // a replacement character that was sent is no fault
	})
}

func FuzzCaret(f *testing.F) {
	f.Add("source:shop tpye:x", 12)
	f.Fuzz(func(t *testing.T, text string, pos int) {
		if pos < 0 {
			return
		}
		shown := caret(text, pos)
		if lines := strings.Split(shown, "\n"); len(lines) != 2 || utf8.RuneCountInString(lines[0]) > 120 {
			t.Errorf("%q", shown)
		}
	})
}
