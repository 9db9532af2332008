package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// hookTx is the transaction of a hook, which record began and ends: open on its connection, at no cost where the hook asks
// nothing of it.
type hookTx struct {
	*connection
	after []func()
}

type connection = pgx.Conn // by this name, as a transaction has a method Conn

var errHookTx = errors.New("a hook neither begins nor ends transactions: it joins the one that records the events")

func (tx *hookTx) Begin(context.Context) (pgx.Tx, error) { return nil, errHookTx }
func (tx *hookTx) Commit(context.Context) error          { return errHookTx }
func (tx *hookTx) Rollback(context.Context) error        { return errHookTx }
func (tx *hookTx) Conn() *pgx.Conn                       { return tx.connection }
func (tx *hookTx) LargeObjects() pgx.LargeObjects        { panic(errHookTx) }

// AfterCommit has something done as soon as the transaction is committed, if a hook was given it: within this process, and
// not where the commit's answer was lost. It must be quick. In any other transaction it is never done, which it tells.
func AfterCommit(tx pgx.Tx, do func()) bool {
	hooked, is := tx.(*hookTx)
	if is {
		hooked.after = append(hooked.after, do)
	}
	return is
}

// committed does it; nil: there was no hook.
func (tx *hookTx) committed() {
	if tx == nil {
		return
	}
	for _, do := range tx.after {
		do()
	}
}
