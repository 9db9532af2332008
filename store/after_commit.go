package store

import "github.com/jackc/pgx/v5"

// hookTx is the transaction of a hook, with what is to be done once it is committed.
type hookTx struct {
	pgx.Tx
	after []func()
}

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
