package store

import (
	"context"
	"fmt"
	"regexp"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Reasons are written at what hangs on events of others, too: "as customer 48213 asked". These are the tables that have them, with the
// key of a row beside the event.
var reasonTables = []struct{ table, event, id string }{
	{"deliveries", "event_id", "id"},
	{"edited_tests", "event_id", "id"},
	{"erasure_events", "event_id", "event_id"},
}

// eraseReasons takes names out of reasons, adds the tables it changed to touched, and returns how many reasons there were. It reads
// whole tables: a person is erased seldom.
func eraseReasons(ctx context.Context, tx pgx.Tx, list []string, pattern *regexp.Regexp, touched map[string]bool) (changed int64, err error) {
	for _, t := range reasonTables {
		// Names of ours.
		rows, err := tx.Query(ctx, `
			SELECT `+t.event+`, `+t.id+`, reason FROM `+t.table+` r
			WHERE reason <> '' AND EXISTS (SELECT FROM unnest($1::text[]) n WHERE strpos(lower(r.reason), lower(n)) > 0)`, list)
		if err != nil {
			return changed, fmt.Errorf("reading reasons of %s: %w", t.table, err)
		}
		batch := &pgx.Batch{}
		var event, id uuid.UUID
		var reason string
		_, err = pgx.ForEachRow(rows, []any{&event, &id, &reason}, func() error {
			if pattern.MatchString(reason) {
				batch.Queue(`UPDATE `+t.table+` SET reason = $3 WHERE `+t.event+` = $1 AND `+t.id+` = $2`, event, id, withoutNames(pattern, reason))
				touched[tableOf(t.table, event)] = true
			}
			return nil
		})
		if err == nil && batch.Len() > 0 {
			changed += int64(batch.Len())
			err = tx.SendBatch(ctx, batch).Close()
		}
		if err != nil {
			return changed, fmt.Errorf("taking names out of reasons of %s: %w", t.table, err)
		}
	}
	return changed, nil
}

// tableOf is the partition that holds what hangs on an event, or the table itself where it has none.
func tableOf(table string, event uuid.UUID) string {
	for _, p := range partitioned {
		if p.table == table {
			return partitionName(table, weekOf(receivedAt(event)))
		}
	}
	return table
}

// EachEditedTest calls do with every test that somebody made of an event and that is kept.
func (db *DB) EachEditedTest(ctx context.Context, do func(*EditedTest) error) error {
	event, id := uuid.Nil, uuid.Nil
	for {
		rows, err := db.pool.Query(ctx, fmt.Sprintf(editedSelect, "t.body", "t.response_body")+`WHERE (t.event_id, t.id) > ($1, $2) ORDER BY t.event_id, t.id LIMIT 50`, event, id)
		if err != nil {
			return fmt.Errorf("reading edited tests: %w", err)
		}
		tests, err := pgx.CollectRows(rows, scanEditedTest)
		if err != nil {
			return fmt.Errorf("reading edited tests: %w", err)
		}
		for _, t := range tests {
			event, id = t.EventID, t.ID
			if err := do(t); err != nil {
				return err
			}
		}
		if len(tests) < 50 {
			return nil
		}
	}
}

// EraseEditedTests deletes tests of a running case that name its person though they were made of other events, and returns the tables
// they stood in.
func (db *DB) EraseEditedTests(ctx context.Context, c *ErasureCase, tests []*EditedTest) (tables []string, err error) {
	err = pgx.BeginFunc(ctx, db.OwnerPool(), func(tx pgx.Tx) error {
		for _, t := range tests {
			if _, err := tx.Exec(ctx, `DELETE FROM edited_tests WHERE event_id = $1 AND id = $2`, t.EventID, t.ID); err != nil {
				return err
			}
			tables = append(tables, tableOf("edited_tests", t.EventID))
		}
		return nil
	})
	return tables, wrapCase(c.ID, "deleting edited tests", err)
}
