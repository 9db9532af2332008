package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

type retentionCmd struct {
	Show    retentionShowCmd    `cmd:"" help:"Show for how long things are kept."`
	Set     retentionSetCmd     `cmd:"" help:"Set for how long something is kept."`
	Preview retentionPreviewCmd `cmd:"" help:"Count what would be removed now."`
	Run     retentionRunCmd     `cmd:"" help:"Remove now what is due; a running recall serve does it by itself."`
	Hold    retentionHoldCmd    `cmd:"" help:"Keep events whatever the rules say, and release them."`
}

type retentionShowCmd struct {
	JSON bool `name:"json" help:"Print one JSON object: rules, undecided, last_run."`
}

func (retentionShowCmd) Help() string {
	return `Without a rule everything is kept for ever. A source without a rule of its own follows the one of all sources.`
}

func (c *retentionShowCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		if c.JSON {
			v, err := db.RetentionStatusJSON(ctx)
			if err != nil {
				return err
			}
			return jsonLine(a.out, v)
		}
		rules, err := db.RetentionRules(ctx)
		if err != nil {
			return err
		}
		sources, err := db.ListSources(ctx)
		if err != nil {
			return err
		}
		state, err := db.RetentionState(ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"SOURCE", "ACCEPTED", "REJECTED", "ATTEMPTS", "ANSWERS", "AUDIT"}}
		row := func(name string, id int64) {
			line := []string{name}
			for _, class := range store.RetentionClasses {
				rule, own := rules.Find(id, class)
				switch {
				case id != 0 && class == store.RetainAudit:
					line = append(line, "")
				case id != 0 && !own:
					line = append(line, "as all")
				default:
					line = append(line, rule.Words())
				}
			}
			rows = append(rows, line)
		}
		row("(all)", 0)
		for _, s := range sources {
			row(s.Slug, s.ID)
		}
		if err := writeTable(a.out, rows); err != nil {
			return err
		}
		if undecided := rules.Undecided(sources); len(undecided) > 0 {
			fmt.Fprintf(a.out, "Nobody has said for how long these are kept, so it is for ever: %s.\n", classList(undecided))
		}
		_, err = fmt.Fprintf(a.out, "%s.\n", runWords(state))
		return err
	})
}

func classList(classes []store.RetentionClass) string {
	words := make([]string, len(classes))
	for i, class := range classes {
		words[i] = string(class)
	}
	return strings.Join(words, ", ")
}

// runWords say how the last runs ended.
func runWords(s store.RetentionState) string {
	switch {
	case s.EndedAt.IsZero():
		return "Nothing was ever removed by a run: none has run yet"
	case s.Error != "":
		return "The last run failed at " + utc(s.EndedAt) + ": " + harmless(s.Error)
	case s.DoneAt.IsZero() || s.DoneAt.Before(s.EndedAt):
		return "The last run ended at " + utc(s.EndedAt) + " before all was removed; the next goes on"
	}
	return "The last run ended at " + utc(s.DoneAt) + ", and left nothing that was due"
}

type retentionSetCmd struct {
	Class  string `arg:"" enum:"accepted,rejected,attempts,answers,audit" help:"What: accepted or rejected (events, with all that hangs on them), attempts (with their answers; deliveries stay), answers (what destinations answered; attempts stay), audit (the audit list)."`
	For    string `arg:"" help:"For how long: 400d, 57w, ever, or all (a source then follows the rule of all sources)."`
	Source string `placeholder:"SLUG" help:"Of this source; of every source that has no rule of its own if left out."`
	Reason string `placeholder:"TEXT" help:"Why, for the audit list."`
}

func (retentionSetCmd) Help() string {
	return `Things are kept for at least as long, and then go together with the other ones of their week (Monday to Sunday, UTC). Look first at
what a rule would remove: recall retention preview.

Examples:

    recall retention set accepted 400d
    recall retention set rejected 30d
    recall retention set answers 30d
    recall retention set accepted 90d --source shop --reason "agreed with the data protection officer"
    recall retention set attempts ever`
}

func (c *retentionSetCmd) Run(ctx context.Context, a *app) error {
	days, err := readDays(c.For)
	if err != nil {
		return err
	}
	if days == nil && c.Source == "" {
		return usagef("all makes a source follow the rule of all sources: name it by --source, or say ever")
	}
	return a.withStore(ctx, func(db *store.DB) error {
		id, subject := int64(0), "all sources"
		if c.Source != "" {
			s, err := findSource(ctx, db, c.Source)
			if err != nil {
				return err
			}
			id, subject = s.ID, s.Slug
		}
		class := store.RetentionClass(c.Class)
		note := store.AuditEntry{Actor: actor(), Action: "retention.set", Subject: subject, Reason: c.Reason}
		if err := db.SetRetention(ctx, id, class, days, note); err != nil {
			return err
		}
		rules, err := db.RetentionRules(ctx)
		if err != nil {
			return err
		}
		rule, _ := rules.Find(id, class)
		_, err = fmt.Fprintf(a.out, "%s of %s: kept %s.\n", c.Class, subject, rule.Words())
		return err
	})
}

// readDays reads 400d, 57w, ever (0) or all (nil).
func readDays(text string) (*int, error) {
	days := 0
	switch text {
	case "all":
		return nil, nil
	case "ever", "forever":
		return &days, nil
	}
	number, factor := strings.CutSuffix(text, "d")
	unit := 1
	if !factor {
		number, factor = strings.CutSuffix(text, "w")
		unit = 7
	}
	n, err := strconv.Atoi(number)
	if err != nil || !factor || n < 1 || n > store.MaxRetentionDays/unit {
		return nil, usagef("%.40q is no time to keep things for: write it as 400d, 57w, or ever; at least 1d", text)
	}
	days = n * unit
	return &days, nil
}

type retentionPreviewCmd struct {
	JSON bool `name:"json" help:"Print one JSON object: due, open, counted_at."`
}

func (c *retentionPreviewCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error { return writePreview(ctx, a, db, c.JSON) })
}

func writePreview(ctx context.Context, a *app, db *store.DB, asJSON bool) error {
	rules, err := db.RetentionRules(ctx)
	if err != nil {
		return err
	}
	p, err := db.PreviewRetention(ctx, rules)
	if err != nil {
		return err
	}
	if asJSON {
		v, err := db.RetentionPreviewJSON(ctx, p)
		if err != nil {
			return err
		}
		return jsonLine(a.out, v)
	}
	rows := [][]string{{"SOURCE", "CLASS", "KEPT", "WOULD GO", "UP TO", "ON HOLD"}}
	for _, d := range p.List {
		if d.Until.IsZero() {
			continue
		}
		name := "(all)"
		if d.SourceID != 0 {
			s, err := db.FindSourceByID(ctx, d.SourceID)
			if err != nil {
				return err
			}
			name = s.Slug
		}
		about := ""
		if d.About {
			about = "about "
		}
		rows = append(rows, []string{name, string(d.Class), store.RetentionRule{Class: d.Class, Days: d.Days}.Words(), about + strconv.FormatInt(d.Rows, 10), d.Until.Format(time.DateOnly), strconv.FormatInt(d.Held, 10)})
	}
	if len(rows) == 1 {
		_, err := fmt.Fprintln(a.out, "No rule is set: everything is kept for ever.")
		return err
	}
	if err := writeTable(a.out, rows); err != nil {
		return err
	}
	if p.Open > 0 {
		_, err = fmt.Fprintf(a.out, "%s of these may stay for now: a delivery of theirs is not over.\n", plural(int(p.Open), "event", "events"))
	}
	return err
}

type retentionRunCmd struct {
	JSON bool `name:"json" help:"Print one JSON object: ended_at, done_at, error."`
}

func (retentionRunCmd) Help() string {
	return `A running recall serve does the same every ten minutes. It may be stopped at any moment; the next run goes on.`
}

func (c *retentionRunCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		if err := db.RunRetention(ctx, actor()); err != nil {
			return err
		}
		if c.JSON {
			state, err := db.RetentionState(ctx)
			if err != nil {
				return err
			}
			return jsonLine(a.out, state.JSON())
		}
		_, err := fmt.Fprintln(a.out, "Removed what was due; the audit list has the counts.")
		return err
	})
}

type retentionHoldCmd struct {
	Add     holdAddCmd     `cmd:"" help:"Place a hold on one event, or on all that a filter finds now."`
	List    holdListCmd    `cmd:"" help:"List the holds, with who placed them and why."`
	Release holdReleaseCmd `cmd:"" help:"End a hold."`
}

type holdAddCmd struct {
	Filter []string `arg:"" optional:"" help:"Which events; what arrives later is not in it."`
	Event  string   `placeholder:"ID" help:"One event."`
	Reason string   `required:"" placeholder:"TEXT" help:"Why."`
	JSON   bool     `name:"json" help:"Print the hold as one JSON object."`
}

func (c *holdAddCmd) Run(ctx context.Context, a *app) error {
	text := strings.Join(c.Filter, " ")
	if (text == "") == (c.Event == "") {
		return usagef("a hold is on one event (--event) or on what a filter finds; give one or the other")
	}
	if strings.TrimSpace(c.Reason) == "" || utf8.RuneCountInString(c.Reason) > store.MaxReason {
		return usagef("--reason must have 1 to %d characters", store.MaxReason)
	}
	var chosen filter.Filter
	var id uuid.UUID
	var err error
	if c.Event != "" {
		id, err = parseEventID(c.Event)
	} else {
		chosen, err = readFilter("filter", text, a.now())
	}
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(db *store.DB) error {
		h := &store.Hold{Filter: text, Reason: c.Reason, PlacedBy: actor()}
		err := db.PlaceHold(ctx, h, chosen, id, store.AuditEntry{Actor: actor()})
		if errors.Is(err, store.ErrNotFound) {
			return errors.New("there is no such event, so nothing is held")
		}
		if err != nil {
			return err
		}
		if c.JSON {
			return jsonLine(a.out, h.JSON())
		}
		_, err = fmt.Fprintf(a.out, "Hold %d keeps %s.\n", h.ID, plural(h.Events, "event", "events"))
		return err
	})
}

type holdListCmd struct {
	JSON bool `name:"json" help:"Print one JSON object a line."`
}

func (c *holdListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		holds, err := db.ListHolds(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			for i := range holds {
				if err := jsonLine(a.out, holds[i].JSON()); err != nil {
					return err
				}
			}
			return nil
		}
		if len(holds) == 0 {
			_, err := fmt.Fprintln(a.errw, "There is no hold.")
			return err
		}
		rows := [][]string{{"HOLD", "EVENTS", "PLACED", "BY", "REASON", "FILTER", "RELEASED"}}
		for _, h := range holds {
			released := "-"
			if !h.ReleasedAt.IsZero() {
				released = utc(h.ReleasedAt) + " by " + harmless(h.ReleasedBy)
			}
			rows = append(rows, []string{fmt.Sprint(h.ID), fmt.Sprint(h.Events), utc(h.PlacedAt), harmless(h.PlacedBy), harmless(h.Reason), harmless(or(h.Filter, "-")), released})
		}
		return writeTable(a.out, rows)
	})
}

type holdReleaseCmd struct {
	ID     int64  `arg:"" help:"The hold's number."`
	Reason string `placeholder:"TEXT" help:"Why, for the audit list."`
}

func (c *holdReleaseCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		err := db.ReleaseHold(ctx, c.ID, c.Reason, store.AuditEntry{Actor: actor()})
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no hold %d, or it was released already; see recall retention hold list", c.ID)
		}
		if err == nil {
			_, err = fmt.Fprintf(a.out, "Hold %d is released.\n", c.ID)
		}
		return err
	})
}
