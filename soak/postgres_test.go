package soak

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// postgres is a server that the test starts by itself, on TCP, from the programs that recall would find.
type postgres struct {
	t    testing.TB
	dir  string // its cluster
	port string
	cmd  *exec.Cmd
	gone chan struct{} // closed when it has ended
}

// programDir is the folder of PostgreSQL's programs.
func programDir(t testing.TB) string {
	t.Helper()
	patterns := []string{os.Getenv("RECALL_POSTGRES_BIN"), "/usr/lib/postgresql/*/bin", "../.tools/postgres/bin"}
	if path, err := exec.LookPath("postgres"); err == nil {
		patterns = append(patterns, filepath.Dir(path))
	}
	for _, pattern := range patterns {
		dirs, _ := filepath.Glob(filepath.Join(pattern, "pg_basebackup"))
		if pattern != "" && len(dirs) > 0 {
			dir, err := filepath.Abs(filepath.Dir(dirs[len(dirs)-1]))
			if err != nil {
				t.Fatal(err)
			}
			return dir
		}
	}
	t.Fatal("PostgreSQL's programs were not found: run scripts/install-postgres")
	return ""
}

// asOwner has a program run as whom PostgreSQL may run: ourselves, or another user for root.
func asOwner(t testing.TB, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Geteuid() != 0 {
		return cmd
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return cmd
	}
	t.Fatal("there is no user to run PostgreSQL as")
	return nil
}

func runProgram(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	out, err := asOwner(t, dir, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newPrimary makes and starts an empty server with a database recall.
func newPrimary(t testing.TB) *postgres {
	t.Helper()
	dir := dataDir(t)
	p := &postgres{t: t, dir: filepath.Join(dir, "data")}
	_, p.port, _ = net.SplitHostPort(freePort(t))
	runProgram(t, dir, filepath.Join(programDir(t), "initdb"), "-D", p.dir, "-U", "recall", "--auth=trust", "-E", "UTF8", "--no-locale", "--no-sync")
	p.start()
	p.exec("postgres", "CREATE DATABASE recall")
	return p
}

// newStandby copies a running server and follows it; from then on no commit of that is answered without this one.
func newStandby(t testing.TB, primary *postgres) *postgres {
	t.Helper()
	_, port, _ := net.SplitHostPort(freePort(t))
	return newStandbyAt(t, primary, port)
}

// newStandbyAt is newStandby on a port that is known already.
func newStandbyAt(t testing.TB, primary *postgres, port string) *postgres {
	t.Helper()
	dir := dataDir(t)
	p := &postgres{t: t, dir: filepath.Join(dir, "data"), port: port}
	runProgram(t, dir, filepath.Join(programDir(t), "pg_basebackup"), "-D", p.dir, "-R", "--no-sync", "--checkpoint=fast", "-d", primary.url("postgres"))
	p.start()
	primary.exec("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
	primary.exec("postgres", "SELECT pg_reload_conf()")
	primary.waitFor("its standby is synchronous", "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
	return p
}

func (p *postgres) start() {
	p.t.Helper()
	dir := filepath.Dir(p.dir)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = asOwner(p.t, dir, filepath.Join(programDir(p.t), "postgres"), "-D", p.dir, "-p", p.port, "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "max_connections=200")
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	gone := make(chan struct{})
	p.gone = gone
	go func(cmd *exec.Cmd) { cmd.Wait(); log.Close(); close(gone) }(p.cmd)
	p.t.Cleanup(func() {
		p.cmd.Process.Signal(syscall.SIGQUIT)
		<-p.gone
	})
	p.waitFor("it answers", "SELECT true")
}

// kill ends the postmaster as a power cut would, without a word to anybody.
func (p *postgres) kill() {
	p.cmd.Process.Kill()
	<-p.gone
}

// promote makes a primary of a standby, that waits for no other.
func (p *postgres) promote() {
	p.t.Helper()
	runProgram(p.t, filepath.Dir(p.dir), filepath.Join(programDir(p.t), "pg_ctl"), "-D", p.dir, "promote", "-w", "-t", "60")
}

// url of a database on this server and on others.
func (p *postgres) url(database string, others ...*postgres) string {
	hosts := "127.0.0.1:" + p.port
	for _, other := range others {
		hosts += ",127.0.0.1:" + other.port
	}
	return fmt.Sprintf("postgres://recall@%s/%s?sslmode=disable", hosts, database)
}

func (p *postgres) exec(database, sql string) {
	p.t.Helper()
	if err := p.ask(database, sql, nil); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

func (p *postgres) ask(database, sql string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.url(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if into == nil {
		_, err = conn.Exec(ctx, sql)
		return err
	}
	return conn.QueryRow(ctx, sql).Scan(into)
}

func (p *postgres) waitFor(what, sql string) {
	p.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		var holds bool
		err := p.ask("postgres", sql, &holds)
		if err == nil && holds {
			return
		}
		select {
		case <-p.gone:
			err = errors.New("it has ended")
		default:
		}
		if time.Now().After(deadline) || err != nil && err.Error() == "it has ended" {
			text, _ := os.ReadFile(filepath.Join(filepath.Dir(p.dir), "log"))
			p.t.Fatalf("%s: not within a minute: %v\n%s", what, err, text[max(0, len(text)-2000):])
		}
		time.Sleep(50 * time.Millisecond)
	}
}
