package verify

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// step undoes one thing that may have been done to a body on the way.
type step struct {
	cause Cause
	words string                   // continues "The signature fits when the body is …"
	apply func(body []byte) []byte // nil where it cannot be done
}

// stages are the steps in the order in which they are undone: what was done last comes first. At most one of each stage
// is taken. Where several fit alone, the first is named, so that the plain ones stand before those that do more.
var stages = [][]step{
	{{CauseBodyCompression, "unpacked (gzip)", gunzip}},
	{
		{CauseBodyCharset, "read as Windows-1252 and written as UTF-8", fromCharmap(charmap.Windows1252)},
		{CauseBodyCharset, "read as ISO 8859-1 and written as UTF-8", fromCharmap(charmap.ISO8859_1)},
		{CauseBodyCharset, "read as UTF-16 and written as UTF-8", fromUTF16},
	},
	{{CauseBodyBOM, "freed of the byte order mark before it", func(b []byte) []byte { return bytes.TrimPrefix(b, bom) }}},
	{{CauseBodyNewline, "freed of the line breaks and blanks around it", func(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }}},
	{{CauseBodyLineEnds, "given LF for CRLF", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }}},
	{
		{CauseBodyKeyOrder, "given its outer keys in plenigo's order and the inner ones in alphabetical order, without blanks between its parts", reorder(true, true)},
		{CauseBodyKeyOrder, "given its outer keys in plenigo's order, without blanks between its parts", reorder(true, false)},
		{CauseBodyKeyOrder, "given all its keys in alphabetical order, without blanks between its parts", reorder(false, true)},
	},
	{
		{CauseBodyWhitespace, "written without blanks and line breaks between its parts", compact},
		{CauseBodyWhitespace, "written with a blank after each comma and colon", spaced},
		{CauseBodyWhitespace, "indented by two blanks", indent("  ")},
		{CauseBodyWhitespace, "indented by four blanks", indent("    ")},
		{CauseBodyWhitespace, "indented by tabs", indent("\t")},
	},
	{
		{CauseBodyHTMLEscapes, `written with \u0026, \u003c and \u003e for &, < and >`, escapeHTML},
		{CauseBodyHTMLEscapes, `written with &, < and > for \u0026, \u003c and \u003e`, unescape(plainASCII)},
		{CauseBodyHTMLEscapes, `written with \u0026, \u003c and \u003e and no other such escapes`, func(b []byte) []byte {
			return escapeHTML(unescape(plainASCII)(b))
		}},
	},
	{
		{CauseBodyUnicodeEscapes, `written with plain characters for their \u escapes`, unescape(beyondASCII)},
		{CauseBodyUnicodeEscapes, `written with \u escapes for characters outside ASCII`, escapeUnicode(`\u%04x`)},
		{CauseBodyUnicodeEscapes, `written with \u escapes (in upper case) for characters outside ASCII`, escapeUnicode(`\u%04X`)},
	},
	{
		{CauseBodySlashEscapes, `written with / for \/`, unescapeSlashes},
		{CauseBodySlashEscapes, `written with \/ for /`, escapeSlashes},
	},
	{
		{CauseBodyNewline, "given a line break at its end", ending("\n")},
		{CauseBodyNewline, "given a line break (CRLF) at its end", ending("\r\n")},
	},
	{{CauseBodyLineEnds, "given CRLF for LF", crlf}},
	{
		{CauseBodyCharset, "written as Windows-1252 again", toCharmap(charmap.Windows1252)},
		{CauseBodyCharset, "written as ISO 8859-1 again", toCharmap(charmap.ISO8859_1)},
	},
	{{CauseBodyBOM, "given a byte order mark before it", func(b []byte) []byte { return slices.Concat(bom, b) }}},
}

// packing is tried alone: how exactly a sender packs can only be guessed.
var packing = []step{
	{CauseBodyCompression, "packed again (gzip)", pack(gzip.DefaultCompression)},
	{CauseBodyCompression, "packed again (gzip, best)", pack(gzip.BestCompression)},
	{CauseBodyCompression, "packed again (gzip, fastest)", pack(gzip.BestSpeed)},
}

// variants makes the body as it may have been, by one step, then by two, up to depth, while the work lasts.
func (s *search) variants(depth int) iter.Seq2[[]byte, []step] {
	return func(yield func([]byte, []step) bool) {
		var walk func(body []byte, from, left int, done []step) bool
		walk = func(body []byte, from, left int, done []step) bool {
			if left == 0 {
				return yield(body, done)
			}
			for i := from; i <= len(stages)-left; i++ {
				for _, next := range stages[i] {
					if made, ok := s.make(next, body); ok && !walk(made, i+1, left-1, append(done[:len(done):len(done)], next)) {
						return false
					}
				}
			}
			return !s.spent()
		}
		for n := 1; n <= depth; n++ {
			if !walk(s.body, 0, n, nil) {
				return
			}
			for _, pack := range packing {
				if made, ok := s.make(pack, s.body); n == 1 && ok && !yield(made, []step{pack}) {
					return
				}
			}
		}
	}
}

// make applies a step; false where that changes nothing.
func (s *search) make(next step, body []byte) ([]byte, bool) {
	if s.spent() {
		return nil, false
	}
	made := next.apply(body)
	s.work += len(body) + len(made) + workPerTry
	return made, made != nil && !bytes.Equal(made, body)
}

// reencoding is what the steps say together.
func reencoding(steps []step) assumption {
	a := assumption{cause: steps[0].cause, do: "Something between the sender and Recall takes the body apart and writes it anew: let every proxy, filter and tool on the way pass its bytes as they are."}
	var words []string
	for _, step := range steps {
		if step.cause != a.cause {
			a.cause = CauseBodyReencoded
		}
		words = append(words, step.words)
	}
	a.clause = "the body is " + strings.Join(words, ", then ")
	return a
}

var bom = []byte("\ufeff")

func gunzip(body []byte) []byte {
	if !bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		return nil
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxReencoded+1))
	if err != nil || len(plain) > maxReencoded {
		return nil
	}
	return plain
}

func pack(level int) func([]byte) []byte {
	return func(body []byte) []byte {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, level)
		if err != nil {
			return nil
		}
		w.Write(body) // to memory: cannot fail
		w.Close()
		return packed.Bytes()
	}
}

func fromCharmap(c *charmap.Charmap) func([]byte) []byte {
	return func(body []byte) []byte {
		if utf8.Valid(body) {
			return nil
		}
		text, err := c.NewDecoder().Bytes(body)
		if err != nil {
			return nil
		}
		return text
	}
}

// toCharmap also undoes UTF-8 that was taken for the other character set and written as UTF-8 once more.
func toCharmap(c *charmap.Charmap) func([]byte) []byte {
	return func(body []byte) []byte {
		if !utf8.Valid(body) {
			return nil
		}
		text, err := c.NewEncoder().Bytes(body)
		if err != nil {
			return nil
		}
		return text
	}
}

func fromUTF16(body []byte) []byte {
	if !bytes.HasPrefix(body, []byte{0xfe, 0xff}) && !bytes.HasPrefix(body, []byte{0xff, 0xfe}) {
		return nil
	}
	text, err := unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM).NewDecoder().Bytes(body)
	if err != nil {
		return nil
	}
	return text
}

func ending(with string) func([]byte) []byte {
	return func(body []byte) []byte { return slices.Concat(bytes.TrimRight(body, "\r\n"), []byte(with)) }
}

func crlf(body []byte) []byte {
	if bytes.Contains(body, []byte("\r\n")) {
		return nil
	}
	return bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))
}

func compact(body []byte) []byte {
	var text bytes.Buffer
	if json.Compact(&text, body) != nil {
		return nil
	}
	return text.Bytes()
}

func indent(by string) func([]byte) []byte {
	return func(body []byte) []byte {
		dense := compact(body)
		if dense == nil || deep(dense, maxDepth) { // indentation of deep bodies grows with the square of their size
			return nil
		}
		var text bytes.Buffer
		if json.Indent(&text, dense, "", by) != nil {
			return nil
		}
		return text.Bytes()
	}
}
