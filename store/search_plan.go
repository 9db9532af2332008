package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"recall/filter"
)

// maxAlternatives bounds the alternatives that are looked up for one group; what has more is left to the check.
const maxAlternatives = 100

// searchPlan is what the search index can tell of a filter: every event that fulfils it is of one of the classes, and holds
// in each group all terms of at least one alternative.
type searchPlan struct {
	classes []int16 // nil: any
	groups  [][][]term
}

// narrows tells whether the index can leave any event out.
func (p *searchPlan) narrows() bool { return p.classes != nil || len(p.groups) > 0 }

// ofClass are the keys that an event's class decides.
var ofClass = []filter.Key{filter.KeySource, filter.KeyVerdict, filter.KeyReason, filter.KeyType}

// newSearchPlan reads what the index can use from a filter. slugs are those of all sources.
func newSearchPlan(ctx context.Context, q querier, f filter.Filter, slugs map[int64]string) (searchPlan, error) {
	var p searchPlan
	var common filter.Filter
	for _, t := range f.Terms {
		if slices.Contains(ofClass, t.Key) {
			common.Terms = append(common.Terms, t)
			continue
		}
		if t.Negated || len(t.Values) > maxAlternatives {
			continue
		}
		if group := alternatives(t); len(group) > 0 {
			p.groups = append(p.groups, group)
		}
	}
	if len(common.Terms) == 0 {
		return p, nil
	}
	classes, err := loadClasses(ctx, q)
	if err != nil {
		return p, err
	}
	p.classes = []int16{otherClass}
	for id, c := range classes {
		if common.Match(c.subject(slugs)) {
			p.classes = append(p.classes, id)
		}
	}
	if len(p.classes) == len(classes)+1 {
		p.classes = nil
	}
	slices.Sort(p.classes)
	return p, nil
}

// subject is any event of the class, as far as ofClass goes.
func (c class) subject(slugs map[int64]string) filter.Subject {
	return filter.Subject{
		Source: slugs[c.SourceID], Verdict: c.Verdict, Reason: c.Reason, EntityType: c.EntityType, CallbackType: c.CallbackType,
	}
}

// alternatives are the terms of which an event must hold those of one alternative; none where the index cannot tell.
func alternatives(t filter.Term) [][]term {
	var group [][]term
	for _, v := range t.Values {
		switch t.Key {
		case filter.KeyEntity:
			if v.ID == "" { // events without an entity are not listed
				return nil
			}
			group = append(group, []term{newTerm(termEntity, v.ID)})
		case filter.KeyCustomer:
			group = append(group, []term{newTerm(termCustomer, v.ID)})
		default:
			return nil
		}
	}
	return group
}

// findSlugs returns the slugs of all sources, removed ones too. A slug may have been used again.
func findSlugs(ctx context.Context, q querier) (map[int64]string, error) {
	rows, err := q.Query(ctx, `SELECT id, slug FROM sources`)
	if err != nil {
		return nil, fmt.Errorf("finding sources: %w", err)
	}
	slugs := map[int64]string{}
	var id int64
	var slug string
	_, err = pgx.ForEachRow(rows, []any{&id, &slug}, func() error {
		slugs[id] = slug
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("finding sources: %w", err)
	}
	return slugs, nil
}
