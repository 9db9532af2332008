package store

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"recall/filter"
)

// Traces are places beside the events in which somebody wrote a person's name down: filters and reasons.
var traces = []struct {
	name, table, key string
	columns          []string
}{
	{"saved views", "saved_views", "id", []string{"name", "filter"}},
	{"filters of replays", "replays", "id", []string{"filter", "reason"}},
	{"filters of re-verifications", "reverify_runs", "id", []string{"filter", "reason"}},
	{"filters of holds", "retention_holds", "id", []string{"filter", "reason", "release_reason"}},
	{"reasons of cases", "erasure_cases", "id", []string{"reason", "why"}},
	{"reasons of pauses", "destinations", "id", []string{"state_reason"}},
	{"notes of alerts", "alerts", "id", []string{"note"}},
}

// erasedWord stands where a person was named.
const erasedWord = "erased"

// shortName is how long a name is that means nothing by itself: 17 is a number of days as well. It counts only after the word customer.
const shortName = 3

// namesPattern matches any of some names as a whole word, whatever the case of its letters. withoutNames needs its groups.
func namesPattern(list []string) *regexp.Regexp {
	var long, short []string
	for _, n := range list {
		switch {
		case n == "":
		case utf8.RuneCountInString(n) <= shortName:
			short = append(short, regexp.QuoteMeta(n))
		default:
			long = append(long, regexp.QuoteMeta(n))
		}
	}
	of := func(before string, names []string) string {
		if len(names) == 0 {
			return `([^\s\S])()` // nothing
		}
		return `(` + before + `)(` + strings.Join(names, "|") + `)`
	}
	return regexp.MustCompile(`(?i)(?:` + of(`^|[^\pL\pN]`, long) + `|` + of(`(?:^|[^\pL\pN])customer(?:s|[ _-]?id|\.[a-z_]+)?[\s:=/"]+(?:[\pL\pN_-]+"?,\s*"?)*`, short) + `)($|[^\pL\pN])`)
}

// withoutNames is a text with another word in the place of each name.
func withoutNames(pattern *regexp.Regexp, text string) string {
	for pattern.MatchString(text) { // two beside each other share what is between them
		text = pattern.ReplaceAllString(text, "${1}${3}"+erasedWord+"${5}")
	}
	return text
}

// CountTraces counts the texts that name a person by any of some names, by their kind: traces that are taken away, and under "rules"
// what people must change: rules of destinations.
func (db *DB) CountTraces(ctx context.Context, list []string) (map[string]int64, error) {
	counts := map[string]int64{}
	if len(list) == 0 {
		return counts, nil
	}
	pattern := namesPattern(list)
	err := db.eachTrace(ctx, db.pool, pattern, func(name, _, _ string, _ int64, _ map[string]string) error {
		counts[name]++
		return nil
	})
	if err != nil {
		return nil, err
	}
	ids, err := namedIn(ctx, db.pool, auditNamesSQL, list, pattern)
	if err != nil {
		return nil, fmt.Errorf("counting entries of the audit list: %w", err)
	}
	counts["audit entries"] = int64(len(ids))
	ids, err = namedIn(ctx, db.pool, `SELECT id, match FROM destinations WHERE removed_at IS NULL AND strpos(lower(match), lower($1)) > 0`, list, pattern)
	if err != nil {
		return nil, fmt.Errorf("counting rules: %w", err)
	}
	counts["rules"] = int64(len(ids))
	return counts, nil
}

// EraseTraces writes those texts anew without the names. A saved view that is no filter any more then goes; of an entry of the audit
// list who, when and what sort of thing stay. words say why, for who reads that. It returns the tables that were changed.
func (db *DB) EraseTraces(ctx context.Context, list []string, words string) (map[string]int64, []string, error) {
	if len(list) == 0 {
		return nil, nil, nil
	}
	pattern := namesPattern(list)
	counts := map[string]int64{}
	touched := map[string]bool{}
	err := pgx.BeginFunc(ctx, db.OwnerPool(), func(tx pgx.Tx) error {
		type change struct {
			table string
			id    int64
			texts map[string]string
		}
		var changes []change
		err := db.eachTrace(ctx, tx, pattern, func(name, table, _ string, id int64, texts map[string]string) error {
			counts[name]++
			touched[table] = true
			for column, text := range texts {
				texts[column] = withoutNames(pattern, text)
			}
			changes = append(changes, change{table, id, texts})
			return nil
		})
		if err != nil {
			return err
		}
		for _, c := range changes {
			if c.table == "saved_views" {
				if _, err := filter.Parse(c.texts["filter"], time.Unix(1<<31, 0)); err != nil {
					if _, err := tx.Exec(ctx, `DELETE FROM saved_views WHERE id = $1`, c.id); err != nil {
						return err
					}
					continue
				}
				if strings.Contains(c.texts["name"], erasedWord) {
					name := []rune(c.texts["name"])
					c.texts["name"] = fmt.Sprintf("%s (%d)", string(name[:min(len(name), MaxViewName-22)]), c.id) // no other one has it
				}
			}
			for column, text := range c.texts {
				if _, err := tx.Exec(ctx, `UPDATE `+c.table+` SET `+column+` = $2 WHERE id = $1`, c.id, text); err != nil { // names of ours
					return err
				}
			}
		}
		if counts["reasons"], err = eraseReasons(ctx, tx, list, pattern, touched); err != nil {
			return err
		}
		for table, sql := range shortLived {
			ids, err := namedIn(ctx, tx, sql, list, pattern)
			if err == nil && len(ids) > 0 {
				touched[table] = true
				_, err = tx.Exec(ctx, shortLivedDelete[table], ids)
			}
			if err != nil {
				return err
			}
		}
		ids, err := namedIn(ctx, tx, auditNamesSQL, list, pattern)
		if err != nil || len(ids) == 0 {
			return err
		}
		counts["audit entries"], touched["audit_entries"] = int64(len(ids)), true
		return db.EraseAuditTx(ctx, tx, ids, words)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("erasing texts that name a person: %w", err)
	}
	var tables []string
	for table := range touched {
		tables = append(tables, table)
	}
	return counts, tables, nil
}

// auditNamesSQL finds entries of the audit list, which people look through by the same words.
const auditNamesSQL = `
	SELECT id, CASE WHEN action LIKE 'customer.%' THEN 'customer ' ELSE '' END || subject || ' ' || reason || ' ' || detail::text FROM audit_entries
	WHERE strpos(lower(subject || ' ' || reason || ' ' || detail::text), lower($1)) > 0`

// shortLived find rows that are only of use for a while, and go whole: what is revealed at this moment, and who looked this hour.
var (
	shortLived = map[string]string{
		"reveals":       `SELECT id, CASE WHEN scope = 'customer' THEN 'customer ' ELSE '' END || subject FROM reveals WHERE strpos(lower(subject), lower($1)) > 0`,
		"payload_views": `SELECT hashtextextended(subject, 0), subject FROM payload_views WHERE strpos(lower(subject), lower($1)) > 0`,
	}
	shortLivedDelete = map[string]string{
		"reveals":       `DELETE FROM reveals WHERE id = ANY($1)`,
		"payload_views": `DELETE FROM payload_views WHERE hashtextextended(subject, 0) = ANY($1)`,
	}
)

// namedIn returns the ids of rows whose text names somebody.
func namedIn(ctx context.Context, q querier, sql string, list []string, pattern *regexp.Regexp) ([]int64, error) {
	found := map[int64]bool{}
	for _, name := range list {
		rows, err := q.Query(ctx, sql, name)
		if err != nil {
			return nil, err
		}
		var id int64
		var text string
		if _, err = pgx.ForEachRow(rows, []any{&id, &text}, func() error {
			if pattern.MatchString(text) {
				found[id] = true
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// eachTrace calls do for each row that names somebody.
func (db *DB) eachTrace(ctx context.Context, q querier, pattern *regexp.Regexp, do func(name, table, key string, id int64, texts map[string]string) error) error {
	for _, t := range traces {
		rows, err := q.Query(ctx, `SELECT id, ARRAY[`+strings.Join(t.columns, ", ")+`] FROM `+t.table) // names of ours; people wrote these, so there are not many
		if err != nil {
			return fmt.Errorf("reading %s: %w", t.name, err)
		}
		var id int64
		var texts []string
		_, err = pgx.ForEachRow(rows, []any{&id, &texts}, func() error {
			found := map[string]string{}
			hit := false
			for i, text := range texts {
				found[t.columns[i]] = text
				hit = hit || pattern.MatchString(text)
			}
			if !hit {
				return nil
			}
			return do(t.name, t.table, t.key, id, found)
		})
		if err != nil {
			return fmt.Errorf("reading %s: %w", t.name, err)
		}
	}
	return nil
}
