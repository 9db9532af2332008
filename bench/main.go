// Command bench measures Recall whole against limits measured in the same run, on this machine, and writes the tables of
// docs/performance.md. It is started by `make bench`.
//
// Every figure of Recall stands beside a limit: what PostgreSQL alone does with a row of the same size (pgbench, COPY),
// what HTTP and HMAC alone do, and what a bare prototype of the same way does (handler, two writers, COPY, nothing else).
// Servers are processes of their own, on a database of their own with PostgreSQL's default durability; the loader runs on
// the same machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options of a run.
type options struct {
	recall  string        // the binary to measure
	time    time.Duration // of each measurement
	history int           // events that -only search makes
	out     string        // where the table goes besides standard output
	dir     string        // scratch folder
	only    string        // measure this alone, and write no file; "": everything
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "server" { // a server to be measured
		if err := serve(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench server:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.recall, "recall", "bin/recall", "the binary to measure")
	flag.DurationVar(&o.time, "time", 8*time.Second, "length of each measurement")
	flag.IntVar(&o.history, "history", 0, "events that -only search makes if -dir has none yet, such as 10000000")
	flag.StringVar(&o.out, "out", "", "file whose tables are replaced, such as docs/performance.md")
	flag.StringVar(&o.dir, "dir", "", "scratch folder on the disk to measure (default: a temporary one)")
	flag.StringVar(&o.only, "only", "", "measure only this: postgres, http, prototype, recall, destinations, deliveries or planning, which write no file; or search, which is a run of its own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	recall, err := filepath.Abs(o.recall)
	if err != nil {
		return err
	}
	if o.recall = recall; !exists(recall) {
		return fmt.Errorf("%s is not there: run `make build` first", recall)
	}
	if o.only == "search" {
		return runSearch(ctx, o)
	}
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "recall-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.dir)
	}
	var r report
	r.machine()
	for _, measure := range []struct {
		name, what string
		do         func(context.Context, options, *report) error
	}{
		{"postgres", "PostgreSQL alone", measurePostgres},
		{"http", "HTTP and HMAC alone", measureHTTP},
		{"prototype", "a bare prototype", measurePrototype},
		{"recall", "Recall", measureRecall},
		{"destinations", "Recall with destinations", measureDestinations},
		{"deliveries", "Recall's deliveries", measureDeliveries},
		{"planning", "the planning of replays", measurePlanning},
	} {
		if o.only != "" && o.only != measure.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", measure.what)
		syscall.Sync() // what was measured before leaves the disk alone
		if err := measure.do(ctx, o, &r); err != nil {
			return fmt.Errorf("measuring %s: %w", measure.what, err)
		}
	}
	text := r.markdown()
	fmt.Println(text)
	if o.out == "" || o.only != "" {
		return nil
	}
	return replaceTables(o.out, text)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
