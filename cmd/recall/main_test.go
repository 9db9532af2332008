package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"recall/cluster"
	"recall/seal"
	"recall/store"
)

// binary is the real program, built once.
var binary string

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "curl" { // for the commands of the documents
		if err := curlMain(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "curl:", err)
			os.Exit(22)
		}
		return
	}
	for _, variable := range os.Environ() { // a developer's own settings are none of the tests'
		name, _, _ := strings.Cut(variable, "=")
		kept := []string{"RECALL_POSTGRES_BIN", "RECALL_PICTURES", "RECALL_CHROMIUM"}
		if strings.HasPrefix(name, "RECALL_") && !slices.Contains(kept, name) || strings.HasPrefix(name, "OTEL_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "recall-cmd-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "recall")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building recall: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// runBinary runs the program to its end. env is added to the environment.
func runBinary(t *testing.T, env []string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// output is what a process prints, to be waited for.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// server is recall serve as a process of its own.
type server struct {
	t         *testing.T
	dir       string // data folder
	cmd       *exec.Cmd
	out, errs output
	ended     chan struct{} // closed when the process has ended
}

// dataDir is a folder that the user PostgreSQL runs as can enter.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "recall-serve-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// launch starts recall serve on free ports, and does not wait for it. env is added to the environment.
func launch(t *testing.T, dir string, env []string, args ...string) *server {
	t.Helper()
	s := &server{t: t, dir: dir, ended: make(chan struct{})}
	s.cmd = exec.Command(binary, append([]string{"serve"}, args...)...)
	s.cmd.Env = append(os.Environ(), "RECALL_DATA_DIR="+dir, "RECALL_RECEIVER_ADDR=127.0.0.1:0", "RECALL_ADMIN_ADDR=127.0.0.1:0")
	s.cmd.Env = append(s.cmd.Env, env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.errs
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} // tests that are broken off leave nothing behind
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.cmd.Wait() // the state is in cmd
		close(s.ended)
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		<-s.ended
		if t.Failed() {
			t.Logf("standard output:\n%s\nstandard error:\n%s", s.out.String(), s.errs.String())
		}
		killPostgres(t, dir)
	})
	return s
}

// serve starts recall serve and waits until it says that it runs.
func serve(t *testing.T, dir string, env []string, args ...string) *server {
	t.Helper()
	s := launch(t, dir, env, args...)
	s.wait("it runs", func() bool { return strings.Contains(s.out.String(), "  Stop") })
	return s
}

// awaitEnd waits until the process has ended.
func (s *server) awaitEnd() {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.t.Fatal("serve does not end")
	}
}

// patience is how long a test waits; only one that fails anyway waits so long.
const patience = 2 * time.Minute

// wait waits for something the process does, or fails the test when the process ends first.
func (s *server) wait(what string, done func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-s.ended:
			if done() {
				return
			}
			s.t.Fatalf("serve ended (%v) before this: %s", s.cmd.ProcessState, what)
		case <-deadline:
			s.t.Fatalf("in vain waited for this: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// logged waits for a line of the log.
func (s *server) logged(text string) {
	s.t.Helper()
	s.wait("log says "+text, func() bool { return strings.Contains(s.errs.String(), text) })
}

// printed is what stands behind a name in the greeting.
func (s *server) printed(name string) string {
	s.t.Helper()
	match := regexp.MustCompile(`(?m)^  ` + name + ` +(.*)$`).FindStringSubmatch(s.out.String())
	if match == nil {
		s.t.Fatalf("serve does not print %q", name)
	}
	return match[1]
}

// callbackURL is where callbacks of a source are taken.
func (s *server) callbackURL(slug string) string {
	s.t.Helper()
	url, _, _ := strings.Cut(s.printed("Callbacks"), "/callbacks/")
	return url + "/callbacks/" + slug
}

func (s *server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends serve in order.
func (s *server) stop() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	s.awaitEnd()
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("serve ended with %v", s.cmd.ProcessState)
	}
}

// kill ends serve as a power cut would, and leaves PostgreSQL alone.
func (s *server) kill() {
	s.t.Helper()
	s.signal(syscall.SIGKILL)
	s.awaitEnd()
}

// store opens the database that serve uses.
func (s *server) store() *store.DB {
	s.t.Helper()
	url, running := cluster.Running(s.dir)
	if !running {
		s.t.Fatal("the private database does not run")
	}
	key, _, err := seal.LoadOrCreate(filepath.Join(s.dir, "key"))
	if err != nil {
		s.t.Fatal(err)
	}
	return openTestStore(s.t, url, key)
}

func openTestStore(t *testing.T, url string, key seal.Key) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), url, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// postmaster is the process of a data folder's private PostgreSQL, 0 when there is none.
func postmaster(dir string) int {
	if _, running := cluster.Running(dir); !running {
		return 0
	}
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		return 0
	}
	return pid
}

// killPostgres ends what a test left behind, or is about to do without.
func killPostgres(t *testing.T, dir string) {
	pid := postmaster(dir)
	if pid == 0 {
		return
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("ending PostgreSQL: %v", err)
	}
	for postmaster(dir) == pid {
		time.Sleep(10 * time.Millisecond)
	}
}
