package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Rows that one step of a check of the audit list reads.
const auditStep = 5000

// AuditStep is what one step of a check found.
type AuditStep struct {
	Checked int64       // entries of this step
	Upto    int64       // the last place that was looked at; 0: none yet
	End     int64       // the last place of the chain
	First   int64       // the first place that is kept: what was before was removed by retention
	Erased  int         // entries of this step whose subject, reason and detail were erased on purpose
	Pending int         // entries that wait for their place, counted on the last step
	Since   time.Time   // of the oldest of them
	Fault   *AuditFault // the first thing that does not fit; nil: everything of this step does
	Next    string      // to go on from; "": the check is at its end
}

// CheckAudit checks one step of the audit list, from a text that the step before gave ("": from the first): first the places of
// the chain, one after the other, each against the one before, then whether there are entries that are in no place. Steps
// are bounded, and each is of one moment; what is written meanwhile is checked too. It changes nothing.
func (db *DB) CheckAudit(ctx context.Context, from string) (*AuditStep, error) {
	phase, at, err := parseAuditStep(from)
	if err != nil {
		return nil, err
	}
	s := &AuditStep{}
	err = db.read(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT coalesce(max(position), 0) FROM audit_chain`).Scan(&s.End); err != nil {
			return err
		}
		if phase == "place" {
			return db.checkChain(ctx, tx, at, s)
		}
		return db.checkStrays(ctx, tx, at, s)
	})
	var fault *AuditFault
	if errors.As(err, &fault) {
		s.Fault, s.Next, err = fault, "", nil
	}
	if err != nil {
		return nil, fmt.Errorf("checking the audit list: %w", err)
	}
	return s, nil
}

func parseAuditStep(text string) (phase string, at int64, err error) {
	if text == "" {
		return "place", 0, nil
	}
	phase, number, _ := strings.Cut(text, "-")
	at, err = strconv.ParseInt(number, 10, 64)
	if err != nil || at < 0 || phase != "place" && phase != "entry" {
		return "", 0, fmt.Errorf("%.40q is no step of a check of the audit list: begin anew", text)
	}
	return phase, at, nil
}

// checkChain checks places from one on (0: the first).
func (db *DB) checkChain(ctx context.Context, tx pgx.Tx, from int64, s *AuditStep) error {
	before, s1 := beforeFirst, int64(1)
	anchor, err := db.lastCheckpoint(ctx, tx, checkpointAnchor)
	if err != nil {
		return err
	}
	if anchor != nil {
		if !db.fits(checkpointAnchor, anchor) {
			return &AuditFault{Position: anchor.Position, Words: "the anchor, which says what retention removed, is not of this program"}
		}
		before, s1 = anchor.Hash, anchor.Position+1
	}
	s.First = s1
	if from > s1 {
		s1 = from
		err := tx.QueryRow(ctx, `SELECT hash FROM audit_chain WHERE position = $1`, from-1).Scan(&before)
		if errors.Is(err, pgx.ErrNoRows) {
			return &AuditFault{Position: from - 1, Words: "it was removed"}
		}
		if err != nil {
			return err
		}
	} else {
		var stray *int64
		if err := tx.QueryRow(ctx, `SELECT min(position) FROM audit_chain WHERE position < $1`, s1).Scan(&stray); err != nil {
			return err
		}
		if stray != nil {
			return &AuditFault{Position: *stray, Words: fmt.Sprintf("it was added: the list begins at place %d", s1)}
		}
	}
	rows, err := tx.Query(ctx, `
		SELECT `+auditedColumns+`
		FROM audit_chain c LEFT JOIN audit_entries e ON e.id = c.entry_id
		WHERE c.position >= $1 ORDER BY c.position LIMIT $2`, s1, auditStep)
	if err != nil {
		return err
	}
	places, err := pgx.CollectRows(rows, pgx.RowToStructByPos[audited])
	if err != nil {
		return err
	}
	upto, hash, erased, fault := checkPlaces(places, before, s1)
	s.Upto, s.Erased, s.Checked = upto, erased, upto-s1+1
	if fault != nil {
		return fault
	}
	if err := db.checkHeads(ctx, tx, places); err != nil {
		return err
	}
	if len(places) == auditStep {
		s.Next = fmt.Sprintf("place-%d", upto+1)
		return nil
	}
	s.Next = "entry-0"
	head, err := db.lastCheckpoint(ctx, tx, checkpointHead)
	switch {
	case err != nil:
		return err
	case upto == 0 && head == nil:
		return nil
	case anchor != nil && head == nil && upto == anchor.Position:
		return nil
	case head == nil:
		return &AuditFault{Position: upto, Words: "no checkpoint of this program's key covers the end of the list"}
	case head.Position > upto:
		return &AuditFault{Position: upto, Words: fmt.Sprintf("the list was cut: it went up to place %d", head.Position)}
	case !db.fits(checkpointHead, head) || head.Position < upto && (anchor == nil || upto != anchor.Position) || head.Position == upto && !bytes.Equal(head.Hash, hash):
		return &AuditFault{Position: upto, Words: fmt.Sprintf("the end of the list was not written by this program; the last place that was is %d", head.Position)}
	}
	return nil
}

// checkHeads compares the checkpoints among places with them.
func (db *DB) checkHeads(ctx context.Context, tx pgx.Tx, places []audited) error {
	if len(places) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `
		SELECT position, hash, at, mac, key_id FROM audit_checkpoints
		WHERE kind = 'head' AND key_id = ANY($1) AND position BETWEEN $2 AND $3 ORDER BY position`,
		db.keyIDs(), places[0].Position, places[len(places)-1].Position)
	if err != nil {
		return err
	}
	heads, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[checkpoint])
	if err != nil {
		return err
	}
	for _, head := range heads {
		place := places[head.Position-int64(places[0].Position)] // they follow each other
		if !db.fits(checkpointHead, head) || !bytes.Equal(head.Hash, place.Hash) {
			return &AuditFault{Position: head.Position, EntryID: place.EntryID, Words: "its checkpoint is of another entry, or not of this program: it was written anew up to here"}
		}
	}
	return nil
}

// checkStrays looks for entries in no place, after an id, and for places to come whose entry is gone.
func (db *DB) checkStrays(ctx context.Context, tx pgx.Tx, after int64, s *AuditStep) error {
	s.Upto = s.End
	rows, err := tx.Query(ctx, `
		SELECT e.id, c.entry_id IS NOT NULL OR p.entry_id IS NOT NULL
		FROM (SELECT id FROM audit_entries WHERE id > $1 ORDER BY id LIMIT $2) e
		LEFT JOIN audit_chain c ON c.entry_id = e.id LEFT JOIN audit_pending p ON p.entry_id = e.id
		ORDER BY e.id`, after, auditStep)
	if err != nil {
		return err
	}
	looked, id, placed := 0, int64(0), false
	_, err = pgx.ForEachRow(rows, []any{&id, &placed}, func() error {
		looked++
		if !placed {
			return &AuditFault{EntryID: id, Words: "it was added past this program: it has no place in the list"}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if looked == auditStep {
		s.Next = fmt.Sprintf("entry-%d", id)
		return nil
	}
	var gone *int64
	var since *time.Time
	err = tx.QueryRow(ctx, `
		SELECT count(*), min(p.since), min(p.entry_id) FILTER (WHERE e.id IS NULL)
		FROM (SELECT entry_id, since FROM audit_pending ORDER BY entry_id LIMIT $1) p LEFT JOIN audit_entries e ON e.id = p.entry_id`, auditStep).
		Scan(&s.Pending, &since, &gone)
	if err != nil {
		return err
	}
	if since != nil {
		s.Since = since.UTC()
	}
	if gone != nil {
		return &AuditFault{EntryID: *gone, Words: "it was removed before it got its place"}
	}
	return nil
}
