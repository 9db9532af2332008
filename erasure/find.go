package erasure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/plenigo"
	"recall/store"
)

const (
	findPage     = 500
	findPatience = 5 * time.Second // a search for a page may take; what it has found by then is taken
	// MaxLooked bounds the events that are looked at because the id stands somewhere in them. A short id stands in many, as a
	// quantity or another number.
	MaxLooked = 20_000
	maxOrders = 500 // of a person, whose other events are looked for
)

// Find calls found for every event that may be the person's, once each, with what makes it doubtful ("" nothing does), among those that
// came to some sources (none: to any). complete is false where more bodies hold the id as some other number than are looked through.
func (e *Eraser) Find(ctx context.Context, person string, sources []int64, found func(ev *store.Event, doubt string) error) (complete bool, err error) {
	if err := store.ValidPerson(person); err != nil {
		return false, err
	}
	asked := found
	found = func(ev *store.Event, doubt string) error {
		if len(sources) > 0 && !slices.Contains(sources, ev.SourceID) {
			return nil
		}
		return asked(ev, doubt)
	}
	seen := map[uuid.UUID]bool{}
	orders := map[string]bool{}
	_, err = e.each(ctx, filter.TermText("customer", person), 0, func(id uuid.UUID) error {
		seen[id] = true
		ev, err := e.db.FindEvent(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		doubt, _ := Judge(ev, person)
		if ours := len(sources) == 0 || slices.Contains(sources, ev.SourceID); ours && doubt == "" && strings.HasPrefix(ev.Envelope.EntityType, "ORDER") && ev.Envelope.EntityID != "" && len(orders) < maxOrders {
			orders[ev.Envelope.EntityID] = true
		}
		return found(ev, doubt)
	})
	if err != nil {
		return false, err
	}
	complete, err = e.each(ctx, `"`+person+`"`, MaxLooked, func(id uuid.UUID) error {
		if seen[id] {
			return nil
		}
		ev, err := e.db.FindEvent(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		doubt, is := Judge(ev, person)
		if !is {
			return nil
		}
		seen[id] = true
		return found(ev, doubt)
	})
	if err != nil {
		return false, err
	}
	// An add-on names who it is delivered to, and who paid only by the order (REFERENCE §7).
	for some := range slices.Chunk(slices.Sorted(maps.Keys(orders)), 20) {
		_, err := e.each(ctx, filter.TermText("entity.orderId", strings.Join(some, ",")), 0, func(id uuid.UUID) error {
			if seen[id] {
				return nil
			}
			seen[id] = true
			ev, err := e.db.FindEvent(ctx, id)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			return found(ev, "it belongs to an order of this person, and names another customer or none")
		})
		if err != nil {
			return false, err
		}
	}
	return complete, nil
}

// each calls do with the id of every event that a filter finds, at most most (0: all); false: there were more.
func (e *Eraser) each(ctx context.Context, text string, most int, do func(uuid.UUID) error) (all bool, err error) {
	f, err := filter.Parse(text, e.now())
	if err != nil {
		return false, fmt.Errorf("searching for the person: %w", err)
	}
	for q, n := (store.EventQuery{Filter: f, Limit: findPage, Patience: findPatience}), 0; ; {
		page, err := e.db.ListEvents(ctx, q)
		if err != nil {
			return false, err
		}
		for i := range page.Events {
			if n++; most > 0 && n > most {
				return false, nil
			}
			if err := do(page.Events[i].ID); err != nil {
				return false, err
			}
			q.Before = page.Events[i].ID
		}
		switch {
		case page.Further != uuid.Nil:
			q.Before = page.Further
		case !page.Older:
			return true, nil
		}
	}
}

// find writes down what is held, with its counts.
func (e *Eraser) find(ctx context.Context, c *store.ErasureCase) error {
	var batch []store.ErasureEvent
	flush := func() error {
		err := e.db.AddErasureEvents(ctx, c.ID, batch)
		batch = batch[:0]
		return err
	}
	complete := true
	var names []string
	if c.Single() {
		ids, err := e.db.EqualArrivals(ctx, c.EventID)
		if err != nil {
			return err
		}
		for _, id := range ids {
			batch = append(batch, store.ErasureEvent{EventID: id})
		}
	} else {
		known := newNames(c.Person)
		sources := c.Sources
		if c.ByCallback() { // which sources are of its company nobody said
			sources = nil
		}
		var err error
		complete, err = e.Find(ctx, c.Person, sources, func(ev *store.Event, doubt string) error {
			if len(c.Sources) > 0 && !slices.Contains(c.Sources, ev.SourceID) {
				if doubt != "" {
					doubt = "; " + doubt
				}
				doubt = "it came to another source than the deletion, where the number may be somebody else's" + doubt
			}
			if doubt == "" {
				known.add(ev)
			}
			if batch = append(batch, store.ErasureEvent{EventID: ev.ID, Doubt: doubt}); len(batch) == findPage {
				return flush()
			}
			return nil
		})
		if err != nil {
			return err
		}
		names = known.list
	}
	if err := flush(); err != nil {
		return err
	}
	counts, err := e.db.CountErasure(ctx, c.ID)
	if err != nil {
		return err
	}
	more, err := e.db.CountTraces(ctx, names)
	if err != nil {
		return err
	}
	maps.Copy(counts, more)
	if !c.Single() {
		tests, err := e.editedTests(ctx, c.Person, names)
		if err != nil {
			return err
		}
		counts["edited tests of other events"] = int64(len(tests))
	}
	if !complete {
		err = e.db.LeaveOver(ctx, c.ID, fmt.Sprintf("The id is so short that it stands in more than %d other bodies as some number. The newest of these were looked through; those that name the person as a customer were all found.", MaxLooked))
	}
	if err != nil {
		return err
	}
	return e.db.FoundErasure(ctx, c.ID, counts, store.AuditEntry{Actor: Actor})
}

// names reads the person's names from the events that are to be erased.
func (e *Eraser) names(ctx context.Context, c *store.ErasureCase) ([]string, error) {
	known := newNames(c.Person)
	for after := uuid.Nil; ; {
		ids, err := e.db.ErasureIDs(ctx, c.ID, after, findPage)
		if err != nil || len(ids) == 0 {
			return known.list, err
		}
		for _, id := range ids {
			after = id
			ev, err := e.db.FindEvent(ctx, id)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if doubt, is := Judge(ev, c.Person); is && doubt == "" {
				known.add(ev)
			}
		}
	}
}

// editedTests are those that name a person though they were made of an event that is not theirs: people wrote their bodies, and
// receivers answered them.
func (e *Eraser) editedTests(ctx context.Context, person string, names []string) (found []*store.EditedTest, err error) {
	err = e.db.EachEditedTest(ctx, func(t *store.EditedTest) error {
		made := &store.Event{Body: t.Body, Envelope: plenigo.Read(t.Body)}
		_, is := Judge(made, person)
		texts := [][]byte{bytes.ToLower(t.Body), bytes.ToLower(t.ResponseBody)}
		for _, values := range t.ResponseHeader {
			texts = append(texts, bytes.ToLower([]byte(strings.Join(values, "\n"))))
		}
		for _, name := range names {
			if len(name) < leastInText {
				continue
			}
			name := bytes.ToLower([]byte(name))
			is = is || slices.ContainsFunc(texts, func(text []byte) bool { return bytes.Contains(text, name) })
		}
		if is {
			found = append(found, &store.EditedTest{EventID: t.EventID, ID: t.ID})
		}
		return nil
	})
	return found, err
}
