package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPaths(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]bool{
		"plain":                          true,
		"a b+c%20&d=e?f#g":               true,
		"here,there":                     false, // a comma parts hosts in a connection string
		strings.Repeat("longer ", 14):    false,
		"[glob]*":                        true,
		"Verlag Ä/" + "中文":               true,
		strings.Repeat("deep/", 20) + "": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(folder(t), name)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			c := open(t, dir)
			if got := strings.HasPrefix(c.socket, dir); got != beside {
				t.Errorf("socket in %s", c.socket)
			}
			if !beside {
				t.Cleanup(func() { os.RemoveAll(c.socket) })
			}
			out, err := exec.Command(filepath.Join(c.BinDir(), "psql"), c.URL(), "-Atc", "SELECT 'x'").CombinedOutput()
			if err != nil || string(out) != "x\n" {
				t.Errorf("psql: %v %s", err, out)
			}
		})
	}
}

// Somebody else's folder at the place of the fallback could hold somebody else's server.
func TestFallbackMustBeOurs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "a,b")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(c.socket) })
	for name, spoil := range map[string]func() error{
		"open to all": func() error { return os.Chmod(c.socket, 0o777) },
		"a link": func() error {
			if err := os.RemoveAll(c.socket); err != nil {
				return err
			}
			return os.Symlink(folder(t), c.socket)
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), c.socket) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRootRunsItAsAnother(t *testing.T) {
	t.Parallel()
	c := open(t, folder(t))
	info, err := os.Stat(fmt.Sprintf("/proc/%d", c.postmaster()))
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid == 0 || uid != c.owner.uid {
		t.Errorf("the server runs as %s", userName(uid))
	}
}

// Root's data folder below a closed one, such as /root: the database is kept elsewhere, with a link.
func TestClosedParent(t *testing.T) {
	t.Parallel()
	closed := folder(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(closed, "data")
	c := open(t, data)
	query(t, c, "CREATE TABLE kept AS SELECT 'yes' AS answer")
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		if c.dir != filepath.Join(data, "postgres") {
			t.Errorf("kept in %s", c.dir)
		}
		return // one's own closed folder is open to oneself
	}
	home := filepath.Join(elsewhere, short(data))
	t.Cleanup(func() {
		os.RemoveAll(home)
		os.RemoveAll(home + "-2")
	})
	again := open(t, data)
	if again.dir != filepath.Join(home, "postgres") || query(t, again, "SELECT answer FROM kept") != "yes" {
		t.Errorf("kept in %s", again.dir)
	}
	if err := again.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	// A data folder that was removed and made anew begins with an empty database, and leaves the old one alone.
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	fresh := open(t, data)
	if got := query(t, fresh, "SELECT count(*)::text FROM pg_tables WHERE tablename = 'kept'"); got != "0" {
		t.Error("the data of the removed folder came back")
	}
	if !exists(filepath.Join(home, "postgres", "PG_VERSION")) {
		t.Error("the database of the removed folder was removed")
	}
	if err := fresh.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	// A link that leads nowhere is a lost database, not a reason to begin anew.
	if err := os.Rename(fresh.dir, fresh.dir+".gone"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{DataDir: data}); err == nil || !strings.Contains(err.Error(), "restore it") {
		t.Errorf("%v", err)
	}
}

// An ordinary user needs nothing of root's; root may use an ordinary user's database, but no other user may.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // every other test shows it
	}
	const nobody, daemon = 65534, 1
	dir := folder(t)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	as := func(uid uint32) *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	data := filepath.Join(dir, "data")
	first := launchHolder(t, data, as(nobody))
	first.mustOpen(t)
	first.leave(t)

	root := open(t, data)
	if root.owner.uid != nobody || query(t, root, "SELECT 'x'") != "x" {
		t.Errorf("root runs it as %s", root.owner)
	}
	second := launchHolder(t, data, as(nobody))
	second.mustOpen(t)
	second.leave(t)
	if root.postmaster() == 0 {
		t.Error("stopped while root used it")
	}
	if err := root.Close(context.Background()); err != nil {
		t.Error(err)
	}

	if err := os.Chmod(data, 0o777); err != nil {
		t.Fatal(err)
	}
	stranger := launchHolder(t, data, as(daemon))
	if said := stranger.said(t); !strings.Contains(said, "RECALL_DATA_DIR") || !strings.Contains(said, "user daemon") {
		t.Errorf("another user: %s", said)
	}
	for _, name := range []string{"postgres.lock", "postgres.start.lock"} {
		if err := os.Chmod(filepath.Join(data, name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	stranger = launchHolder(t, data, as(daemon))
	if said := stranger.said(t); !strings.Contains(said, "belongs to user nobody") {
		t.Errorf("another user with the locks: %s", said)
	}
}
