package dispatch

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/store"
)

var (
	// ErrRejected: the event was not proven genuine, neither when it came nor since.
	ErrRejected = errors.New("a rejected event was not proven genuine, so it is not sent on; if it is genuine, correct the secret or the settings of its source, then re-verify it")
)

// StaleError: newer events of the entity are there, so the event would put an old state over a new one. Whoever asked may send
// the newest instead, send it anyway with a reason, or leave it.
type StaleError struct {
	Event       uuid.UUID
	Destination string
	store.Newer
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("event %s is not sent to %q: %s", e.Event, e.Destination, NewerWords(e.Newer))
}

// NewerWords says what is newer than an event, and whether the destination has it.
func NewerWords(n store.Newer) string {
	count := fmt.Sprint(n.Count)
	if n.Count >= store.MostNewer {
		count += " or more"
	}
	words := count + " newer events of its entity exist, and the newest"
	if n.Count == 1 {
		words = "a newer event of its entity exists, and it"
	}
	switch {
	case !n.NewestDelivered.IsZero():
		return words + " was delivered there"
	case n.Delivered > 0:
		return fmt.Sprintf("%s was not delivered there, but %d of the others were", words, n.Delivered)
	}
	return words + " was not delivered there"
}

// StandstillWords says what becomes of a delivery to a destination that is not active; "" where it is.
func StandstillWords(d *store.Destination) string {
	switch d.State {
	case store.DestinationPaused:
		return "it is paused, so the delivery waits until somebody resumes it"
	case store.DestinationBroken:
		return "it is broken, so the delivery is tried once at once: if that succeeds, the destination is active again, and all that waits for it goes out; if not, it waits with the others"
	}
	return ""
}

// ErrNoReason: to send an event though newer ones exist takes a reason.
var ErrNoReason = errors.New("sending an older state over a newer one takes a reason")

// Redispatch makes a manual delivery of one event to one destination, with an audit entry and its job, in one transaction.
// Events that are not accepted now, by their latest re-verification, are refused with ErrRejected; an event or a
// destination that is not there is store.ErrNotFound, and the error names it. To a paused destination the delivery waits until
// it is resumed; to a broken one it is tried once at once, which shows whether the destination is back (StandstillWords). Where newer events of the entity exist, it is a
// *StaleError, unless the wish is to send it anyway, with a reason (ErrNoReason).
func (d *Dispatcher) Redispatch(ctx context.Context, r store.Redispatch) (*store.Delivery, error) {
	event, destination, err := d.find(ctx, r.EventID, r.Destination)
	if err != nil {
		return nil, err
	}
	newer, err := d.db.FindNewer(ctx, event, destination.ID)
	switch {
	case err != nil:
		return nil, err
	case newer.Count > 0 && !r.Anyway:
		return nil, &StaleError{r.EventID, destination.Name, newer}
	case newer.Count > 0 && strings.TrimSpace(r.Reason) == "":
		return nil, fmt.Errorf("event %s: %w", r.EventID, ErrNoReason)
	}
	detail := map[string]any{"destination": destination.Name}
	if destination.State != store.DestinationActive {
		detail["state"] = destination.State
	}
	if newer.Count > 0 {
		detail["newer"] = newer.Count
	}
	delivery := &store.Delivery{
		EventID: r.EventID, DestinationID: destination.ID, Destination: destination.Name,
		Trigger: store.TriggerManual, RequestedBy: r.By, Reason: r.Reason, Entity: entityOf(event, destination),
	}
	err = pgx.BeginFunc(ctx, d.db.Pool(), func(tx pgx.Tx) error {
		deliveries, err := d.db.CreateDeliveriesTx(ctx, tx, []*store.Delivery{delivery})
		if err != nil {
			return err
		}
		if err := d.announceTx(ctx, tx, deliveries); err != nil {
			return err
		}
		detail["delivery"] = delivery.ID
		return d.db.AddAuditTx(ctx, tx, store.AuditEntry{
			Actor: r.By, Action: "event.redispatch", Subject: r.EventID.String(), Reason: r.Reason,
			Detail: detail,
		})
	})
	if err != nil {
		return nil, fmt.Errorf("redispatching event %s to %q: %w", r.EventID, destination.Name, err)
	}
	return delivery, nil
}

// find returns what is to be sent, and where to. store.ErrNotFound, and ErrRejected for an event that is not accepted now.
func (d *Dispatcher) find(ctx context.Context, id uuid.UUID, to string) (*store.Event, *store.Destination, error) {
	event, err := d.db.FindEvent(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	accepted, err := d.db.AcceptedNow(ctx, event)
	if err != nil {
		return nil, nil, err
	}
	if !accepted {
		return nil, nil, fmt.Errorf("event %s: %w", id, ErrRejected)
	}
	destination, err := d.db.FindDestination(ctx, to)
	if err != nil {
		return nil, nil, err
	}
	return event, destination, nil
}
