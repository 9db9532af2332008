package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/cluster"
	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

const testSecret = "secret of the shop"

// addShop makes the source shop, and waits until serve knows it.
func addShop(s *server, db *store.DB) *sender {
	s.t.Helper()
	if err := db.CreateSource(s.t.Context(), &store.Source{
		Slug: "shop", Name: "Shop", Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{{Name: "first", Key: testSecret}},
	}); err != nil {
		s.t.Fatal(err)
	}
	return awaitShop(s)
}

func awaitShop(s *server) *sender {
	s.t.Helper()
	target := s.callbackURL("shop")
	s.wait("it knows the source", func() bool {
		r, err := http.Get(target)
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusMethodNotAllowed
	})
	return newSender(sender{URL: target, Secret: testSecret})
}

// numbered is a callback of its own.
func numbered(n int) plenigo.Sample {
	return plenigo.Sample{Name: "numbered", Body: fmt.Appendf(nil, `{"entityType":"ORDER","callbackType":"CREATION","entityId":"%d","entity":{}}`, n)}
}

// send sends a callback that must be accepted, and returns its event's id.
func send(s *server, shop *sender, n int) uuid.UUID {
	s.t.Helper()
	got, err := shop.send(s.t.Context(), numbered(n), fault{})
	if err != nil || got.Status != http.StatusOK || got.Verdict != verify.Verified {
		s.t.Fatalf("answered %+v, %v", got, err)
	}
	return got.Event
}

// wantEvents fails for each event that is not there.
func wantEvents(t *testing.T, db *store.DB, ids ...uuid.UUID) {
	t.Helper()
	var found int
	if err := db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM events WHERE id = ANY($1)`, ids).Scan(&found); err != nil {
		t.Fatal(err)
	}
	if found != len(ids) {
		t.Errorf("%d of %d events answered 2xx are there", found, len(ids))
	}
}

// logIn posts the log-in form, and returns where it leads and a client that has the session.
func logIn(s *server, password string) (location string, client *http.Client) {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := client.PostForm(s.printed("Admin UI")+"/login", url.Values{"name": {firstUser}, "password": {password}})
	if err != nil {
		s.t.Fatal(err)
	}
	r.Body.Close()
	return r.Header.Get("Location"), client
}

func get(s *server, client *http.Client, path string) (status int, body string) {
	s.t.Helper()
	r, err := client.Get(s.printed("Admin UI") + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

func TestFirstAndSecondStart(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	first := serve(t, dir, nil)
	if hint := binary + ` source add --slug shop --name "Shop" --secret -`; !strings.Contains(first.out.String(), hint) {
		t.Errorf("it does not say how to add a source: %s", hint)
	}
	password := strings.TrimPrefix(first.printed("Log in"), firstUser+"  ")
	if location, client := logIn(first, password); location == "" {
		t.Error("the printed password does not log in")
	} else if status, _ := get(first, client, "/events"); status != http.StatusOK {
		t.Errorf("the list of events answers %d", status)
	}
	if location, _ := logIn(first, "another"); location != "" {
		t.Error("another password logs in")
	}
	for _, path := range []string{"/health/live", "/health/ready"} {
		if status, body := get(first, http.DefaultClient, path); status != http.StatusOK {
			t.Errorf("%s answers %d %s", path, status, body)
		}
	}
	shop := addShop(first, first.store())
	id := send(first, shop, 1)
	wantEvents(t, first.store(), id)

	first.stop()
	if strings.Contains(first.errs.String(), password) {
		t.Error("the password is in the log")
	}
	if pid := postmaster(dir); pid != 0 {
		t.Errorf("PostgreSQL still runs as process %d", pid)
	}
	runBinary(t, []string{"RECALL_DATA_DIR=" + dir}, "db", "url").want(t, 1, "the private database in "+dir+" does not run: start `recall serve` first, and ask again")

	second := serve(t, dir, nil)
	if strings.Contains(second.out.String(), "Log in") {
		t.Error("the second start prints a password")
	}
	if location, _ := logIn(second, password); location == "" {
		t.Error("the password of the first start does not log in any more")
	}
	wantEvents(t, second.store(), id)
	send(second, awaitShop(second), 2)
	url, _ := cluster.Running(dir)
	if got := runBinary(t, []string{"RECALL_DATA_DIR=" + dir}, "db", "url"); got.status != 0 || got.out != url+"\n" {
		t.Errorf("db url: %+v, want %s", got, url)
	}
	second.stop()
}

// Whatever was answered 2xx is there after a power cut, of serve alone and of PostgreSQL with it.
func TestKilled(t *testing.T) {
	t.Parallel()
	for name, both := range map[string]bool{"serve": false, "both": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := dataDir(t)
			s := serve(t, dir, nil)
			shop := addShop(s, s.store())
			pid := postmaster(dir)

			var mu sync.Mutex
			var answered []uuid.UUID
			var senders sync.WaitGroup
			for i := range 8 {
				senders.Go(func() {
					for n := i; ; n += 8 {
						got, err := shop.send(t.Context(), numbered(n), fault{})
						if err != nil {
							return // killed
						}
						if got.ok() {
							mu.Lock()
							answered = append(answered, got.Event)
							mu.Unlock()
						}
					}
				})
			}
			s.wait("callbacks were answered", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(answered) > 50
			})
			s.kill()
			if both {
				killPostgres(t, dir)
			}
			senders.Wait()

			again := serve(t, dir, nil)
			if now := postmaster(dir); (now == pid) == both {
				t.Errorf("PostgreSQL was process %d and is %d", pid, now)
			}
			wantEvents(t, again.store(), answered...)
			send(again, awaitShop(again), 1_000_000)
			again.stop()
			if pid := postmaster(dir); pid != 0 {
				t.Errorf("PostgreSQL still runs as process %d", pid)
			}
		})
	}
}

func TestPostgresEndsUnderServe(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := serve(t, dir, nil)
	shop := addShop(s, s.store())
	pid := postmaster(dir)
	killPostgres(t, dir)
	var answered []uuid.UUID
	s.wait("the database is back, while callbacks are taken without a pause", func() bool {
		answered = append(answered, send(s, shop, len(answered)))
		now := postmaster(dir)
		return now != pid && now != 0
	})
	s.wait("what was spooled is in the database", func() bool {
		n := 0
		err := s.store().Pool().QueryRow(t.Context(), "SELECT count(*) FROM events").Scan(&n)
		return err == nil && n == len(answered)
	})
	wantEvents(t, s.store(), answered...)
	s.logged("the private database has ended by itself")
	s.stop()
	if pid := postmaster(dir); pid != 0 {
		t.Errorf("PostgreSQL still runs as process %d", pid)
	}
}

// A data folder has one spool, so it is one instance's.
func TestTwoOnOneDataFolder(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	first := serve(t, dir, nil)
	shop := addShop(first, first.store())
	second := runBinary(t, []string{"RECALL_DATA_DIR=" + dir, "RECALL_RECEIVER_ADDR=127.0.0.1:0", "RECALL_ADMIN_ADDR=127.0.0.1:0"}, "serve")
	if second.status != 1 || !strings.Contains(second.errs, "in use by another recall") {
		t.Errorf("a second one on the same data folder: %+v", second)
	}
	send(first, shop, 1)
	first.stop()
}

func TestDatabaseURLStartsNothing(t *testing.T) {
	t.Parallel()
	dir, database := dataDir(t), storetest.URL(t)
	key := strings.Repeat("ab", 32)
	env := []string{"RECALL_DATABASE_URL=" + database, "RECALL_KEY=" + key}
	s := serve(t, dir, env)
	db := openTestStore(t, database, storetest.Key())
	send(s, addShop(s, db), 1)
	if _, err := os.Stat(filepath.Join(dir, "postgres")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a private database: %v", err)
	}
	if got := runBinary(t, env, "db", "url"); got.status != 0 || got.out != database+"\n" {
		t.Errorf("db url: %+v, want %s", got, database)
	}
	s.stop()

	other := []string{"RECALL_DATABASE_URL=" + database, "RECALL_KEY=" + strings.Repeat("cd", 32)}
	failing := launch(t, dir, other)
	failing.awaitEnd()
	if code := failing.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(failing.errs.String(), "key") {
		t.Errorf("started with another key: exit status %d, %s", code, failing.errs.String())
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	private := []string{"RECALL_DATA_DIR=" + dir}
	runBinary(t, private, "migrate", "status").want(t, 1, "there is no database in "+dir)
	runBinary(t, private, "migrate", "up").want(t, 0, "The schema is up to date.")
	status := runBinary(t, private, "migrate", "status")
	status.want(t, 0, "00001_sources.sql")
	if strings.Contains(status.out, "pending") {
		t.Errorf("still pending:\n%s", status.out)
	}
	if pid := postmaster(dir); pid != 0 {
		t.Errorf("PostgreSQL still runs as process %d", pid)
	}

	// In a database that others may share, nothing is changed unasked; and no key is made where none is needed.
	empty := emptyDatabase(t)
	shared := []string{"RECALL_DATA_DIR=" + filepath.Join(dir, "none"), "RECALL_DATABASE_URL=" + empty}
	runBinary(t, append(shared, "RECALL_KEY="+strings.Repeat("ab", 32)), "source", "list").want(t, 1, "run `recall migrate up`")
	runBinary(t, shared, "migrate", "status").want(t, 0, "pending")
	runBinary(t, shared, "migrate", "up").want(t, 0, "The schema is up to date.")
	runBinary(t, shared, "source", "list").want(t, 1, "there is no key in "+filepath.Join(dir, "none"))
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("a data folder was made")
	}
}

func TestStartFailures(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // after the parallel cases
	for _, test := range []struct{ name, variable, value, want string }{
		{"receiver's address in use", "RECALL_RECEIVER_ADDR", taken.Addr().String(), "RECALL_RECEIVER_ADDR: cannot listen on " + taken.Addr().String() + ": bind: address already in use: stop what uses it, or choose another address"},
		{"admin UI's address in use", "RECALL_ADMIN_ADDR", taken.Addr().String(), "RECALL_ADMIN_ADDR: cannot listen on " + taken.Addr().String() + ": bind: address already in use: stop what uses it, or choose another address"},
		{"address of another machine", "RECALL_ADMIN_ADDR", "192.0.2.1:80", "RECALL_ADMIN_ADDR: cannot listen on 192.0.2.1:80: bind: cannot assign requested address: stop what uses it, or choose another address"},
		{"database away", "RECALL_DATABASE_URL", "postgres://u:geheim@127.0.0.1:1/d", "the database in RECALL_DATABASE_URL does not answer: failed to connect to `user=u database=d`"},
		{"no server programs", "RECALL_POSTGRES_BIN", "/nowhere", "RECALL_POSTGRES_BIN=/nowhere: initdb is not in it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := launch(t, dataDir(t), []string{test.variable + "=" + test.value})
			s.awaitEnd()
			if code := s.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(s.errs.String(), "recall: "+test.want) || strings.Contains(s.errs.String(), "geheim") {
				t.Errorf("exit status %d\n got %s\nwant recall: %s", code, s.errs.String(), test.want)
			}
		})
	}
}

// slowCallback sends a signed callback of which the last bytes are still to come: rest sends them and returns the status.
func slowCallback(s *server, shop *sender) (rest func() (int, error)) {
	s.t.Helper()
	target, err := url.Parse(shop.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	conn, err := net.Dial("tcp", target.Host)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	body := numbered(7).Body
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nPlenigo-Signature: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		target.Path, target.Host, verify.Sign(testSecret, time.Now(), body), len(body))
	answer := make([]byte, 1024)
	n, err := conn.Read(answer)
	if err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 100 Continue")) {
		s.t.Fatalf("%q, %v", answer[:n], err)
	}
	return func() (int, error) {
		if _, err := conn.Write(body); err != nil {
			return 0, err
		}
		var status int
		_, err := fmt.Fscanf(conn, "HTTP/1.1 %d", &status)
		return status, err
	}
}

func TestStopWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := serve(t, dataDir(t), []string{"RECALL_SHUTDOWN_GRACE=1m"})
	shop := addShop(s, s.store())
	rest := slowCallback(s, shop)
	s.signal(syscall.SIGTERM)
	s.logged("stopping")
	if status, err := rest(); err != nil || status != http.StatusOK {
		t.Errorf("answered %d, %v", status, err)
	}
	s.awaitEnd()
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := serve(t, dir, []string{"RECALL_SHUTDOWN_GRACE=10m"})
	slowCallback(s, addShop(s, s.store()))
	s.signal(syscall.SIGINT)
	s.logged("stopping")
	s.signal(syscall.SIGTERM)
	s.awaitEnd()
	if status := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("ended with %v", s.cmd.ProcessState)
	}
	serve(t, dir, nil).stop()
}

// A signal while PostgreSQL is being made leaves nothing behind that a later start could not use.
func TestStoppedWhileStarting(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := launch(t, dir, nil)
	s.logged("making the database")
	s.signal(syscall.SIGTERM)
	s.awaitEnd()
	if code := s.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(s.errs.String(), "recall: stopped before it was done") {
		t.Errorf("exit status %d, %s", code, s.errs.String())
	}
	if pid := postmaster(dir); pid != 0 {
		t.Errorf("PostgreSQL runs as process %d", pid)
	}
	serve(t, dir, nil).stop()
}

func TestVersionAndUse(t *testing.T) {
	t.Parallel()
	if got := runBinary(t, nil, "--version"); got.status != 0 || !strings.HasPrefix(got.out, "recall ") {
		t.Errorf("--version: %+v", got)
	}
	runBinary(t, nil).want(t, 0, "Usage: recall <command>", "serve")
	runBinary(t, nil, "srve").want(t, 2, `recall: unexpected argument srve, did you mean "serve"?; see recall --help`)
	runBinary(t, nil, "serve", "--workrs=3").want(t, 2, `unknown flag --workrs, did you mean "--workers"?; see recall --help`)
}

// emptyDatabase is one without a schema, on the server of the tests.
func emptyDatabase(t *testing.T) string {
	t.Helper()
	full := storetest.URL(t)
	config, err := pgx.ParseConfig(full)
	if err != nil {
		t.Fatal(err)
	}
	name := config.Database + "_empty"
	pool := openTestStore(t, full, storetest.Key()).Pool()
	if _, err := pool.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := pool.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return strings.Replace(full, "/"+config.Database+"?", "/"+name+"?", 1)
}
