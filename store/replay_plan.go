package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
)

// planAtOnce is how many events are looked at in one step; tests make it small.
var planAtOnce = 50_000

// mostTypes are told apart in the counts.
const mostTypes = 200

// entityKey is SQL for what an event is a state of, as a hash of 64 bits; NULL where it is of nothing.
const entityKey = `CASE WHEN e.entity_id <> '' THEN hashtextextended(e.entity_type || ' ' || e.entity_id, e.source_id) END`

// acceptedNow is SQL for whether an event counts as genuine: accepted when it came, or by its latest re-verification.
const acceptedNow = `(e.verdict <> 'rejected' OR coalesce((
	SELECT v.verdict <> 'rejected' FROM reverifications v WHERE v.event_id = e.id ORDER BY v.id DESC LIMIT 1), false))`

// planSQL judges the events of a window, newest first, and puts those that are to be sent on the list. What stands in the way
// of an older event of its entity is remembered for the windows to come.
//
// Of the newest states only, every genuine event stands in the way of the older ones. Of all events, only those do that the
// destination got, or gets, and that are not sent again by this replay after the older ones.
const planSQL = `
	WITH looked AS MATERIALIZED (
		SELECT row_number() OVER (ORDER BY e.id) AS n, e.id, e.verdict, e.entity_type, e.callback_type, ` + entityKey + ` AS entity,
			(%s) AS matched, ` + acceptedNow + ` AS accepted, e.entity_type = @test AS test,
			e.repeat_of IS NOT NULL AND EXISTS (
				SELECT FROM events g
				WHERE (g.id = e.repeat_of OR g.repeat_of = e.repeat_of) AND g.id < e.id AND g.verdict <> 'rejected') AS repeat
		FROM events e
		WHERE e.id >= @from AND e.id < @to
	), sent AS MATERIALIZED (
		SELECT event_id, bool_or(state = 'succeeded') AS done, bool_or(state IN ('pending', 'sending', 'waiting')) AS open
		FROM deliveries
		WHERE destination_id = @destination AND event_id >= @from AND event_id < @to
		GROUP BY event_id
	), judged AS MATERIALIZED (
		SELECT *, entity IS NOT NULL AND accepted AND NOT repeat AND NOT test AND (@latest OR there AND why <> '') AS blocks
		FROM (
			SELECT l.*, coalesce(s.done OR s.open, false) AS there,
				CASE
				WHEN NOT l.matched THEN '-'
				WHEN NOT l.accepted THEN '` + LeftRejected + `'
				WHEN l.test THEN '` + LeftTest + `'
				WHEN l.repeat THEN '` + LeftRepeat + `'
				WHEN s.open THEN '` + LeftUnderWay + `'
				WHEN s.done AND NOT @again THEN '` + LeftDelivered + `'
				ELSE '' END AS why
			FROM looked l LEFT JOIN sent s ON s.event_id = l.id
		) l
	), blockers AS MATERIALIZED (
		SELECT entity, max(n) AS newest FROM judged WHERE blocks GROUP BY entity
	), known AS MATERIALIZED ( -- entities of this window that a newer one has met; the LIMIT makes it a look-up for each
		SELECT j.entity
		FROM (SELECT DISTINCT entity FROM judged WHERE entity IS NOT NULL AND (blocks OR why = '') ORDER BY entity) j
		CROSS JOIN LATERAL (SELECT FROM replay_seen s WHERE s.replay_id = @replay AND s.entity = j.entity LIMIT 1) s
	), ruled AS MATERIALIZED (
		SELECT j.id, j.verdict, j.entity_type, j.callback_type,
			CASE WHEN j.why = '' AND (b.newest > j.n OR k.entity IS NOT NULL) THEN '` + LeftStale + `' ELSE j.why END AS why
		FROM judged j LEFT JOIN blockers b ON b.entity = j.entity LEFT JOIN known k ON k.entity = j.entity
	), listed AS (
		INSERT INTO replay_items (replay_id, event_id)
		SELECT @replay, id FROM ruled WHERE why = '' ORDER BY id DESC
	), seen AS (
		INSERT INTO replay_seen (replay_id, entity)
		SELECT @replay, b.entity FROM blockers b WHERE NOT EXISTS (SELECT FROM known k WHERE k.entity = b.entity) ORDER BY b.entity
	)
	SELECT why, verdict::text, CASE WHEN why = '' THEN entity_type ELSE '' END, CASE WHEN why = '' THEN callback_type ELSE '' END, count(*)
	FROM ruled WHERE why <> '-'
	GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC`

// planStep looks at the next window of events, from the newest to the oldest that the filter can find.
func (db *DB) planStep(ctx context.Context, tx pgx.Tx, r *Replay) error {
	f, err := filter.Parse(r.Filter, r.CreatedAt)
	if err != nil {
		return err
	}
	w, err := newEventFilter(ctx, tx, f)
	if err != nil {
		return err
	}
	window := idRange{from: w.ids.from, to: r.Cursor}
	var bound uuid.UUID
	last := false
	err = tx.QueryRow(ctx, `
		SELECT id FROM events WHERE id >= $1 AND id < $2
		ORDER BY id DESC OFFSET $3 LIMIT 1`, window.from, window.to, planAtOnce-1).Scan(&bound)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		last = true
	case err != nil:
		return fmt.Errorf("looking for the next events: %w", err)
	default:
		window.from = bound
	}
	conditions := append([]string{"e.id >= @lowest AND e.id < @highest"}, w.conditions...)
	args := pgx.NamedArgs{}
	maps.Copy(args, w.args)
	maps.Copy(args, pgx.NamedArgs{
		"replay": r.ID, "destination": r.DestinationID, "from": window.from, "to": window.to, "lowest": w.ids.from, "highest": w.ids.to,
		"latest": r.Latest, "again": r.Again, "test": TestEntityType,
	})
	if _, err := tx.Exec(ctx, `SET LOCAL jit = off`); err != nil { // it costs more than such a step takes
		return err
	}
	rows, err := tx.Query(ctx, fmt.Sprintf(planSQL, strings.Join(conditions, " AND ")), args)
	if err != nil {
		return err
	}
	var why, verdict, entityType, callbackType string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&why, &verdict, &entityType, &callbackType, &n}, func() error {
		r.count(why, verdict, entityType+"."+callbackType, n)
		return nil
	})
	if err != nil {
		return err
	}
	r.Cursor = window.from
	if !last {
		return db.keepReplay(ctx, tx, r, db.Now())
	}
	now := db.Now()
	r.State, r.PlannedAt = ReplayPlanned, &now
	return db.keepReplay(ctx, tx, r, time.Time{})
}

// restOfTypes are those past the most frequent ones.
const restOfTypes = "other types"

func (r *Replay) count(why, verdict, kind string, n int64) {
	r.Looked += n
	add := func(to *map[string]int64, name string) {
		if *to == nil {
			*to = map[string]int64{}
		}
		(*to)[name] += n
	}
	if why != "" {
		add(&r.Counts.LeftOut, why)
		return
	}
	r.Events += n
	if _, known := r.Counts.Types[kind]; !known && len(r.Counts.Types) >= mostTypes {
		kind = restOfTypes
	}
	add(&r.Counts.Types, kind)
	add(&r.Counts.Verdicts, verdict)
}

// Sorted returns the names of counts, the largest count first.
func Sorted(counts map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			if counts[a] > counts[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
}
