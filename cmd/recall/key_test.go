package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"recall/store/storetest"
)

// From a new key in the data folder to the day on which the old one is taken away.
func TestKeyCommands(t *testing.T) {
	t.Parallel()
	dir, url := t.TempDir(), storetest.URL(t)
	run := func(stdin string, args ...string) result {
		return command(t, stdin, append([]string{"--database-url", url, "--data-dir", dir}, args...)...)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := storetest.Key().ID()
	run("s3cret", "source", "add", "--slug", "shop", "--secret", "-").want(t, 0)
	run("", "key", "status").want(t, 0, old, "Everything is sealed with this program's key")
	run("", "key", "rotate").want(t, 2, "--restarted")
	run("", "key", "rotate", "--restarted").want(t, 1, "needs the previous one")
	run("", "--key", strings.Repeat("ab", 32), "key", "new").want(t, 2, "RECALL_KEY_PREVIOUS")
	run("", "key", "new").want(t, 0, "key.previous")
	run("", "key", "new").want(t, 1, "the rotation before is not over")
	for _, name := range []string{"key", "key.previous"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	run("other", "source", "set", "shop", "--secret", "later=-").want(t, 0)
	run("", "key", "status").want(t, 0, "recall key rotate --restarted")
	run("", "key", "rotate", "--restarted", "--reason", "every year").want(t, 0, "sealed anew")
	run("", "key", "status").want(t, 0, "no longer needed here")
	if err := os.Remove(filepath.Join(dir, "key.previous")); err != nil {
		t.Fatal(err)
	}
	run("", "key", "status").want(t, 0, "Everything is sealed with this program's key")
	run("", "source", "show", "shop").want(t, 0)
	run("", "audit", "list", "--action", "key.rotate").want(t, 0, "every year")

	run("", "--key", strings.Repeat("12", 32), "source", "list").want(t, 1, "sealed with another key", "give-up")
	if err := os.Remove(filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}
	key := []string{"--key", strings.Repeat("12", 32)}
	status := run("", append(key, "key", "status")...)
	status.want(t, 0, "This program has not: ")
	_, lost, _ := strings.Cut(status.out, "This program has not: ")
	lost, _, _ = strings.Cut(lost, ".")
	run("", append(key, "key", "give-up", old, "--reason", "lost")...).want(t, 1, "nothing is sealed with")
	run("", append(key, "key", "give-up", lost, "--reason", "lost")...).want(t, 0, "Given up: ", "secrets of sources")
	run("", append(key, "source", "list")...).want(t, 0, "shop")
	run("", "--key-previous", strings.Repeat("ab", 32), "key", "status").want(t, 2, "stands beside RECALL_KEY")
	run("", append(key, "--key-previous", strings.Repeat("12", 32), "key", "status")...).want(t, 2, "is the same as")
}

// The memory of serve, which holds the key, is dumped nowhere.
func TestServeIsNotDumped(t *testing.T) {
	t.Parallel()
	s := serve(t, dataDir(t), []string{"RECALL_DATABASE_URL=" + storetest.URL(t), "RECALL_KEY=" + strings.Repeat("ab", 32)})
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", s.cmd.Process.Pid))
	if err != nil || !regexp.MustCompile(`(?m)^Max core file size +0 `).Match(limits) {
		t.Errorf("%v %s", err, limits)
	}
	s.stop()
}
