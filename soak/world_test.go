package soak

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
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

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/cluster"
)

// binary is built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "recall-soak-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "recall")
	out, err := exec.Command("go", "build", "-o", path, "recall/cmd/recall").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building recall: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// world is one recall with its database, and a loader.
type world struct {
	t               testing.TB
	dir             string   // data folder
	env             []string // settings
	log             *os.File
	serve           *exec.Cmd
	ended           chan struct{} // closed when serve has ended
	receiver, admin string        // URLs
	ready           string        // URL
	proxy           *proxy        // nil: embedded database, or one of url
	url             string        // of a database that is not ours to start; "": proxy or embedded
	program         string        // "": of this source
	senders         int           // connections of the loader; 0: 8
	peers           []*world      // other instances on the same database
	loader          *loader
	checked         map[uuid.UUID]bool // promises kept, as seen before
}

// newWorld starts everything. With a proxy, the database is one of RECALL_DATABASE_URL behind a TCP connection that can be
// cut; without, it is the embedded one.
func newWorld(t testing.TB, dir string, behindProxy bool) *world {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	w := prepare(t, dir)
	if behindProxy {
		c, err := cluster.Open(t.Context(), cluster.Options{DataDir: filepath.Join(dir, "external"), BinDir: os.Getenv("RECALL_POSTGRES_BIN")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		w.proxy = newProxy(t, c.URL())
		w.env = append(w.env, "RECALL_DATABASE_URL="+w.proxy.url)
	}
	w.command("", "migrate", "up")
	w.command(secret, "source", "add", "--slug", "shop", "--name", "Shop", "--secret-file", "-")
	w.begin(path)
	return w
}

// newInstances starts several recalls with a data folder each on one database, and has all they take in sent to a
// destination. Further settings are for all of them.
func newInstances(t testing.TB, n int, url string, crm *delivered, env ...string) []*world {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*world, n)
	for i := range all {
		all[i] = prepare(t, dataDir(t), append(env[:len(env):len(env)], "RECALL_DATABASE_URL="+url, "RECALL_EGRESS_ALLOW=127.0.0.0/8")...)
		all[i].url, all[i].senders = url, 2
	}
	all[0].command("", "migrate", "up")
	all[0].command(secret, "source", "add", "--slug", "shop", "--name", "Shop", "--secret-file", "-")
	crm.add(all[0])
	for _, w := range all {
		w.peers = all
		w.begin(path)
	}
	return all
}

// prepare makes a world that nothing runs in yet.
func prepare(t testing.TB, dir string, env ...string) *world {
	t.Helper()
	receiver, admin := freePort(t), freePort(t)
	w := &world{t: t, dir: dir, receiver: "http://" + receiver, admin: "http://" + admin, ready: "http://" + admin + "/health/ready", checked: map[uuid.UUID]bool{}}
	w.env = append(os.Environ(), "RECALL_DATA_DIR="+dir, "RECALL_RECEIVER_ADDR="+receiver, "RECALL_ADMIN_ADDR="+admin, "RECALL_LOG_LEVEL=warn",
		"RECALL_KEY="+strings.Repeat("ab", 32))
	w.env = append(w.env, env...)
	var err error
	if w.log, err = os.Create(filepath.Join(t.TempDir(), "recall.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(w.log.Name())
			t.Logf("recall's log ends:\n%s", text[max(0, len(text)-200_000):])
		}
		w.log.Close()
	})
	return w
}

// begin starts serve and the loader.
func (w *world) begin(path string) {
	w.t.Helper()
	w.start(path)
	w.t.Cleanup(w.end)
	w.loader = startLoader(w.receiver+"/callbacks/shop", cmp.Or(w.senders, 8))
	w.t.Cleanup(w.loader.end) // before end
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (w *world) command(stdin string, args ...string) string {
	w.t.Helper()
	path := w.program
	if path == "" {
		var err error
		if path, err = binary(); err != nil {
			w.t.Fatal(err)
		}
	}
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Stdin = w.env, strings.NewReader(stdin)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("recall %s: %v: %s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(out.String())
}

func (w *world) start(path string) {
	w.t.Helper()
	w.serve = exec.Command(path, "serve")
	w.serve.Env, w.serve.Stdout, w.serve.Stderr = w.env, w.log, w.log
	if err := w.serve.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	w.ended = ended
	go func(cmd *exec.Cmd) { cmd.Wait(); close(ended) }(w.serve)
	w.waitReady()
}

// restart starts serve anew after it was killed.
func (w *world) restart() {
	w.t.Helper()
	<-w.ended
	path, err := binary()
	if err != nil {
		w.t.Fatal(err)
	}
	w.start(path)
}

// waitFor asks until something holds.
func (w *world) waitFor(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			w.serve.Process.Signal(syscall.SIGQUIT) // its log then ends with what it was doing
			w.t.Fatalf("%s: not within 90 s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (w *world) waitReady() {
	w.t.Helper()
	client := &http.Client{Timeout: 2 * time.Second}
	w.waitFor("recall serve is ready", func() bool {
		select {
		case <-w.ended:
			w.t.Fatal("recall serve ended")
		default:
		}
		answer, err := client.Get(w.ready)
		if err != nil {
			return false
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// waitProgress lets some more callbacks be answered 2xx.
func (w *world) waitProgress(n int) {
	w.t.Helper()
	before := len(w.loader.promised())
	w.waitFor("callbacks are answered 2xx again", func() bool { return len(w.loader.promised()) >= before+n })
}

func (w *world) end() {
	w.serve.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.ended:
	case <-time.After(time.Minute):
		w.serve.Process.Kill()
		w.t.Error("recall serve did not end on SIGTERM")
	}
}

// postmaster is the process of the database.
func (w *world) postmaster() int {
	w.t.Helper()
	dir := w.dir
	if w.proxy != nil {
		dir = filepath.Join(w.dir, "external")
	}
	text, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil {
		w.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		w.t.Fatal(err)
	}
	return pid
}

// family is the postmaster and all its children.
func (w *world) family() []int {
	w.t.Helper()
	postmaster := w.postmaster()
	pids := []int{postmaster}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(postmaster) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// check makes sure that every promise is kept, and that nothing is there that was not sent.
func (w *world) check() {
	w.t.Helper()
	promised := w.loader.promised()
	var missing, altered, foreign, doubled int
	w.waitFor("every callback answered 2xx is in the database", func() bool {
		stored, err := w.stored()
		if err != nil {
			return false
		}
		missing, altered, foreign, doubled = 0, 0, 0, 0
		for id, hash := range promised {
			switch got, there := stored[id]; {
			case !there && !w.checked[id]:
				missing++
			case !there:
				w.t.Fatalf("event %s was stored and is gone", id)
			case got != hash:
				altered++
			}
		}
		once := make(map[[32]byte]bool, len(stored))
		for _, hash := range stored {
			if hash == sha256.Sum256([]byte(probe)) {
				continue
			}
			if !w.wasSent(hash) {
				foreign++
			}
			if once[hash] { // each was sent once
				doubled++
			}
			once[hash] = true
		}
		return missing == 0 || altered > 0 || foreign > 0 || doubled > 0
	})
	if altered > 0 || foreign > 0 || doubled > 0 {
		w.t.Fatalf("%d events are not what was sent, %d were never sent, %d are there twice", altered, foreign, doubled)
	}
	for id := range promised {
		w.checked[id] = true
	}
}

// wasSent tells whether any loader has sent a body.
func (w *world) wasSent(hash [32]byte) bool {
	for _, peer := range w.peers {
		if peer.loader != nil && peer.loader.wasSent(hash) {
			return true
		}
	}
	return w.loader.wasSent(hash)
}

// stored is every event with the hash of its body, computed by the database from the bytes it holds.
func (w *world) stored() (map[uuid.UUID][32]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	url := w.url
	if w.proxy != nil {
		url = w.proxy.url
	} else if url == "" {
		u, running := cluster.Running(w.dir)
		if !running {
			return nil, fmt.Errorf("the database does not run")
		}
		url = u
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT id, sha256(body) FROM events`)
	if err != nil {
		return nil, err
	}
	stored := map[uuid.UUID][32]byte{}
	var id uuid.UUID
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &hash}, func() error {
		stored[id] = [32]byte(hash)
		return nil
	})
	return stored, err
}

// proxy passes TCP connections on to PostgreSQL's socket, and can cut them all.
type proxy struct {
	url    string
	closed atomic.Bool // takes no new ones

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newProxy(t testing.TB, url string) *proxy {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{url: fmt.Sprintf("postgres://recall@%s/%s?sslmode=disable", l.Addr(), config.Database), conns: map[net.Conn]bool{}}
	socket := fmt.Sprintf("%s/.s.PGSQL.%d", config.Host, config.Port)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", socket)
			if err != nil || p.closed.Load() {
				client.Close()
				continue
			}
			p.mu.Lock()
			p.conns[client], p.conns[server] = true, true
			p.mu.Unlock()
			pass := func(to, from net.Conn) {
				io.Copy(to, from)
				p.mu.Lock()
				delete(p.conns, to)
				p.mu.Unlock()
				to.Close()
			}
			go pass(client, server)
			go pass(server, client)
		}
	}()
	return p
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}
