package dispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"recall/store"
)

var (
	// ErrRejected: the event was not proven genuine, neither when it came nor since.
	ErrRejected = errors.New("a rejected event was not proven genuine, so it is not sent on; if it is genuine, correct the secret or the settings of its source, then re-verify it")
	// ErrNotActive: the destination is paused or broken.
	ErrNotActive = errors.New("nothing is sent to it until it is active again")
)

// Redispatch makes a manual delivery of one event to one destination, with an audit entry and its job, in one transaction.
// Events that are not accepted now, by their latest re-verification, are refused with ErrRejected, a destination that is not active with ErrNotActive; an event or a
// destination that is not there is store.ErrNotFound, and the error names it.
func (d *Dispatcher) Redispatch(ctx context.Context, r store.Redispatch) (*store.Delivery, error) {
	event, err := d.db.FindEvent(ctx, r.EventID)
	if err != nil {
		return nil, err
	}
	accepted, err := d.db.AcceptedNow(ctx, event)
	if err != nil {
		return nil, err
	}
	if !accepted {
		return nil, fmt.Errorf("event %s: %w", r.EventID, ErrRejected)
	}
	destination, err := d.db.FindDestination(ctx, r.Destination)
	if err != nil {
		return nil, err
	}
	if destination.State != store.DestinationActive {
		return nil, fmt.Errorf("the destination %q is %s: %w", destination.Name, destination.State, ErrNotActive)
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
		return d.db.AddAuditTx(ctx, tx, store.AuditEntry{
			Actor: r.By, Action: "event.redispatch", Subject: r.EventID.String(), Reason: r.Reason,
			Detail: map[string]any{"destination": destination.Name, "delivery": delivery.ID},
		})
	})
	if err != nil {
		return nil, fmt.Errorf("redispatching event %s to %q: %w", r.EventID, destination.Name, err)
	}
	return delivery, nil
}
