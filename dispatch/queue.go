package dispatch

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"recall/store"
)

// queueName is the only queue.
const queueName = "deliveries"

// laneArgs are of a job that says: there is something for this destination, whoever gets to it. It is made in the
// transaction of the deliveries, so that it is there if and only if they are. It stands for a whole batch of them, and for
// those that follow within announceEvery; nothing that an event says is in it.
type laneArgs struct {
	DestinationID int64 `json:"destination_id"`
}

func (laneArgs) Kind() string { return "lane" }

func (laneArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueName, MaxAttempts: 1} // the deliveries are due without it too
}

// announceEvery is how long a destination's job stands for what is recorded after it.
const announceEvery = 50 * time.Millisecond

// announceTx tells of deliveries that a transaction makes: the lanes of this instance as soon as it is committed, where
// the transaction is one that says so, and those of all instances by a job.
func (d *Dispatcher) announceTx(ctx context.Context, tx pgx.Tx, deliveries []*store.Delivery) error {
	var ids []int64
	for _, del := range deliveries {
		if !slices.Contains(ids, del.DestinationID) {
			ids = append(ids, del.DestinationID)
		}
	}
	soon := store.AfterCommit(tx, func() {
		for _, id := range ids {
			d.wake(id)
		}
	})
	var jobs []river.InsertManyParams
	for _, id := range ids {
		if !soon || d.announces(id) {
			jobs = append(jobs, river.InsertManyParams{Args: laneArgs{DestinationID: id}})
		}
	}
	if len(jobs) == 0 {
		return nil
	}
	_, err := d.queue.InsertManyFastTx(ctx, tx, jobs)
	return err
}

// announces tells whether a job is due that stands for what comes after it too.
func (d *Dispatcher) announces(destination int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.announced[destination]) < announceEvery {
		return false
	}
	d.announced[destination] = time.Now()
	return true
}

// laneWorker has the lane look that a job names, and again when the last commits that the job stands for must be there.
type laneWorker struct {
	river.WorkerDefaults[laneArgs]
	d *Dispatcher
}

func (w *laneWorker) Work(_ context.Context, job *river.Job[laneArgs]) error {
	w.d.wake(job.Args.DestinationID)
	time.AfterFunc(announceEvery+announceEvery/2, func() { w.d.wake(job.Args.DestinationID) })
	return nil
}

// sweepArgs are of the periodic job that looks for what was left behind. One instance does it at a time.
type sweepArgs struct{}

func (sweepArgs) Kind() string { return "sweep" }

func (sweepArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueName, MaxAttempts: 1}
}

type sweepWorker struct {
	river.WorkerDefaults[sweepArgs]
	d *Dispatcher
}

func (w *sweepWorker) Work(ctx context.Context, _ *river.Job[sweepArgs]) error {
	if err := w.d.sweep(ctx); err != nil {
		w.d.log.Error("looking for overdue deliveries", "error", err)
		return errors.New("the database could not be asked") // what stands in River's rows is words of ours
	}
	return nil
}

// Times of the queue.
const (
	keepJobs   = 5 * time.Minute // finished ones; the history is ours
	sweepEvery = time.Minute
	jobsAtOnce = 10
)

// queueConfig sets River up.
func (d *Dispatcher) queueConfig(o Options) (*river.Config, error) {
	config := &river.Config{
		Logger:              slog.New(quiet{o.Log.Handler()}),
		SkipUnknownJobCheck: true,
	}
	if o.Workers == 0 {
		return config, nil
	}
	workers := river.NewWorkers()
	if err := errors.Join(
		river.AddWorkerSafely(workers, &laneWorker{d: d}),
		river.AddWorkerSafely(workers, &sweepWorker{d: d}),
	); err != nil {
		return nil, err
	}
	config.Workers = workers
	config.Queues = map[string]river.QueueConfig{queueName: {MaxWorkers: jobsAtOnce}}
	config.FetchCooldown = 20 * time.Millisecond // the default of 100 ms would make other instances wait
	config.FetchPollInterval = cmp.Or(o.poll, time.Second)
	config.CompletedJobRetentionPeriod = keepJobs
	config.CancelledJobRetentionPeriod = keepJobs
	config.DiscardedJobRetentionPeriod = keepJobs
	config.PeriodicJobs = []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(sweepEvery),
		func() (river.JobArgs, *river.InsertOpts) { return sweepArgs{}, nil }, &river.PeriodicJobOpts{RunOnStart: true})}
	return config, nil
}

// quiet lets only River's warnings and errors through.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }
