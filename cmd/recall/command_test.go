package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"recall/store"
	"recall/store/storetest"
)

// result is what a command left behind.
type result struct {
	status    int
	out, errs string
}

// command runs recall in this process, with a text as standard input.
func command(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	status := run(context.Background(), args, strings.NewReader(stdin), &out, &errs)
	return result{status, out.String(), errs.String()}
}

// want checks the exit status, and that each text stands in what was printed, on either side.
func (r result) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("exit status %d, want %d", r.status, status)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.errs, text) {
			t.Errorf("%q is missing", text)
		}
	}
	if t.Failed() {
		t.Logf("standard output:\n%s\nstandard error:\n%s", r.out, r.errs)
	}
}

// fileWith is a file with this text in it.
func fileWith(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// parse reads a command line and runs nothing.
func parse(t *testing.T, commands *cli, args ...string) *kong.Kong {
	t.Helper()
	parser, err := kong.New(commands, kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return parser
}

// house is a database of its own, for commands that need one.
type house struct {
	t    *testing.T
	db   *store.DB
	args []string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	url := storetest.URL(t)
	db, err := store.Open(t.Context(), url, storetest.Key(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return &house{t, db, []string{"--database-url", url, "--key", strings.Repeat("ab", 32)}}
}

// run runs a command on the database.
func (h *house) run(stdin string, args ...string) result {
	h.t.Helper()
	return command(h.t, stdin, append(h.args, args...)...)
}

// audited are the actions noted about a subject, oldest first.
func (h *house) audited(subject string) string {
	h.t.Helper()
	entries, err := h.db.ListAudit(h.t.Context(), subject, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	var actions []string
	for _, e := range slices.Backward(entries) {
		if e.Actor != actor() {
			h.t.Errorf("actor %s", e.Actor)
		}
		actions = append(actions, e.Action)
	}
	return strings.Join(actions, " ")
}
