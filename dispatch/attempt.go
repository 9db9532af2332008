package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

// task is all that an attempt needs.
type task struct {
	lane        *lane
	claimed     *store.Claimed
	delivery    *store.Delivery
	destination *store.Destination
	event       *store.Event
	source      *store.Source
	editedFrom  uuid.UUID   // of an edited test: the event it was made from
	extra       http.Header // likewise: headers besides
}

// probing: the destination is broken, and this shows whether it still is.
func (t *task) probing() bool { return t.destination.State == store.DestinationBroken }

// byHand: it is the first attempt of what a person has sent.
func (t *task) byHand() bool {
	return t.delivery.Trigger == store.TriggerManual && t.delivery.Attempts == 1
}

// result is what came of a task.
type result struct {
	*task
	*store.EndedAttempt
	log *slog.Logger
}

// attempt makes the attempt that was claimed, and hands on what came of it.
func (d *Dispatcher) attempt(ctx context.Context, t *task) {
	log := d.log.With("event_id", t.delivery.EventID, "delivery_id", t.delivery.ID, "destination", t.destination.Name)
	e := &result{task: t, EndedAttempt: &store.EndedAttempt{Delivery: t.delivery}}
	if err := d.complete(ctx, t); err != nil {
		if ctx.Err() == nil {
			log.Error("a delivery could not be loaded: it is tried again", "error", err)
		}
		e.Next = d.now().Add(claimAgain)
	} else if t.event == nil {
		e.Attempt, e.State = &store.Attempt{Number: t.delivery.Attempts, StartedAt: d.now(), Error: "not sent: the event is no longer there"}, store.DeliveryCancelled
	} else {
		log = log.With("source", t.source.Slug)
		e.Attempt = d.try(ctx, t)
		d.judge(e.EndedAttempt, t.destination.RetrySchedule, t.probing())
		if d.tracer != nil {
			d.tracer.Attempted(t.delivery, t.destination, t.source.Slug, e.Attempt, e.State)
		}
		if e.Attempt.Error != interrupted {
			t.lane.answered(e.State == store.DeliverySucceeded)
		}
	}
	e.log = log
	d.outcomes <- e // its place is free only then, so that no more end than can be written down
	t.lane.giveBack(1)
}

// complete reads what did not come with the claim. The event stays nil where it is gone.
func (d *Dispatcher) complete(ctx context.Context, t *task) (err error) {
	if t.event == nil {
		return nil
	}
	if t.claimed.Large {
		t.event.Body, err = d.db.EventBody(ctx, t.event.ID)
		if errors.Is(err, store.ErrNotFound) {
			t.event = nil
			return nil
		}
		if err != nil {
			return err
		}
	}
	t.source, err = d.source(ctx, t.event.SourceID)
	return err
}

// try sends once.
func (d *Dispatcher) try(ctx context.Context, t *task) *store.Attempt {
	req, header, cannot := d.newRequest(t, t.delivery.Attempts)
	a := &store.Attempt{Number: t.delivery.Attempts, StartedAt: d.now(), RequestURL: plainURL(t.destination.URL), RequestHeader: header}
	if cannot != nil {
		a.Error = cannot.Error()
	} else {
		d.send(ctx, req, t.destination.Timeout, a)
	}
	a.Duration = d.now().Sub(a.StartedAt)
	return a
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

const (
	recordAtOnce = 500
	recordWait   = 10 * time.Second // how long the outcome of an attempt may take to be written down
	recordAgain  = 100 * time.Millisecond
)

// record writes down how attempts ended, all that wait at a time in one transaction, until no more come.
func (d *Dispatcher) record() {
	for e := range d.outcomes {
		batch := []*result{e}
		for more := true; more && len(batch) < recordAtOnce; {
			select {
			case e, more = <-d.outcomes:
				if more {
					batch = append(batch, e)
				}
			default:
				more = false
			}
		}
		d.recordBatch(batch)
	}
}

// recordBatch writes down a batch, also while we are being stopped, and tells the log, who meters, and the destinations'
// health. What cannot be written down for a while is let go: its lease ends, and the event is sent again.
func (d *Dispatcher) recordBatch(batch []*result) {
	for _, e := range batch {
		if e.Attempt != nil {
			e.tell()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.recordWait)
	defer cancel()
	for {
		rows := make([]*store.EndedAttempt, len(batch))
		for i, e := range batch {
			rows[i] = e.EndedAttempt
		}
		failures, errs := d.db.EndAttempts(ctx, rows)
		var rest []*result
		over := ctx.Err() != nil
		for i, e := range batch {
			switch {
			case errs[i] == nil:
				d.recorded(e, failures[e.DestinationID])
			case over || errors.Is(errs[i], store.ErrRefused):
				e.log.Error("the outcome of an attempt could not be recorded: the event is sent again", "attempt", e.Attempts, "error", errs[i])
			default:
				rest = append(rest, e)
			}
		}
		if batch = rest; len(batch) == 0 {
			return
		}
		sleep(ctx, recordAgain)
	}
}

// recorded is what follows from an outcome that is written down.
func (d *Dispatcher) recorded(e *result, failures store.LaneFailures) {
	if e.Attempt != nil {
		d.meter.Attempted(e.destination.Name, e.Trigger, e.State, e.Attempt.Status, e.Attempt.Duration, d.now().Sub(e.CreatedAt))
		d.assess(e, failures)
	}
	if e.Entity != "" || e.destination.MaxConcurrency > 0 {
		d.wake(e.DestinationID) // another one may go on
	}
}

// tell writes the one line of an attempt.
func (e *result) tell() {
	a, level := e.Attempt, slog.LevelWarn
	if e.State == store.DeliverySucceeded {
		level = slog.LevelInfo
	}
	e.log.Log(context.Background(), level, "attempt", "attempt", a.Number, "status", a.Status, "duration", a.Duration, "state", e.State, "error", a.Error)
}
