package web

import (
	"testing"
	"time"
)

func TestPieces(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"plain":        {"Zoë Çelik 東京 🙂", "Zoë Çelik 東京 🙂"},
		"NUL":          {"a\x00b", "aU+0000b"},
		"no UTF-8":     {"a\xffb\xc3", `a\xFFb\xC3`},
		"bidi":         {"\u202egnp.exe", "U+202Egnp.exe"},
		"zero width":   {"a\u200bb", "aU+200Bb"},
		"line breaks":  {"a\nb", "aU+000Ab"},
		"replacement":  {"\ufffd", "\ufffd"},
		"empty":        {"", ""},
		"only a mark":  {"\x1b", "U+001B"},
		"HTML is text": {"<b>&amp;", "<b>&amp;"},
	}
	for name, test := range tests {
		if got := plainText(test.text); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"abcd": "abcd", "abcde": "abcd…", "abcëf": "abc…", "": ""} {
		if got := cut(text, 4); got != want {
			t.Errorf("cut(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]string{
		0: "just now", 4 * time.Second: "just now", -2 * time.Second: "just now", 59 * time.Second: "59 s ago",
		90 * time.Second: "1 min ago", 25 * time.Hour: "1 d ago", -100 * time.Second: "in 1 min",
	} {
		if got := age(now.Add(-ago), now); got != want {
			t.Errorf("%s ago: %q, want %q", ago, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 ms", 48 * time.Millisecond: "48 ms", 1500 * time.Millisecond: "1.5 s", 5 * time.Second: "5 s",
		5 * time.Minute: "5 min", 32 * time.Hour: "32 h", 3661 * time.Second: "1 h 1 min 1 s",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestSizeAndOrdinal(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 686: "686 bytes", 9999: "9,999 bytes", 12_345: "12.3 kB", 5_250_000: "5.2 MB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 112: "112th"} {
		if got := ordinal(n); got != want {
			t.Errorf("ordinal(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestDayName(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 0, 30, 0, 0, time.UTC)
	for hours, want := range map[int]string{
		0: "Today · Tuesday, 24 November 2026", 1: "Yesterday · Monday, 23 November 2026", 30: "Sunday, 22 November 2026",
	} {
		if got := (habits{}).dayName(now.Add(-time.Duration(hours)*time.Hour), now); got != want {
			t.Errorf("%d hours ago: %q, want %q", hours, got, want)
		}
	}
}
