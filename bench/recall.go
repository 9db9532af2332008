package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// instance is a `recall serve` on its embedded database, with a source "shop".
type instance struct {
	*process
	o       options
	dataDir string
	env     []string
	admin   string
}

const path = "/callbacks/shop"

func newInstance(ctx context.Context, o options, name string) (*instance, error) {
	i, receiver := configure(o, name)
	if _, err := i.command(ctx, "migrate", "up"); err != nil {
		return nil, err
	}
	if _, err := i.command(ctx, "source", "add", "--slug", "shop", "--name", "Shop", "--secret-file", "-"); err != nil {
		return nil, err
	}
	return i, i.start(ctx, receiver)
}

// oldInstance starts on what a run before has left.
func oldInstance(ctx context.Context, o options, name string) (*instance, error) {
	i, receiver := configure(o, name)
	return i, i.start(ctx, receiver)
}

func configure(o options, name string) (i *instance, receiver string) {
	receiver, admin := freePort(), freePort()
	i = &instance{o: o, dataDir: filepath.Join(o.dir, name), admin: admin}
	i.env = append(os.Environ(), "RECALL_DATA_DIR="+i.dataDir, "RECALL_RECEIVER_ADDR="+receiver, "RECALL_ADMIN_ADDR="+admin,
		"RECALL_EGRESS_ALLOW=127.0.0.0/8", "RECALL_LOG_LEVEL=info", "RECALL_LOG_FORMAT=json")
	return i, receiver
}

// command runs one of Recall's commands and returns what it prints.
func (i *instance) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, i.o.recall, args...)
	cmd.Env = i.env
	cmd.Stdin = strings.NewReader(secret + "\n")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("recall %s: %w: %s", args[0], err, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// start runs serve, with its log in a file as in production, and waits until it is ready.
func (i *instance) start(ctx context.Context, receiver string) error {
	log, err := os.Create(i.dataDir + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	i.process = &process{Cmd: exec.Command(i.o.recall, "serve"), addr: receiver}
	i.Env, i.Stdout, i.Stderr = i.env, log, log
	if err := i.Start(); err != nil {
		return err
	}
	for range 300 {
		answer, err := http.Get("http://" + i.admin + "/health/ready")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	i.stop()
	return fmt.Errorf("recall serve did not become ready; its log is %s", log.Name())
}

func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// query asks the instance's database.
func (i *instance) query(ctx context.Context, sql string, into ...any) error {
	url, err := i.command(ctx, "db", "url")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if len(into) == 0 {
		_, err = conn.Exec(ctx, sql)
		return err
	}
	return conn.QueryRow(ctx, sql).Scan(into...)
}

// cost is what one event took.
type cost struct {
	cpu, postgresCPU float64 // microseconds
	rss              int64   // peak, bytes
	stored, received float64 // bytes: on disk with indexes; body and headers
}

func measureRecall(ctx context.Context, o options, r *report) error {
	i, err := newInstance(ctx, o, "recall")
	if err != nil {
		return err
	}
	defer i.stop()
	if r.recall, err = measureLoads(ctx, o, i.addr, path); err != nil {
		return err
	}
	before := measure(i.Process.Pid, i.dataDir)
	last, err := load{addr: i.addr, path: path, connections: 64, time: o.time}.run(ctx)
	if err != nil {
		return err
	}
	after := measure(i.Process.Pid, i.dataDir)
	n := float64(len(last.latencies))
	r.cost.cpu = float64((after.cpu - before.cpu).Microseconds()) / n
	r.cost.postgresCPU = float64((after.postgresCPU - before.postgresCPU).Microseconds()) / n
	r.cost.rss = after.peakRSS
	answered := len(last.latencies)
	for _, l := range []*result{&r.recall.max64, &r.recall.max256, &r.recall.at1000, &r.recall.at5000} {
		answered += len(l.latencies)
	}
	if err := i.checkLoad(ctx, answered, 0); err != nil {
		return err
	}
	return i.query(ctx, `
		SELECT (SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables
				WHERE relname ~ '^(events|arrival_groups|commits)')::float8 / count(*),
			avg(octet_length(header) + octet_length(body))::float8
		FROM events`, &r.cost.stored, &r.cost.received)
}

// checkLoad makes sure that what was measured is what is meant: callbacks of their own, committed and not spooled, each with
// its deliveries.
func (i *instance) checkLoad(ctx context.Context, answered, destinations int) error {
	var events, repeats, deliveries int
	err := i.query(ctx, `
		SELECT count(*), count(*) FILTER (WHERE arrival > 1), (SELECT count(*) FROM deliveries) FROM events`, &events, &repeats, &deliveries)
	if err != nil {
		return err
	}
	if events < answered || repeats > 0 || deliveries != events*destinations {
		return fmt.Errorf("%d answered 2xx, but %d events are in the database, %d of them repeats, with %d deliveries for %d destinations",
			answered, events, repeats, deliveries, destinations)
	}
	return nil
}

// measureDestinations repeats the highest rate with 1 and 10 destinations that match every event.
func measureDestinations(ctx context.Context, o options, r *report) error {
	sink, err := startServer("-kind", "sink")
	if err != nil {
		return err
	}
	defer sink.stop()
	for _, n := range []int{1, 10} {
		i, err := newInstance(ctx, o, fmt.Sprintf("destinations-%d", n))
		if err != nil {
			return err
		}
		defer i.stop()
		for d := range n {
			if _, err := i.command(ctx, "destination", "add", "--name", fmt.Sprintf("sink-%d", d), "--url", "http://"+sink.addr+"/in", "--match", "source:shop"); err != nil {
				return err
			}
		}
		time.Sleep(3 * time.Second) // a changed setting holds within 2 s
		if r.destinations[n], err = (load{addr: i.addr, path: path, connections: 64, time: o.time}).run(ctx); err != nil {
			return err
		}
		if err := i.checkLoad(ctx, len(r.destinations[n].latencies), n); err != nil {
			return err
		}
		if err := i.stop(); err != nil {
			return fmt.Errorf("recall serve: %w", err)
		}
	}
	return nil
}
