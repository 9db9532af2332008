package filter

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxWord is how many bytes of a word count; two words that agree in those are the same.
const MaxWord = 64

// Fold writes a text without regard to case and accents, so that Müller, MÜLLER and Muller are one, and Straße is
// STRASSE. Compatibility forms are one as well (ﬁ is fi). Letters are not written out: Mueller is another name.
func Fold(text string) string {
	if isASCII(text) {
		return strings.ToLower(text)
	}
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range norm.NFKD.String(text) {
		switch {
		case r < utf8.RuneSelf:
			if r >= 'A' && r <= 'Z' {
				r += 'a' - 'A'
			}
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r): // the accent that NFKD has taken from its letter
		default:
			r = unicode.ToLower(r)
			if ascii, is := likeLetters[r]; is {
				b.WriteString(ascii)
			} else {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// likeLetters are the letters that have no accent to take away and are written without one all the same.
var likeLetters = map[rune]string{'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ı': "i", 'ς': "σ"}

func isASCII(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Words are the words of a text, folded, in their order: what lies between anything that is neither letter nor digit, so
// that anna@example.org is three. Of each, MaxWord bytes count. Text is found where its words follow one another in
// those of one value of the body, beginning and ending where words do.
func Words(text string) []string {
	return wordsOf(Fold(text))
}

// wordsOf are the words of a text that is folded.
func wordsOf(text string) []string {
	var words []string
	start := -1
	for i, r := range text {
		if r < utf8.RuneSelf && !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') ||
			r >= utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mc, r) {
			if start >= 0 {
				words, start = append(words, cut(text[start:i], MaxWord)), -1
			}
		} else if start < 0 {
			start = i
		}
	}
	if start >= 0 {
		words = append(words, cut(text[start:], MaxWord))
	}
	return words
}

// containsRun tells whether the words of run follow one another in words. No run at all is in none.
func containsRun(words, run []string) bool {
	if len(run) == 0 {
		return false
	}
next:
	for i := 0; i+len(run) <= len(words); i++ {
		for j, w := range run {
			if words[i+j] != w {
				continue next
			}
		}
		return true
	}
	return false
}
