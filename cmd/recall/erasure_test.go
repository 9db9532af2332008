package main

import (
	"path/filepath"
	"testing"
)

// A case from its opening to its end, by commands; and what an answer to a person takes.
func TestErasureCommands(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.run("", "erasure", "list").want(t, 0)
	h.run("", "erasure", "open", "--reason", "x").want(t, 2, "one or the other")
	h.run("", "erasure", "open", "48213", "--reason", "by letter").want(t, 0, "Case 1 is opened")
	h.run("", "erasure", "open", "48213", "--reason", "again").want(t, 1, "already", "case 1")
	h.run("", "erasure", "run").want(t, 0)
	h.run("", "erasure", "show", "1").want(t, 0, "customer 48213", "by letter")
	h.run("", "erasure", "show", "2").want(t, 1, "there is no case 2")
	h.run("", "erasure", "cancel", "1", "--reason", "a mistake").want(t, 0, "nothing was destroyed")
	h.run("", "erasure", "settings", "--backups-kept", "30").want(t, 0, "30 days")
	h.run("", "erasure", "list-export").want(t, 0, "recall erasure list")
	h.run("x", "erasure", "list-replay", "-", "--reason", "restored").want(t, 1, "not an erasure list")
	file := filepath.Join(t.TempDir(), "report.zip")
	h.run("", "person", "report", "48213", "--out", file, "--reason", "asked").want(t, 0, "0 events")
	h.run("", "person", "report", "48213", "--out", file, "--reason", "asked").want(t, 1, "exists")
}
