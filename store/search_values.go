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
	"recall/plenigo"
)

const (
	maxKnown      = 200 // values of one key
	maxKnownPaths = 500
	sampledEvents = 300 // the newest, for paths
	maxFewValues  = 12  // a path with no more values than this has them named
	maxKnownText  = 60  // bytes of a value
)

// KnownValues are values that events have, for suggestions: sources, destinations, and what the search index tells apart; and
// paths and header names of the newest events, with the values of paths that have only a few. It is a few milliseconds of work
// and need not be asked for each key that is pressed.
func (db *DB) KnownValues(ctx context.Context) (filter.Known, error) {
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
		return known.sample(ctx, tx)
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
func (k knownValues) sample(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT header, body FROM events WHERE octet_length(body) < 65536 ORDER BY id DESC LIMIT $1`, sampledEvents)
	if err != nil {
		return err
	}
	type path struct {
		seen   int
		values []string // up to one too many
	}
	paths := map[string]*path{}
	var header, body []byte
	_, err = pgx.ForEachRow(rows, []any{&header, &body}, func() error {
		decoded, err := decodeHeader(header)
		if err != nil {
			return err
		}
		for name := range decoded {
			if headerListed(name) {
				k.add(filter.KeyHeader, name)
			}
		}
		for s := range filter.Scalars(plenigo.Clear(decoded, body)) {
			p := paths[s.Path]
			if p == nil {
				if s.Path == "" || len(paths) == maxKnownPaths {
					continue
				}
				p = &path{}
				paths[s.Path] = p
			}
			p.seen++
			if s.Text != "" && s.Kind != filter.KindNull && len(p.values) <= maxFewValues && !slices.Contains(p.values, s.Text) {
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
		if p := paths[name]; len(p.values) <= maxFewValues && p.seen >= 3*len(p.values) { // states rather than names
			for _, v := range slices.Sorted(slices.Values(p.values)) {
				k.add(filter.Key(name), v)
			}
		}
	}
	return nil
}
