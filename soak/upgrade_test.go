//go:build soak

package soak

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// previousRelease builds recall of the release before from the source that is kept of it (scripts/keep-release).
func previousRelease(t testing.TB) string {
	t.Helper()
	file, err := os.Open("testdata/release.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for files := tar.NewReader(unzipped); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		path := filepath.Join(dir, filepath.Clean("/"+header.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "recall")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/recall")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the release before: %v\n%s", err, out)
	}
	return path
}

// TestRollingUpgrade has the release before run, receive, list and deliver on the schema of this one, beside it; also after a
// start on that schema.
func TestRollingUpgrade(t *testing.T) {
	old := previousRelease(t)
	server := newPrimary(t)
	crm := newDelivered(t)
	before := prepare(t, dataDir(t), "RECALL_DATABASE_URL="+server.url("recall"), "RECALL_EGRESS_ALLOW=127.0.0.0/8")
	before.url, before.program, before.senders = server.url("recall"), old, 2
	before.command("", "migrate", "up")
	before.command(secret, "source", "add", "--slug", "shop", "--name", "Shop", "--secret-file", "-")
	crm.add(before)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	after := prepare(t, dataDir(t), "RECALL_DATABASE_URL="+server.url("recall"), "RECALL_EGRESS_ALLOW=127.0.0.0/8")
	after.url, after.senders = before.url, 2
	both := []*world{before, after}
	before.peers, after.peers = both, both

	before.begin(old)
	before.waitProgress(100)
	after.begin(path) // migrates under the old one
	for range 2 {
		for _, w := range both {
			w.waitProgress(100)
			w.check()
			if list := w.command("", "event", "list", "--limit", "3", "--json"); strings.Count(list, "\n") != 2 {
				t.Errorf("it lists:\n%s", list)
			}
		}
		before.command("", "migrate", "status")
		before.serve.Process.Signal(syscall.SIGTERM) // and once more, begun on the new schema
		<-before.ended
		before.start(old)
	}
	total := 0
	for _, w := range both {
		w.loader.end()
		w.check()
		crm.await(w, w.loader.promised(), server)
		total += len(w.loader.promised())
	}
	t.Logf("the release before beside this one: %d callbacks answered 2xx, each stored once and delivered", total)
}
