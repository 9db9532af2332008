package web

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/store"
)

const (
	tailEvery   = 500 * time.Millisecond // how often it is looked for what is new
	tailBatch   = 1000                   // events read at a time
	tailBatches = 20                     // read in one look; what is more comes with the next
	tailMissed  = 5000                   // events a list that comes back is told of; after more it is shown anew
	tailRows    = 20                     // new rows a look brings into a list; the rest is counted
	tailTime    = 10 * time.Second       // a look may take
)

// tail follows the commits once for all live lists of this process, while there are any: one reader of the database, however
// many browsers look on. What is found waits in each list's own bounded box until it is taken.
type tail struct {
	db  *store.DB
	log *slog.Logger
	now func() time.Time

	every func() (<-chan time.Time, func()) // a ticker and how to stop it

	running sync.Mutex // held by the follower: a new one begins when the last has ended

	mu     sync.Mutex
	lists  map[*tailList]struct{}
	cursor string // where the follower stands; "" before its first look
	stop   context.CancelFunc
}

func newTail(db *store.DB, log *slog.Logger, now func() time.Time) *tail {
	return &tail{db: db, log: log, now: now, lists: map[*tailList]struct{}{}, every: func() (<-chan time.Time, func()) {
		t := time.NewTicker(tailEvery)
		return t.C, t.Stop
	}}
}

// tailList is what one live list waits for.
type tailList struct {
	filter filter.Filter
	since  string              // cursor to catch up from first; "" once that is done
	seen   map[string]struct{} // ids told while catching up, which the follower meets again
	news   tailNews
	away   bool          // as it was last told
	ready  chan struct{} // holds one: there are news
}

// tailNews is what came since the last time it was taken.
type tailNews struct {
	Events []store.EventSummary // the newest, newest first, at most tailRows
	Count  int                  // of all events that fulfil the filter
	Cursor string               // everything up to it has been told
	Heard  time.Time            // when the database last said what is new
	Away   bool                 // it does not answer
	Reload bool                 // more was missed than can be told: the list must be shown anew

	ids []uuid.UUID // of Events, while a look goes on
}

// follow begins to tell a list what is new after a cursor, or from now on where that is "".
func (t *tail) follow(f filter.Filter, since string) *tailList {
	l := &tailList{filter: f, since: since, ready: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lists[l] = struct{}{}
	if t.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		t.stop, t.cursor = stop, ""
		go t.run(ctx)
	}
	return l
}

// leave ends it; the last list that leaves ends the follower.
func (t *tail) leave(l *tailList) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.lists, l)
	if len(t.lists) == 0 && t.stop != nil {
		t.stop()
		t.stop = nil
	}
}

// worthTelling tells whether there is more in a list's box than that nothing is new.
func (t *tail) worthTelling(l *tailList) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := &l.news
	return n.Count > 0 || n.Reload || n.Away != l.away
}

// take empties a list's box.
func (t *tail) take(l *tailList) tailNews {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := l.news
	l.away = n.Away
	l.news = tailNews{Cursor: n.Cursor, Heard: n.Heard, Away: n.Away}
	return n
}

func (t *tail) run(ctx context.Context) {
	t.running.Lock()
	defer t.running.Unlock()
	tick, stop := t.every()
	defer stop()
	away := false
	for {
		looked, cancel := context.WithTimeout(ctx, tailTime)
		err := t.look(looked)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			t.log.Warn("live lists cannot be told what is new", "error", err)
		}
		if away = err != nil; away {
			t.tell(func(l *tailList) { l.news.Away = true })
		}
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
	}
}

// look reads what was committed since the last look, and puts it into the boxes.
func (t *tail) look(ctx context.Context) error {
	t.mu.Lock()
	cursor := t.cursor
	lists := make([]*tailList, 0, len(t.lists))
	for l := range t.lists {
		lists = append(lists, l)
	}
	t.mu.Unlock()

	found := map[*tailList]*tailNews{}
	for _, l := range lists {
		found[l] = &tailNews{}
	}
	var err error
	if cursor == "" {
		if _, cursor, err = t.db.CommittedSince(ctx, "", tailBatch); err != nil {
			return err
		}
	}
	for _, l := range lists {
		if l.since == "" {
			continue
		}
		if err := t.catchUp(ctx, l, found[l]); err != nil {
			return err
		}
	}
	filters := make([]filter.Filter, len(lists))
	for i, l := range lists {
		filters[i] = l.filter
	}
	next, drained, err := t.read(ctx, cursor, tailBatches, filters, func(s *filter.Subject) {
		for _, l := range lists {
			if _, told := l.seen[s.ID]; !told {
				found[l].add(l.filter, s)
			}
		}
	})
	if errors.Is(err, store.ErrCursor) { // the database was restored meanwhile
		_, next, err = t.db.CommittedSince(ctx, "", tailBatch)
		for _, n := range found {
			n.Reload = true
		}
	}
	if err != nil {
		return err
	}
	if err := t.summarize(ctx, found); err != nil {
		return err
	}
	t.mu.Lock()
	t.cursor = next
	t.mu.Unlock()
	now := t.now()
	t.tell(func(l *tailList) {
		n := found[l]
		if n == nil { // it came while the look went on: the next one is for it, too
			return
		}
		l.since = ""
		if drained {
			l.seen = nil
		}
		n.Cursor, n.Heard = next, now
		l.news.join(n)
	})
	return nil
}

// catchUp reads for one list what came between its cursor and the follower's.
func (t *tail) catchUp(ctx context.Context, l *tailList, n *tailNews) error {
	l.seen = map[string]struct{}{}
	_, all, err := t.read(ctx, l.since, tailMissed/tailBatch, []filter.Filter{l.filter}, func(s *filter.Subject) {
		l.seen[s.ID] = struct{}{}
		n.add(l.filter, s)
	})
	if errors.Is(err, store.ErrCursor) {
		all, err = false, nil
	}
	if err != nil {
		return err
	}
	if !all {
		*n = tailNews{Reload: true}
	}
	return nil
}

// read goes through what was committed since a cursor, at most so many batches of it, and tells whether that was all.
func (t *tail) read(ctx context.Context, cursor string, batches int, filters []filter.Filter, each func(*filter.Subject)) (next string, all bool, err error) {
	for range batches {
		ids, next, err := t.db.CommittedSince(ctx, cursor, tailBatch)
		if err != nil {
			return "", false, err
		}
		if err := t.db.EachSubject(ctx, ids, filters, each); err != nil {
			return "", false, err
		}
		cursor = next
		if len(ids) < tailBatch {
			return cursor, true, nil
		}
	}
	return cursor, false, nil
}

// summarize fills in the rows to be shown, with one question for all lists.
func (t *tail) summarize(ctx context.Context, found map[*tailList]*tailNews) error {
	var ids []uuid.UUID
	for _, n := range found {
		ids = append(ids, n.ids...)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	events, err := t.db.ListEventsByID(ctx, ids)
	if err != nil {
		return err
	}
	for _, e := range events {
		for _, n := range found {
			if slices.Contains(n.ids, e.ID) {
				n.Events = append(n.Events, e)
			}
		}
	}
	return nil
}

// tell changes every box and says that there is something in it.
func (t *tail) tell(put func(*tailList)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for l := range t.lists {
		put(l)
		select {
		case l.ready <- struct{}{}:
		default:
		}
	}
}

// add counts an event that fulfils the filter. Of the ids the newest are kept, in the order in which they became visible.
func (n *tailNews) add(f filter.Filter, s *filter.Subject) {
	if n.Reload || !f.Match(*s) {
		return
	}
	n.Count++
	if len(n.ids) == tailRows {
		n.ids = n.ids[1:]
	}
	n.ids = append(n.ids, uuid.MustParse(s.ID))
}

// join adds later news.
func (n *tailNews) join(later *tailNews) {
	n.Events = append(later.Events, n.Events...)
	n.Events = n.Events[:min(len(n.Events), tailRows)]
	n.Count += later.Count
	n.Cursor, n.Heard, n.Away = later.Cursor, later.Heard, false
	n.Reload = n.Reload || later.Reload
}
