package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestMain lets the test binary be another process that holds a cluster, told by its environment: it says "open" with the
// server's process number, or what is wrong, and closes when its standard input ends.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RECALL_TEST_HOLD"); dir != "" {
		if err := holdUntilEOF(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func holdUntilEOF(dir string) error {
	c, err := Open(context.Background(), Options{DataDir: dir})
	if err != nil {
		return err
	}
	fmt.Println("open", c.postmaster())
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return c.Close(context.Background())
}

type holder struct {
	cmd        *exec.Cmd
	in         io.Closer
	out        *bufio.Reader
	postmaster int
}

// hold opens the cluster in another process.
func hold(t *testing.T, dir string) *holder {
	t.Helper()
	h := launchHolder(t, dir, nil)
	h.mustOpen(t)
	return h
}

// launchHolder starts another process that opens the cluster, and does not wait for it.
func launchHolder(t *testing.T, dir string, attr *syscall.SysProcAttr) *holder {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if attr != nil { // the test binary's own folder is closed to others
		program, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		self = filepath.Join(folder(t), "holder")
		if err := os.WriteFile(self, program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h := &holder{cmd: exec.Command(self)}
	h.cmd.Env = append(os.Environ(), "RECALL_TEST_HOLD="+dir)
	h.cmd.SysProcAttr = attr
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.out = bufio.NewReader(out)
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.kill)
	return h
}

// said returns the process's one line.
func (h *holder) said(t *testing.T) string {
	t.Helper()
	line, err := h.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the other process: %v", err)
	}
	return strings.TrimSpace(line)
}

func (h *holder) mustOpen(t *testing.T) {
	t.Helper()
	line := h.said(t)
	pid, found := strings.CutPrefix(line, "open ")
	if !found {
		t.Fatalf("the other process: %s", line)
	}
	var err error
	if h.postmaster, err = strconv.Atoi(pid); err != nil || h.postmaster == 0 {
		t.Fatalf("the other process: %s", line)
	}
}

// leave lets the process close the cluster and end.
func (h *holder) leave(t *testing.T) {
	t.Helper()
	h.in.Close()
	rest, _ := io.ReadAll(h.out)
	if err := h.cmd.Wait(); err != nil {
		t.Errorf("the other process: %v %s", err, rest)
	}
}

func (h *holder) kill() {
	h.cmd.Process.Kill()
	h.cmd.Wait()
}

// folder is one that every user may enter, which t.TempDir is not; it goes when the test ends.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "recall-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		os.Chmod(dir, 0o700)
		os.RemoveAll(dir)
	})
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

// query runs one statement and returns the text of its answer, "" for none.
func query(t *testing.T, c *Cluster, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var text string
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		t.Fatal(err)
	}
	return text
}

// poll30s waits for what another process does.
func poll30s(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}
