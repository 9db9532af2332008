package soak

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackup goes by the commands of docs/backup.md: dumped while it runs, restored on another server, nothing is missing.
func TestBackup(t *testing.T) {
	page, err := os.ReadFile("../docs/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "## With pg_dump\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var dump, restore []string
	for line := range strings.Lines(text) {
		switch command, is := strings.CutPrefix(line, "    "); {
		case !is:
		case strings.HasPrefix(command, "pg_dump"):
			dump = append(dump, command)
		default:
			restore = append(restore, command)
		}
	}
	if len(dump) != 1 || len(restore) < 3 {
		t.Fatalf("the page has other commands: %q, %q", dump, restore)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(commands []string, env ...string) {
		t.Helper()
		cmd := exec.Command("sh", "-e", "-c", strings.Join(commands, ""))
		cmd.Dir = dir
		cmd.Env = append(env, "PATH="+filepath.Dir(path)+":"+programDir(t)+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "nothing answers on") { // doctor, while serve is stopped
			t.Fatalf("%v\n%s", err, out)
		}
	}
	old, fresh := newPrimary(t), newPrimary(t)
	fresh.exec("postgres", "DROP DATABASE recall")
	w := newInstances(t, 1, old.url("recall"), newDelivered(t))[0]
	w.waitProgress(100)
	w.loader.end()
	w.check()
	run(dump, w.env...)
	w.end()
	old.kill()

	w.url = fresh.url("recall")
	w.env = append(w.env, "RECALL_DATABASE_URL="+w.url, "MAINTENANCE_URL="+fresh.url("postgres"))
	run(restore, w.env...)
	w.start(path)
	w.check()
	w.loader = startLoader(w.receiver+"/callbacks/shop", 2) // and it goes on
	before := w.loader
	w.waitProgress(50)
	before.end()
}
