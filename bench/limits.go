package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// measurePostgres is limit (a): single rows of the size of a callback by pgbench, and the same rows by COPY.
func measurePostgres(ctx context.Context, o options, r *report) error {
	pg, err := postgres(ctx, o, "limit")
	if err != nil {
		return err
	}
	defer pg.Close(context.WithoutCancel(ctx))
	conn, err := pgx.Connect(ctx, pg.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `CREATE TABLE limits (id uuid PRIMARY KEY, header bytea NOT NULL, body bytea NOT NULL)`); err != nil {
		return err
	}
	header, body, _ := bytes.Cut(callback("/callbacks/shop"), []byte("\r\n\r\n"))
	script := filepath.Join(o.dir, "insert.sql")
	sql := fmt.Sprintf("INSERT INTO limits VALUES (gen_random_uuid(), '\\x%s', '\\x%s');\n", hex.EncodeToString(header), hex.EncodeToString(body))
	if err := os.WriteFile(script, []byte(sql), 0o600); err != nil {
		return err
	}
	for _, clients := range []int{1, 16, 64} {
		cmd := exec.CommandContext(ctx, filepath.Join(pg.BinDir(), "pgbench"), "-n", "-M", "prepared", "-f", script,
			"-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(2, clients)), "-T", strconv.Itoa(int(o.time.Seconds())), pg.URL())
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("pgbench: %w: %s", err, out)
		}
		match := regexp.MustCompile(`tps = ([0-9.]+) \(without`).FindSubmatch(out)
		if match == nil {
			return fmt.Errorf("pgbench gave no figure: %s", out)
		}
		tps, err := strconv.ParseFloat(string(match[1]), 64)
		if err != nil {
			return err
		}
		r.limits.pgbench[clients] = tps
	}
	for _, rows := range []int{100, 500} {
		data := func() []byte {
			return copyRows(rows, func(int) [][]byte { return [][]byte{randomID(), header, body} })
		}
		n, start := 0, time.Now()
		for ; time.Since(start) < o.time && ctx.Err() == nil; n += rows {
			if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(data()), `COPY limits FROM STDIN BINARY`); err != nil {
				return err
			}
		}
		r.limits.copy[rows] = float64(n) / time.Since(start).Seconds()
	}
	return nil
}

// measureHTTP is limit (b): an HTTP server that reads and checks, and stores nothing.
func measureHTTP(ctx context.Context, o options, r *report) error {
	server, err := startServer("-kind", "hmac")
	if err != nil {
		return err
	}
	defer server.stop()
	result, err := load{addr: server.addr, path: "/callbacks/shop", connections: 64, time: o.time}.run(ctx)
	r.limits.http = result
	return err
}

func measurePrototype(ctx context.Context, o options, r *report) error {
	pg, err := postgres(ctx, o, "prototype")
	if err != nil {
		return err
	}
	defer pg.Close(context.WithoutCancel(ctx))
	server, err := startServer("-kind", "prototype", "-database", pg.URL())
	if err != nil {
		return err
	}
	defer server.stop()
	r.prototype, err = measureLoads(ctx, o, server.addr, "/callbacks/shop")
	return err
}

// loads are the measurements that the prototype and Recall share.
type loads struct {
	max64, max256  result
	at1000, at5000 result
}

func measureLoads(ctx context.Context, o options, addr, path string) (l loads, err error) {
	warm := load{addr: addr, path: path, connections: 64, rate: 1000, time: time.Second}
	if _, err = warm.run(ctx); err != nil {
		return l, err
	}
	// The fixed rates come first: after the highest ones there is work left over that was put off.
	if l.at1000, err = (load{addr: addr, path: path, connections: 64, rate: 1000, time: o.time}).run(ctx); err != nil {
		return l, err
	}
	if l.at5000, err = (load{addr: addr, path: path, connections: 256, rate: 5000, time: o.time}).run(ctx); err != nil {
		return l, err
	}
	if l.max64, err = (load{addr: addr, path: path, connections: 64, time: o.time}).run(ctx); err != nil {
		return l, err
	}
	l.max256, err = (load{addr: addr, path: path, connections: 256, time: o.time}).run(ctx)
	return l, err
}

func machine() string {
	model := "unknown processor"
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.SplitSeq(string(text), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return model
}
