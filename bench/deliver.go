package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// deliveries are the figures of sending on.
type deliveries struct {
	queueDefault, queueBest float64 // River's jobs that do nothing, a second: with its default settings, with the best found
	rate                    float64 // deliveries a second to a sink on this machine, each attempt recorded
	rss                     int64   // of Recall meanwhile, peak, bytes
	at500                   result  // from the arrival of a callback to the sink, at 500/s
}

func measureDeliveries(ctx context.Context, o options, r *report) error {
	var err error
	if r.deliveries.queueDefault, r.deliveries.queueBest, err = measureQueue(ctx, o); err != nil {
		return fmt.Errorf("measuring River alone: %w", err)
	}
	sink, err := startServer("-kind", "timed-sink")
	if err != nil {
		return err
	}
	defer sink.stop()
	i, err := newInstance(ctx, o, "deliveries")
	if err != nil {
		return err
	}
	defer i.stop()
	if _, err := i.command(ctx, "destination", "add", "--name", "sink", "--url", "http://"+sink.addr+"/in", "--match", "source:shop"); err != nil {
		return err
	}
	time.Sleep(3 * time.Second) // a changed setting holds within 2 s

	// At a rate that is far from the highest: how long it takes from the arrival to the sink.
	sent, err := load{addr: i.addr, path: path, connections: 64, rate: 500, time: o.time}.run(ctx)
	if err != nil {
		return err
	}
	if err := i.delivered(ctx, len(sent.latencies)); err != nil {
		return err
	}
	answer, err := http.Get("http://" + sink.addr + "/figures")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&r.deliveries.at500.latencies); err != nil {
		return err
	}

	// What has piled up while the destination was paused, as fast as it goes.
	if _, err := i.command(ctx, "destination", "pause", "sink"); err != nil {
		return err
	}
	time.Sleep(3 * time.Second)
	piled, err := load{addr: i.addr, path: path, connections: 64, time: o.time}.run(ctx)
	if err != nil {
		return err
	}
	if _, err := i.command(ctx, "destination", "resume", "sink"); err != nil {
		return err
	}
	if err := i.delivered(ctx, len(sent.latencies)+len(piled.latencies)); err != nil {
		return err
	}
	r.deliveries.rss = measure(i.Process.Pid, i.dataDir).peakRSS
	return i.query(ctx, fmt.Sprintf(`
		SELECT count(*) / extract(epoch FROM max(finished_at) - min(finished_at))::float8
		FROM (SELECT finished_at FROM deliveries ORDER BY finished_at DESC LIMIT %d) piled`, len(piled.latencies)), &r.deliveries.rate)
}

// delivered waits until that many deliveries at least are recorded as having succeeded, and none is open.
func (i *instance) delivered(ctx context.Context, least int) error {
	for range 600 {
		var open, succeeded, attempts int
		err := i.query(ctx, `
			SELECT count(*) FILTER (WHERE state <> 'succeeded'), count(*) FILTER (WHERE state = 'succeeded'),
				(SELECT count(*) FROM attempts WHERE status = 200)
			FROM deliveries`, &open, &succeeded, &attempts)
		if err != nil {
			return err
		}
		if open == 0 && succeeded >= least && attempts >= succeeded {
			return nil
		}
		time.Sleep(500 * time.Millisecond)
	}
	return errors.New("the deliveries did not come to their end")
}

// timedSink is a destination that remembers how long each event took from its arrival.
type timedSink struct {
	mu        sync.Mutex
	latencies []time.Duration
}

func (s *timedSink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodGet {
		slices.Sort(s.latencies)
		json.NewEncoder(w).Encode(s.latencies)
		return
	}
	if at, err := time.Parse(time.RFC3339Nano, r.Header.Get("Recall-Received-At")); err == nil {
		s.latencies = append(s.latencies, now.Sub(at))
	}
	w.Write([]byte("ok\n"))
}

func serveTimedSink() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr()) // tells the measuring process
	return (&http.Server{Handler: &timedSink{}, ReadHeaderTimeout: 10 * time.Second}).Serve(listener)
}

// nothing is a job that does nothing.
type nothing struct{}

func (nothing) Kind() string { return "nothing" }

type nothingWorker struct {
	river.WorkerDefaults[nothing]
	done *atomic.Int64
}

func (w *nothingWorker) Work(context.Context, *river.Job[nothing]) error {
	w.done.Add(1)
	return nil
}

// measureQueue is the limit of sending on: what River alone does, with its default settings and with the best that were found.
func measureQueue(ctx context.Context, o options) (usual, best float64, err error) {
	pg, err := postgres(ctx, o, "queue")
	if err != nil {
		return 0, 0, err
	}
	defer pg.Close(context.WithoutCancel(ctx))
	config, err := pgxpool.ParseConfig(pg.URL())
	if err != nil {
		return 0, 0, err
	}
	config.MaxConns = 20
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return 0, 0, err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, 0, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return 0, 0, err
	}
	if usual, err = queueRate(ctx, o, pool, river.QueueConfig{MaxWorkers: 100}); err != nil {
		return 0, 0, err
	}
	best, err = queueRate(ctx, o, pool, river.QueueConfig{MaxWorkers: 500, FetchCooldown: 10 * time.Millisecond})
	return usual, best, err
}

func queueRate(ctx context.Context, o options, pool *pgxpool.Pool, queue river.QueueConfig) (float64, error) {
	var done atomic.Int64
	workers := river.NewWorkers()
	river.AddWorker(workers, &nothingWorker{done: &done})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Logger: slog.New(slog.DiscardHandler), Workers: workers, Queues: map[string]river.QueueConfig{river.QueueDefault: queue},
	})
	if err != nil {
		return 0, err
	}
	if err := insertNothing(ctx, client, pool, int(o.time.Seconds()*25_000)); err != nil {
		return 0, err
	}
	start := time.Now()
	if err := client.Start(ctx); err != nil {
		return 0, err
	}
	time.Sleep(o.time)
	rate := float64(done.Load()) / time.Since(start).Seconds()
	stop, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := client.StopAndCancel(stop); err != nil {
		return 0, err
	}
	_, err = pool.Exec(ctx, `TRUNCATE river_job`)
	return rate, err
}

func insertNothing(ctx context.Context, client *river.Client[pgx.Tx], pool *pgxpool.Pool, n int) error {
	for range n / 5000 {
		jobs := make([]river.InsertManyParams, 5000)
		for i := range jobs {
			jobs[i].Args = nothing{}
		}
		if _, err := client.InsertManyFast(ctx, jobs); err != nil {
			return err
		}
	}
	_, err := pool.Exec(ctx, `ANALYZE river_job`)
	return err
}
