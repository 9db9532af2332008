package cluster

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestMain lets the test binary be another process that holds a cluster, told by its environment.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RECALL_TEST_HOLD"); dir != "" {
		if _, err := Open(context.Background(), Options{DataDir: dir}); err != nil {
			os.Stdout.WriteString("error: " + err.Error() + "\n")
			os.Exit(1)
		}
		os.Stdout.WriteString("open\n")
		select {}
	}
	os.Exit(m.Run())
}

func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "recall-cluster-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func open(t *testing.T, dir string) *Cluster {
	t.Helper()
	c, err := Open(t.Context(), Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func query(t *testing.T, c *Cluster, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var text string
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func hold(t *testing.T, dir string, attr *syscall.SysProcAttr) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "RECALL_TEST_HOLD="+dir)
	cmd.SysProcAttr = attr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	buf := make([]byte, 1000)
	n, _ := out.Read(buf)
	if string(buf[:n]) != "open\n" {
		t.Fatalf("the other process: %s", buf[:n])
	}
	return cmd
}

func TestDataOutlivesEverything(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := open(t, dir)
	query(t, c, "WITH x AS (SELECT 1) SELECT current_setting('fsync') || current_setting('listen_addresses') FROM x")
	conn, err := pgx.Connect(t.Context(), c.URL())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 'yes' AS answer"); err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	kept := func(c *Cluster) {
		t.Helper()
		if got := query(t, c, "SELECT answer FROM kept"); got != "yes" {
			t.Errorf("answer %q", got)
		}
	}

	// Two hold it: the first one out leaves it running, the last one stops it.
	second := open(t, dir)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept(second)
	pid := second.postmaster()
	if err := second.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if second.postmaster() != 0 || pid == 0 {
		t.Error("the last one out did not stop it")
	}

	// A holder that is killed leaves it running; the next one adopts it.
	other := hold(t, dir, nil)
	other.Process.Kill()
	other.Wait()
	third := open(t, dir)
	pid = third.postmaster()
	kept(third)

	// The postmaster is killed: the next one recovers.
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	third.Close(t.Context())
	fourth := open(t, dir)
	if fourth.postmaster() == pid {
		t.Error("it is the killed one")
	}
	kept(fourth)
	if got := query(t, fourth, "SELECT current_setting('fsync') || current_setting('listen_addresses') || current_setting('data_checksums')"); got != "onon" {
		t.Errorf("settings %q", got)
	}
	if err := fourth.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	// A pid file whose number another program has now does not keep it from starting.
	if err := os.WriteFile(filepath.Join(fourth.dir, "postmaster.pid"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	kept(open(t, dir))
}

func TestHalfMadeClusterIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	if err := os.MkdirAll(filepath.Join(dir, "postgres.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), strings.Repeat("long", 25))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	if len(c.socket) > maxSocketFolder || query(t, c, "SELECT 'x'") != "x" {
		t.Errorf("socket in %s", c.socket)
	}
	t.Cleanup(func() { os.RemoveAll(c.socket) })
}

// As root the server runs as another user, also where that user cannot enter the data folder; as an ordinary user it
// runs as oneself.
func TestOtherUsers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // the ordinary user is what every other test runs as
	}
	closed := folder(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(closed, "data")
	c := open(t, data)
	if query(t, c, "SELECT 'x'") != "x" || !strings.HasPrefix(c.dir, "/var/lib/recall/") {
		t.Errorf("kept in %s", c.dir)
	}
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(c.dir)) })

	mine := folder(t)
	if err := os.Chown(mine, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	other := hold(t, filepath.Join(mine, "data"), &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
	other.Process.Kill()
	other.Wait()
	// Clean up what the killed one left running, as it would itself.
	stop := &Cluster{dir: filepath.Join(mine, "data", "postgres")}
	if pid := stop.postmaster(); pid != 0 {
		syscall.Kill(pid, syscall.SIGINT)
		for deadline := time.Now().Add(30 * time.Second); stop.postmaster() != 0 && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
	} else {
		t.Error("it did not run")
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	if _, err := Open(t.Context(), Options{DataDir: "/proc/none"}); err == nil || !strings.Contains(err.Error(), "RECALL_DATA_DIR") {
		t.Errorf("%v", err)
	}
	if _, err := Open(t.Context(), Options{DataDir: folder(t), BinDir: "/nowhere"}); err == nil || !strings.Contains(err.Error(), "RECALL_POSTGRES_BIN") {
		t.Errorf("%v", err)
	}
	dir := folder(t)
	if err := os.MkdirAll(filepath.Join(dir, "postgres"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "postgres", "PG_VERSION"), []byte("11\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "PostgreSQL 11") {
		t.Errorf("%v", err)
	}
}
