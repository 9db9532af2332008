package soak

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// newPgBouncer puts PgBouncer before a server, in transaction mode and with nothing else set that makes things easier.
func newPgBouncer(t testing.TB, server *postgres) (url string) {
	t.Helper()
	path := ""
	for _, place := range []string{"pgbouncer", "/usr/sbin/pgbouncer", "../.tools/pgbouncer/bin/pgbouncer"} {
		if found, err := exec.LookPath(place); err == nil && path == "" {
			path, _ = filepath.Abs(found)
		}
	}
	if path == "" {
		t.Fatal("PgBouncer was not found: run scripts/install-pgbouncer")
	}
	dir := dataDir(t)
	os.Chmod(dir, 0o755)
	addr := freePort(t)
	_, port, _ := net.SplitHostPort(addr)
	config := filepath.Join(dir, "pgbouncer.ini")
	err := os.WriteFile(config, fmt.Appendf(nil, `[databases]
recall = host=127.0.0.1 port=%s dbname=recall user=recall
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 6
max_client_conn = 200
`, server.port, port), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := asOwner(t, dir, path, config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGINT)
		cmd.Wait()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("pgbouncer's log ends:\n%s", text[max(0, len(text)-3000):])
		}
		log.Close()
	})
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return fmt.Sprintf("postgres://recall@%s/recall?sslmode=disable", addr)
		}
		if time.Now().After(until) {
			t.Fatal("pgbouncer does not answer")
		}
	}
}

// TestPgBouncer goes the whole way of a callback, from an empty database to its delivery, through a pooler that gives each
// transaction another connection.
func TestPgBouncer(t *testing.T) {
	server := newPrimary(t)
	pooler := newPgBouncer(t, server)
	for name, direct := range map[string]string{"with a way past it": server.url("recall"), "with no way past it": "none"} {
		t.Run(name, func(t *testing.T) {
			server.exec("postgres", "DROP DATABASE recall WITH (FORCE)")
			server.exec("postgres", "CREATE DATABASE recall")
			crm := newDelivered(t)
			w := newInstances(t, 1, pooler, crm, "RECALL_DATABASE_DIRECT_URL="+direct)[0]
			w.command("a password of the soak", "user", "add", "anna")
			w.waitProgress(300)
			anna := newBrowser(t)
			anna.logIn(w, "anna", "a password of the soak")
			for _, path := range []string{"/overview", "/events", "/events?q=id:7", "/volume", "/failures", "/sources/shop", "/destinations/crm", "/customers/7"} {
				if status, _ := anna.get(w, path); status != http.StatusOK {
					t.Errorf("%s answers %d", path, status)
				}
			}
			w.command("", "retention", "run")
			w.command("", "doctor")
			w.loader.end()
			w.check()
			crm.await(w, w.loader.promised(), server)
			t.Logf("through PgBouncer, %s: %d callbacks answered 2xx, each stored once and delivered; %d refused", name, len(w.loader.promised()), w.loader.refused.Load())
		})
	}
}
