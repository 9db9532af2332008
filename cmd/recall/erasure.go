package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/google/uuid"

	"recall/erasure"
	"recall/store"
)

type erasureCmd struct {
	List       erasureListCmd    `cmd:"" help:"List the cases, those that are not over first."`
	Open       erasureOpenCmd    `cmd:"" help:"Open a case about a person, or about one event; nothing is destroyed yet."`
	Show       erasureShowCmd    `cmd:"" help:"Show what a case has found, what is doubtful, and how far it is."`
	Decide     erasureDecideCmd  `cmd:"" help:"Say of doubtful events that they are erased, or left."`
	Confirm    erasureConfirmCmd `cmd:"" help:"Have a case run: what it has found is destroyed for good."`
	Cancel     erasureCancelCmd  `cmd:"" help:"End a case of which nothing was destroyed yet."`
	Run        erasureRunCmd     `cmd:"" help:"Work on cases now; a running recall serve does it by itself."`
	Settings   erasureSetCmd     `cmd:"" help:"Show or set how cases behave that callbacks open, and for how long backups are kept."`
	ListExport listExportCmd     `cmd:"" help:"Print the erasure list, to be kept beside the backups."`
	ListReplay listReplayCmd     `cmd:"" help:"Erase again what a list says was erased, after an older backup was restored."`
}

type erasureListCmd struct{}

func (c *erasureListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		cases, err := db.ListErasures(ctx, 0, 200)
		if err != nil {
			return err
		}
		if len(cases) == 0 {
			_, err := fmt.Fprintln(a.errw, "There is no case.")
			return err
		}
		rows := [][]string{{"CASE", "STATE", "ABOUT", "OPENED", "BY", "REASON", "WAITS FOR"}}
		for _, e := range cases {
			state := string(e.State)
			if e.State == store.ErasureRunning {
				state += ", " + string(e.Step)
			}
			rows = append(rows, []string{fmt.Sprint(e.ID), state, e.Subject(), utc(e.OpenedAt), harmless(e.OpenedBy), harmless(e.Reason), harmless(or(e.Why, "-"))})
		}
		return writeTable(a.out, rows)
	})
}

type erasureOpenCmd struct {
	Customer string   `arg:"" optional:"" help:"The customer's id."`
	Event    string   `placeholder:"ID" help:"One event and its equal arrivals, instead of a person."`
	Source   []string `placeholder:"SLUG" help:"The sources that the number belongs to, where they are of several plenigo companies; all if none is given."`
	Reason   string   `required:"" placeholder:"TEXT" help:"Why."`
}

func (c *erasureOpenCmd) Run(ctx context.Context, a *app) error {
	if c.Event != "" && len(c.Source) > 0 {
		return usagef("an event came to one source, so --source says nothing with --event")
	}
	if (c.Customer == "") == (c.Event == "") {
		return usagef("a case is about a customer, or about one event (--event); give one or the other")
	}
	id := uuid.Nil
	if c.Event != "" {
		var err error
		if id, err = parseEventID(c.Event); err != nil {
			return err
		}
	} else if err := store.ValidPerson(c.Customer); err != nil {
		return usagef("%v", err)
	}
	return a.withStore(ctx, func(db *store.DB) error {
		if c.Event != "" {
			if _, err := findEvent(ctx, db, id); err != nil {
				return err
			}
		}
		sources, err := sourceIDs(ctx, db, c.Source)
		if err != nil {
			return err
		}
		e, err := db.OpenErasure(ctx, store.ErasureWish{Person: c.Customer, Sources: sources, Event: id, Reason: c.Reason}, store.AuditEntry{Actor: actor()})
		if errors.Is(err, store.ErrErasurePending) {
			return fmt.Errorf("%w: case %d", err, e.ID)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "Case %d is opened. A running recall serve looks for what is held, or recall erasure run does. Then: recall erasure show %[1]d\n", e.ID)
		return err
	})
}

// sourceIDs are the ids of sources by their slugs.
func sourceIDs(ctx context.Context, db *store.DB, slugs []string) (ids []int64, err error) {
	for _, slug := range slugs {
		source, err := findSource(ctx, db, slug)
		if err != nil {
			return nil, err
		}
		ids = append(ids, source.ID)
	}
	return ids, nil
}

type erasureShowCmd struct {
	ID          int64 `arg:"" help:"The case's number."`
	Certificate bool  `help:"Print the certificate of a closed case, as JSON."`
	Limit       int   `default:"100" help:"How many of the events to list, doubtful ones first."`
}

func (c *erasureShowCmd) Run(ctx context.Context, a *app) error {
	return a.withErasure(ctx, c.ID, func(db *store.DB, e *store.ErasureCase) error {
		if c.Certificate {
			if e.Certificate == nil {
				return fmt.Errorf("case %d is %s: its certificate is made when it is closed", e.ID, e.State)
			}
			_, err := fmt.Fprintf(a.out, "%s\n", e.Certificate)
			return err
		}
		fmt.Fprintf(a.out, "Case %d about %s is %s", e.ID, e.Subject(), e.State)
		if e.State == store.ErasureRunning {
			fmt.Fprintf(a.out, ", at the step %s", or(string(e.Step), "certificate"))
		}
		fmt.Fprintf(a.out, ".\nOpened %s by %s: %s\n", utc(e.OpenedAt), harmless(e.OpenedBy), harmless(e.Reason))
		if !e.ConfirmedAt.IsZero() {
			fmt.Fprintf(a.out, "Confirmed %s by %s.\n", utc(e.ConfirmedAt), harmless(e.ConfirmedBy))
		}
		if !e.AutomaticAt.IsZero() && e.State == store.ErasureWaiting {
			fmt.Fprintf(a.out, "It runs by itself at %s.\n", utc(e.AutomaticAt))
		}
		if e.Why != "" {
			fmt.Fprintf(a.out, "Waits: %s\n", harmless(e.Why))
		}
		for _, list := range []struct {
			title  string
			counts map[string]int64
		}{{"Found", e.Found}, {"Destroyed", e.Done}} {
			for _, name := range slices.Sorted(maps.Keys(list.counts)) {
				fmt.Fprintf(a.out, "%s: %d %s\n", list.title, list.counts[name], name)
			}
		}
		for _, left := range e.Leftover {
			fmt.Fprintf(a.out, "Left to people: %s\n", harmless(left))
		}
		events, err := db.ErasureEvents(ctx, e.ID, c.Limit)
		if err != nil || len(events) == 0 {
			return err
		}
		rows := [][]string{{"EVENT", "IS", "DOUBT", "REASON"}}
		for _, f := range events {
			is := "to be decided"
			if f.Erase != nil && *f.Erase {
				is = "to be erased"
			} else if f.Erase != nil {
				is = "left"
			}
			if f.Held {
				is += ", on hold"
			}
			rows = append(rows, []string{f.EventID.String(), is, harmless(or(f.Doubt, "-")), harmless(or(f.Reason, "-"))})
		}
		return writeTable(a.out, rows)
	})
}

// withErasure runs what a command does with a case.
func (a *app) withErasure(ctx context.Context, id int64, do func(*store.DB, *store.ErasureCase) error) error {
	return a.withStore(ctx, func(db *store.DB) error {
		e, err := db.FindErasure(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no case %d; see recall erasure list", id)
		}
		if err != nil {
			return err
		}
		return do(db, e)
	})
}

type erasureDecideCmd struct {
	ID     int64    `arg:"" help:"The case's number."`
	Events []string `arg:"" optional:"" help:"Ids of doubtful events; all that are not decided if none is given."`
	Erase  bool     `xor:"what" required:"" help:"They are the person's: erase them."`
	Leave  bool     `xor:"what" required:"" help:"Leave them; takes a reason."`
	Reason string   `placeholder:"TEXT" help:"Why."`
}

func (c *erasureDecideCmd) Run(ctx context.Context, a *app) error {
	var ids []uuid.UUID
	for _, text := range c.Events {
		id, err := parseEventID(text)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	return a.withErasure(ctx, c.ID, func(db *store.DB, _ *store.ErasureCase) error {
		if err := db.DecideErasure(ctx, c.ID, store.ErasureChoice{Events: ids}, c.Erase, c.Reason, store.AuditEntry{Actor: actor()}); err != nil {
			return err
		}
		_, err := fmt.Fprintln(a.out, "Decided.")
		return err
	})
}

type erasureConfirmCmd struct {
	ID     int64  `arg:"" help:"The case's number."`
	Reason string `required:"" placeholder:"TEXT" help:"Why."`
}

func (c *erasureConfirmCmd) Run(ctx context.Context, a *app) error {
	return a.withErasure(ctx, c.ID, func(db *store.DB, _ *store.ErasureCase) error {
		if err := db.ConfirmErasure(ctx, c.ID, c.Reason, store.AuditEntry{Actor: actor()}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "Case %d runs, and cannot be stopped any more.\n", c.ID)
		return err
	})
}

type erasureCancelCmd struct {
	ID     int64  `arg:"" help:"The case's number."`
	Reason string `required:"" placeholder:"TEXT" help:"Why."`
}

func (c *erasureCancelCmd) Run(ctx context.Context, a *app) error {
	return a.withErasure(ctx, c.ID, func(db *store.DB, _ *store.ErasureCase) error {
		if err := db.CancelErasure(ctx, c.ID, c.Reason, store.AuditEntry{Actor: actor()}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "Case %d is cancelled; nothing was destroyed.\n", c.ID)
		return err
	})
}

type erasureRunCmd struct{}

func (c *erasureRunCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		eraser := erasure.New(db, nil, "", a.log)
		for {
			worked, err := eraser.Work(ctx)
			if err != nil || !worked {
				if err == nil {
					_, err = fmt.Fprintln(a.out, "Nothing more can be done at this moment; recall erasure list says what waits, and for what.")
				}
				return err
			}
		}
	})
}

type erasureSetCmd struct {
	Automatic   *bool `negatable:"" help:"Cases that callbacks open run by themselves after the grace time, unless something is doubtful."`
	Grace       *int  `placeholder:"HOURS" help:"The grace time."`
	BackupsKept *int  `placeholder:"DAYS" help:"For how long backups are kept, for certificates; 0: not said."`
	OneCompany  *bool `negatable:"" help:"All sources are of one plenigo company, so that a customer id means the same person at each; else events of other sources than a deletion's are doubtful."`
}

func (c *erasureSetCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		s, err := db.ErasureSettings(ctx)
		if err != nil {
			return err
		}
		if c.Automatic != nil {
			s.Automatic = *c.Automatic
		}
		if c.Grace != nil {
			s.GraceHours = *c.Grace
		}
		if c.BackupsKept != nil {
			s.BackupsDays = *c.BackupsKept
		}
		if c.OneCompany != nil {
			s.OneCompany = *c.OneCompany
		}
		if err := db.SetErasure(ctx, s, store.AuditEntry{Actor: actor()}); err != nil {
			return err
		}
		return writeTable(a.out, [][]string{{"AUTOMATIC", "GRACE", "BACKUPS KEPT", "ONE COMPANY"}, {fmt.Sprint(s.Automatic), fmt.Sprintf("%d h", s.GraceHours), fmt.Sprintf("%d days", s.BackupsDays), fmt.Sprint(s.OneCompany)}})
	})
}

type listExportCmd struct{}

func (c *listExportCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error { return db.WriteErasureList(ctx, a.out) })
}

type listReplayCmd struct {
	File   string `arg:"" help:"The list; - reads standard input."`
	Reason string `required:"" placeholder:"TEXT" help:"Why."`
}

func (c *listReplayCmd) Run(ctx context.Context, a *app) error {
	var in io.Reader = a.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("opening the list: %w", err)
		}
		defer f.Close()
		in = f
	}
	return a.withStore(ctx, func(db *store.DB) error {
		done, err := db.ReplayErasureList(ctx, in, store.AuditEntry{Actor: actor(), Reason: c.Reason})
		if err != nil {
			return err
		}
		if done.OtherKey {
			fmt.Fprintln(a.errw, "The list was made with another key of hashes: persons cannot be told, so only the listed events are erased, and not what came of them besides.")
		}
		_, err = fmt.Fprintf(a.out, "%s to be erased again, by %s that run now; %d were not here and will not be kept, %d were erased already.\n",
			plural(done.Events, "event is", "events are"), plural(len(done.Cases), "case", "cases"), done.Blocked, done.Known)
		return err
	})
}

type personCmd struct {
	Report personReportCmd `cmd:"" help:"Write everything held about a customer, and where it was sent and when, as one file."`
}

type personReportCmd struct {
	Customer string   `arg:"" help:"The customer's id."`
	Source   []string `placeholder:"SLUG" help:"Only what came to these sources, where they are of several plenigo companies; all if none is given."`
	Out      string   `required:"" placeholder:"FILE" help:"The file to write, a zip; it must not be there yet."`
	Reason   string   `required:"" placeholder:"TEXT" help:"Why, for the audit list."`
}

func (c *personReportCmd) Run(ctx context.Context, a *app) error {
	if err := store.ValidPerson(c.Customer); err != nil {
		return usagef("%v", err)
	}
	return a.withStore(ctx, func(db *store.DB) (err error) {
		sources, err := sourceIDs(ctx, db, c.Source)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("making the file: %w", err)
		}
		defer func() {
			if err = errors.Join(err, f.Close()); err != nil {
				os.Remove(c.Out) // half an answer is none
			}
		}()
		if err := db.AddAudit(ctx, store.AuditEntry{Actor: actor(), Action: "customer.report", Subject: c.Customer, Reason: c.Reason}); err != nil {
			return err
		}
		counts, err := erasure.New(db, nil, "", a.log).WriteReport(ctx, f, c.Customer, sources)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "%s in %s, %d of them doubtful: look at those before you hand it out.\n", plural(counts.Events, "event", "events"), c.Out, counts.Doubtful)
		return err
	})
}
