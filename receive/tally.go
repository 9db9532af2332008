package receive

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

// Counter keeps the counts of requests that became no event, and of how long answers took; store.DB is one.
type Counter interface {
	AddLatencies(ctx context.Context, latencies []store.AnswerLatency) error
	AddUnstored(ctx context.Context, unstored []store.UnstoredRequests, unknown []store.UnknownRequest) error
}

const (
	flushEvery  = 5 * time.Second
	mostUnknown = 1000 // different ones between two flushes; further ones are not counted
	mostHours   = 1000
)

// Tally counts requests that became no event, and how long answers took, for the pages that say what plenigo saw of us. Counts wait in memory while
// the database is away; a crash loses those of a few seconds.
type Tally struct {
	counter Counter
	now     func() time.Time

	mu        sync.Mutex
	unstored  map[unstoredKey]int64
	unknown   map[unknownKey]store.UnknownRequest
	latencies map[latencyKey]int64
}

type unstoredKey struct {
	source   int64
	hour     time.Time
	answered int
}

type unknownKey struct{ path, sender string }

// NewTally makes a Tally; now nil is time.Now.
func NewTally(counter Counter, now func() time.Time) *Tally {
	if now == nil {
		now = time.Now
	}
	return &Tally{
		counter: counter, now: now,
		unstored: map[unstoredKey]int64{}, unknown: map[unknownKey]store.UnknownRequest{}, latencies: map[latencyKey]int64{},
	}
}

// addUnstored counts a request to a source. A nil Tally counts nothing; likewise below.
func (t *Tally) addUnstored(source int64, answered int) {
	if t == nil {
		return
	}
	key := unstoredKey{source, t.now().UTC().Truncate(time.Hour), answered}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, there := t.unstored[key]; there || len(t.unstored) < mostHours {
		t.unstored[key]++
	}
}

// addUnknown counts a request for a name that is no source.
func (t *Tally) addUnknown(r *http.Request, sender string) {
	if t == nil {
		return
	}
	now := t.now().UTC()
	u := store.UnknownRequest{
		Path: plenigo.Clean(r.URL.Path), Sender: sender, ContentType: plenigo.Clean(strings.Join(r.Header["Content-Type"], ", ")),
		Signed: r.Header.Get(verify.HeaderSignature) != "", Requests: 1, FirstAt: now, LastAt: now,
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.merge(u)
}

func (t *Tally) merge(u store.UnknownRequest) {
	key := unknownKey{u.Path, u.Sender}
	was, there := t.unknown[key]
	if !there && len(t.unknown) >= mostUnknown {
		return
	}
	if there {
		u.Requests += was.Requests
		u.FirstAt = was.FirstAt
		u.Signed = u.Signed || was.Signed
	}
	t.unknown[key] = u
}

// Flush hands the counts over. What cannot be handed over now is kept for the next time.
func (t *Tally) Flush(ctx context.Context) error {
	return errors.Join(t.flushLatencies(ctx), t.flushRequests(ctx))
}

func (t *Tally) flushRequests(ctx context.Context) error {
	t.mu.Lock()
	var unstored []store.UnstoredRequests
	for key, n := range t.unstored {
		unstored = append(unstored, store.UnstoredRequests{SourceID: key.source, Hour: key.hour, Answered: key.answered, Requests: n})
	}
	var unknown []store.UnknownRequest
	for _, u := range t.unknown {
		unknown = append(unknown, u)
	}
	clear(t.unstored)
	clear(t.unknown)
	t.mu.Unlock()
	if len(unstored)+len(unknown) == 0 {
		return nil
	}
	err := t.counter.AddUnstored(ctx, unstored, unknown)
	if err == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, u := range unstored {
		t.unstored[unstoredKey{u.SourceID, u.Hour, u.Answered}] += u.Requests
	}
	for _, u := range unknown {
		if later, there := t.unknown[unknownKey{u.Path, u.Sender}]; there {
			u.LastAt, u.ContentType = later.LastAt, later.ContentType
		}
		t.merge(u)
	}
	return err
}

// Run flushes every few seconds until ctx ends, and once more then. Errors are the database's absence, which others tell.
func (t *Tally) Run(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
		t.Flush(flush)
		cancel()
	}
}
