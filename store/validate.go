package store

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of settings.
const (
	MaxWindow       = 10 * 365 * 24 * time.Hour // of a tolerance and a late window
	MaxSourceName   = 200                       // characters
	MaxSecretName   = 100                       // characters
	MaxTypes        = 200                       // expected by one source
	nameFormInWords = "must be lower-case letters, digits and hyphens, up to 63 of them, with no hyphen at either end"
)

// nameForm is what a source's slug and a destination's name look like.
var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// checkLine checks a text that people read in one line.
func checkLine(what, text string, most int) error {
	switch {
	case strings.TrimSpace(text) == "":
		return fmt.Errorf("%s is empty", what)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return fmt.Errorf("%s must be one line of text in UTF-8", what)
	case utf8.RuneCountInString(text) > most:
		return fmt.Errorf("%s is longer than %d characters", what, most)
	}
	return nil
}

func checkWindow(what string, d time.Duration) error {
	if d%time.Second != 0 || d > MaxWindow {
		return fmt.Errorf("%s must be whole seconds and at most 10 years, not %s", what, d)
	}
	return nil
}
