package main

import (
	"os"
	"strings"
	"testing"
	"unicode"
)

// TestCommandsOfTheDocs: the commands that the pages about sending again show are commands of this program.
func TestCommandsOfTheDocs(t *testing.T) {
	for _, page := range []string{"replays.md", "destinations.md"} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for line := range strings.Lines(string(text)) {
			if line, is := strings.CutPrefix(line, "recall "); is {
				found++
				parse(t, &cli{}, words(line)...)
			}
		}
		if found < 3 {
			t.Errorf("%s shows %d commands", page, found)
		}
	}
}

// words splits a line as a shell does, up to a comment.
func words(line string) (list []string) {
	var word strings.Builder
	quote, within := rune(0), false
	for _, r := range line + "\n" {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, within = r, true
		case quote == 0 && unicode.IsSpace(r):
			if within {
				list = append(list, word.String())
			}
			word.Reset()
			within = false
		case r == '#' && !within:
			return list
		default:
			word.WriteRune(r)
			within = true
		}
	}
	return list
}
