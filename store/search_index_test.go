package store_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/mask"
	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// TestIndexedPages walks forth and back through what a filter finds, with segments that lie over one another, events that
// wait, and an index that is being made.
func TestIndexedPages(t *testing.T) {
	db := storetest.New(t)
	random := rand.New(rand.NewPCG(7, 8))
	var ids []uuid.UUID
	step := func(n int) {
		for range n {
			var events []*store.Event
			for range 12 {
				e := arrived(noon.Add(time.Duration(random.IntN(21*24))*time.Hour), fmt.Sprint(random.Uint64()))
				e.Envelope = plenigo.Envelope{EntityType: pick(random, []string{"ORDER", "CUSTOMER"}), EntityID: pick(random, []string{"1", "2", "3"})}
				events = append(events, e)
				if e.Envelope.EntityID == "2" && e.Envelope.EntityType == "ORDER" {
					ids = append(ids, e.ID)
				}
			}
			record(t, db, events...)
		}
	}
	check := func(what string) {
		t.Helper()
		want := slices.Clone(ids)
		slices.SortFunc(want, func(a, b uuid.UUID) int { return strings.Compare(b.String(), a.String()) })
		for _, text := range []string{"entity:order/2", "entity:2 type:order"} {
			q := store.EventQuery{Filter: parse(t, text), Limit: 1 + random.IntN(9)}
			var got []uuid.UUID
			page := list(t, db, q)
			for got = idsOf(page.Events); page.Older; got = append(got, idsOf(page.Events)...) {
				q.Before = got[len(got)-1]
				page = list(t, db, q)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s: forth: %d events, want %d, each once, newest first", what, text, len(got), len(want))
			}
			got, q.Before = idsOf(page.Events), uuid.Nil
			for page.Newer {
				q.After = got[0]
				page = list(t, db, q)
				got = append(idsOf(page.Events), got...)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s: back: %d events, want %d, each once, newest first", what, text, len(got), len(want))
			}
		}
	}
	step(10)
	check("scanned")
	must(t, db.IndexSegments(t.Context(), 32))
	check("indexed")
	step(10)
	check("waiting")
	must(t, db.IndexSegments(t.Context(), 50))
	check("indexed again")
	must(t, db.Reindex(t.Context(), store.AuditEntry{Actor: "test", Action: "search.reindex", Subject: "search index"}))
	check("about to be made anew")
	step(2)
	must(t, db.IndexSegments(t.Context(), 64))
	check("made anew")
	if n := count(t, db, "search_segments"); n != (22*12+63)/64 {
		t.Errorf("%d segments", n)
	}
}

// TestIndexOfARestoredDatabase: whoever restores an older database begins the index anew.
func TestIndexOfARestoredDatabase(t *testing.T) {
	db := storetest.New(t)
	record(t, db, arrived(noon, own))
	must(t, db.IndexSegments(t.Context(), 1))
	if _, err := db.Pool().Exec(t.Context(), `UPDATE search_progress SET cursor = '99999999999.1.1'`); err != nil {
		t.Fatal(err)
	}
	e := arrived(noon.Add(time.Hour), plainA)
	record(t, db, e)
	for range 2 {
		if page := list(t, db, store.EventQuery{Filter: parse(t, "verdict:verified")}); len(page.Events) != 2 {
			t.Errorf("found %d events", len(page.Events))
		}
		must(t, db.IndexEvents(t.Context()))
	}
	if at, err := db.IndexedAt(t.Context()); err != nil || at.IsZero() {
		t.Errorf("%v %v", at, err)
	}
}

// TestNewStateIsSeenThroughTheIndex: a body that comes again after another state of its entity is sent on again, whether
// An index that nobody brought up to date for longer than commits are kept cannot know what it missed: it is made anew.
func TestIndexThatSleptIsMadeAnew(t *testing.T) {
	db := storetest.New(t)
	now := noon
	db.Now = func() time.Time { return now }
	named := func() *store.Event {
		e := arrived(now, fmt.Sprint(now))
		e.Envelope = plenigo.Envelope{EntityType: "ORDER", EntityID: "2"}
		return e
	}
	first := named()
	record(t, db, first)
	must(t, db.IndexSegments(t.Context(), 1))
	now = now.Add(time.Hour)
	missed := named()
	record(t, db, missed)
	now = now.Add(4 * 24 * time.Hour)
	if _, err := db.Pool().Exec(t.Context(), "UPDATE commits SET at = $1", now.Add(-4*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	must(t, db.Maintain(t.Context()))
	last := named()
	record(t, db, last)
	for range 2 {
		must(t, db.IndexSegments(t.Context(), 1))
	}
	got := idsOf(list(t, db, store.EventQuery{Filter: parse(t, "entity:order/2")}).Events)
	if !slices.Equal(got, []uuid.UUID{last.ID, missed.ID, first.ID}) {
		t.Errorf("found %v, want %v", got, []uuid.UUID{last.ID, missed.ID, first.ID})
	}
}

// that state is indexed or waits.
func TestNewStateIsSeenThroughTheIndex(t *testing.T) {
	db := storetest.New(t)
	at := noon
	come := func(body string) *store.Event {
		at = at.Add(time.Minute)
		e := arrived(at, body, func(e *store.Event) { e.Verification.SignedAt = at.Unix() })
		record(t, db, e)
		return e
	}
	come(plainA)
	come(plainB)
	must(t, db.IndexSegments(t.Context(), 1))
	if e := come(plainA); e.Arrival != 1 {
		t.Errorf("A after an indexed B is arrival %d, want a new state", e.Arrival)
	}
	must(t, db.IndexSegments(t.Context(), 1))
	if e := come(plainA); e.Arrival != 2 {
		t.Errorf("A after A is arrival %d, want a repeat", e.Arrival)
	}
}

// TestForgedClassesAreBounded: types that anybody makes up cost no more than a bounded number of classes, and are found.
func TestForgedClassesAreBounded(t *testing.T) {
	db := storetest.New(t)
	var events []*store.Event
	for i := range 2100 {
		events = append(events, arrived(noon.Add(time.Duration(i)*time.Second), fmt.Sprint(i), func(e *store.Event) {
			e.Verification.Verdict, e.Verification.Reason = verify.Rejected, verify.ReasonSignatureMismatch
			e.Envelope = plenigo.Envelope{EntityType: fmt.Sprint("T", i), CallbackType: "X"}
		}))
	}
	genuine := arrived(noon.Add(time.Hour), own)
	record(t, db, append(events, genuine)...)
	must(t, db.IndexSegments(t.Context(), 500))
	if n := count(t, db, "search_classes"); n != 2001 {
		t.Errorf("%d classes, want 2,000 and that of the genuine one", n)
	}
	for _, i := range []int{0, 1000, 2099} {
		if page := list(t, db, store.EventQuery{Filter: parse(t, fmt.Sprint("type:t", i))}); len(page.Events) != 1 || page.Events[0].ID != events[i].ID {
			t.Errorf("type %d: %d events", i, len(page.Events))
		}
	}
	if page := list(t, db, store.EventQuery{Filter: parse(t, "verdict:verified")}); len(page.Events) != 1 || page.Events[0].ID != genuine.ID {
		t.Errorf("%d verified events", len(page.Events))
	}
}

// TestSearchOnFromWhereItStopped: a search that is cut short loses nothing and finds nothing twice when it is gone on with.
func TestSearchOnFromWhereItStopped(t *testing.T) {
	db := storetest.New(t)
	var want []uuid.UUID
	for i := range 30 {
		e := arrived(noon.Add(time.Duration(i)*time.Hour), fmt.Sprintf(`{"e":{"n":%d,"odd":%d}}`, i, i%2))
		record(t, db, e)
		if i%2 == 1 {
			want = append([]uuid.UUID{e.ID}, want...)
		}
		if i == 15 {
			must(t, db.IndexSegments(t.Context(), 4))
		}
	}
	for _, text := range []string{"e.odd:1", "e.odd:>0", "e.odd:>0 verdict:verified"} {
		var got []uuid.UUID
		cut := 0
		q := store.EventQuery{Filter: parse(t, text), Limit: 7, Patience: time.Nanosecond}
		for more := true; more; {
			page := list(t, db, q)
			got = append(got, idsOf(page.Events)...)
			switch more = page.Older; {
			case page.Further != uuid.Nil:
				cut++
				if q.Before = page.Further; page.SearchedTo().IsZero() {
					t.Error("it does not say how far it came")
				}
			case more:
				q.Before = got[len(got)-1]
			}
		}
		if !slices.Equal(got, want) || cut == 0 {
			t.Errorf("%s: back: %d events, cut short %d times; want %d", text, len(got), cut, len(want))
		}
		got, q.Before, q.After = nil, uuid.Nil, store.IDAt(noon.Add(-time.Hour))
		for more := true; more; {
			page := list(t, db, q)
			got = append(idsOf(page.Events), got...)
			if more = page.Newer; page.Further != uuid.Nil {
				q.After = page.Further
			} else if more {
				q.After = got[0]
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: forth: %d events, want %d", text, len(got), len(want))
		}
	}
}

func TestKnownValues(t *testing.T) {
	db := storetest.New(t)
	must(t, db.CreateSource(t.Context(), shop()))
	for i := range 20 {
		record(t, db, arrived(noon, fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CREATION","entity":{"status":"DONE","mail":"a%d@example.org","email":"anna@example.org"}}`, i), func(e *store.Event) { e.APIVersion = "20240827" }))
	}
	must(t, db.IndexSegments(t.Context(), 20))
	known, err := db.KnownValues(t.Context(), mask.Default())
	must(t, err)
	for key, want := range map[filter.Key]string{
		filter.KeySource: "shop", filter.KeyType: "order.creation", filter.KeyVersion: "20240827", filter.KeyAnswered: "200",
		filter.KeyPayload: "entity.mail", "entity.status": "DONE",
	} {
		if !slices.Contains(known[key], want) {
			t.Errorf("%s: %q, want %q", key, known[key], want)
		}
	}
	if len(known["entity.email"]) > 0 {
		t.Errorf("what is hidden is offered: %q", known["entity.email"])
	}
	if len(known["entity.mail"]) > 0 {
		t.Errorf("addresses are offered: %q", known["entity.mail"])
	}
}

// TestMergedSegments: many small segments become few large ones, a part at a time, and pages are the same before, between
// and after, forth and back.
func TestMergedSegments(t *testing.T) {
	db := storetest.New(t)
	random := rand.New(rand.NewPCG(9, 10))
	var events []*store.Event
	for n := range 700 { // within two weeks, some of them late
		e := arrived(noon.Add(time.Duration(n)*20*time.Minute-time.Duration(random.IntN(2)*random.IntN(60))*time.Hour), fmt.Sprintf(`{"n":%d,"all":"same","some":%d}`, n, n%2))
		e.Envelope = plenigo.Envelope{EntityType: pick(random, []string{"ORDER", "CUSTOMER", "INVOICE"}), EntityID: fmt.Sprint(random.IntN(100))}
		if n%50 == 7 {
			e.Verification.Verdict = verify.Rejected
		}
		events = append(events, e)
	}
	for some := range slices.Chunk(events, 35) {
		record(t, db, some...)
	}
	slices.SortFunc(events, func(a, b *store.Event) int { return strings.Compare(b.ID.String(), a.ID.String()) })
	filters := []string{
		"entity:7", "entity:order/7,8", "type:order", "verdict:rejected", "type:order verdict:rejected", "verdict:rejected same", "same -type:order",
		"some:1", "payload.some:1 type:invoice", "payload.n:333", "nowhere", "same payload.some:0", "n:1",
	}
	check := func(what string) {
		t.Helper()
		for _, text := range filters {
			f, err := filter.Parse(text, noon)
			if err != nil {
				continue
			}
			var want []uuid.UUID
			for _, e := range events {
				if f.Match(subjectOf(e, "")) {
					want = append(want, e.ID)
				}
			}
			q := store.EventQuery{Filter: f, Limit: 1 + random.IntN(60)}
			var got []uuid.UUID
			page := list(t, db, q)
			for got = idsOf(page.Events); page.Older; got = append(got, idsOf(page.Events)...) {
				q.Before = got[len(got)-1]
				page = list(t, db, q)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s: forth: %d events, want %d, each once, newest first", what, text, len(got), len(want))
			}
			got, q.Before = idsOf(page.Events), uuid.Nil
			for page.Newer {
				q.After = got[0]
				page = list(t, db, q)
				got = append(idsOf(page.Events), got...)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s: back: %d events, want %d", what, text, len(got), len(want))
			}
		}
	}
	for n := 0; ; n++ {
		more, err := db.IndexSome(t.Context(), 8)
		must(t, err)
		if !more {
			break
		}
		if n%25 == 24 || n == 89 {
			check(fmt.Sprint(n, " steps"))
		}
	}
	check("at the end")
	var segments, strangers int
	err := db.Pool().QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM search_segments),
			(SELECT count(*) FROM search_postings p WHERE NOT EXISTS (SELECT FROM search_segments s WHERE s.id = p.segment_id))`).Scan(&segments, &strangers)
	must(t, err)
	if segments > 15 || strangers > 0 {
		t.Errorf("%d segments, want a few of up to 128 events each; %d rows of segments that are gone", segments, strangers)
	}
}
