package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestCompletionInBash(t *testing.T) {
	script := command(t, "", "completion", "bash").out
	for _, test := range []struct{ name, typed, want string }{
		{"a command", "ser", "serve"},
		{"a sub-command", "source rot", "rotate"},
		{"a sub-command of a sub-command", "retention hold rel", "release"},
		{"a flag", "event redispatch --reas", "--reason-above --reason"},
		{"a flag after an argument", "event redispatch 01890000-0000-7000-8000-000000000000 --newe", "--newest"},
		{"a value", "completion fi", "fish"},
		{"nothing known", "source nonsense", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			bash := exec.Command("bash", "--norc", "-c", script+`
COMP_WORDS=(recall $1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _recall; echo "${COMPREPLY[*]}"`, "bash", test.typed)
			got, err := bash.CombinedOutput()
			if err != nil || strings.TrimSpace(string(got)) != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestCompletionInFishNamesEveryCommand(t *testing.T) {
	script := command(t, "", "completion", "fish").out
	for _, want := range []string{`'test (__recall_path) = "recall"' -f -a serve`, `'test (__recall_path) = "recall source rotate"' -l overlap`} {
		if !strings.Contains(script, want) {
			t.Errorf("no %q", want)
		}
	}
}

func TestManualPage(t *testing.T) {
	page := command(t, "", "man").out
	for _, want := range []string{".TH RECALL 1", `.SS "source rotate <slug>"`, `.B \-\-late\-window`, "$RECALL_DATABASE_URL"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "'") {
			t.Errorf("a line begins with what roff takes for a request: %q", line)
		}
	}
}
