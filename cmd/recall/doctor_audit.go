package main

import (
	"context"
	"errors"
	"time"

	"recall/seal"
	"recall/store"
)

const (
	auditCheckMost = 20 * time.Second // that doctor takes for it; recall audit verify takes what it needs
	auditWaitMost  = 10 * time.Minute // that an entry may wait for its place
)

// audit checks that nothing was done to the audit list past Recall.
func (d *doctor) audit(ctx context.Context, db *store.DB, key seal.Key) finding {
	if key == (seal.Key{}) {
		return warn("see the check of the key", "without the key it cannot be told whether it was changed")
	}
	const do = "somebody wrote into the database past Recall, or an older backup was restored: find out who and why, keep a copy of the database, and see docs/audit.md"
	r, err := d.app.checkAudit(ctx, db, time.Now().Add(auditCheckMost))
	switch {
	case err != nil:
		return fail(again, "%v", err)
	case errors.Is(r.Fault, store.ErrAuditCut):
		return fail("if an older backup was restored: recall audit accept --reason …; otherwise somebody removed entries past Recall: keep a copy of the database, and see docs/audit.md", "%v", r.Fault)
	case r.Fault != nil:
		return fail(do, "%v", r.Fault)
	case !r.Whole:
		return ok("the first places fit: %s; the rest by recall audit verify", r.Words())
	case r.Pending > 0 && d.app.now().Sub(r.Since) > auditWaitMost:
		return warn("start `recall serve`, which gives them their places, and see its log for what hinders it", "%s", r.Words())
	}
	return ok("%s", r.Words())
}
