package web

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"recall/store"
)

// maxCurlBody is how long a body stands in the command itself, in bytes; a longer one, or one that is no text, is a file.
const maxCurlBody = 8 << 10

// curlCommand sends an event as it came, by curl, to an address that who runs it puts in $URL. Headers that a page hides are
// variables too; the body is the one seen, nil for a file. The signature is as old as the event.
func curlCommand(e *store.Event, body []byte, headers []headerView) string {
	var b strings.Builder
	b.WriteString(`curl -i "$URL" -X POST`)
	for _, h := range headers {
		switch h.Name {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Accept-Encoding", "Trailer", "Expect":
			continue // curl's own
		}
		if !isText([]byte(h.Name + h.Value)) {
			continue // cannot be written here
		}
		b.WriteString(" \\\n  -H ")
		if h.Hidden {
			b.WriteString(shellQuote(h.Name+": "+h.Value) + `"$SECRET"`)
		} else {
			b.WriteString(shellQuote(h.Name + ": " + h.Value))
		}
	}
	b.WriteString(" \\\n  --data-binary ")
	if len(body) <= maxCurlBody && isText(body) && (body != nil || len(e.Body) == 0) {
		b.WriteString(shellQuote(string(body)))
	} else {
		b.WriteString("@" + e.ID.String() + ".body")
	}
	return b.String()
}

// shellQuote makes one word of a text, for any POSIX shell.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// isText tells whether bytes can stand in a terminal and mean themselves. A text that begins with @ would name a file.
func isText(body []byte) bool {
	if !utf8.Valid(body) || strings.HasPrefix(string(body), "@") {
		return false
	}
	return !strings.ContainsFunc(string(body), func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Cf, r)
	})
}
