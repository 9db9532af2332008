package soak

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// backupCommands are the blocks of commands in a section of docs/backup.md.
func backupCommands(t *testing.T, section string) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/backup.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for {
		_, begun, found := strings.Cut(text, "```sh not-run\n")
		if !found {
			return blocks
		}
		commands, rest, _ := strings.Cut(begun, "```")
		blocks, text = append(blocks, commands), rest
	}
}

// TestBackup goes by the commands of docs/backup.md: dumped while it runs, restored on another server, nothing is missing.
func TestBackup(t *testing.T) {
	blocks := backupCommands(t, "With pg_dump")
	if len(blocks) != 2 || !strings.HasPrefix(blocks[0], "pg_dump ") || strings.Count(blocks[1], "\n") < 3 {
		t.Fatalf("the page has other commands: %q", blocks)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(commands string, env ...string) {
		t.Helper()
		cmd := exec.Command("sh", "-e", "-c", commands)
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
	run(blocks[0], w.env...)
	w.end()
	old.kill()

	w.url = fresh.url("recall")
	w.env = append(w.env, "RECALL_DATABASE_URL="+w.url, "MAINTENANCE_URL="+fresh.url("postgres"))
	run(blocks[1], w.env...)
	w.start(path)
	w.check()
	w.loader = startLoader(w.receiver+"/callbacks/shop", 2) // and it goes on
	before := w.loader
	w.waitProgress(50)
	before.end()
}

// TestPhysicalBackup copies a server by the commands of docs/backup.md while callbacks come in. Started from the copy it has all
// that was there when the copying began, as it was, and goes on.
func TestPhysicalBackup(t *testing.T) {
	blocks := backupCommands(t, "Physical")
	if len(blocks) != 2 || !strings.HasPrefix(blocks[0], "pg_basebackup ") || !strings.Contains(blocks[0], "pg_verifybackup ") {
		t.Fatalf("the page has other commands: %q", blocks)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	old := newPrimary(t)
	w := newInstances(t, 1, old.url("recall"), newDelivered(t))[0]
	w.waitProgress(100)
	before, err := w.stored()
	if err != nil {
		t.Fatal(err)
	}
	dir := dataDir(t)
	backup := asOwner(t, dir, "sh", "-e", "-c", blocks[0])
	backup.Dir = dir
	backup.Env = []string{"PATH=" + programDir(t) + ":" + os.Getenv("PATH"), "REPLICATION_URL=" + old.url("postgres")}
	if out, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.loader.end()
	w.check()
	w.end()
	old.kill()

	_, port, _ := net.SplitHostPort(freePort(t))
	fresh := &postgres{t: t, dir: filepath.Join(dir, "backup"), port: port}
	fresh.start()
	w.url = fresh.url("recall")
	w.env = append(w.env, "RECALL_DATABASE_URL="+w.url)
	after, err := w.stored()
	if err != nil {
		t.Fatal(err)
	}
	for id, hash := range before {
		if after[id] != hash {
			t.Errorf("event %s was there before the backup, and is not as it was", id)
		}
	}
	w.start(path)
	w.loader = startLoader(w.receiver+"/callbacks/shop", 2)
	w.waitProgress(50)
	w.loader.end()
	now, err := w.stored()
	if err != nil {
		t.Fatal(err)
	}
	if len(before) < 100 || len(now) < len(after)+50 {
		t.Errorf("%d events before the backup, %d in it, %d in the end", len(before), len(after), len(now))
	}
}
