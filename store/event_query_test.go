package store_test

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/filter"
	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// body sets the raw bytes and what is read from them.
func withBody(body []byte) func(*store.Event) {
	return func(e *store.Event) {
		e.Body, e.Size, e.Envelope = body, int64(len(body)), plenigo.Read(body)
	}
}

// ofSource makes an event one of a source.
func ofSource(id int64) func(*store.Event) { return func(e *store.Event) { e.SourceID = id } }

func find(t testing.TB, db *store.DB, id uuid.UUID) *store.Event {
	t.Helper()
	e, err := db.FindEvent(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func list(t testing.TB, db *store.DB, q store.EventQuery) store.EventPage {
	t.Helper()
	page, err := db.ListEvents(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func parse(t testing.TB, text string) filter.Filter {
	t.Helper()
	f, err := filter.Parse(text, noon)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

func idsOf(events []store.EventSummary) []uuid.UUID {
	var ids []uuid.UUID
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// same says in which fields an event that was found differs from the one that was recorded.
func same(t testing.TB, got, want *store.Event) {
	t.Helper()
	recorded := *want
	recorded.Envelope.Customers = slices.Clone(want.Envelope.Customers)
	slices.SortFunc(recorded.Envelope.Customers, func(a, b plenigo.CustomerLink) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.CustomerID, b.CustomerID))
	})
	if !bytes.Equal(got.Body, want.Body) {
		t.Errorf("the body differs: %d bytes, want %d", len(got.Body), len(want.Body))
	}
	recorded.Body = got.Body
	g, w := reflect.ValueOf(*got), reflect.ValueOf(recorded)
	for i := range g.NumField() {
		if a, b := g.Field(i).Interface(), w.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			t.Errorf("%s is %.300v, want %.300v", g.Type().Field(i).Name, a, b)
		}
	}
}

func TestEverySampleIsFoundByteForByte(t *testing.T) {
	db := storetest.New(t)
	samples := plenigo.Samples()
	if len(samples) < 20 {
		t.Fatalf("only %d samples", len(samples))
	}
	for i, s := range samples {
		e := arrived(noon.Add(time.Duration(i)*time.Second), "", withBody(s.Body))
		record(t, db, e)
		same(t, find(t, db, e.ID), e)
		summary, err := db.FindEventSummary(t.Context(), e.ID)
		if err != nil || summary.EntityType != e.Envelope.EntityType || summary.EntityID != e.Envelope.EntityID {
			t.Errorf("%s: %+v %v", s.Name, summary, err)
		}
	}
}

func TestFindEventKeepsEverything(t *testing.T) {
	db := storetest.New(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	inValue := func(r rune) rune {
		if r == '\r' || r == '\n' {
			return '.'
		}
		return r
	}
	for name, change := range map[string]func(*store.Event){
		"as usual":     func(e *store.Event) {},
		"no body":      withBody(nil),
		"every byte":   withBody(all),
		"NUL in JSON":  withBody([]byte(`{"entityType":"A\u0000B","callbackType":"\u0000","entityId":"\u0000","entity":{"customerId":"\u0000x"}}`)),
		"deep":         withBody(bytes.Repeat([]byte("["), 1<<20)),
		"script":       withBody([]byte(`{"entityType":"<script>","callbackType":"\"'--;","entityId":"%s@p1$1"}`)),
		"no sender":    func(e *store.Event) { e.Sender = netip.Addr{} },
		"IPv6":         func(e *store.Event) { e.Sender = netip.MustParseAddr("2001:db8::7") },
		"no header":    func(e *store.Event) { e.Header = http.Header{} },
		"any header":   func(e *store.Event) { e.Header = http.Header{"X": {strings.Map(inValue, string(all)), "", "\xff"}} },
		"several":      func(e *store.Event) { e.Header = http.Header{"B": {"2", "1", "2"}, "A": {" "}} },
		"much earlier": func(e *store.Event) { e.Envelope.ChangedAt = time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC) },
		"too large": func(e *store.Event) {
			e.Verification, e.Answered, e.Size = verify.TooLarge(), http.StatusRequestEntityTooLarge, 1<<40
			e.Body, e.Envelope = nil, plenigo.Envelope{}
		},
		"each check": func(e *store.Event) {
			e.Verification = verify.Result{
				Verdict: verify.Rejected, Reason: verify.ReasonHeaderMismatch, Signature: verify.Valid, Basic: verify.Malformed, Header: verify.Mismatch,
				Headers: []verify.HeaderCheck{{Name: "X-A", Status: verify.Valid}, {Name: "X-B", Status: verify.Mismatch}}, SignedAt: 7, SkewSeconds: -3, Secret: "sécret \" name",
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := arrived(noon, own, change)
			record(t, db, e)
			same(t, find(t, db, e.ID), e)
		})
	}
}

func TestMissingEvent(t *testing.T) {
	db := storetest.New(t)
	record(t, db, arrived(noon, own))
	for name, id := range map[string]uuid.UUID{
		"nil": uuid.Nil, "all ones": uuid.Max, "a time with no partition": store.IDAt(noon.AddDate(-20, 0, 0)), "a time with one": store.IDAt(noon),
	} {
		if _, err := db.FindEvent(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := db.FindEventSummary(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: summary: %v", name, err)
		}
		if _, err := db.Arrivals(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: arrivals: %v", name, err)
		}
	}
}

func TestSummary(t *testing.T) {
	db := storetest.New(t)
	s := shop()
	must(t, db.CreateSource(t.Context(), s))
	must(t, db.RemoveSource(t.Context(), s.Slug))
	order := `{"entityType":"ORDER","callbackType":"CREATION","entityId":"12","entity":{"invoiceCustomerId":"b","items":[{"deliveryCustomerId":"é"},{"deliveryCustomerId":"b"},{"deliveryCustomerId":"B"}]}}`
	e := arrived(noon.Add(123*time.Millisecond), order, ofSource(s.ID), func(e *store.Event) { e.APIVersion = "20240827" })
	record(t, db, e)
	for i, state := range []store.DeliveryState{store.DeliverySucceeded, store.DeliveryPending, store.DeliverySucceeded} {
		deliver(t, db, &store.Delivery{EventID: e.ID, DestinationID: int64(i), Trigger: store.TriggerManual, State: state})
	}
	want := store.EventSummary{
		ID: e.ID, ReceivedAt: noon.Add(123 * time.Millisecond), SourceID: s.ID, Source: "shop", Verdict: verify.Verified, Signature: verify.Valid,
		Answered: 200, Arrival: 1, EntityType: "ORDER", CallbackType: "CREATION", EntityID: "12", APIVersion: "20240827",
		Size: int64(len(order)), BodySHA256: sha256.Sum256([]byte(order)), Customers: []string{"B", "b", "é"},
		Deliveries: []store.DeliveryCount{{State: store.DeliveryPending, Count: 1}, {State: store.DeliverySucceeded, Count: 2}},
	}
	got, err := db.FindEventSummary(t.Context(), e.ID)
	must(t, err)
	if !reflect.DeepEqual(got, &want) {
		t.Errorf("\ngot  %+v\nwant %+v", got, &want)
	}
	if page := list(t, db, store.EventQuery{}); len(page.Events) != 1 || !reflect.DeepEqual(page.Events[0], want) || page.Newer || page.Older {
		t.Errorf("%+v", page)
	}
}

// many records n events over five weeks, several of them within one millisecond, and returns their ids, newest first.
func many(t testing.TB, db *store.DB, n int, random *rand.Rand) []uuid.UUID {
	t.Helper()
	var events []*store.Event
	var ids []uuid.UUID
	at := noon
	for i := range n {
		if i%4 != 0 {
			at = at.Add(time.Duration(random.IntN(14)) * time.Hour)
		}
		e := arrived(at, fmt.Sprintf(`{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"%d"}`, i))
		events, ids = append(events, e), append(ids, e.ID)
	}
	record(t, db, events...)
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(b[:], a[:]) })
	return ids
}

func TestPagesVisitEachEventOnce(t *testing.T) {
	db := storetest.New(t)
	random := rand.New(rand.NewPCG(1, 2))
	want := many(t, db, 120, random)
	for round := range 10 {
		limit := func() int { return 1 + random.IntN(40) }
		var got []uuid.UUID
		var page store.EventPage
		q := store.EventQuery{Limit: limit()}
		for {
			page = list(t, db, q)
			if len(page.Events) == 0 || len(page.Events) > q.Limit {
				t.Fatalf("round %d: a page of %d with limit %d", round, len(page.Events), q.Limit)
			}
			if page.Newer != (len(got) > 0) {
				t.Errorf("round %d: newer is %v after %d", round, page.Newer, len(got))
			}
			got = append(got, idsOf(page.Events)...)
			if page.Older != (len(got) < len(want)) {
				t.Errorf("round %d: older is %v after %d", round, page.Older, len(got))
			}
			if !page.Older {
				break
			}
			q = store.EventQuery{Limit: limit(), Before: got[len(got)-1]}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: forth: %d events, want %d, each once, newest first", round, len(got), len(want))
		}

		got = idsOf(page.Events) // and back from the last page
		for page.Newer {
			q = store.EventQuery{Limit: limit(), After: got[0]}
			page = list(t, db, q)
			if !page.Older || len(page.Events) == 0 || len(page.Events) > q.Limit {
				t.Fatalf("round %d: back: %d events, older %v", round, len(page.Events), page.Older)
			}
			got = append(idsOf(page.Events), got...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: back: %d events, want %d, each once, newest first", round, len(got), len(want))
		}
	}
}

func TestPagesBesideAndBetween(t *testing.T) {
	db := storetest.New(t)
	ids := many(t, db, 5, rand.New(rand.NewPCG(3, 4))) // newest first
	for name, c := range map[string]struct {
		q            store.EventQuery
		want         []uuid.UUID
		newer, older bool
	}{
		"default":                {store.EventQuery{}, ids, false, false},
		"a negative limit":       {store.EventQuery{Limit: -1}, ids, false, false},
		"exactly all":            {store.EventQuery{Limit: 5}, ids, false, false},
		"past the oldest":        {store.EventQuery{Before: ids[4]}, nil, true, false},
		"past the newest":        {store.EventQuery{After: ids[0]}, nil, false, true},
		"before all":             {store.EventQuery{Before: store.IDAt(noon.AddDate(-1, 0, 0))}, nil, true, false},
		"after all":              {store.EventQuery{After: uuid.Max}, nil, false, true},
		"between":                {store.EventQuery{After: ids[4], Before: ids[0]}, ids[1:4], true, true},
		"between, near to after": {store.EventQuery{After: ids[4], Before: ids[0], Limit: 2}, ids[2:4], true, true},
		"nothing between":        {store.EventQuery{After: ids[1], Before: ids[0]}, nil, true, true},
		"the neighbour above":    {store.EventQuery{After: ids[2], Limit: 1}, ids[1:2], true, true},
		"the neighbour below":    {store.EventQuery{Before: ids[2], Limit: 1}, ids[3:4], true, true},
		"the filter counts on both sides": {
			store.EventQuery{Before: ids[1], Filter: parse(t, "id:"+ids[2].String())}, ids[2:3], false, false,
		},
	} {
		page := list(t, db, c.q)
		if got := idsOf(page.Events); !slices.Equal(got, c.want) || page.Newer != c.newer || page.Older != c.older {
			t.Errorf("%s: %v, newer %v, older %v; want %v, %v, %v", name, got, page.Newer, page.Older, c.want, c.newer, c.older)
		}
	}
}

func TestArrivalsOfAGroup(t *testing.T) {
	db := storetest.New(t)
	var group []*store.Event
	for i, after := range []time.Duration{0, time.Hour, 7 * time.Hour, 31 * time.Hour, 9 * 24 * time.Hour} { // over two weeks
		e := arrived(noon.Add(after), own, func(e *store.Event) { e.Window = 10 * 24 * time.Hour })
		if i == 2 {
			rejected(e)
		}
		record(t, db, e, arrived(noon.Add(after), other), arrived(noon.Add(after), own, ofSource(2)))
		group = append(group, e)
	}
	for i, e := range group {
		arrivals, err := db.Arrivals(t.Context(), e.ID)
		must(t, err)
		if len(arrivals) != len(group) {
			t.Fatalf("arrival %d: %d in its group, want %d", i+1, len(arrivals), len(group))
		}
		for j, a := range arrivals {
			if a.ID != group[j].ID || a.Arrival != j+1 || a.RepeatOf != group[j].RepeatOf || !slices.Equal(a.Customers, []string{"7"}) {
				t.Errorf("arrival %d: at place %d is %+v", i+1, j+1, a)
			}
		}
	}

	// The clock of another instance was behind: a repeat has the smaller id.
	first := arrived(noon, plainA)
	behind := arrived(noon.Add(-10*time.Second), plainA)
	record(t, db, first)
	record(t, db, behind)
	arrivals, err := db.Arrivals(t.Context(), first.ID)
	must(t, err)
	if got := idsOf(arrivals); !slices.Equal(got, []uuid.UUID{behind.ID, first.ID}) {
		t.Errorf("%v", got)
	}
}
