package store_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"recall/store"
)

// deliver creates deliveries and returns those that were new.
func deliver(t testing.TB, db *store.DB, ds ...*store.Delivery) []*store.Delivery {
	t.Helper()
	var fresh []*store.Delivery
	must(t, pgx.BeginFunc(t.Context(), db.Pool(), func(tx pgx.Tx) (err error) {
		fresh, err = db.CreateDeliveriesTx(t.Context(), tx, ds)
		return err
	}))
	return fresh
}
