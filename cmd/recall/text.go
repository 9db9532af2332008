package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// harmless makes a text from outside fit for a terminal: bytes that are no UTF-8 become \xNN, control characters and
// characters that are invisible or turn the reading direction become U+NNNN.
func harmless(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02X`, text[i])
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, "U+%04X", r)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// harmlessLines is harmless for a text of several lines: line ends and tabs stay.
func harmlessLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		parts := strings.Split(strings.TrimSuffix(line, "\r"), "\t")
		for j, part := range parts {
			parts[j] = harmless(part)
		}
		lines[i] = strings.Join(parts, "\t")
	}
	return strings.Join(lines, "\n")
}

// jsonLine writes a value as one line of JSON. What has no visible form is escaped, so that a terminal is safe too.
func jsonLine(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range string(text) {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default: // such characters stand in strings only
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	_, err = fmt.Fprintln(w, b.String())
	return err
}

// writeTable lays rows out in columns. Cells must be harmless.
func writeTable(w io.Writer, rows [][]string) error { return writeColumns(w, rows, 2) }

// writeColumns is writeTable with so many blanks between columns.
func writeColumns(w io.Writer, rows [][]string, gap int) error {
	t := tabwriter.NewWriter(w, 0, 0, gap, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// minColumn is what fit leaves of a column at least, in characters.
const minColumn = 8

// fit shortens columns of rows until they fit into width, with so many blanks between them: first those wider than the
// width that is enough for them, then any, each time the widest. A column for which 0 is enough stays whole.
func fit(rows [][]string, width, gap int, enough ...int) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	excess := gap*(len(widths)-1) - width
	for _, n := range widths {
		excess += n
	}
	for ; excess > 0; excess-- {
		i := widest(widths, func(i int) bool { return enough[i] > 0 && widths[i] > max(enough[i], minColumn) })
		if i < 0 {
			i = widest(widths, func(i int) bool { return enough[i] > 0 && widths[i] > minColumn })
		}
		if i < 0 {
			break
		}
		widths[i]--
	}
	for _, row := range rows {
		for i := range row {
			row[i] = squeeze(row[i], widths[i])
		}
	}
}

// widest is the widest of the columns that may be chosen; -1: none may.
func widest(widths []int, may func(i int) bool) int {
	best := -1
	for i, n := range widths {
		if may(i) && (best < 0 || n > widths[best]) {
			best = i
		}
	}
	return best
}

// squeeze shortens a text to n characters in its middle: both ends of a type or an id say more.
func squeeze(text string, n int) string {
	r := []rune(text)
	if len(r) <= n {
		return text
	}
	head := n / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

// cut shortens a text to n characters, the last of which says so.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// or is the text, or a stand-in where it is empty.
func or(text, standIn string) string {
	if text == "" {
		return standIn
	}
	return text
}

// utc is a time as it is kept, to the millisecond.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") }
