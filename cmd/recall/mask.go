package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"recall/mask"
	"recall/plenigo"
	"recall/store"
)

type maskCmd struct {
	List    maskListCmd    `cmd:"" help:"List what is personal or secret."`
	Set     maskSetCmd     `cmd:"" help:"Say how the values at a path are treated."`
	Reset   maskResetCmd   `cmd:"" help:"Take back what was set, so that Recall's own rules hold again."`
	Preview maskPreviewCmd `cmd:"" help:"Show a sample, or an event, as it is seen while nothing is revealed."`
}

type maskListCmd struct {
	Type string `arg:"" optional:"" help:"Of this entity type; * for the rules of every type, headers for those of headers."`
	Own  bool   `help:"Only what was set."`
}

func (c *maskListCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		rules, err := db.MaskRules(ctx)
		if err != nil {
			return err
		}
		set := map[string]bool{}
		rows := [][]string{{"TYPE", "PATH", "CLASS", "KNOWN FROM"}}
		add := func(r mask.Rule, from string) {
			if c.Type == "" || strings.EqualFold(c.Type, r.EntityType) {
				rows = append(rows, []string{r.EntityType, r.Path, string(r.Class), from})
			}
		}
		for _, r := range rules.Own() {
			set[r.Key()] = true
			add(r, "set here")
		}
		for _, r := range mask.Known() {
			if !c.Own && !set[r.Key()] {
				add(r, r.Why)
			}
		}
		return writeTable(a.out, rows)
	})
}

type maskSetCmd struct {
	Type   string `arg:"" help:"Entity type, such as CUSTOMER; * for every type; headers, with a header's name for the path."`
	Path   string `arg:"" help:"Such as entity.items[].price; **.nickname at any depth; * for any letters in a name."`
	Class  string `arg:"" enum:"shown,personal,secret" help:"shown, personal (hidden until it is revealed) or secret (revealed by itself only)."`
	Reason string `placeholder:"TEXT" help:"Why, for the audit list."`
}

func (maskSetCmd) Help() string {
	return `It holds at once, on every instance, for all that was received and will be; nothing stored is changed. Of several rules the nearest
decides: what was set before Recall's own, one type before every type, the deeper path before the shorter, then the stricter.

Examples:

    recall mask set CUSTOMER entity.registrationSource personal
    recall mask set ORDER entity.invoiceAddress.country shown --reason "needed for taxes"
    recall mask set headers x-shop-branch shown`
}

func (c *maskSetCmd) Run(ctx context.Context, a *app) error {
	rule, err := mask.Rule{EntityType: c.Type, Path: c.Path, Class: mask.Class(c.Class)}.Check()
	if err != nil {
		return usagef("%v", err)
	}
	return a.withStore(ctx, func(db *store.DB) error {
		if err := db.SetMaskRule(ctx, rule, store.AuditEntry{Actor: actor(), Action: "mask.set", Reason: c.Reason}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "%s %s: %s.\n", rule.EntityType, rule.Path, rule.Class)
		return err
	})
}

type maskResetCmd struct {
	Type   string `arg:"" optional:"" help:"Of this entity type; of all where it is left out."`
	Path   string `arg:"" optional:"" help:"Of this path; of all where it is left out."`
	Reason string `placeholder:"TEXT" help:"Why, for the audit list."`
}

func (c *maskResetCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		gone, err := db.ResetMask(ctx, c.Type, c.Path, store.AuditEntry{Actor: actor(), Action: "mask.reset", Reason: c.Reason})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "%s taken back.\n", plural(gone, "rule", "rules"))
		return err
	})
}

type maskPreviewCmd struct {
	Of string `arg:"" help:"Id of an event, or the name of an invented sample, such as customer.creation."`
}

func (c *maskPreviewCmd) Run(ctx context.Context, a *app) error {
	return a.withStore(ctx, func(db *store.DB) error {
		rules, err := db.MaskRules(ctx)
		if err != nil {
			return err
		}
		body, err := maskSample(ctx, db, c.Of, a.cfg.MaxBody)
		if err != nil {
			return err
		}
		seen, found := rules.Body(body, mask.Reveal{})
		if found.Whole {
			_, err = fmt.Fprintln(a.out, "It is hidden whole: it is no JSON, so nothing tells what in it is personal.")
			return err
		}
		fmt.Fprintf(a.out, "%s\n", seen)
		_, err = fmt.Fprintf(a.errw, "%s and %s hidden.\n", plural(found.Personal, "personal value", "personal values"), plural(found.Secret, "secret", "secrets"))
		return err
	})
}

// maskSample finds a body to show.
func maskSample(ctx context.Context, db *store.DB, of string, maxBody int64) ([]byte, error) {
	for _, s := range plenigo.Samples() {
		if s.Name == of {
			return s.Body, nil
		}
	}
	id, err := uuid.Parse(of)
	if err != nil {
		return nil, usagef("%.60q is no event and no sample: samples are named customer.creation, order.creation.gift and so on, after the callback", of)
	}
	e, err := db.FindEvent(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("there is no event %s", id)
	}
	if err != nil {
		return nil, err
	}
	return plenigo.Unpack(e.Header, e.Body, max(maxBody, 1<<20))
}
