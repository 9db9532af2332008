package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// OnRecord sets what joins the transaction that records events: it gets those that are to be sent on.
func (db *DB) OnRecord(hook func(ctx context.Context, tx pgx.Tx, events []*Event) error) {
	panic("contract")
}

// RecordEvents commits a batch in one transaction and returns one error per event, nil where the event is safely on
// disk. It fills RepeatOf and Arrival. One bad event never fails the others. Recording an id twice is recording it once.
func (db *DB) RecordEvents(ctx context.Context, events []*Event) []error { panic("contract") }
