package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// AuditCheck is what a check of the whole audit list found.
type AuditCheck struct {
	Checked    int64
	First, End int64 // places
	Erased     int
	Pending    int // entries that wait for their place
	Since      time.Time
	Whole      bool  // it came to the end
	Fault      error // the first thing that does not fit; nil: nothing
}

// Words say how much was checked.
func (c AuditCheck) Words() string {
	text := fmt.Sprintf("%d entries, places %d to %d", c.Checked, c.First, c.End)
	if c.Checked == 0 {
		text = "no entry has its place yet"
	}
	if c.Erased > 0 {
		text += fmt.Sprintf(", %d of them erased of what they said", c.Erased)
	}
	switch {
	case c.Pending == 1:
		text += "; 1 entry waits for a place"
	case c.Pending > 1:
		text += fmt.Sprintf("; %d entries wait for a place", c.Pending)
	}
	return text
}

// CheckWholeAudit checks the audit list step by step to its end, or until a time (zero: none), and compares it with the end
// that a file remembers ("": none does).
func (db *DB) CheckWholeAudit(ctx context.Context, until time.Time, head string) (c AuditCheck, err error) {
	for from := ""; ; {
		step, err := db.CheckAudit(ctx, from)
		if err != nil {
			return c, err
		}
		if from == "" {
			c.First = step.First
		}
		c.Checked, c.Erased, c.Pending, c.Since = c.Checked+step.Checked, c.Erased+step.Erased, step.Pending, step.Since
		c.End = max(c.End, step.Upto)
		if step.Fault != nil {
			c.Fault = step.Fault
			return c, nil
		}
		if from = step.Next; from == "" {
			c.Whole = true
			break
		}
		if !until.IsZero() && time.Now().After(until) {
			break
		}
	}
	if head == "" {
		return c, nil
	}
	kept, err := ReadAuditHead(head)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, nil
	case err != nil:
		c.Fault = err
		return c, nil
	}
	if err := db.CompareAudit(ctx, kept); errors.Is(err, ErrAuditCut) {
		c.Fault = err
	} else if err != nil {
		return c, err
	}
	return c, nil
}
