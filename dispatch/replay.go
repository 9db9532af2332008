package dispatch

import (
	"context"

	"github.com/jackc/pgx/v5"

	"recall/store"
)

// EnqueueReplayTx makes deliveries of a replay in its transaction, and has them sent once it is committed.
func (d *Dispatcher) EnqueueReplayTx(ctx context.Context, tx pgx.Tx, deliveries []*store.Delivery) error {
	made, err := d.db.CreateDeliveriesTx(ctx, tx, deliveries)
	if err != nil {
		return err
	}
	return d.announceTx(ctx, tx, made)
}
