package cluster

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestSecondStartFindsItsData(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := open(t, dir)
	query(t, c, "CREATE TABLE kept AS SELECT 'yes' AS answer")
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.postmaster() != 0 {
		t.Error("Close left the server running")
	}
	if err := c.Close(t.Context()); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if got := query(t, open(t, dir), "SELECT answer FROM kept"); got != "yes" {
		t.Errorf("answer %q", got)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := open(t, dir)
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"listen_addresses": "", "server_encoding": "UTF8", "lc_collate": "C.UTF-8", "TimeZone": "UTC",
		"log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0", "log_statement": "none",
	} {
		if got := query(t, c, "SHOW "+name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if group, err := syscall.Getpgid(c.postmaster()); err != nil || group != c.postmaster() {
		t.Errorf("the server is in process group %d (%v), not in one of its own: Ctrl-C would reach it", group, err)
	}
	info, err := os.Stat(c.socket)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 || !strings.HasPrefix(c.socket, dir) {
		t.Errorf("socket in %s with mode %v", c.socket, info.Mode())
	}

	// An operator's own settings, below ours, win.
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := appendFile(filepath.Join(c.dir, "postgresql.conf"), "work_mem = '5MB'\nmax_connections = 30\n"); err != nil {
		t.Fatal(err)
	}
	if got := query(t, open(t, dir), "SELECT current_setting('work_mem') || current_setting('max_connections')"); got != "5MB30" {
		t.Errorf("own settings: %s", got)
	}
}

// A callback's content must not come into the server's log, by whichever error.
func TestLogKeepsNoPayload(t *testing.T) {
	t.Parallel()
	c := open(t, folder(t))
	conn, err := pgx.Connect(t.Context(), c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE TABLE letters (body text PRIMARY KEY CHECK (length(body) < 20))"); err != nil {
		t.Fatal(err)
	}
	const body = "confidential"
	for _, try := range []struct {
		sql  string
		args []any
	}{
		{"SELECT 'confidential'::integer", nil},
		{"SELECT $1::text::integer", []any{body}},
		{"INSERT INTO letters VALUES ($1), ($1)", []any{body}},
		{"INSERT INTO letters VALUES ($1)", []any{body + body}},
		{"SELEKT 'confidential'", nil},
		{"SELECT pg_terminate_backend(pg_backend_pid()), $1::text", []any{body}},
	} {
		if _, err := conn.Exec(t.Context(), try.sql, try.args...); err == nil {
			t.Errorf("%s: no error", try.sql)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(c.dir, "log", "*"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no log: %v", err)
	}
	for _, path := range append(logs, c.startLog()) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), body) {
			t.Errorf("%s holds the payload: %s", path, text)
		}
	}
}

func TestLastOneOutStopsIt(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first := open(t, dir)
	second := open(t, dir)
	other := hold(t, dir)
	for _, c := range []*Cluster{first, second} {
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.postmaster() == 0 {
			t.Fatal("stopped while another one used it")
		}
	}
	other.leave(t)
	if first.postmaster() != 0 {
		t.Error("the last one out, of another process, did not stop it")
	}
}

func TestManyComeAndGoAtOnce(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for range 3 {
				c, err := Open(t.Context(), Options{DataDir: dir})
				if err != nil {
					t.Error(err)
					return
				}
				conn, err := pgx.Connect(t.Context(), c.URL())
				if err != nil {
					t.Error(err)
				} else {
					conn.Close(t.Context())
				}
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if c := open(t, dir); query(t, c, "SELECT 'x'") != "x" {
		t.Error("no answer")
	}
}

func TestServerKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := open(t, dir)
	query(t, c, "CREATE TABLE kept AS SELECT 'yes' AS answer")
	pid := c.postmaster()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The one that held it is still there, and another one brings the server back for both.
	again := open(t, dir)
	if again.postmaster() == pid {
		t.Error("it is the killed one")
	}
	if got := query(t, again, "SELECT answer FROM kept"); got != "yes" {
		t.Errorf("answer %q", got)
	}
	if got := query(t, c, "SELECT answer FROM kept"); got != "yes" {
		t.Errorf("answer to the first holder %q", got)
	}
}

func TestHolderKilled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	killed := hold(t, dir)
	killed.kill()
	c := open(t, dir)
	if pid := c.postmaster(); pid != killed.postmaster {
		t.Errorf("process %d, want %d adopted", pid, killed.postmaster)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.postmaster() != 0 {
		t.Error("the adopted server was not stopped")
	}

	// Both killed.
	killed = hold(t, dir)
	killed.kill()
	if err := syscall.Kill(killed.postmaster, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if query(t, open(t, dir), "SELECT 'x'") != "x" {
		t.Error("no answer")
	}
}

// After a restart of the machine the process number in postmaster.pid may be any program's.
func TestStaleProcessNumber(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := open(t, dir)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	stranger := exec.Command("sleep", "60")
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner.credential}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stranger.Process.Kill(); stranger.Wait() }()
	note := []byte(strings.Join([]string{strconv.Itoa(stranger.Process.Pid), c.dir, "0", "5432", c.socket, ""}, "\n"))
	if err := os.WriteFile(c.pidPath(), note, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.owner.give(c.pidPath()); err != nil {
		t.Fatal(err)
	}
	if query(t, open(t, dir), "SELECT 'x'") != "x" {
		t.Error("no answer")
	}
}

func TestHalfMadeClusterIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	half := filepath.Join(dir, "postgres.new-123", "base")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	// And one whose maker is killed while it makes.
	maker := launchHolder(t, dir, nil)
	poll30s(t, func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, "postgres.new-*", "PG_VERSION"))
		return len(found) > 0
	})
	maker.kill()
	if query(t, open(t, dir), "SELECT 'x'") != "x" {
		t.Error("no answer")
	}
	if exists(half) {
		t.Error("the half-made one was left")
	}
}

func TestGivingUp(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Options{DataDir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	c := open(t, dir) // a cancelled first start is in nobody's way
	if _, err := Open(ctx, Options{DataDir: dir}); err == nil {
		t.Error("no error")
	}
	if query(t, c, "SELECT 'x'") != "x" {
		t.Error("giving up stopped the server of another holder")
	}
}
