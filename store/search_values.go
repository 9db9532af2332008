package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"recall/filter"
	"recall/mask"
	"recall/plenigo"
)

const (
	maxKnown      = 200 // values of one key
	maxKnownPaths = 500
	sampledEvents = 150      // the newest, for paths
	maxSampled    = 64 << 10 // bytes of a body; larger ones are not looked into
	maxFewValues  = 12       // a path with no more values than this has them named
	maxKnownText  = 60       // bytes of a value

	maxKnownCustomers = 20
)

// KnownValues are values that events have, for suggestions: sources, destinations, and what the search index tells apart; and
// customers, paths and header names of the newest events, with the values of paths that have only a few. What the rules hide
// is none of them. It is some milliseconds of work and need not be asked for each key that is pressed.
func (db *DB) KnownValues(ctx context.Context, rules *mask.Rules) (filter.Known, error) {
	known := knownValues{}
	err := db.read(ctx, func(tx pgx.Tx) error {
		for key, sql := range map[filter.Key]string{
			filter.KeySource:   `SELECT DISTINCT slug FROM sources LIMIT $1`,
			filter.KeyDelivery: `SELECT DISTINCT name FROM destinations WHERE removed_at IS NULL LIMIT $1`,
		} {
			rows, err := tx.Query(ctx, sql, maxKnown)
			if err != nil {
				return err
			}
			if known[key], err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
				return err
			}
		}
		classes, err := loadClasses(ctx, tx)
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(classes)) {
			c := classes[id]
			known.add(filter.KeyReason, c.Reason)
			known.add(filter.KeySignature, c.Signature)
			known.add(filter.KeyVersion, c.APIVersion)
			known.add(filter.KeyAnswered, fmt.Sprint(c.Answered))
			if c.EntityType != "" && c.CallbackType != "" {
				known.add(filter.KeyType, strings.ToLower(c.EntityType+"."+c.CallbackType))
			}
		}
		return known.sample(ctx, tx, rules)
	})
	if err != nil {
		return nil, fmt.Errorf("looking for known values: %w", err)
	}
	return filter.Known(known), nil
}

type knownValues filter.Known

func (k knownValues) add(key filter.Key, value string) {
	if value != "" && len(value) <= maxKnownText && len(k[key]) < maxKnown && !slices.Contains(k[key], value) {
		k[key] = append(k[key], value)
	}
}

// sample adds what the newest events hold.
func (k knownValues) sample(ctx context.Context, tx pgx.Tx, rules *mask.Rules) error {
	rows, err := tx.Query(ctx, `
		SELECT entity_type, callback_type, api_version, customers, header, CASE WHEN octet_length(body) <= $2 THEN body ELSE '' END
		FROM events
		ORDER BY id DESC
		LIMIT $1`, sampledEvents, maxSampled)
	if err != nil {
		return err
	}
	type path struct {
		seen   int
		values []string // up to one too many
	}
	paths, sampled := map[string]*path{}, 0
	var entityType, callbackType, version, customers string
	var header, body []byte
	_, err = pgx.ForEachRow(rows, []any{&entityType, &callbackType, &version, &customers, &header, &body}, func() error {
		sampled++
		k.add(filter.KeyVersion, version) // of what is not indexed yet
		if entityType != "" && callbackType != "" {
			k.add(filter.KeyType, strings.ToLower(entityType+"."+callbackType))
		}
		links, err := decodeCustomers(customers)
		if err != nil {
			return err
		}
		for _, l := range links {
			if len(k[filter.KeyCustomer]) < maxKnownCustomers {
				k.add(filter.KeyCustomer, l.CustomerID)
			}
		}
		decoded, err := decodeHeader(header)
		if err != nil {
			return err
		}
		for name := range decoded {
			if headerListed(name) {
				k.add(filter.KeyHeader, name)
			}
		}
		seen, _ := rules.Body(plenigo.Clear(decoded, body), mask.Reveal{})
		for s := range filter.Scalars(seen) {
			p := paths[s.Path]
			if p == nil {
				if s.Path == "" || len(paths) == maxKnownPaths {
					continue
				}
				p = &path{}
				paths[s.Path] = p
			}
			p.seen++
			if s.Text != "" && !strings.HasPrefix(s.Text, mask.Cover) && s.Kind != filter.KindNull && len(p.values) <= maxFewValues && !slices.Contains(p.values, s.Text) {
				p.values = append(p.values, s.Text)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range slices.SortedFunc(maps.Keys(paths), func(a, b string) int {
		return cmp.Or(cmp.Compare(paths[b].seen, paths[a].seen), strings.Compare(a, b))
	}) {
		k[filter.KeyPayload] = append(k[filter.KeyPayload], name)
		if p := paths[name]; len(p.values) <= maxFewValues && (p.seen >= 3*len(p.values) || sampled <= maxFewValues) { // states rather than names
			for _, v := range slices.Sorted(slices.Values(p.values)) {
				k.add(filter.Key(name), v)
			}
		}
	}
	return nil
}
