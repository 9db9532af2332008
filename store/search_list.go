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
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"recall/filter"
	"recall/plenigo"
)

// indexed is what the search index holds at the moment of a query: every event with from ≤ id < to. The others are scanned.
type indexed = idRange

// findIndexed reads how far the index is. It is asked before the segments are.
func findIndexed(ctx context.Context, q querier) (in indexed, state IndexState, err error) {
	var version int
	var cursor string
	var at *time.Time
	in = allIDs
	err = q.QueryRow(ctx, `SELECT version, cursor, down_to, indexed_at FROM search_progress`).Scan(&version, &cursor, &in.from, &at)
	if err != nil {
		return in, state, fmt.Errorf("asking how far the search index is: %w", err)
	}
	state = newIndexState(version, in.from, at)
	if version != searchVersion {
		return indexed{}, state, nil
	}
	since, err := parseCommitCursor(cursor)
	if err != nil {
		return indexed{}, state, nil // it will be made anew
	}
	err = q.QueryRow(ctx, `
		SELECT event.id
		FROM commits c, unnest(c.event_ids) WITH ORDINALITY AS event (id, index)
		WHERE (c.xid, c.position) >= ($1::text::xid8, $2)
		AND ((c.xid, c.position) > ($1::text::xid8, $2) OR event.index > $3)
		ORDER BY event.id
		LIMIT 1`, fmt.Sprint(since.xid), since.position, since.index).Scan(&in.to)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return in, state, fmt.Errorf("asking what waits to be indexed: %w", err)
	}
	if compareIDs(in.from, in.to) > 0 {
		in.from = in.to
	}
	return in, state, nil
}

// errSearching: the time for a search was over before its end.
var errSearching = errors.New("the time for this search is over")

// search is a filter on its way through the ids.
type search struct {
	*eventFilter
	q     querier
	until time.Time // when to give up; zero: not
	now   func() time.Time
	index *IndexState // as it was when it was last asked; nil: it was not
}

// list returns the summaries of the first events within a range, in the order of walking; see find.
func (s *search) list(ctx context.Context, ids idRange, order walk, limit int) (found []EventSummary, stopped uuid.UUID, err error) {
	return find(ctx, s, eventSummaryColumns, scanSummary, ids, order, limit)
}

// find returns columns of the first events e (and their sources s) within a range that fulfil the filter, in the order of
// walking. Where the time is over before, it returns what it has found, where it stopped, and errSearching: what lies beyond
// stopped was not looked at.
func find[T any](ctx context.Context, s *search, columns string, scan pgx.RowToFunc[T], ids idRange, order walk, limit int) (found []T, stopped uuid.UUID, err error) {
	parts, err := s.parts(ctx, ids, order)
	if err != nil {
		return nil, uuid.Nil, err
	}
	take := func(ids idRange, named []uuid.UUID) (full bool, stopped uuid.UUID, err error) {
		args, from := s.arguments(ids, limit-len(found)), fromEvents
		if named != nil {
			args["named"], from = named, fromNamed
		}
		if len(s.rest.Terms) > 0 {
			stopped, err = match(ctx, s, columns, from, scan, order, args, &found, limit)
			return len(found) >= limit, stopped, err
		}
		rows, err := s.q.Query(ctx, s.sql(columns, from, order)+" LIMIT @limit", args)
		if err == nil {
			found, err = pgx.AppendRows(found, rows, scan)
		}
		return len(found) >= limit, uuid.Nil, err
	}
	for _, p := range parts {
		if len(found) >= limit {
			break
		}
		if p.named != nil {
			stopped, err = s.takeNamed(p.ids, p.named, order, take)
		} else if p.indexed {
			stopped, err = s.lookUp(ctx, p.ids, order, take)
		} else {
			stopped, err = s.scan(ctx, p.ids, order, take)
		}
		if err != nil {
			return found, stopped, err
		}
	}
	return found, uuid.Nil, nil
}

// taker takes the events of a range that fulfil the filter, only those named where some are, and tells when there are
// enough, or with errSearching where the time was over.
type taker func(ids idRange, named []uuid.UUID) (full bool, stopped uuid.UUID, err error)

// match adds those events of a query that also fulfil the terms which are looked at in memory, up to the limit.
func match[T any](ctx context.Context, s *search, columns, from string, scan pgx.RowToFunc[T], order walk, args pgx.NamedArgs, found *[]T, limit int) (stopped uuid.UUID, err error) {
	header := `CASE WHEN substr(e.body, 1, 2) = '\x1f8b' THEN e.header ELSE '' END` // which says whether it is packed
	if slices.ContainsFunc(s.rest.Terms, func(t filter.Term) bool { return t.Key == filter.KeyHeader }) {
		header = "e.header"
	}
	rows, err := s.q.Query(ctx, s.sql(columns+", e.id, "+header+", e.body", from, order), args)
	if err != nil {
		return uuid.Nil, err
	}
	defer rows.Close()
	for len(*found) < limit && rows.Next() {
		var id uuid.UUID
		var header, body pgtype.DriverBytes // valid until the next row
		one, err := scan(longerRow{rows, []any{&id, &header, &body}})
		if err != nil {
			return uuid.Nil, err
		}
		var subject filter.Subject
		if subject.Header, err = decodeHeader(header); err != nil {
			return uuid.Nil, err
		}
		subject.Payload = filter.NewPayload(plenigo.Clear(subject.Header, body))
		if s.rest.Match(subject) {
			*found = append(*found, one)
		}
		if s.over() {
			return id, errSearching
		}
	}
	rows.Close()
	return uuid.Nil, rows.Err()
}

// longerRow is a row with further columns at its end.
type longerRow struct {
	pgx.CollectableRow
	further []any
}

func (r longerRow) Scan(into ...any) error {
	return r.CollectableRow.Scan(slices.Concat(into, r.further)...)
}

func (r longerRow) FieldDescriptions() []pgconn.FieldDescription {
	all := r.CollectableRow.FieldDescriptions()
	return all[:len(all)-len(r.further)]
}

// part is a range of ids that is searched in one way.
type part struct {
	ids     idRange
	indexed bool
	named   []uuid.UUID
}

// parts are a range in the order of walking: what is newest is scanned, what is indexed looked up, and what was there
// before the index scanned again, as long as there is such.
func (s *search) parts(ctx context.Context, ids idRange, order walk) ([]part, error) {
	if !s.plan.narrows() {
		return []part{{ids: ids}}, nil
	}
	if s.plan.named != nil {
		return []part{{ids: ids, named: s.plan.named}}, nil
	}
	in, state, err := findIndexed(ctx, s.q)
	if err != nil {
		return nil, err
	}
	s.index = &state
	newest, middle, oldest := ids, ids, ids
	newest.atLeast(in.to)
	middle.atLeast(in.from)
	middle.below(in.to)
	oldest.below(in.from)
	var parts []part
	for _, p := range []part{{ids: newest}, {ids: middle, indexed: true}, {ids: oldest}} {
		if compareIDs(p.ids.from, p.ids.to) < 0 {
			parts = append(parts, p)
		}
	}
	if order == oldestFirst {
		slices.Reverse(parts)
	}
	return parts, nil
}

// lookUp passes the events on that the index names and that fulfil the filter, as long as take wants more.
func (s *search) lookUp(ctx context.Context, ids idRange, order walk, take taker) (stopped uuid.UUID, err error) {
	w, err := newWalker(ctx, s.q, s.plan, ids, order)
	if err != nil {
		return uuid.Nil, err
	}
	for {
		named, err := w.next(ctx, s.q)
		if err != nil || len(named) == 0 {
			return uuid.Nil, err
		}
		full, stopped, err := take(walkedSpan(named, order), named)
		if err != nil || full {
			return stopped, err
		}
		if s.over() {
			return named[len(named)-1], errSearching
		}
	}
}

// walkedSpan is the range of some ids in the order of walking.
func walkedSpan(ids []uuid.UUID, order walk) idRange {
	first, last := ids[0], ids[len(ids)-1]
	if order == newestFirst {
		first, last = last, first
	}
	return idRange{from: first, to: nextID(last)}
}

// namedAtOnce is how many of the events that are known are looked at in one go.
const namedAtOnce = 200

// takeNamed is lookUp for ids that are known, ascending.
func (s *search) takeNamed(ids idRange, named []uuid.UUID, order walk, take taker) (stopped uuid.UUID, err error) {
	begin, _ := slices.BinarySearchFunc(named, ids.from, compareIDs)
	end, _ := slices.BinarySearchFunc(named, ids.to, compareIDs)
	named = slices.Clone(named[begin:max(begin, end)])
	slices.SortFunc(named, order.compare)
	for some := range slices.Chunk(named, namedAtOnce) {
		full, stopped, err := take(walkedSpan(some, order), some)
		if err != nil || full {
			return stopped, err
		}
		if s.over() {
			return some[len(some)-1], errSearching
		}
	}
	return uuid.Nil, nil
}

const (
	firstWindow = 4000   // events
	maxWindow   = 64_000 // what is scanned between two looks at the clock
	readWindow  = 2000   // where the bodies are read
)

// scan passes the events on that fulfil the filter, as long as take wants more. It goes through the ids in windows.
func (s *search) scan(ctx context.Context, ids idRange, order walk, take taker) (stopped uuid.UUID, err error) {
	for size := firstWindow; ; size = min(2*size, maxWindow) {
		if len(s.rest.Terms) > 0 {
			size = readWindow
		}
		window, rest := ids, idRange{}
		if len(s.conditions)+len(s.rest.Terms) > 0 {
			if window, rest, err = s.window(ctx, ids, order, size); err != nil {
				return uuid.Nil, err
			}
		}
		full, stopped, err := take(window, nil)
		if err != nil || full || rest == (idRange{}) {
			return stopped, err
		}
		ids = rest
		if s.over() {
			if order == newestFirst {
				return ids.to, errSearching
			}
			return previousID(ids.from), errSearching
		}
	}
}

// window cuts off the part of a range that holds so many events; the rest is zero where there are no more.
func (s *search) window(ctx context.Context, ids idRange, order walk, size int) (window, rest idRange, err error) {
	var bound uuid.UUID
	err = s.q.QueryRow(ctx, `
		SELECT id FROM events WHERE id >= $1 AND id < $2
		ORDER BY id `+string(order)+` OFFSET $3 LIMIT 1`, ids.from, ids.to, size).Scan(&bound)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ids, idRange{}, nil
	case err != nil:
		return ids, idRange{}, fmt.Errorf("looking for the next events: %w", err)
	case order == newestFirst:
		bound = nextID(bound)
		return idRange{bound, ids.to}, idRange{ids.from, bound}, nil
	}
	return idRange{ids.from, bound}, idRange{bound, ids.to}, nil
}

func (s *search) over() bool { return !s.until.IsZero() && s.now().After(s.until) }

// exists tells whether there is an event within a range. It looks from the page outwards: the page's neighbour is usually
// the first one there. Where the time is over, it says that there may be.
func (s *search) exists(ctx context.Context, ids idRange, order walk) (bool, error) {
	found, _, err := s.list(ctx, ids, order, 1)
	if errors.Is(err, errSearching) {
		return true, nil
	}
	return len(found) > 0, err
}

func (w *eventFilter) arguments(ids idRange, limit int) pgx.NamedArgs {
	args := pgx.NamedArgs{"from": ids.from, "to": ids.to, "limit": limit}
	maps.Copy(args, w.args)
	return args
}

// What events are taken from: all of them, or those named, each looked up in its own partition.
const (
	fromEvents = "FROM events e" + withSource
	fromNamed  = `FROM unnest(@named::uuid[]) AS named (id)
		CROSS JOIN LATERAL (SELECT * FROM events WHERE id = named.id OFFSET 0) e` + withSource
	withSource = `
		LEFT JOIN sources s ON s.id = e.source_id`
)

// sql is a query for columns of what fulfils the filter, with its arguments.
func (w *eventFilter) sql(columns, from string, order walk) string {
	return "SELECT " + columns + `
		` + from + `
		WHERE ` + strings.Join(slices.Concat([]string{"e.id >= @from AND e.id < @to"}, w.conditions), `
		AND `) + `
		ORDER BY e.id ` + string(order)
}
