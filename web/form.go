package web

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// field is an input of a form that may have to be filled in again.
type field struct {
	Name  string // also its id
	Label string
	Hint  string
	Error string // what is wrong with it, as a sentence
	Value string // never anything secret
	Kept  string // a secret that was typed already, sealed; it stands until another is typed
	Focus bool   // where to go on
	Type  string // of the input; "": text
	Max   int    // characters; 0: no limit
	Wants bool   // must be filled in
	Code  bool   // in a fixed-width font
}

// describedBy names what explains the field.
func (f field) describedBy() string {
	var ids []string
	if f.Error != "" {
		ids = append(ids, f.Name+"-error")
	}
	if f.Hint != "" || f.Kept != "" {
		ids = append(ids, f.Name+"-hint")
	}
	return strings.Join(ids, " ")
}

// problems are the mistakes in a form by the name of the field. The first one said of a field counts.
type problems map[string]string

func (p problems) add(name string, err error) {
	if _, there := p[name]; !there && err != nil {
		p[name] = sentence(err.Error())
	}
}

// mark writes the mistakes to their fields, sends the eye to the first of them, and lists them with the way there.
func (p problems) mark(fields ...*field) []link {
	var mistakes []link
	for _, f := range fields {
		message, there := p[f.Name]
		if !there {
			continue
		}
		f.Error, f.Focus = message, len(mistakes) == 0
		mistakes = append(mistakes, link{f.Label + ": " + message, "#" + f.Name})
	}
	return mistakes
}

// sentence makes a sentence of an error's text.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// typed returns a secret that was typed into a form, now or before the form was shown again.
func (s *server) typed(r *http.Request, name string) string {
	if text := r.PostForm.Get(name); text != "" {
		return text
	}
	box, err := base64.RawURLEncoding.DecodeString(r.PostForm.Get(name + ".kept"))
	if err != nil || len(box) == 0 {
		return ""
	}
	plain, err := s.Key.Open(box, typedPlace(r, name))
	if err != nil {
		return "" // not ours, or of another person or field: as good as not typed
	}
	return string(plain)
}

// keep seals what was typed into a secret field, so that a form which is shown again carries it without showing it.
func (s *server) keep(r *http.Request, name, text string) string {
	if text == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(s.Key.Seal([]byte(text), typedPlace(r, name)))
}

func typedPlace(r *http.Request, name string) string {
	return fmt.Sprintf("web: typed by user %d at %s into %s", userOf(r).ID, r.URL.Path, name)
}

// spanText is a length of time as forms take it: 5m, 32h, 1h30m.
func spanText(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	text := strings.TrimSuffix(d.String(), "m0s")
	if text != d.String() {
		text += "m"
	}
	if hours, found := strings.CutSuffix(text, "h0m"); found {
		text = hours + "h"
	}
	return text
}

// parseSpan reads a length of time: 90s, 5m, 32h, 7d, also with blanks and "min" as pages show it.
func parseSpan(text string) (time.Duration, error) {
	short := strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(text), " ", ""), "min", "m")
	if days, found := strings.CutSuffix(short, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(short)
	if err != nil {
		return 0, fmt.Errorf("“%s” is no length of time: write it as 90s, 5m, 32h or 7d", plainText(cut(text, 40)))
	}
	return d, nil
}

// timeText is a time as a datetime-local input takes it, in UTC; empty for none.
func timeText(t time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case t.Second() == 0:
		return t.UTC().Format("2006-01-02T15:04")
	}
	return t.UTC().Format("2006-01-02T15:04:05")
}

// setTime is a time that somebody set, which is of whole seconds.
func setTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// parseTime reads what such an input sends, or what is typed where a browser has none. Nothing is the zero time.
func parseTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05.999", "2006-01-02 15:04", "2006-01-02 15:04:05", time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1970 && t.Year() <= 9999 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("“%s” is no time: write it as 2026-11-24 15:04, in UTC", plainText(cut(text, 40)))
}

// checkSecret finds what goes wrong in copying a secret.
func checkSecret(what, text string) error {
	switch {
	case text == "":
		return fmt.Errorf("%s is missing", what)
	case strings.TrimSpace(text) != text:
		return fmt.Errorf("%s begins or ends with a blank; copy it without", what)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return errors.New(what + " holds characters that cannot be typed; copy it again")
	}
	return nil
}

// enumerate is "a", "a and b", "a, b and c".
func enumerate(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}
