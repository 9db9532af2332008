package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"recall/mask"
)

// lockMask makes changes of masking rules wait for each other, so that each notes what it found.
const lockMask int64 = 0x72656361_21

// maxMaskRules bounds the rules that can be set.
const maxMaskRules = 1000

// MaskRules returns what is hidden now: Recall's own rules and those that were set. It is asked anew for each page, so a
// change counts at once on every instance. Where it fails nothing may be shown.
func (db *DB) MaskRules(ctx context.Context) (*mask.Rules, error) {
	own, err := maskRules(ctx, db.pool)
	if err != nil {
		return nil, err
	}
	if len(own) == 0 {
		return plainMask, nil
	}
	return mask.New(own)
}

var plainMask = mask.Default()

func maskRules(ctx context.Context, q querier) ([]mask.Rule, error) {
	rows, err := q.Query(ctx, `SELECT entity_type, path, class FROM mask_rules ORDER BY entity_type, path`)
	if err != nil {
		return nil, fmt.Errorf("reading the masking rules: %w", err)
	}
	rules, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r mask.Rule, err error) {
		return r, row.Scan(&r.EntityType, &r.Path, &r.Class)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the masking rules: %w", err)
	}
	return rules, nil
}

// SetMaskRule sets how the values at a place are treated. The error says what is wrong with the rule. The note gets what was
// before and after; where nothing changes there is none.
func (db *DB) SetMaskRule(ctx context.Context, rule mask.Rule, note AuditEntry) error {
	rule, err := rule.Check()
	if err != nil {
		return err
	}
	return db.changeMask(ctx, func(tx pgx.Tx, own []mask.Rule) error {
		before := maskWords(own, rule)
		if before == string(rule.Class) {
			return nil
		}
		if len(own) >= maxMaskRules {
			return fmt.Errorf("there are %d masking rules of your own already: use * in a path, which stands for any name", maxMaskRules)
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO mask_rules (entity_type, path, class) VALUES ($1, $2, $3)
			ON CONFLICT (entity_type, lower(path)) DO UPDATE SET path = excluded.path, class = excluded.class`, rule.EntityType, rule.Path, rule.Class)
		if err != nil {
			return fmt.Errorf("setting a masking rule: %w", err)
		}
		note.Subject = rule.EntityType
		note.Detail = withChange(note.Detail, rule.Path, before, string(rule.Class))
		return db.addAudit(ctx, tx, note)
	})
}

// ResetMask takes away what was set: the rule of a place, all of a type where path is "", or all where entityType is too. What
// is left are Recall's own. It returns how many there were.
func (db *DB) ResetMask(ctx context.Context, entityType, path string, note AuditEntry) (gone int, err error) {
	err = db.changeMask(ctx, func(tx pgx.Tx, own []mask.Rule) error {
		place := mask.Rule{EntityType: entityType, Path: path, Class: mask.Shown}
		if path == "" {
			place.Path = "*" // any will do: the type is what is checked
		}
		if entityType != "" {
			if place, err = place.Check(); err != nil {
				return err
			}
			note.Subject = place.EntityType
		}
		rest := withoutRules(own, func(r mask.Rule) bool {
			return entityType == "" || r.EntityType == place.EntityType && (path == "" || r.Key() == place.Key())
		})
		for _, r := range own {
			if containsRule(rest, r) {
				continue
			}
			gone++
			if _, err := tx.Exec(ctx, `DELETE FROM mask_rules WHERE entity_type = $1 AND path = $2`, r.EntityType, r.Path); err != nil {
				return fmt.Errorf("taking a masking rule away: %w", err)
			}
			name := r.Path
			if entityType == "" {
				name = r.EntityType + " " + r.Path
			}
			note.Detail = withChange(note.Detail, name, string(r.Class), maskWords(nil, r))
		}
		if gone == 0 {
			return nil
		}
		return db.addAudit(ctx, tx, note)
	})
	return gone, err
}

func withoutRules(rules []mask.Rule, gone func(mask.Rule) bool) (rest []mask.Rule) {
	for _, r := range rules {
		if !gone(r) {
			rest = append(rest, r)
		}
	}
	return rest
}

func containsRule(rules []mask.Rule, one mask.Rule) bool {
	for _, r := range rules {
		if r.Key() == one.Key() {
			return true
		}
	}
	return false
}

// maskWords is how a place was treated by name: by a rule that was set, by one of Recall's own, or by none.
func maskWords(own []mask.Rule, place mask.Rule) string {
	for _, r := range own {
		if r.Key() == place.Key() {
			return string(r.Class)
		}
	}
	for _, r := range mask.Known() {
		if r.Key() == place.Key() {
			return string(r.Class) + " by Recall’s own rule"
		}
	}
	return "no rule"
}

func (db *DB) changeMask(ctx context.Context, change func(tx pgx.Tx, own []mask.Rule) error) error {
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, lockMask); err != nil {
			return fmt.Errorf("waiting for another change of the masking rules: %w", err)
		}
		own, err := maskRules(ctx, tx)
		if err != nil {
			return err
		}
		return change(tx, own)
	})
}
