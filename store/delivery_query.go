package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// CreateDeliveriesTx inserts deliveries in the caller's transaction, and returns those that were new: an automatic one
// that is there already is left out.
func (db *DB) CreateDeliveriesTx(ctx context.Context, tx pgx.Tx, ds []*Delivery) ([]*Delivery, error) {
	panic("contract")
}

// BeginAttempt records that a try begins, before anything is sent, and gives it its number. A delivery that is finished
// gives ErrFinished.
func (db *DB) BeginAttempt(ctx context.Context, eventID, deliveryID uuid.UUID, a *Attempt) error {
	panic("contract")
}

// EndAttempt records how a try ended and where the delivery stands now; next is set when it is waiting.
func (db *DB) EndAttempt(ctx context.Context, eventID, deliveryID uuid.UUID, a *Attempt, state DeliveryState, next time.Time) error {
	panic("contract")
}

// ErrFinished: the delivery succeeded, is exhausted or was cancelled already.
var ErrFinished = errors.New("delivery is finished")

func (db *DB) FindDelivery(ctx context.Context, eventID, deliveryID uuid.UUID) (*Delivery, error) {
	panic("contract")
}

// ListDeliveries returns an event's deliveries with their attempts, newest delivery first.
func (db *DB) ListDeliveries(ctx context.Context, eventID uuid.UUID) ([]*Delivery, error) {
	panic("contract")
}
