package erasure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"recall/store"
)

// clearSpool looks for cases in this program's own spool, and clears it for those that run. An event that was equal to an erased one,
// or is of the person and of nobody else, goes.
func (e *Eraser) clearSpool(ctx context.Context) error {
	if e.spool == nil {
		return nil
	}
	cases, err := e.db.SpoolDuty(ctx, e.instance)
	if err != nil {
		return err
	}
	for _, c := range cases {
		bodies, err := e.db.ErasedBodies(ctx, c.ID)
		if err != nil {
			return err
		}
		erase := c.State == store.ErasureRunning
		found, damaged, err := e.spool.Search(func(ev *store.Event) bool {
			if bodies[ev.BodySHA256] {
				return true
			}
			if c.Person == "" || len(c.Sources) > 0 && !slices.Contains(c.Sources, ev.SourceID) {
				return false
			}
			doubt, is := Judge(ev, c.Person)
			return is && doubt == ""
		}, erase)
		if err == nil && erase {
			err = e.db.AddTombstones(ctx, c.ID, found)
		}
		if err == nil {
			err = e.db.ReportSpool(ctx, c.ID, store.SpoolLook{Instance: e.instance, Erased: erase, Events: len(found), Damaged: damaged})
		}
		if err != nil {
			return fmt.Errorf("case %d: %w", c.ID, err)
		}
	}
	return nil
}

// awaitSpools waits for every instance that is alive.
func (e *Eraser) awaitSpools(ctx context.Context, c *store.ErasureCase) error {
	waiting, away, err := e.db.SpoolsDone(ctx, c.ID)
	if err != nil {
		return err
	}
	if len(waiting) > 0 {
		return e.db.PutOffErasure(ctx, c.ID, e.now().Add(soon), "the spool of "+strings.Join(waiting, ", ")+" is being cleared")
	}
	looks, err := e.db.ListSpoolLooks(ctx, c.ID)
	if err != nil {
		return err
	}
	spooled, files := int64(0), 0
	var left error
	for _, l := range looks {
		if !l.Erased {
			continue
		}
		spooled, files = spooled+int64(l.Events), files+1
		if l.Damaged > 0 {
			left = errors.Join(left, e.db.LeaveOver(ctx, c.ID, fmt.Sprintf("The spool of %s has %d damaged files that cannot be read. Nobody knows what they hold: delete them.", l.Instance, l.Damaged)))
		}
	}
	for _, name := range away {
		left = errors.Join(left, e.db.LeaveOver(ctx, c.ID, "The spool of "+name+" was not there to be cleared. When it starts again, what it has of this is not kept; if it never does, delete its folder."))
	}
	if left != nil {
		return left
	}
	return e.db.StepErasure(ctx, c, counted(int64(files), "spool", "spools")+", "+counted(spooled, "event", "events"), map[string]int64{"spooled copies": spooled})
}
