package web

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"

	"recall/mask"
	"recall/store"
)

// What a real shell makes of the command is what came.
func TestCurlCommandSendsWhatCame(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"JSON":   `{"a":"it's \"quoted\" $HOME` + " `x` " + `\\ !"}`,
		"lines":  "a\n\tb 'c'\n",
		"empty":  "",
		"leaves": "ü € 😀",
	} {
		t.Run(name, func(t *testing.T) {
			e := &store.Event{ID: uuid.New(), Body: []byte(body), Header: http.Header{
				"Content-Type": {"application/json"}, "Authorization": {"Basic c2VjcmV0"}, "X-Odd": {`it's; rm -rf "$HOME"`}, "Host": {"a"}, "Content-Length": {"1"},
			}}
			command := curlCommand(e, e.Body, headerViews(e.Header, sentHeader, mask.Reveal{}))
			if strings.Contains(command, "c2VjcmV0") || strings.Contains(command, "Content-Length") {
				t.Errorf("the command says too much: %s", command)
			}
			script := `curl() { while [ "$1" != --data-binary ]; do shift; done; printf %s "$2"; }; ` + command
			out, err := exec.Command("sh", "-c", script).Output()
			if err != nil || string(out) != body {
				t.Errorf("the shell understands %q, %v; want %q", out, err, body)
			}
		})
	}
	for name, body := range map[string]string{"NUL": "a\x00b", "no UTF-8": "\xff", "a file's name": "@/etc/passwd", "turned round": "a\u202eb", "long": strings.Repeat("x", maxCurlBody+1)} {
		e := &store.Event{ID: uuid.New(), Body: []byte(body)}
		if command := curlCommand(e, e.Body, nil); !strings.HasSuffix(command, "--data-binary @"+e.ID.String()+".body") {
			t.Errorf("%s stands in the command: %.100q", name, command)
		}
	}
}
