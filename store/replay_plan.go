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

// planAtOnce is how many events are judged in one step, planRead how many where bodies must be read to know which the filter
// finds, and planFew how many it may find for the whole plan to be made in one step. Tests make them small.
var planAtOnce, planRead, planFew = 50_000, 10_000, 1000

// mostTypes are told apart in the counts.
const mostTypes = 200

// entityKey is SQL for what an event is a state of, as a hash of 64 bits; NULL where it is of nothing.
const entityKey = `CASE WHEN e.entity_id <> '' THEN hashtextextended(e.entity_type || ' ' || e.entity_id, e.source_id) END`

// acceptedNow is SQL for whether an event counts as genuine: accepted when it came, or by its latest re-verification.
const acceptedNow = `(e.verdict <> 'rejected' OR coalesce((
	SELECT v.verdict <> 'rejected' FROM reverifications v WHERE v.event_id = e.id ORDER BY v.id DESC LIMIT 1), false))`

// planSQL judges events, newest first, and puts those that are to be sent on the list. They are the ones of a window, or some
// that are named; which of them the filter finds is said by a condition. What stands in the way of an older event of its entity
// is remembered for the windows to come.
//
// Of the newest states only, every genuine event stands in the way of the older ones. Of all events, only those do that the
// destination got, or gets, and that are not sent again by this replay after the older ones.
const planSQL = `
	WITH looked AS MATERIALIZED (
		SELECT row_number() OVER (ORDER BY e.id) AS n, e.id, e.verdict, e.entity_type, e.callback_type, ` + entityKey + ` AS entity,
			(%[2]s) AS matched, ` + acceptedNow + ` AS accepted, e.entity_type = @test AS test,
			e.repeat_of IS NOT NULL AND EXISTS (
				SELECT FROM events g
				WHERE (g.id = e.repeat_of OR g.repeat_of = e.repeat_of) AND g.id < e.id AND g.verdict <> 'rejected') AS repeat
		FROM %[1]s
		WHERE e.id >= @from AND e.id < @to
	), sent AS MATERIALIZED (
		SELECT event_id, bool_or(state = 'succeeded') AS done, bool_or(state IN ('pending', 'sending', 'waiting')) AS open
		FROM deliveries d
		WHERE destination_id = @destination AND event_id >= @from AND event_id < @to AND %[3]s
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

// judging is which events planSQL judges, and which of them the filter finds.
type judging struct {
	from, matched, sent string
	args                pgx.NamedArgs
}

// The filter's condition where it is one of columns; and those found, or judged, where they are named.
const (
	matchedNamed = `e.id IN (SELECT unnest(@matched::uuid[]))`
	judgedNamed  = `unnest(@judged::uuid[]) AS named (id) CROSS JOIN LATERAL (SELECT * FROM events WHERE id = named.id OFFSET 0) e`
	sentNamed    = `event_id = ANY(@judged::uuid[])`
)

// planStep makes the whole plan where the filter finds few events, or else judges the next window of events, from the newest to
// the oldest that the filter can find.
func (db *DB) planStep(ctx context.Context, tx pgx.Tx, r *Replay) error {
	// Compiling costs more than such a step takes, and sorting 50,000 events on disk, too.
	if _, err := tx.Exec(ctx, `SET LOCAL jit = off; SET LOCAL work_mem = '32MB'; SET LOCAL plan_cache_mode = force_custom_plan`); err != nil {
		return err
	}
	f, err := filter.Parse(r.Filter, r.CreatedAt)
	if err != nil {
		return err
	}
	w, err := newEventFilter(ctx, tx, f)
	if err != nil {
		return err
	}
	atOnce := planAtOnce
	if len(w.rest.Terms) > 0 {
		atOnce = planRead
	}
	window, last, err := planWindow(ctx, tx, idRange{from: w.ids.from, to: r.Cursor}, atOnce)
	if err != nil {
		return err
	}
	var j judging
	few := false
	if begun := idFrom(r.Until.Add(time.Millisecond)) != r.Cursor; !last && !begun {
		if j, few, err = judgeFew(ctx, tx, w, r.Cursor); err != nil {
			return err
		}
	}
	if few {
		window.from, last = w.ids.from, true
	} else if j, err = judgeWindow(ctx, tx, w, window); err != nil {
		return err
	}
	maps.Copy(j.args, pgx.NamedArgs{
		"replay": r.ID, "destination": r.DestinationID, "from": window.from, "to": window.to,
		"latest": r.Latest, "again": r.Again, "test": TestEntityType,
	})
	rows, err := tx.Query(ctx, fmt.Sprintf(planSQL, j.from, j.matched, j.sent), j.args)
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

// planWindow is the newest part of a range that holds so many events, and whether that is all of it.
func planWindow(ctx context.Context, tx pgx.Tx, ids idRange, atOnce int) (window idRange, last bool, err error) {
	var bound uuid.UUID
	err = tx.QueryRow(ctx, `
		SELECT id FROM events WHERE id >= $1 AND id < $2
		ORDER BY id DESC OFFSET $3 LIMIT 1`, ids.from, ids.to, atOnce-1).Scan(&bound)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ids, true, nil
	case err != nil:
		return ids, false, fmt.Errorf("looking for the next events: %w", err)
	}
	return idRange{from: bound, to: ids.to}, false, nil
}

// judgeWindow judges all events of a window, since also those that the filter does not find may be newer than one it finds.
func judgeWindow(ctx context.Context, tx pgx.Tx, w *eventFilter, window idRange) (judging, error) {
	j := judging{from: "events e", sent: "TRUE", args: pgx.NamedArgs{}}
	if len(w.rest.Terms) == 0 {
		maps.Copy(j.args, w.args)
		maps.Copy(j.args, pgx.NamedArgs{"lowest": w.ids.from, "highest": w.ids.to})
		j.matched = strings.Join(append([]string{"e.id >= @lowest AND e.id < @highest"}, w.conditions...), " AND ")
		return j, nil
	}
	ids := w.ids
	ids.atLeast(window.from)
	ids.below(window.to)
	found, _, err := find(ctx, &search{eventFilter: w, q: tx}, "e.id", pgx.RowTo[uuid.UUID], ids, newestFirst, planRead)
	j.matched, j.args["matched"] = matchedNamed, found
	return j, err
}

// fewPatience is how long the search for few events may take before all are judged, window by window.
const fewPatience = 2 * time.Second

// judgeFew judges only what the filter finds, and the newer events of the same entities, where these are few.
func judgeFew(ctx context.Context, tx pgx.Tx, w *eventFilter, until uuid.UUID) (j judging, few bool, err error) {
	ids := w.ids
	ids.below(until)
	s := &search{eventFilter: w, q: tx, until: time.Now().Add(fewPatience), now: time.Now}
	found, _, err := find(ctx, s, "e.id, e.entity_type, e.entity_id", scanEntityEvent, ids, newestFirst, planFew+1)
	if errors.Is(err, errSearching) {
		return j, false, nil
	}
	if err != nil || len(found) > planFew {
		return j, false, err
	}
	oldest := map[EntityKey]uuid.UUID{}
	matched := []uuid.UUID{}
	for _, e := range found { // newest first
		matched = append(matched, e.ID)
		if e.Entity != "" {
			oldest[EntityKey{e.Type, e.Entity}] = e.ID
		}
	}
	judged, all, err := newerOf(ctx, tx, oldest, until, 20*planFew)
	if err != nil || !all {
		return j, false, err
	}
	judged = append(judged, matched...)
	slices.SortFunc(judged, compareIDs)
	return judging{judgedNamed, matchedNamed, sentNamed, pgx.NamedArgs{"matched": matched, "judged": slices.Compact(judged)}}, true, nil
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
