package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/store"
	"recall/store/storetest"
)

// follower reads what is committed, as a tail does.
type follower struct {
	t      testing.TB
	db     *store.DB
	cursor string
	seen   []uuid.UUID
}

func newFollower(t testing.TB, db *store.DB) *follower {
	t.Helper()
	f := &follower{t: t, db: db}
	if got := f.next(10); len(got) != 0 {
		t.Fatalf("started at the end with %d events", len(got))
	}
	return f
}

func (f *follower) next(limit int) []uuid.UUID {
	f.t.Helper()
	ids, next, err := f.db.CommittedSince(f.t.Context(), f.cursor, limit)
	must(f.t, err)
	if len(ids) > limit {
		f.t.Fatalf("%d events with limit %d", len(ids), limit)
	}
	f.cursor = next
	f.seen = append(f.seen, ids...)
	return ids
}

// until reads on until it has seen n events. Transactions of other tests on the server, and its own, may hold it up.
func (f *follower) until(n int, limit func() int) []uuid.UUID {
	f.t.Helper()
	for len(f.seen) < n {
		f.next(limit())
		must(f.t, f.t.Context().Err())
	}
	f.next(10)
	return f.seen
}

func ten() int { return 10 }

func TestFollowingStartsAtTheEnd(t *testing.T) {
	db := storetest.New(t)
	old := newFollower(t, db)
	record(t, db, arrived(noon, own))
	old.until(1, ten) // it can be seen, so it is before the end
	f := newFollower(t, db)
	later := arrived(noon.Add(-time.Hour), other) // whatever its id
	record(t, db, later)
	if got := f.until(1, ten); !slices.Equal(got, []uuid.UUID{later.ID}) {
		t.Errorf("%v, want only %s", got, later.ID)
	}
}

func TestFollowingABatchInParts(t *testing.T) {
	db := storetest.New(t)
	f := newFollower(t, db)
	random := rand.New(rand.NewPCG(7, 8))
	var want []uuid.UUID
	for range 6 {
		var batch []*store.Event
		for range 1 + random.IntN(12) {
			e := arrived(noon.Add(time.Duration(random.IntN(1000))*time.Hour), fmt.Sprint(random.Uint64()))
			batch, want = append(batch, e), append(want, e.ID)
		}
		record(t, db, batch...)
	}
	got := f.until(len(want), func() int { return 1 + random.IntN(5) })
	if !slices.Equal(got, want) {
		t.Errorf("%d events, want %d in the order they were committed", len(got), len(want))
	}
}

// TestFollowingCommitsOutOfOrder: a batch that began first is committed last.
func TestFollowingCommitsOutOfOrder(t *testing.T) {
	db := storetest.New(t)
	f := newFollower(t, db)
	slow, quick, last := arrived(noon, own), arrived(noon.Add(time.Hour), plainA), arrived(noon.Add(-time.Hour), other)
	reached, release := make(chan struct{}), make(chan struct{})
	db.OnRecord(func(_ context.Context, _ pgx.Tx, events []*store.Event) error {
		if events[0].ID == slow.ID {
			close(reached)
			<-release
		}
		return nil
	})
	done := make(chan []error, 1)
	go func() { done <- db.RecordEvents(t.Context(), []*store.Event{slow}) }()
	<-reached
	record(t, db, quick)
	if page := list(t, db, store.EventQuery{}); len(page.Events) != 1 || page.Events[0].ID != quick.ID {
		t.Fatalf("the quick one is not committed alone: %v", idsOf(page.Events))
	}
	for range 3 {
		if got := f.next(10); len(got) != 0 {
			t.Fatalf("%v before the slow one is committed", got)
		}
	}
	during := newFollower(t, db) // what nobody has returned yet is after its end
	close(release)
	if err := errors.Join(<-done...); err != nil {
		t.Fatal(err)
	}
	record(t, db, last)
	for name, f := range map[string]*follower{"from before": f, "from in between": during} {
		got := f.until(3, func() int { return 1 })
		if len(got) != 3 || !slices.Contains(got, slow.ID) || !slices.Contains(got, quick.ID) || got[2] != last.ID {
			t.Errorf("%s: %v, want %s and %s once, then %s", name, got, slow.ID, quick.ID, last.ID)
		}
	}
}

func TestFollowingManyWriters(t *testing.T) {
	db := storetest.New(t)
	f := newFollower(t, db)
	const writers, batches = 4, 15
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(9, uint64(w)))
			for range batches {
				var batch []*store.Event
				for range 3 {
					batch = append(batch, arrived(noon.Add(time.Duration(random.IntN(1000))*time.Minute), fmt.Sprint(random.Uint64())))
				}
				for _, err := range db.RecordEvents(t.Context(), batch) {
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	got := f.until(writers*batches*3, func() int { return 7 })
	wg.Wait()
	slices.SortFunc(got, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	if distinct := slices.Compact(slices.Clone(got)); len(got) != writers*batches*3 || len(distinct) != len(got) {
		t.Errorf("%d events, %d distinct ones, want %d", len(got), len(distinct), writers*batches*3)
	}
}

func TestFollowingFailedTransactions(t *testing.T) {
	db := storetest.New(t)
	f := newFollower(t, db)
	fail := true
	db.OnRecord(func(context.Context, pgx.Tx, []*store.Event) error {
		if fail {
			return context.Canceled
		}
		return nil
	})
	e := arrived(noon, own)
	if err := db.RecordEvents(t.Context(), []*store.Event{e})[0]; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	fail = false
	record(t, db, e)
	if got := f.until(1, ten); !slices.Equal(got, []uuid.UUID{e.ID}) {
		t.Errorf("%v", got)
	}
}

func TestWrongCursors(t *testing.T) {
	db := storetest.New(t)
	for name, cursor := range map[string]string{
		"word":                "newest",
		"two parts":           "1.2",
		"four parts":          "1.2.3.4",
		"empty part":          "1..3",
		"negative":            "-1.0.0",
		"negative index":      "1.0.-1",
		"leading zero":        "01.0.0",
		"blank":               " 1.0.0",
		"past 64 bits":        "18446744073709551616.0.0",
		"of another database": "4000000000000.1.1",
		"hostile":             "1.0.0\x00\xff'; --",
		"long":                strings.Repeat("1", 10000),
	} {
		ids, next, err := db.CommittedSince(t.Context(), cursor, 10)
		if !errors.Is(err, store.ErrCursor) || ids != nil || next != "" || len(err.Error()) > 600 {
			t.Errorf("%s: %v %q %.700v", name, ids, next, err)
		}
	}
}
