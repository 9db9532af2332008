package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"recall/verify"
)

// TestExamples runs each curl line of docs/api.md, as far as curl's flags are those it uses.
func TestExamples(t *testing.T) {
	text, err := os.ReadFile("../docs/api.md")
	must(t, err)
	h := newHouse(t)
	event := h.record(t, verify.Verified, fmt.Sprintf(orderBody, "7", 1))
	place := strings.NewReplacer("$TOKEN", h.token, "$RECALL", h.url, "$EVENT", event.String())
	run := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(text, -1) {
		for line := range strings.Lines(string(block[1])) {
			r := curl(t, place.Replace(strings.TrimSpace(line)))
			if a := h.send(t, r); a.status >= 300 {
				t.Errorf("%s\n%d %s", line, a.status, a.body)
			}
			run++
		}
	}
	if run < 20 {
		t.Errorf("%d examples were found", run)
	}
}

// words are those of a line, as a shell takes them apart that knows quotes and nothing else.
var words = regexp.MustCompile(`"([^"]*)"|'([^']*)'|(\S+)`)

// curl makes the request that curl would.
func curl(t *testing.T, line string) *http.Request {
	t.Helper()
	var args []string
	for _, m := range words.FindAllStringSubmatch(line, -1) {
		args = append(args, m[1]+m[2]+m[3])
	}
	if args[0] != "curl" {
		t.Fatalf("no curl: %s", line)
	}
	method, address, body := http.MethodGet, "", ""
	header, query := http.Header{}, url.Values{}
	for i := 1; i < len(args); i++ {
		switch args[i] {
		case "-H":
			i++
			name, value, _ := strings.Cut(args[i], ": ")
			header.Add(name, value)
		case "-X":
			i++
			method = args[i]
		case "--json":
			i++
			body = args[i]
			header.Set("Content-Type", "application/json")
			if method == http.MethodGet {
				method = http.MethodPost
			}
		case "--get":
		case "--data-urlencode":
			i++
			name, value, _ := strings.Cut(args[i], "=")
			query.Set(name, value)
		default:
			address = args[i]
		}
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	must(t, err)
	r.Header = header
	return r
}
