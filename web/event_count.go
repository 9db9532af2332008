package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"recall/filter"
	"recall/store"
)

const (
	countPatience = time.Second // a count that a page asks for by itself; one that somebody asks for has searchPatience
	countsAtOnce  = 2           // over all readers: a count may read as much as a search
	indexLagShown = time.Minute // the index is brought up every few seconds, and says so every 20
)

// eventCount says in words how many events a filter finds. The list asks for it once it is there, so that it never waits.
func (s *server) eventCount(w http.ResponseWriter, r *http.Request) error {
	f, err := filter.Parse(strings.TrimSpace(r.URL.Query().Get("q")), s.Now())
	if err != nil {
		return mistake("In the address, the filter q cannot be read: " + err.Error())
	}
	words, err := s.countWords(r.Context(), f, countPatience, habitsOf(r.Context()))
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = io.WriteString(w, words)
	return err
}

// countWords counts when it is its turn, and no longer than its patience altogether.
func (s *server) countWords(ctx context.Context, f filter.Filter, patience time.Duration, h habits) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience+time.Second)
	defer cancel()
	select {
	case s.counts <- struct{}{}:
		defer func() { <-s.counts }()
	case <-ctx.Done():
		return notCounted, nil
	}
	count, err := s.DB.CountEvents(ctx, f, patience)
	if errors.Is(err, store.ErrTooSlow) || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return notCounted, nil
	}
	return countSaid(count, h), err
}

const notCounted = "not counted, that takes too long"

// countSaid is a count as the list shows it.
func countSaid(c store.EventCount, h habits) string {
	switch {
	case c.More && c.Events == 0:
		return notCounted
	case c.More && !c.CountedTo.IsZero():
		return h.grouped(int64(c.Events)) + "+ events, counted back to " + h.exactTo(c.CountedTo)
	case c.More:
		return h.grouped(int64(c.Events)) + "+ events"
	}
	return h.plural(c.Events, "event", "events")
}

// indexWords say that the search index is behind; "" it is not, or the list did not need it.
func indexWords(state *store.IndexState, now time.Time, h habits) string {
	switch {
	case state == nil:
		return ""
	case state.Building && state.BuiltTo.IsZero():
		return "The search index is about to be made. Until then events are looked through one by one: nothing is missing, it only takes longer."
	case state.Building:
		return "The search index is being made and holds the events since " + h.exactTo(state.BuiltTo) + ". Older ones are looked through one by one: nothing is missing, it only takes longer."
	case now.Sub(state.At) >= indexLagShown:
		return "The search index is " + strings.TrimSuffix(age(state.At, now), " ago") + " behind. What came since is looked through one by one: nothing is missing, it only takes longer."
	}
	return ""
}
