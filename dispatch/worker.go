package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"recall/store"
)

// worker works River's jobs.
type worker struct {
	river.WorkerDefaults[jobArgs]
	d *Dispatcher
}

// Timeout is how long a job may run, and after which it counts as left behind by a process that died.
func (w *worker) Timeout(job *river.Job[jobArgs]) time.Duration {
	timeout := store.MaxTimeout
	if destination := w.d.liveDestination(job.Args.DestinationID); destination != nil {
		timeout = destination.Timeout
	}
	return timeout + jobMargin
}

// Work makes one attempt of a delivery, if it is its turn.
func (w *worker) Work(ctx context.Context, job *river.Job[jobArgs]) error {
	t, err := w.d.load(ctx, job.Args)
	if t == nil || err != nil {
		return err
	}
	return w.d.attempt(ctx, t)
}

// trouble is what a job says that failed by a fault of ours; River lets it try again. A stop is no fault.
func (d *Dispatcher) trouble(ctx context.Context, log *slog.Logger, words string, err error) error {
	if ctx.Err() == nil {
		log.Error(words+": it is tried again", "error", err)
	}
	return &jobError{words, err}
}

// task is all that an attempt needs.
type task struct {
	delivery    *store.Delivery
	destination *store.Destination
	event       *store.Event
	source      *store.Source
}

// load reads what an attempt needs. It returns nil where the delivery is finished, or is now, because it leads nowhere any
// more; and the wish to sleep on where it is not its turn.
func (d *Dispatcher) load(ctx context.Context, args jobArgs) (*task, error) {
	log := d.log.With("event_id", args.EventID, "delivery_id", args.DeliveryID)
	const words = "a delivery could not be loaded"
	delivery, err := d.db.FindDelivery(ctx, args.EventID, args.DeliveryID)
	switch {
	case errors.Is(err, store.ErrNotFound): // dropped with its event
		return nil, nil
	case err != nil:
		return nil, d.trouble(ctx, log, words, err)
	case !delivery.FinishedAt.IsZero():
		return nil, nil
	}
	destination := d.liveDestination(delivery.DestinationID)
	if destination == nil { // removed, or so new that it is not known here yet
		destination, err = d.db.FindDestinationByID(ctx, delivery.DestinationID)
	}
	wait := delivery.NextAttemptAt.Sub(d.now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, d.cancelAll(ctx, log, delivery)
	case err != nil:
		return nil, d.trouble(ctx, log, words, err)
	case destination.State != store.DestinationActive:
		return nil, river.JobSnooze(d.pausedWait)
	case delivery.State == store.DeliveryWaiting && wait > 0: // the process that should have put the job to sleep died
		return nil, river.JobSnooze(wait)
	}
	event, err := d.db.FindEvent(ctx, args.EventID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, d.cancel(ctx, log, delivery, "not sent: the event is no longer there")
	case err != nil:
		return nil, d.trouble(ctx, log, words, err)
	}
	source, err := d.source(ctx, event.SourceID)
	if err != nil {
		return nil, d.trouble(ctx, log, words, err)
	}
	return &task{delivery, destination, event, source}, nil
}

// cancelAll ends all open deliveries to a destination that was removed.
func (d *Dispatcher) cancelAll(ctx context.Context, log *slog.Logger, delivery *store.Delivery) error {
	cancelled, err := d.db.CancelDeliveries(ctx, delivery.DestinationID)
	if err != nil {
		return d.trouble(ctx, log, "deliveries to a removed destination could not be cancelled", err)
	}
	if cancelled > 0 {
		d.log.Info("deliveries cancelled: their destination was removed", "destination", delivery.Destination, "deliveries", cancelled)
	}
	return nil
}

// cancel ends one delivery, with an attempt that sent nothing and says why.
func (d *Dispatcher) cancel(ctx context.Context, log *slog.Logger, delivery *store.Delivery, why string) error {
	a := &store.Attempt{StartedAt: d.now(), Error: why}
	err := d.db.BeginAttempt(ctx, delivery.EventID, delivery.ID, a)
	if err == nil {
		err = d.db.EndAttempt(ctx, delivery.EventID, delivery.ID, a, store.DeliveryCancelled, time.Time{})
	}
	if err != nil && !errors.Is(err, store.ErrFinished) {
		return d.trouble(ctx, log, "a delivery could not be cancelled", err)
	}
	log.Warn("delivery cancelled", "destination", delivery.Destination, "error", why)
	return nil
}

// liveDestination is a destination as this instance holds it in memory, or nil.
func (d *Dispatcher) liveDestination(id int64) *store.Destination {
	if d.live == nil {
		return nil
	}
	for _, destination := range d.live.Destinations() {
		if destination.ID == id {
			return destination
		}
	}
	return nil
}

// source finds an event's source, also a removed one. One that nobody knows has neither slug nor secrets.
func (d *Dispatcher) source(ctx context.Context, id int64) (*store.Source, error) {
	if d.live != nil {
		if s, found := d.live.SourceByID(id); found {
			return s.Source, nil
		}
	}
	s, err := d.db.FindSourceByID(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return &store.Source{ID: id}, nil
	}
	return s, err
}

// recordWait bounds how long the outcome of an attempt may take to be written down.
const recordWait = 10 * time.Second

// attempt sends once and writes down what came of it. What it returns tells River when the job's turn is next.
func (d *Dispatcher) attempt(ctx context.Context, t *task) error {
	log := d.log.With("event_id", t.event.ID, "source", t.source.Slug, "delivery_id", t.delivery.ID, "destination", t.destination.Name)
	req, header, cannot := d.newRequest(t, t.delivery.Attempts+1)
	a := &store.Attempt{StartedAt: d.now(), RequestURL: plainURL(t.destination.URL), RequestHeader: header}
	err := d.db.BeginAttempt(ctx, t.event.ID, t.delivery.ID, a)
	switch {
	case errors.Is(err, store.ErrFinished) || errors.Is(err, store.ErrNotFound): // meanwhile
		return nil
	case err != nil:
		return d.trouble(ctx, log, "an attempt could not be begun", err)
	}
	if cannot != nil {
		a.Error = cannot.Error()
	} else {
		d.send(ctx, req, t.destination.Timeout, a)
	}
	a.Duration = d.now().Sub(a.StartedAt)
	o := d.judge(a, t.destination.RetrySchedule)
	if err := d.record(ctx, log, t, a, o); err != nil {
		return err
	}
	switch {
	case a.Error == interrupted:
		return &jobError{"the attempt was broken off", ctx.Err()} // River wakes the job up at once
	case o.state == store.DeliveryWaiting:
		return river.JobSnooze(max(o.next.Sub(d.now()), 0))
	}
	return nil
}

// record writes down how an attempt ended, also while we are being stopped, and tells the log.
func (d *Dispatcher) record(ctx context.Context, log *slog.Logger, t *task, a *store.Attempt, o outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWait)
	defer cancel()
	level := slog.LevelWarn
	if o.state == store.DeliverySucceeded {
		level = slog.LevelInfo
	}
	log.Log(ctx, level, "attempt", "attempt", a.Number, "status", a.Status, "duration", a.Duration, "state", o.state, "error", a.Error)
	err := d.db.EndAttempt(ctx, t.event.ID, t.delivery.ID, a, o.state, o.next)
	if err != nil {
		const words = "the outcome of an attempt could not be recorded"
		log.Error(words+": the event is sent again", "attempt", a.Number, "error", err)
		return &jobError{words, err}
	}
	d.meter.Attempted(t.destination.Name, t.delivery.Trigger, o.state, a.Status, a.Duration, d.now().Sub(t.delivery.CreatedAt))
	return nil
}
