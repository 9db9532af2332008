// Package erasure destroys what is held about a person, or one event, for good: it finds it, waits for people to look at what is
// doubtful, and then works through the steps of a case, each of which can be begun again after a crash. It also writes the
// answer to a person who asks what is held about them, and the certificate of a case that is over.
package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

// Spool is what one instance keeps on its own disk; receive.Spool is one.
type Spool interface {
	Search(match func(*store.Event) bool, destroy bool) (found []*store.Event, damaged int, err error)
}

// Eraser carries cases out. Make it with New.
type Eraser struct {
	db       *store.DB
	spool    Spool  // nil: this program has none
	instance string // names it, and its spool
	log      *slog.Logger
	now      func() time.Time
}

// New makes an Eraser. instance names a program with a spool of its own, by its machine and folder.
func New(db *store.DB, spool Spool, instance string, log *slog.Logger) *Eraser {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Eraser{db: db, spool: spool, instance: instance, log: log, now: db.Now}
}

// Every is how often an instance asks what there is to do.
const Every = 2 * time.Second

// Actor is who the audit list names for what happens by itself.
const Actor = "recall"

// Run works on cases, and on the spool for those of other instances, until ctx ends.
func (e *Eraser) Run(ctx context.Context) {
	troubled := false
	for ctx.Err() == nil {
		worked, err := e.Work(ctx)
		if err != nil && ctx.Err() == nil && !troubled {
			e.log.Error("an erasure does not go on; it is tried again", "error", err)
		}
		troubled = err != nil
		if worked && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(Every):
		}
	}
}

// Work does what there is to do at this moment: it looks for callbacks that open a case, does its duty for the spool, and takes
// one step of one case. It tells whether there may be more.
func (e *Eraser) Work(ctx context.Context) (worked bool, err error) {
	if err := e.db.OpenErasures(ctx); err != nil {
		return false, err
	}
	if err := e.clearSpool(ctx); err != nil {
		return false, err
	}
	_, err = e.db.AloneErasing(ctx, func(ctx context.Context) error {
		c, err := e.db.DueErasure(ctx)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := e.step(ctx, c); err != nil {
			later := e.db.PutOffErasure(context.WithoutCancel(ctx), c.ID, e.now().Add(time.Minute), "something went wrong, which the log tells; it is tried again")
			return errors.Join(fmt.Errorf("case %d: %w", c.ID, err), later)
		}
		worked = true
		return nil
	})
	return worked, err
}

func (e *Eraser) step(ctx context.Context, c *store.ErasureCase) error {
	if !c.Single() && c.Person == "" && (c.State != store.ErasureRunning || c.Step == store.StepFind) {
		return errors.New("the customer id of this case was sealed with another key: it cannot be read")
	}
	switch c.State {
	case store.ErasureFinding:
		return e.find(ctx, c)
	case store.ErasureWaiting:
		return e.begin(ctx, c)
	case store.ErasureRunning:
		return e.run(ctx, c)
	}
	return nil
}

// Bounds of waiting.
const (
	deliverMost  = 3 * 24 * time.Hour // how long after its grace time a case waits for the callback that opened it to be delivered
	deliverAgain = 10 * time.Minute
	soon         = 5 * time.Second
)

// begin has a case run whose grace time is over, once the callback that opened it was delivered.
func (e *Eraser) begin(ctx context.Context, c *store.ErasureCase) error {
	if c.EventID != uuid.Nil && e.now().Before(c.AutomaticAt.Add(deliverMost)) {
		deliveries, err := e.db.ListDeliveries(ctx, c.EventID)
		if err != nil {
			return err
		}
		for _, d := range deliveries {
			if d.State == store.DeliveryPending || d.State == store.DeliverySending || d.State == store.DeliveryWaiting {
				return e.db.PutOffErasure(ctx, c.ID, e.now().Add(deliverAgain), "the callback that opened it is still being delivered to "+d.Destination)
			}
		}
	}
	return e.db.StartWaiting(ctx, c.ID, store.AuditEntry{Actor: Actor, Reason: "the grace time is over"})
}

// run takes one step of a running case.
func (e *Eraser) run(ctx context.Context, c *store.ErasureCase) error {
	switch c.Step {
	case store.StepFind:
		return e.findAgain(ctx, c)
	case store.StepTraces:
		return e.traces(ctx, c)
	case store.StepDestroy:
		return e.destroy(ctx, c)
	case store.StepSpool:
		return e.awaitSpools(ctx, c)
	case store.StepSettle:
		settled, why, err := e.db.SettleErasure(ctx, c)
		if err != nil || !settled {
			return errors.Join(err, e.db.PutOffErasure(ctx, c.ID, e.now().Add(soon), why))
		}
		return e.db.StepErasure(ctx, c, "no transaction sees it any more", nil)
	case store.StepSearch:
		cut, err := e.db.CutSearch(ctx, c.ID)
		if err != nil {
			return err
		}
		if err := e.db.PlanRewrite(ctx, c.ID, c.Tables); err != nil {
			return err
		}
		return e.db.StepErasure(ctx, c, counted(cut, "entry", "entries")+" of the search index", map[string]int64{"search entries": cut})
	case store.StepRewrite:
		return e.rewrite(ctx, c)
	case store.StepLog:
		done, leftover, err := e.db.RecycleLog(ctx, c)
		if err != nil {
			return err
		}
		if err := e.db.LeaveOver(ctx, c.ID, leftover...); err != nil {
			return err
		}
		if !done {
			return e.db.PutOffErasure(ctx, c.ID, e.now(), "")
		}
		return e.db.StepErasure(ctx, c, "", nil)
	}
	return e.close(ctx, c)
}

// findAgain looks for what came since the case was opened.
func (e *Eraser) findAgain(ctx context.Context, c *store.ErasureCase) error {
	if err := e.find(ctx, c); err != nil {
		return err
	}
	now, err := e.db.FindErasure(ctx, c.ID)
	if err != nil || now.State != store.ErasureRunning {
		return err
	}
	return e.db.StepErasure(ctx, c, counted(now.Found["events"]+now.Found["doubtful"], "event", "events"), nil)
}

// traces takes the person's names out of filters, while the events that tell them are there.
func (e *Eraser) traces(ctx context.Context, c *store.ErasureCase) error {
	if c.Single() {
		return e.stepTraces(ctx, c, nil, nil)
	}
	names, err := e.names(ctx, c)
	if err != nil {
		return err
	}
	counts, err := e.db.CountTraces(ctx, names)
	if err != nil {
		return err
	}
	if n := counts["rules"]; n > 0 {
		err = e.db.LeaveOver(ctx, c.ID, "The person is named by the "+counted(n, "matching rule of a destination", "matching rules of destinations")+": change that on the destination's page.")
	}
	if err != nil {
		return err
	}
	counts, tables, err := e.db.EraseTraces(ctx, names, fmt.Sprintf("it named a person who was erased, case %d", c.ID))
	if err != nil {
		return err
	}
	tests, err := e.editedTests(ctx, c.Person, names)
	if err != nil {
		return err
	}
	of, err := e.db.EraseEditedTests(ctx, c, tests)
	if err != nil {
		return err
	}
	if n := int64(len(tests)); n > 0 {
		counts["edited tests of other events"] = n
	}
	return e.stepTraces(ctx, c, counts, append(tables, of...))
}

func (e *Eraser) stepTraces(ctx context.Context, c *store.ErasureCase, counts map[string]int64, tables []string) error {
	if err := e.db.PlanTables(ctx, c.ID, tables); err != nil {
		return err
	}
	return e.db.StepErasure(ctx, c, "", counts)
}

func (e *Eraser) destroy(ctx context.Context, c *store.ErasureCase) error {
	left, busy, err := e.db.DestroyErasure(ctx, c)
	switch {
	case errors.Is(err, store.ErrErasureHeld):
		return e.db.PutOffErasure(ctx, c.ID, e.now().Add(time.Minute), err.Error())
	case err != nil:
		return err
	case left > busy:
		return nil
	case left > 0:
		return e.db.PutOffErasure(ctx, c.ID, e.now().Add(soon), counted(left, "event is", "events are")+" being sent at this moment")
	}
	now, err := e.db.FindErasure(ctx, c.ID)
	if err != nil {
		return err
	}
	return e.db.StepErasure(ctx, c, counted(now.Done["events"], "event", "events")+", "+counted(now.Done["deliveries"], "delivery", "deliveries")+", "+counted(now.Done["attempts"], "attempt", "attempts"), nil)
}

func (e *Eraser) rewrite(ctx context.Context, c *store.ErasureCase) error {
	left, wait, why, err := e.db.RewriteNext(ctx, c)
	switch {
	case err != nil:
		return err
	case wait > 0:
		return e.db.PutOffErasure(ctx, c.ID, e.now().Add(wait), why)
	case left > 0:
		return e.db.PutOffErasure(ctx, c.ID, e.now(), counted(int64(left), "table", "tables")+" left")
	}
	if err := e.db.ForgetValues(ctx); err != nil {
		return err
	}
	return e.db.StepErasure(ctx, c, "", nil)
}

// counted is "1 event", "2 events".
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// close makes the certificate.
func (e *Eraser) close(ctx context.Context, c *store.ErasureCase) error {
	certificate, err := e.certificate(ctx, c)
	if err != nil {
		return err
	}
	return e.db.CloseErasure(ctx, c, certificate, store.AuditEntry{Actor: Actor})
}
