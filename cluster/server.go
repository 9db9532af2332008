package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	port       = 5432 // names the socket only; nothing listens on TCP
	poll       = 30 * time.Millisecond
	silence    = time.Minute      // how long a server that lives may give no answer at all
	leftBehind = 30 * time.Second // how long backends of a killed server may take to notice
)

// run starts PostgreSQL, or adopts one that runs, and waits until the database recall answers.
func (c *Cluster) run(ctx context.Context) error {
	started := time.Now()
	heard := started
	patience := false
	var exited <-chan error // of the server that this call started
	for {
		err := c.ping(ctx)
		if err == nil {
			if exited == nil {
				c.log.Info("using the database that is running", "folder", c.dir)
			}
			return nil
		}
		var answer *pgconn.PgError // it answers, if only that it is starting or stopping
		if errors.As(err, &answer) {
			if answer.Code != "57P03" {
				return fmt.Errorf("the database in %s refuses: %w", c.dir, err)
			}
			heard = time.Now()
		}
		if !patience && time.Since(started) > 5*time.Second {
			c.log.Info("waiting for the database, which is recovering or stopping", "folder", c.dir)
			patience = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the database in %s: %w; its log: %s", c.dir, ctx.Err(), c.logTail())
		case status := <-exited:
			tail := c.logTail()
			if !strings.Contains(tail, "shared memory block") || time.Since(started) > leftBehind {
				return advise(fmt.Errorf("PostgreSQL did not start (%w); its log: %s", status, tail), c.dir)
			}
			exited = nil
		case <-time.After(poll):
		}
		if exited != nil || c.postmaster() != 0 {
			if time.Since(heard) > silence {
				return fmt.Errorf("PostgreSQL runs in %s (process %d) and does not answer on its socket in %s: stop it with `kill -INT %d` and start again; its log: %s",
					c.dir, c.postmaster(), c.socket, c.postmaster(), c.logTail())
			}
			continue
		}
		if exited, err = c.launch(); err != nil {
			return err
		}
		heard = time.Now()
	}
}

// launch starts the server as a child in a session of its own, so that Ctrl-C on the terminal does not reach it and it
// outlives a killed recall. The channel tells when it ends.
func (c *Cluster) launch() (<-chan error, error) {
	if err := c.socketFolder(); err != nil {
		return nil, err
	}
	if err := c.clearStale(); err != nil {
		return nil, err
	}
	if err := c.writeSettings(); err != nil {
		return nil, err
	}
	// Until it opens its own log, the server writes to the standard streams.
	out, err := os.OpenFile(c.startLog(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, advise(fmt.Errorf("opening the database's first log: %w", err), c.dir)
	}
	defer out.Close()
	cmd := c.command(context.Background(), "postgres", "-D", c.dir, "-c", "unix_socket_directories="+c.socket)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting PostgreSQL as %s: %w", c.owner, err)
	}
	exited := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errors.New("exit status 0")
		}
		exited <- err
	}()
	return exited, nil
}

// stop ends a running server, with its connections, and waits until it has written everything down.
func (c *Cluster) stop(ctx context.Context) error {
	pid := c.postmaster()
	if pid == 0 {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping PostgreSQL (process %d): %w", pid, err)
	}
	for c.postmaster() == pid {
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL (process %d) is still stopping: %w", pid, ctx.Err())
		case <-time.After(poll):
		}
	}
	return nil
}

// ping asks the database recall, and makes it where it is missing.
func (c *Cluster) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL())
	var answer *pgconn.PgError
	if errors.As(err, &answer) && answer.Code == "3D000" { // no such database
		return c.createDatabase(ctx)
	}
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (c *Cluster) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.databaseURL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "CREATE DATABASE "+role)
	return err
}

// pidFile reads PostgreSQL's own note of the running server: its process and the folder of its socket.
func (c *Cluster) pidFile() (pid int, socket string) {
	lines := readNote(c.pidPath())
	if len(lines) > 4 {
		socket = lines[4]
	}
	return notedPID(lines), socket
}

func readNote(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Split(string(text), "\n")
}

func notedPID(lines []string) int {
	if len(lines) == 0 {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}

func (c *Cluster) pidPath() string  { return filepath.Join(c.dir, "postmaster.pid") }
func (c *Cluster) startLog() string { return c.dir + ".start.log" }

// postmaster returns the process of the cluster's server, 0 when it does not run. A process of which it cannot be told
// whether it is the server is taken for it.
func (c *Cluster) postmaster() int {
	pid, _ := c.pidFile()
	if pid == 0 {
		return 0
	}
	if w := c.whose(pid); w == gone || w == foreign {
		return 0
	}
	return pid
}

// clearStale removes what a killed server left in the cluster and beside its socket, if the process number in it is
// another program's by now, or a dead process's whose parent has not noticed: PostgreSQL would take it for a living server
// and refuse to start. Any other stale file is left to PostgreSQL, which in each case makes sure that no backend of a dead
// server lives on.
func (c *Cluster) clearStale() error {
	for _, path := range []string{c.pidPath(), filepath.Join(c.socket, fmt.Sprintf(".s.PGSQL.%d.lock", port))} {
		pid := notedPID(readNote(path))
		if pid == 0 || c.whose(pid) != foreign {
			continue
		}
		c.log.Info("removing the note of a database server that is no more", "file", path)
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing the note of a database server that is no more: %w", err)
		}
	}
	return nil
}

type whose int

const (
	gone    whose = iota // no such process
	ours                 // the server of this cluster
	foreign              // surely another program, or a dead one whose parent has not noticed yet
	unclear
)

// whose tells whether a process is the server of this cluster. A server works in its cluster's folder; where that may not
// be looked at (a container without CAP_SYS_PTRACE), its command line names the folder.
func (c *Cluster) whose(pid int) whose {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return gone
	}
	proc := fmt.Sprintf("/proc/%d", pid)
	name, err := os.ReadFile(proc + "/comm")
	if err != nil {
		return unclear
	}
	if strings.TrimSpace(string(name)) != "postgres" {
		return foreign
	}
	line, err := os.ReadFile(proc + "/cmdline")
	if err == nil && len(line) == 0 {
		return foreign // dead
	}
	dir, err := os.Stat(c.dir)
	if err != nil {
		return unclear
	}
	at, err := os.Stat(proc + "/cwd")
	if err != nil {
		args := strings.Split(string(line), "\x00")
		if i := slices.Index(args, "-D"); i >= 0 && i+1 < len(args) {
			at, err = os.Stat(args[i+1])
		}
	}
	if err != nil || at == nil {
		return unclear
	}
	if os.SameFile(at, dir) {
		return ours
	}
	return foreign
}

// command prepares one of PostgreSQL's programs, to run as the cluster's owner. Settings for clients in the environment
// (PGHOST, PGDATA and so on) are not for it.
func (c *Cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin.dir, name), args...)
	cmd.Dir = "/" // the working folder may be closed to the owner
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PG") }), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c.owner.credential}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// program runs one of PostgreSQL's programs to its end.
func (c *Cluster) program(ctx context.Context, name string, args ...string) error {
	out, err := c.command(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s as %s: %w: %s", name, c.owner, err, lastLines(out))
	}
	return nil
}

// logTail is the end of the newest server log, for error messages. Statements and values are not in it.
func (c *Cluster) logTail() string {
	var newest string
	var at time.Time
	logs, _ := filepath.Glob(filepath.Join(globQuote(c.dir), "log", "*.log")) // the pattern is ours
	for _, path := range append(logs, c.startLog()) {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 && info.ModTime().After(at) {
			newest, at = path, info.ModTime()
		}
	}
	text, err := os.ReadFile(newest)
	if err != nil {
		return "none"
	}
	return newest + ": " + lastLines(text)
}

func lastLines(text []byte) string {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if len(lines) > 5 {
		lines = lines[len(lines)-5:]
	}
	return string(bytes.Join(lines, []byte(" | ")))
}
