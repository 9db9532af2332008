package store

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// encodeHeader writes a header as "Name: value\r\n" lines: names in order, values exactly, several values of one name in
// theirs. It is never nil, so that it fits a column that must not be null.
//
// No HTTP message can carry a line break in a value, nor a colon in a name; should one come all the same, it must not
// make headers that were not there. A line break in a value is kept as a line that begins with a blank, and what cannot
// stand in a name becomes an underscore.
func encodeHeader(h http.Header) []byte { return appendHeaderLines([]byte{}, h) }

func appendHeaderLines(b []byte, h http.Header) []byte {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			b = append(b, headerName(name)...)
			b = append(b, ": "...)
			b = append(b, strings.ReplaceAll(value, "\r\n", "\r\n ")...)
			b = append(b, "\r\n"...)
		}
	}
	return b
}

var notInNames = strings.NewReplacer(":", "_", "\r", "_", "\n", "_")

func headerName(name string) string {
	if strings.HasPrefix(name, " ") {
		name = "_" + name[1:]
	}
	return notInNames.Replace(name)
}

// decodeHeader reads what encodeHeader wrote. The error says where, not what: values are nobody's to log.
func decodeHeader(b []byte) (http.Header, error) {
	h := http.Header{}
	name := ""
	for at := 0; at < len(b); {
		line, _, ended := bytes.Cut(b[at:], []byte("\r\n"))
		if !ended {
			return nil, fmt.Errorf("stored header is cut off in the line at byte %d", at)
		}
		if values := h[name]; bytes.HasPrefix(line, []byte(" ")) && len(values) > 0 {
			values[len(values)-1] += "\r\n" + string(line[1:])
		} else {
			first, value, found := strings.Cut(string(line), ": ")
			if !found {
				return nil, fmt.Errorf("stored header has no name in the line at byte %d", at)
			}
			name = first
			h[name] = append(h[name], value)
		}
		at += len(line) + len("\r\n")
	}
	return h, nil
}
