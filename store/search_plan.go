package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
)

// maxAlternatives bounds the values of a term that are looked up, and the alternatives of one group; what has more is left
// to the check.
const maxAlternatives = 100

// searchPlan is what the search index can tell of a filter: every event that fulfils it is of one of the classes, and holds
// in each group all terms of at least one alternative.
type searchPlan struct {
	classes []int16 // nil: any
	groups  [][][]term
	first   [][]term    // of the groups' first one term of each alternative, that is likely rare: what it leaves may be few; nil: none is
	named   []uuid.UUID // where these few are all that can: ascending; nil: not known
}

// narrows tells whether the index can leave any event out.
func (p *searchPlan) narrows() bool { return p.classes != nil || len(p.groups) > 0 || p.named != nil }

// further tells whether the groups ask for more than the first terms.
func (p *searchPlan) further() bool {
	return len(p.groups) > 1 || slices.ContainsFunc(p.groups[0], func(alternative []term) bool { return len(alternative) > 1 })
}

// ofClass are the keys that an event's class decides.
var ofClass = []filter.Key{
	filter.KeySource, filter.KeyVerdict, filter.KeyReason, filter.KeySignature, filter.KeyType, filter.KeyVersion,
	filter.KeyAnswered, filter.KeyRepeat, filter.KeyUnexpected,
}

// newSearchPlan reads what the index can use from a filter.
func newSearchPlan(ctx context.Context, q querier, f filter.Filter, named names) (searchPlan, error) {
	var p searchPlan
	var common filter.Filter
	rarest := 0
	for _, t := range f.Terms {
		if slices.Contains(ofClass, t.Key) {
			common.Terms = append(common.Terms, t)
			continue
		}
		if t.Negated || len(t.Values) > maxAlternatives {
			continue
		}
		if t.Key == filter.KeyDelivery && p.named == nil {
			if err := p.nameOpen(ctx, q, t); err != nil {
				return p, err
			}
		}
		if group := alternatives(t); len(group) > 0 {
			if r := rareness(t); r > rarest {
				rarest, p.groups, p.first = r, slices.Insert(p.groups, 0, group), nil
				for _, alternative := range group {
					p.first = append(p.first, alternative[:1])
				}
				continue
			}
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
		if common.Match(c.subject(named.slugs)) {
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
		Source: slugs[c.SourceID], Verdict: c.Verdict, Reason: c.Reason, Signature: c.Signature, Answered: c.Answered,
		EntityType: c.EntityType, CallbackType: c.CallbackType, Version: c.APIVersion, Repeat: c.Repeat, Unexpected: c.UnexpectedType,
	}
}

// names are what filters call sources and destinations by.
type names struct {
	slugs        map[int64]string // of every source, removed ones too; a slug may have been used again
	destinations map[string][]int64
}

// findNames looks up the names that a filter needs.
func findNames(ctx context.Context, q querier, f filter.Filter) (names, error) {
	n := names{slugs: map[int64]string{}, destinations: map[string][]int64{}}
	for _, of := range []struct {
		sql  string
		keys []filter.Key
	}{
		{"SELECT id, slug FROM sources", []filter.Key{filter.KeySource}},
		{"SELECT id, name FROM destinations", []filter.Key{filter.KeyDelivery, filter.KeyTrigger}},
	} {
		if !slices.ContainsFunc(f.Terms, func(t filter.Term) bool { return slices.Contains(of.keys, t.Key) }) {
			continue
		}
		rows, err := q.Query(ctx, of.sql)
		if err != nil {
			return n, fmt.Errorf("finding names: %w", err)
		}
		var id int64
		var name string
		_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
			if of.keys[0] == filter.KeySource {
				n.slugs[id] = name
			} else {
				n.destinations[name] = append(n.destinations[name], id)
			}
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("finding names: %w", err)
		}
	}
	return n, nil
}

// maxNamed bounds the events that are named one by one.
const maxNamed = 10_000

// openStates are the deliveries that have an index of their own (deliveries_open): there are few.
var openStates = []string{"pending", "sending", "waiting", "exhausted"}

// nameOpen names the events that have a delivery which a term asks for, where it asks for open ones only and there are few.
func (p *searchPlan) nameOpen(ctx context.Context, q querier, t filter.Term) error {
	var states []string
	for _, v := range t.Values {
		of := filter.DeliveryStates(v.State)
		if len(of) == 0 || slices.ContainsFunc(of, func(s string) bool { return !slices.Contains(openStates, s) }) {
			return nil
		}
		states = append(states, of...)
	}
	rows, err := q.Query(ctx, `
		SELECT event_id
		FROM deliveries
		WHERE state IN ('pending', 'sending', 'waiting', 'exhausted') AND state::text = ANY($1)
		LIMIT $2`, states, maxNamed+1)
	if err != nil {
		return fmt.Errorf("finding open deliveries: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("finding open deliveries: %w", err)
	}
	if len(ids) <= maxNamed {
		slices.SortFunc(ids, compareIDs)
		p.named = append([]uuid.UUID{}, slices.Compact(ids)...)
	}
	return nil
}
