package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Whoever reads what serve prints and logs may go away: serve goes on, and still stops in order.
func TestReaderOfTheLogGoesAway(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "serve")
	cmd.Env = append(os.Environ(), "RECALL_DATA_DIR="+dir, "RECALL_RECEIVER_ADDR=127.0.0.1:0", "RECALL_ADMIN_ADDR=127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); killPostgres(t, dir) })
	write.Close()
	lines := bufio.NewScanner(read)
	for lines.Scan() && !strings.Contains(lines.Text(), "  Stop") {
	}
	read.Close()

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("serve ended with %v", err)
	}
	if pid := postmaster(dir); pid != 0 {
		t.Errorf("PostgreSQL still runs as process %d", pid)
	}
}
