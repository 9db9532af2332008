package filter

import (
	"strconv"
	"strings"
	"time"
)

// span is from a time up to, not including, another: what a day, a minute or a moment takes up.
type span struct {
	from, until time.Time
	age         bool // counted back from now
}

// layouts are the ways in which a time is written, and how much of it each leaves open.
var layouts = []struct {
	text string
	open time.Duration
}{
	{time.RFC3339Nano, 0}, // as exact as its digits
	{"2006-01-02T15:04:05", time.Second},
	{"2006-01-02T15:04Z07:00", time.Minute},
	{"2006-01-02T15:04", time.Minute},
	{"2006-01-02", 24 * time.Hour},
}

// parseTime reads RFC 3339, a minute or day in UTC, or an age.
func parseTime(text string, now time.Time) (span, bool) {
	for _, layout := range layouts {
		t, err := time.Parse(layout.text, strings.ToUpper(text))
		if err != nil {
			continue
		}
		t = t.UTC()
		open := layout.open
		if open == 0 {
			open = exactness(text)
		}
		return span{from: t, until: t.Add(open)}, t.Year() >= 1970 && t.Year() <= 9999
	}
	t, ok := parseAge(text, now)
	return span{t, t, true}, ok
}

// exactness is a second for a time without fraction, and one of its last digit for one with.
func exactness(text string) time.Duration {
	open := time.Second
	_, fraction, found := strings.Cut(text, ".")
	if !found {
		_, fraction, _ = strings.Cut(text, ",")
	}
	for _, c := range fraction {
		if c < '0' || c > '9' || open == 1 {
			break
		}
		open /= 10
	}
	return open
}

// parseAge reads 30s, 5m, 2h, 3d or 1w before now.
func parseAge(text string, now time.Time) (time.Time, bool) {
	if text == "" {
		return time.Time{}, false
	}
	unit, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[text[len(text)-1]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 16)
	if !ok || err != nil {
		return time.Time{}, false
	}
	t := now.Add(-time.Duration(n) * unit).UTC().Truncate(time.Millisecond)
	return t, t.Year() >= 1970
}
