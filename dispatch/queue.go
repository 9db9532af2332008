package dispatch

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"recall/store"
)

// queueName is the only queue.
const queueName = "deliveries"

// jobArgs name a delivery. Nothing that an event says is in them.
type jobArgs struct {
	EventID       uuid.UUID `json:"event_id"`
	DeliveryID    uuid.UUID `json:"delivery_id" river:"unique"`
	DestinationID int64     `json:"destination_id"`
}

func (jobArgs) Kind() string { return "delivery" }

// InsertOpts: one open job per delivery. A finished one is no hindrance, so that a delivery whose job was lost can be
// given another.
func (jobArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue:       queueName,
		MaxAttempts: math.MaxInt16,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
		}},
	}
}

// insertJobsTx gives each delivery its job.
func (d *Dispatcher) insertJobsTx(ctx context.Context, tx pgx.Tx, deliveries []*store.Delivery) error {
	jobs := make([]river.InsertManyParams, len(deliveries))
	for i, del := range deliveries {
		jobs[i].Args = jobArgs{EventID: del.EventID, DeliveryID: del.ID, DestinationID: del.DestinationID}
	}
	_, err := d.queue.InsertManyFastTx(ctx, tx, jobs)
	return err
}

// Times of the queue. A job may run for its destination's time-out and jobMargin; after that it is stopped, and if its
// process is gone, another takes it up, but never before rescueAfter.
const (
	jobMargin   = 30 * time.Second
	rescueAfter = time.Minute
	keepJobs    = time.Hour // finished ones; the history is ours
)

// queueConfig sets River up.
func (d *Dispatcher) queueConfig(o Options) (*river.Config, error) {
	config := &river.Config{
		Logger:              slog.New(quiet{o.Log.Handler()}),
		RetryPolicy:         retryPolicy{},
		SkipUnknownJobCheck: true,
	}
	if o.Workers == 0 {
		return config, nil
	}
	workers := river.NewWorkers()
	if err := river.AddWorkerSafely(workers, &worker{d: d}); err != nil {
		return nil, err
	}
	config.Workers = workers
	config.Queues = map[string]river.QueueConfig{queueName: {MaxWorkers: o.Workers}}
	config.FetchCooldown = 20 * time.Millisecond // the default of 100 ms would bound what goes out
	config.FetchPollInterval = cmp.Or(o.poll, time.Second)
	config.JobTimeout = rescueAfter
	config.RescueStuckJobsAfter = rescueAfter
	config.CompletedJobRetentionPeriod = keepJobs
	config.CancelledJobRetentionPeriod = keepJobs
	return config, nil
}

// retryPolicy is for jobs that failed by a trouble of ours: soon, then every minute.
type retryPolicy struct{}

func (retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().Add(time.Duration(min(job.Attempt*job.Attempt, 60)) * time.Second)
}

// jobError is what stands in River's rows: words of ours, never what a database or a destination said.
type jobError struct {
	words string
	cause error // told to River in code, not in words
}

func (e *jobError) Error() string { return e.words }
func (e *jobError) Unwrap() error { return e.cause }

// quiet lets only River's warnings and errors through.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }
