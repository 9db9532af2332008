package web

import (
	"strings"
	"testing"
)

// textOfLines joins a listing's lines.
func textOfLines(l listing) string {
	var b strings.Builder
	for _, line := range l.Lines {
		for _, t := range line {
			b.WriteString(t.Text)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// However deep or long a body is, the page stays small.
func TestListingsAreBounded(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"brackets": strings.Repeat("[", 1<<20), "lines": strings.Repeat("\n", 1<<20), "bytes": strings.Repeat("\xff", 1<<20)} {
		l := textLines([]byte(body))
		if l.Whole || len(l.Lines) > maxLines || len(textOfLines(l)) > 2*maxShown {
			t.Errorf("%s: whole %v, %d lines, %d bytes", name, l.Whole, len(l.Lines), len(textOfLines(l)))
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
