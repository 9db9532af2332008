// Package storetest gives each test a fresh, migrated database on a real PostgreSQL.
//
// The first test of a process starts a private server in a temporary folder; it ends with the process, however that ends.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"recall/cluster"
	"recall/seal"
	"recall/store"
)

// Key is the program's key in tests.
func Key() seal.Key {
	key, err := seal.ParseKey(strings.Repeat("ab", 32))
	if err != nil {
		panic(err)
	}
	return key
}

// New returns a store on a database of its own, dropped when the test ends.
func New(t testing.TB) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), URL(t), Key(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// URL returns the connection string of a fresh, migrated database, for tests that need several connections or programs.
func URL(t testing.TB) string {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if _, err := s.pool.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		t.Fatalf("making a database for the test: %v", err)
	}
	t.Cleanup(func() {
		if _, err := s.pool.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	return s.url(name)
}

const template = "recall_template"

var databases atomic.Int64

// server is the process's private PostgreSQL.
type server struct {
	base string // connection string of the database recall
	pool *pgxpool.Pool
	life *os.File // open until the process ends; then the server is stopped
}

func (s *server) url(database string) string {
	return strings.Replace(s.base, "/recall?", "/"+database+"?", 1)
}

var start = sync.OnceValues(func() (*server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "recall-test-")
	if err != nil {
		return nil, err
	}
	c, err := cluster.Open(ctx, cluster.Options{DataDir: dir, BinDir: os.Getenv("RECALL_POSTGRES_BIN")})
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	life, err := endWithUs(dir)
	if err != nil {
		c.Close(ctx)
		return nil, err
	}
	s := &server{base: c.URL(), life: life}
	if err := s.prepare(ctx); err != nil {
		return nil, fmt.Errorf("preparing the server for tests: %w", err)
	}
	return s, nil
})

// prepare makes the template, and trades the server's durability for speed: it does not outlive the tests.
func (s *server) prepare(ctx context.Context) error {
	var err error
	if s.pool, err = pgxpool.New(ctx, s.base); err != nil {
		return err
	}
	for _, sql := range []string{
		"ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off", "ALTER SYSTEM SET synchronous_commit = off",
		"SELECT pg_reload_conf()", "CREATE DATABASE " + template,
	} {
		if _, err := s.pool.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	db, err := store.Open(ctx, s.url(template), Key(), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Migrate(ctx)
}

// endWithUs leaves a shell behind that waits for this process to end, by whatever means, and then stops the server and
// removes its folder. The process's life is the file that is returned.
func endWithUs(dir string) (life *os.File, err error) {
	pid, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(string(pid), "\n")
	if _, err := strconv.Atoi(line); err != nil {
		return nil, fmt.Errorf("reading the server's process number: %w", err)
	}
	read, life, err := os.Pipe() // ends when this process does
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("sh", "-c", `read -r _; kill -QUIT "$1"; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done; rm -rf "$2"`, "sh", line, dir)
	cmd.Stdin = read
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return life, read.Close()
}
