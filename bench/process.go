package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"recall/cluster"
)

// postgres is a private PostgreSQL for one measurement, with default durability.
func postgres(ctx context.Context, o options, name string) (*cluster.Cluster, error) {
	return cluster.Open(ctx, cluster.Options{
		DataDir: filepath.Join(o.dir, name), BinDir: os.Getenv("RECALL_POSTGRES_BIN"), Log: slog.New(slog.DiscardHandler),
	})
}

// process is a measured server.
type process struct {
	*exec.Cmd
	addr string
}

// startServer starts one of the servers of serve.
func startServer(args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{Cmd: exec.Command(self, append([]string{"server"}, args...)...)}
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	if p.addr, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		p.stop()
		return nil, fmt.Errorf("the server said nothing: %w", err)
	}
	p.addr = strings.TrimSpace(p.addr)
	return p, nil
}

func (p *process) stop() error {
	p.Process.Signal(syscall.SIGTERM) // it may have ended
	done := make(chan error, 1)
	go func() { done <- p.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(30 * time.Second):
		return p.Process.Kill()
	}
}

// usage is what a process, and PostgreSQL's processes in a data folder, have used.
type usage struct {
	cpu, postgresCPU time.Duration
	peakRSS          int64 // bytes, of the process alone
}

// measure reads /proc. PostgreSQL's ended backends count by their postmaster.
func measure(pid int, dataDir string) usage {
	var u usage
	u.cpu, _ = cpuTime(pid)
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.SplitSeq(string(status), "\n") {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			u.peakRSS = kb << 10
		}
	}
	note, _ := os.ReadFile(filepath.Join(dataDir, "postgres", "postmaster.pid"))
	line, _, _ := strings.Cut(string(note), "\n")
	postmaster, err := strconv.Atoi(line)
	if err != nil {
		return u
	}
	own, ended := cpuTime(postmaster)
	u.postgresCPU = own + ended
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		fields := statFields(path)
		if len(fields) > 3 && fields[1] == strconv.Itoa(postmaster) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			own, _ := cpuTime(pid)
			u.postgresCPU += own
		}
	}
	return u
}

// statFields are those of /proc/PID/stat after the command's name: state, parent, …
func statFields(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.Fields(rest)
}

// cpuTime is user and system time of a process, and of its children that have ended and been waited for.
func cpuTime(pid int) (own, children time.Duration) {
	fields := statFields(fmt.Sprintf("/proc/%d/stat", pid))
	if len(fields) < 15 {
		return 0, 0
	}
	ticks := func(i int) time.Duration {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return time.Duration(n) * (time.Second / 100) // USER_HZ
	}
	return ticks(11) + ticks(12), ticks(13) + ticks(14)
}
