package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"recall/store"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" help:"List or export entries, newest first."`
	Verify auditVerifyCmd `cmd:"" help:"Check that no entry was changed, removed, added or moved past Recall."`
	Accept auditAcceptCmd `cmd:"" help:"Take the list as it is for the whole of it, after an older backup was restored."`
}

type auditListCmd struct {
	Actor   string `placeholder:"NAME" help:"By this user; cli:NAME stands for who gave a command."`
	Action  string `placeholder:"ACTION" help:"Such as source.set, or source for all that is about sources."`
	Subject string `placeholder:"TEXT" help:"About this id or name."`
	Text    string `placeholder:"TEXT" help:"That hold this text anywhere."`
	From    string `placeholder:"DAY" help:"From this day on, such as 2026-11-24, by UTC."`
	Until   string `placeholder:"DAY" help:"Up to this day, which is included."`
	Limit   int    `default:"50" placeholder:"N" help:"At most so many (${default}); 0: all."`
	JSON    bool   `name:"json" help:"Print one JSON object a line."`
}

func (auditListCmd) Help() string {
	return `Examples:

    recall audit list --action user --from 2026-11-01
    recall audit list --subject shop --json
    recall audit list --limit 0 --json >audit.jsonl`
}

func (c *auditListCmd) Run(ctx context.Context, a *app) error {
	q := store.AuditQuery{Actor: c.Actor, Action: c.Action, Subject: c.Subject, Text: c.Text, Limit: 1000}
	for _, d := range []struct {
		flag, text string
		to         *time.Time
		days       int
	}{{"--from", c.From, &q.From, 0}, {"--until", c.Until, &q.Until, 1}} {
		if d.text == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, d.text)
		if err != nil {
			return usagef("%s: %.40q is no day; write it as 2026-11-24", d.flag, d.text)
		}
		*d.to = day.AddDate(0, 0, d.days)
	}
	if c.Limit < 0 {
		return usagef("--limit must be 0 or more, not %d", c.Limit)
	}
	return a.withStore(ctx, func(db *store.DB) error {
		var rows [][]string
		for left := c.Limit; ; {
			if c.Limit > 0 {
				q.Limit = min(1000, left)
			}
			entries, err := db.FindAudit(ctx, q)
			if err != nil {
				return err
			}
			for _, e := range entries {
				if c.JSON {
					if err := jsonLine(a.out, e); err != nil {
						return err
					}
					continue
				}
				detail, err := json.Marshal(e.Detail)
				if err != nil {
					return err
				}
				rows = append(rows, []string{utc(e.At), harmless(e.Actor), harmless(e.Action), harmless(or(e.Subject, "-")), harmless(or(e.Reason, "-")), harmless(string(detail))})
			}
			left -= len(entries)
			if len(entries) < q.Limit || c.Limit > 0 && left == 0 {
				break
			}
			q.Before = entries[len(entries)-1].ID
		}
		switch {
		case c.JSON:
			return nil
		case len(rows) == 0:
			_, err := fmt.Fprintln(a.errw, "There is no such entry.")
			return err
		}
		return writeTable(a.out, append([][]string{{"AT", "WHO", "DID", "TO", "REASON", "DETAIL"}}, rows...))
	})
}

type auditVerifyCmd struct {
	Checkpoint string `placeholder:"PLACE:HASH" help:"Compare with an end of the list that was written down elsewhere, such as one of the log's lines \"audit checkpoint\"."`
}

func (auditVerifyCmd) Help() string {
	return `Each entry has a place in a chain: a hash over the entry and the hash before it. The chain's end is authenticated by the program's
key and remembered in the data folder, so that a change, a removal, an addition, a move and a cut end are found. It may be
run beside recall serve, and takes about a second for 100,000 entries. The exit status is 1 where something does not fit.`
}

func (c *auditVerifyCmd) Run(ctx context.Context, a *app) error {
	var given store.AuditCheckpoint
	if c.Checkpoint != "" {
		place, hash, _ := strings.Cut(c.Checkpoint, ":")
		n, err := strconv.ParseInt(place, 10, 64)
		if err != nil || n < 1 || len(hash) != 64 {
			return usagef("--checkpoint: write it as PLACE:HASH, such as 120:4f0c… with all 64 digits of the hash")
		}
		given = store.AuditCheckpoint{Position: n, Hash: strings.ToLower(hash)}
	}
	return a.withStore(ctx, func(db *store.DB) error {
		r, err := a.checkAudit(ctx, db, time.Time{})
		if err != nil {
			return err
		}
		if r.Fault == nil && given.Position > 0 {
			r.Fault = db.CompareAudit(ctx, given)
		}
		if r.Fault != nil {
			return fmt.Errorf("the audit list does not fit. %w", r.Fault)
		}
		_, err = fmt.Fprintf(a.out, "The audit list fits: %s.\n", r.Words())
		return err
	})
}

// checkAudit checks the audit list to its end, or until a time (zero: none), and compares it with what the data folder remembers.
func (a *app) checkAudit(ctx context.Context, db *store.DB, until time.Time) (store.AuditCheck, error) {
	return db.CheckWholeAudit(ctx, until, a.auditHeadFile())
}

type auditAcceptCmd struct {
	Reason string `required:"" placeholder:"TEXT" help:"Why, for the audit list."`
}

func (auditAcceptCmd) Help() string {
	return `The data folder remembers how far the audit list went. After an older backup of the database was restored the list is shorter, and
recall doctor says so until this command is given. It writes down in the list what was remembered.

Example:

    recall audit accept --reason "restored the backup of 24 November"`
}

func (c *auditAcceptCmd) Run(ctx context.Context, a *app) error {
	if strings.TrimSpace(c.Reason) == "" {
		return usagef("--reason must say why")
	}
	return a.withStore(ctx, func(db *store.DB) error {
		if err := db.AcceptAuditEnd(ctx, a.auditHeadFile(), store.AuditEntry{Actor: actor(), Reason: c.Reason}); err != nil {
			return err
		}
		_, err := fmt.Fprintln(a.out, "The audit list is taken as it is, and says so.")
		return err
	})
}
