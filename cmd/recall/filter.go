package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"recall/filter"
)

// filterHelp explains filters; negated shows how one that begins with a minus is written here.
func filterHelp(negated string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "A filter is key:value, or words to be found in the body; several with blanks between. A comma joins several values by \"or\", a leading - negates (%s), a value with blanks stands in double quotes. Keys:\n\n", negated)
	for _, k := range filter.Keys() {
		fmt.Fprintf(&b, "    %-10s %s, such as %s\n", k.Key, k.Words, k.Example)
	}
	return b.String()
}

// readFilter parses a filter. The error shows the text, and under it the place that is wrong.
func readFilter(flag, text string, now time.Time) (filter.Filter, error) {
	return reading(flag, text, now, filter.Parse)
}

// readRule parses a destination's matching rule likewise.
func readRule(flag, text string, now time.Time) (filter.Filter, error) {
	return reading(flag, text, now, filter.ParseRule)
}

func reading(flag, text string, now time.Time, parse func(string, time.Time) (filter.Filter, error)) (filter.Filter, error) {
	f, err := parse(text, now)
	var wrong *filter.Error
	if errors.As(err, &wrong) {
		return f, usagef("%s: %s\n%s", flag, wrong.Message, caret(text, wrong.Pos))
	}
	return f, err
}

// caret shows a place in a text of one line, with what is around it.
func caret(text string, pos int) string {
	const around = 50
	before, after := harmless(text[:min(pos, len(text))]), harmless(text[min(pos, len(text)):])
	if r := []rune(before); len(r) > around {
		before = "…" + string(r[len(r)-around:])
	}
	return "    " + before + cut(after, around) + "\n    " + strings.Repeat(" ", len([]rune(before))) + "^"
}
