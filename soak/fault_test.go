package soak

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fault breaks something, and leaves it mended.
type fault struct {
	name string
	do   func(*world)
}

// pause is how long something stays broken.
func pause() { time.Sleep(time.Duration(500+rand.IntN(1500)) * time.Millisecond) }

var everywhere = []fault{
	{"kill -9 of recall", func(w *world) {
		w.serve.Process.Kill()
		w.restart()
	}},
	{"kill -9 of a backend", func(w *world) {
		family := w.family()
		syscall.Kill(family[1+rand.IntN(len(family)-1)], syscall.SIGKILL)
	}},
	{"recall stopped for a while", func(w *world) {
		w.serve.Process.Signal(syscall.SIGSTOP)
		pause()
		w.serve.Process.Signal(syscall.SIGCONT)
	}},
	{"the database stopped for a while", func(w *world) {
		family := w.family()
		for _, pid := range family {
			syscall.Kill(pid, syscall.SIGSTOP)
		}
		time.Sleep(4 * time.Second) // longer than a commit may take
		for _, pid := range family {
			syscall.Kill(pid, syscall.SIGCONT)
		}
	}},
}

var embedded = []fault{
	{"kill -9 of PostgreSQL", func(w *world) { syscall.Kill(w.postmaster(), syscall.SIGKILL) }},
	{"kill -9 of both", func(w *world) {
		syscall.Kill(w.postmaster(), syscall.SIGKILL)
		w.serve.Process.Kill()
		w.restart()
	}},
	{"a clean stop and start", func(w *world) {
		w.end()
		w.restart()
	}},
}

var behindProxy = []fault{
	{"connections cut", func(w *world) { w.proxy.cut() }},
	{"the network away for a while", func(w *world) {
		w.proxy.closed.Store(true)
		w.proxy.cut()
		time.Sleep(4 * time.Second)
		w.proxy.closed.Store(false)
	}},
}

func TestFaultsWithTheEmbeddedDatabase(t *testing.T) {
	runFaults(t, newWorld(t, dataDir(t), false), append(everywhere[:len(everywhere):len(everywhere)], embedded...))
}

func TestFaultsOfTheNetwork(t *testing.T) {
	runFaults(t, newWorld(t, dataDir(t), true), append(everywhere[:len(everywhere):len(everywhere)], behindProxy...))
}

// dataDir is a short one: the path of a unix socket is bounded.
func dataDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "soak-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// runFaults does each fault once, or as many as RECALL_SOAK_FAULTS says in random order.
func runFaults(t *testing.T, w *world, faults []fault) {
	n := len(faults)
	long, err := strconv.Atoi(os.Getenv("RECALL_SOAK_FAULTS"))
	if err == nil {
		n = long
	}
	for i := range n {
		f := faults[i%len(faults)]
		if long > 0 {
			f = faults[rand.IntN(len(faults))]
		}
		w.waitProgress(200)
		f.do(w)
		w.waitReady()
		w.waitProgress(50)
		w.check()
		if (i+1)%20 == 0 {
			t.Logf("%d faults, %d callbacks answered 2xx", i+1, len(w.loader.promised()))
		}
		if t.Failed() {
			t.Fatalf("after fault %d: %s", i+1, f.name)
		}
	}
	w.loader.end()
	w.check()
	t.Logf("%d faults: %d callbacks answered 2xx, each stored once, byte for byte; %d refused, %d without an answer",
		n, len(w.loader.promised()), w.loader.refused.Load(), w.loader.failed.Load())
}

const diskVariable = "RECALL_SOAK_DISK"

// TestFullDisk runs itself again in a mount namespace of its own, with the data folder on a small disk.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(diskVariable); dir != "" {
		fullDisk(t, dir)
		return
	}
	dir := dataDir(t)
	os.Chmod(dir, 0o711)
	args := []string{"--mount"}
	if os.Geteuid() != 0 {
		args = []string{"--user", "--map-current-user", "--keep-caps", "--mount"}
	}
	args = append(args, "sh", "-c", `mount -t tmpfs -o size=320m,mode=711 recall-soak "$0" && exec "$@"`, dir, os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
	cmd := exec.Command("unshare", args...)
	cmd.Env = append(os.Environ(), diskVariable+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		if strings.Contains(line, "answered 2xx") {
			t.Log(strings.TrimSpace(line))
		}
	}
}

func fullDisk(t *testing.T, dir string) {
	w := newWorld(t, dir, false)
	w.waitProgress(200)
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2] // to the last byte
		}
	}
	f.Close()
	w.waitFor("callbacks are refused while the disk is full", func() bool { return w.loader.refused.Load() > 20 })
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.waitProgress(200)
	w.loader.end()
	w.check()
	t.Logf("a full disk: %d callbacks answered 2xx, each stored once, byte for byte; %d refused, %d without an answer",
		len(w.loader.promised()), w.loader.refused.Load(), w.loader.failed.Load())
}
