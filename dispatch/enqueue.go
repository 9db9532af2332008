package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
	"recall/plenigo"
	"recall/store"
)

// EnqueueTx adds the automatic deliveries of recorded events to the transaction, and has their lanes look once it is
// committed. It is the store's OnRecord hook. Where no destination matches it asks the database nothing. Deliveries to a
// paused or broken destination are made too, and wait.
func (d *Dispatcher) EnqueueTx(ctx context.Context, tx pgx.Tx, events []*store.Event) error {
	if d.live == nil {
		return nil
	}
	d.pace.add(len(events), time.Now())
	type matching struct {
		*store.Destination
		rule filter.Filter
	}
	var rules []matching
	for _, destination := range d.live.Destinations() {
		if destination.Match == nil {
			continue
		}
		if rule, ok := d.rules.parsed(destination, d.now(), d.log); ok {
			rules = append(rules, matching{destination, rule})
		}
	}
	if len(rules) == 0 {
		return nil
	}
	var wanted []*store.Delivery
	for _, e := range events {
		if !e.Verification.Accepted() {
			continue
		}
		source, err := d.source(ctx, e.SourceID)
		if err != nil {
			return fmt.Errorf("matching event %s: %w", e.ID, err)
		}
		s := subject(e, source.Slug)
		for _, m := range rules {
			if m.rule.Match(s) {
				wanted = append(wanted, &store.Delivery{
					EventID: e.ID, DestinationID: m.ID, Trigger: store.TriggerAutomatic, Entity: entityOf(e, m.Destination),
				})
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	deliveries, err := d.db.CreateDeliveriesTx(ctx, tx, wanted)
	if err != nil {
		return err
	}
	if len(deliveries) == 0 {
		return nil
	}
	if err := d.announceTx(ctx, tx, deliveries); err != nil {
		return fmt.Errorf("enqueuing %d deliveries: %w", len(deliveries), err)
	}
	return nil
}

// entityOf is what a destination keeps an event's deliveries in order by; "" where it keeps none, or the event names nothing.
func entityOf(e *store.Event, to *store.Destination) string {
	if to.Ordering != store.OrderEntity || e.Envelope.EntityID == "" {
		return ""
	}
	return e.Envelope.EntityType + " " + e.Envelope.EntityID
}

// subject is an event as a matching rule sees it.
func subject(e *store.Event, source string) filter.Subject {
	customers := make([]string, len(e.Envelope.Customers))
	for i, c := range e.Envelope.Customers {
		customers[i] = c.CustomerID
	}
	return filter.Subject{
		ID: e.ID.String(), Source: source,
		Verdict: string(e.Verification.Verdict), Reason: string(e.Verification.Reason),
		EntityType: e.Envelope.EntityType, CallbackType: e.Envelope.CallbackType, Entity: e.Envelope.EntityID,
		Customers: customers, Sender: e.Sender, ReceivedAt: e.ReceivedAt(),
		Header: e.Header, Payload: filter.NewPayload(plenigo.Clear(e.Header, e.Body)), Size: e.Size, Repeat: e.RepeatOf != uuid.Nil,
		Signature: string(e.Verification.Signature), Answered: e.Answered, Version: e.APIVersion, Unexpected: e.UnexpectedType,
	}
}

// rules keeps matching rules parsed, by their text; one with an age in it is another rule later, and read each time.
type rules struct {
	mu     sync.Mutex
	byText map[string]rule
}

type rule struct {
	filter.Filter
	ok, aged bool
}

// maxRules bounds what is kept of rules that were changed since.
const maxRules = 1000

// parsed returns a destination's rule. One that cannot be read, because somebody wrote it past this program or an older
// one did, matches nothing, and the log says so.
func (r *rules) parsed(d *store.Destination, now time.Time, log *slog.Logger) (filter.Filter, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, is := r.byText[*d.Match]; is && !known.aged {
		return known.Filter, known.ok
	}
	f, err := filter.ParseRule(*d.Match, now)
	if err != nil {
		log.Error("a destination's matching rule cannot be read: nothing is sent to it automatically", "destination", d.Name, "error", err)
	}
	if r.byText == nil || len(r.byText) >= maxRules {
		r.byText = map[string]rule{}
	}
	r.byText[*d.Match] = rule{f, err == nil, f.Aged()}
	return f, err == nil
}
