package store_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/netip"
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

// Words that random events and filters are made of, so that they often meet. Letters beyond ASCII have no case here.
var (
	kinds      = []string{"", "CUSTOMER", "customer", "Order", "ORDER_ITEM", "İI", "ß", "%", "a.b"}
	happenings = []string{"", "CREATION", "creation", "CHANGE", "ıI", "_"}
	entityIDs  = []string{"", "1", "2", "a b", `"q",`, `\`, "ü", "a/b", "'; --"}
	people     = []string{"1", "2", "ü", "a b", "%"}
	reasons    = []string{"signature_mismatch", "signature_expired", "no_secret"}
	slugs      = []string{"shop", "kiosk", "none"}
	senders    = []string{"", "203.0.113.7", "203.0.113.8", "10.0.0.1", "2001:db8::1", "2001:db8:1::1", "::1"}
	ranges     = []string{"203.0.113.7", "203.0.113.0/24", "203.0.113.9/31", "0.0.0.0/0", "::/0", "2001:db8::/48", "::ffff:10.0.0.0/104", "2001:DB8::1"}
	verdicts   = []verify.Verdict{verify.Verified, verify.Late, verify.Rejected}
)

func pick[T any](random *rand.Rand, list []T) T { return list[random.IntN(len(list))] }

// randomEvent is one of the sources given, received within three weeks, to the millisecond.
func randomEvent(random *rand.Rand, sources []int64) *store.Event {
	at := noon.Add(time.Duration(random.IntN(500)) * time.Hour)
	if random.IntN(2) == 0 {
		at = noon.Add(time.Duration(random.IntN(4)) * time.Millisecond) // many at about one moment
	}
	e := arrived(at, fmt.Sprint(random.Uint64()), ofSource(pick(random, sources)))
	e.Body = []byte(pick(random, []string{"", "no JSON: Anna Müller 7", "{", randomBody(random), randomBody(random), randomBody(random), randomBody(random)}))
	e.Body = append(e.Body, strings.Repeat(" ", random.IntN(1000))...) // seldom equal
	e.BodySHA256, e.Size = sha256.Sum256(e.Body), int64(len(e.Body))
	e.Header.Set("X-Test", pick(random, []string{"one", "two", "some words", ""}))
	e.Header.Set("Content-Length", "17")
	e.APIVersion = pick(random, []string{"", "20240827", "2024"})
	e.Answered, e.UnexpectedType = pick(random, []int{200, 401, 503}), random.IntN(3) == 0
	e.Verification.Signature = pick(random, []verify.Status{verify.Valid, verify.Mismatch})
	e.Verification.Verdict = pick(random, verdicts)
	if e.Verification.Verdict != verify.Verified {
		e.Verification.Reason = verify.Reason(pick(random, reasons))
	}
	e.Sender, _ = netip.ParseAddr(pick(random, senders))
	e.Envelope = plenigo.Envelope{EntityType: pick(random, kinds), CallbackType: pick(random, happenings), EntityID: pick(random, entityIDs)}
	for _, customer := range people {
		for n := range random.IntN(3) - 1 + random.IntN(2) { // by several paths, too
			e.Envelope.Customers = append(e.Envelope.Customers, plenigo.CustomerLink{CustomerID: customer, Path: fmt.Sprint("entity.p", n)})
		}
	}
	return e
}

// randomBody is JSON with what filters ask for.
func randomBody(random *rand.Rand) string {
	value := func() string {
		return pick(random, []string{`"Anna Müller"`, `"anna@example.org"`, `"ANNA@EXAMPLE.ORG"`, `1.50`, `1.5`, `2e0`, `7`, `1e999`, `""`, `null`, `true`, `"P1"`, `"p2\u0000"`, `"2026-03-04T12:00:00Z"`, `"m\u00fcller"`})
	}
	return fmt.Sprintf(`{"entity":{"email":%s,"n":%s,"items":[{"p":%s},{"p":%s}],"when":%s}}`, value(), value(), value(), value(), value())
}

// randomText is a filter as a person writes it.
func randomText(random *rand.Rand, events []*store.Event) string {
	var terms []string
	for range random.IntN(4) {
		key := pick(random, filter.Keys()).Key
		name := string(key)
		var values []string
		for range 1 + random.IntN(3) {
			value := ""
			switch key {
			case filter.KeySource:
				value = pick(random, slugs)
			case filter.KeyVerdict:
				value = string(pick(random, verdicts))
			case filter.KeyReason:
				value = pick(random, reasons)
			case filter.KeyType:
				value = strings.ToLower(pick(random, []string{"*", "customer", "order", "ß", "%", "order_item"}))
				if random.IntN(2) == 0 {
					value += "." + pick(random, []string{"*", "creation", "CHANGE", "_"})
				}
			case filter.KeyEntity:
				value = pick(random, entityIDs[1:])
				if random.IntN(2) == 0 {
					value = pick(random, []string{"", "customer", "ORDER", "ß"}) + "/" + value
				}
			case filter.KeyCustomer:
				value = pick(random, people)
			case filter.KeySender:
				value = pick(random, ranges)
			case filter.KeyAfter, filter.KeyBefore:
				value = pick(random, events).ReceivedAt().Add(pick(random, []time.Duration{0, time.Millisecond, time.Nanosecond, -time.Nanosecond, time.Hour})).Format(time.RFC3339Nano)
				if random.IntN(8) == 0 {
					value = pick(random, []string{"1970-01-01", "9999-12-31"})
				}
			case filter.KeyReceived:
				at := pick(random, events).ReceivedAt()
				value = pick(random, []string{at.Format("2006-01-02"), ">=" + at.Format(time.RFC3339Nano), "<" + at.Format("2006-01-02"), "2026-03-05..2026-03-10"})
			case filter.KeyText:
				value = pick(random, []string{"müller", "Anna", "ANNA MÜLLER", "anna example", "7", "1.50", "none such", "true"})
			case filter.KeyPayload:
				name = pick(random, []string{"entity.email", "entity.n", "entity.items[].p", "Entity.ITEMS.P", "entity.when", "entity.none"})
				value = pick(random, []string{"anna@example.org", "1.5", "15e-1", ">1", "1..2", "P1", "p2", "*", "~müller", "null", "true", ">2026-01-01", "\"\""})
			case filter.KeyHeader:
				name = pick(random, []string{"header.x-test", "header.content-length", "header.none"})
				value = pick(random, []string{"one", "TWO", "*", "~words", "17"})
			case filter.KeySize:
				value = pick(random, []string{">100", "<=120", "1..150", "140", ">1mb"})
			case filter.KeyRepeat, filter.KeyUnexpected:
				value = pick(random, []string{"yes", "no"})
			case filter.KeySignature:
				value = pick(random, []string{"valid", "mismatch", "missing"})
			case filter.KeyAnswered:
				value = pick(random, []string{"200", "4xx", ">=400", "500..599"})
			case filter.KeyVersion:
				value = pick(random, []string{"20240827", "20230101"})
			case filter.KeyDelivery:
				value = pick(random, []string{"failed", "crm/succeeded", "crm/*", "none", "crm/none", "pending", "erp/failed", "nobody/none", "*"})
			case filter.KeyTrigger:
				value = pick(random, []string{"manual", "replay", "crm/manual", "erp/replay", "automatic", "nobody/manual"})
			case filter.KeyID:
				value = strings.ToUpper(pick(random, events).ID.String())
			}
			if key != filter.KeyPayload && key != filter.KeyHeader && key != filter.KeySize && key != filter.KeyAnswered && key != filter.KeyReceived {
				value = filter.Quote(value)
			}
			values = append(values, value)
		}
		minus := pick(random, []string{"", "", "-"})
		terms = append(terms, minus+name+":"+strings.Join(values, ","))
	}
	return strings.Join(terms, " ")
}

// subjectOf is an event as filter.Match sees it.
func subjectOf(e *store.Event, slug string) filter.Subject {
	s := filter.Subject{
		ID: e.ID.String(), Source: slug, Verdict: string(e.Verification.Verdict), Reason: string(e.Verification.Reason),
		EntityType: e.Envelope.EntityType, CallbackType: e.Envelope.CallbackType, Entity: e.Envelope.EntityID, Sender: e.Sender, ReceivedAt: e.ReceivedAt(),
		Header: e.Header, Payload: filter.NewPayload(e.Body), Size: e.Size, Repeat: e.RepeatOf != uuid.Nil, Signature: string(e.Verification.Signature),
		Answered: e.Answered, Version: e.APIVersion, Unexpected: e.UnexpectedType,
	}
	for _, link := range e.Envelope.Customers {
		s.Customers = append(s.Customers, link.CustomerID)
	}
	return s
}

// TestFilterFindsWhatMatches compares the SQL of a filter with what the filter says of the same events in memory.
func TestFilterFindsWhatMatches(t *testing.T) {
	db := storetest.New(t)
	slugOf := map[int64]string{99: ""} // a source that is gone for good
	ids := []int64{99}
	for _, slug := range []string{"shop", "kiosk", "shop"} { // the first shop was removed, its slug is used again
		s := shop()
		s.Slug = slug
		if slug == "shop" && len(ids) > 1 {
			must(t, db.RemoveSource(t.Context(), slug))
		}
		must(t, db.CreateSource(t.Context(), s))
		slugOf[s.ID], ids = slug, append(ids, s.ID)
	}
	random := rand.New(rand.NewPCG(5, 6))
	var events []*store.Event
	for range 200 {
		events = append(events, randomEvent(random, ids))
	}
	destinations := map[string]int64{}
	for _, name := range []string{"crm", "erp"} {
		d := &store.Destination{Name: name, URL: "https://example.org/", Timeout: time.Second, Signing: store.SigningNone, State: store.DestinationActive}
		must(t, db.CreateDestination(t.Context(), d))
		destinations[name] = d.ID
	}
	delivered := map[uuid.UUID][]filter.Delivery{}
	deliverSome := func(events []*store.Event) {
		for _, e := range events {
			for range random.IntN(3) {
				name, state := pick(random, []string{"crm", "erp"}), pick(random, []store.DeliveryState{store.DeliveryPending, store.DeliverySucceeded, store.DeliveryExhausted, store.DeliveryWaiting})
				trigger := pick(random, []store.Trigger{store.TriggerManual, store.TriggerReplay})
				deliver(t, db, &store.Delivery{EventID: e.ID, DestinationID: destinations[name], Trigger: trigger, State: state})
				delivered[e.ID] = append(delivered[e.ID], filter.Delivery{Destination: name, State: string(state), Trigger: string(trigger)})
			}
		}
	}
	record(t, db, events...)
	deliverSome(events)

	check := func(what string, f filter.Filter) (found int) {
		t.Helper()
		want := map[uuid.UUID]bool{}
		for _, e := range events {
			subject := subjectOf(e, slugOf[e.SourceID])
			subject.Deliveries = delivered[e.ID]
			if f.Match(subject) {
				want[e.ID] = true
			}
		}
		got := idsOf(list(t, db, store.EventQuery{Filter: f, Limit: 1000}).Events)
		for _, id := range got {
			if !want[id] {
				t.Errorf("%s: found %s, which does not match", what, id)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: found %d, want %d", what, len(got), len(want))
		}
		return len(got)
	}
	checkSome := func(how string) {
		t.Helper()
		some := 0
		for range 300 {
			text := randomText(random, events)
			if n := check(how+": "+text, parse(t, text)); n > 0 && n < len(events) {
				some++
			}
		}
		if some < 75 {
			t.Errorf("%s: only %d filters chose some events and not others: they test little", how, some)
		}
	}
	checkSome("scanned")
	must(t, db.IndexSegments(t.Context(), 16))
	checkSome("indexed from what was there")
	for range 5 {
		var more []*store.Event
		for range 20 { // old ids among new ones
			more = append(more, randomEvent(random, ids))
		}
		record(t, db, more...)
		deliverSome(more)
		events = append(events, more...)
		must(t, db.IndexSegments(t.Context(), 16))
	}
	checkSome("indexed as it came")

	// Filters that nobody can write, only make.
	var odd []filter.Term
	for _, help := range filter.Keys() {
		key := help.Key
		odd = append(odd, filter.Term{Key: key})
		for _, text := range []string{"x\x00", "\xff", "'", "0192B1F4-7A3C-7000-8000-000000000000", "urn:uuid:" + events[0].ID.String()} {
			odd = append(odd, filter.Term{Key: key, Values: []filter.Value{{Text: text, ID: text, EntityType: text, CallbackType: text, Trigger: text}}})
		}
	}
	odd = append(odd,
		filter.Term{Key: "colour", Values: []filter.Value{{Text: "red"}}},
		filter.Term{Key: filter.KeyEntity, Values: []filter.Value{{ID: ""}}},
		filter.Term{Key: filter.KeyCustomer, Values: []filter.Value{{ID: "x\x00"}, {ID: "1"}}},
		filter.Term{Key: filter.KeyVerdict, Values: []filter.Value{{Text: "good"}, {Text: "late"}}},
	)
	for _, term := range odd {
		for _, negated := range []bool{false, true} {
			term.Negated = negated
			check(fmt.Sprintf("%+v", term), filter.Filter{Terms: []filter.Term{term}})
		}
	}
}

func TestLongestFilters(t *testing.T) {
	db := storetest.New(t)
	e := arrived(noon, own)
	record(t, db, e)
	for name, text := range map[string]string{
		"terms":     strings.TrimSpace(strings.Repeat("-type:order ", filter.MaxTerms)),
		"values":    "customer:7" + strings.Repeat(",8", filter.MaxValues-1),
		"customers": strings.TrimSpace(strings.Repeat("customer:7,8 ", filter.MaxTerms)),
	} {
		if page := list(t, db, store.EventQuery{Filter: parse(t, text)}); len(page.Events) != 1 {
			t.Errorf("%s: found %d events", name, len(page.Events))
		}
	}
}

// TestTimesLeavePartitionsOut: the plan of a query with times names only the partitions of that time.
func TestTimesLeavePartitionsOut(t *testing.T) {
	db := storetest.New(t)
	for week := range 6 {
		record(t, db, arrived(noon.AddDate(0, 0, 7*week), own))
	}
	third := arrived(noon.AddDate(0, 0, 14), own)
	for name, c := range map[string]struct {
		q    store.EventQuery
		want []string
	}{
		"after":     {store.EventQuery{Filter: parse(t, "customer:7 after:2026-04-06 before:2026-04-10")}, []string{"w15"}},
		"negated":   {store.EventQuery{Filter: parse(t, "customer:7 -before:2026-03-30 -after:2026-04-10,2026-04-12")}, []string{"w14", "w15"}},
		"pages":     {store.EventQuery{Filter: parse(t, "customer:7 after:2026-03-09"), Before: third.ID}, []string{"w11", "w12"}},
		"one by id": {store.EventQuery{Filter: parse(t, "id:"+third.ID.String())}, []string{"w12"}},
	} {
		plan, err := db.ExplainEvents(t.Context(), c.q)
		must(t, err)
		for _, table := range []string{"events_2026"} {
			var got []string
			for _, word := range strings.Fields(plan) {
				if rest, found := strings.CutPrefix(word, table); found && len(rest) == 3 && !slices.Contains(got, rest) {
					got = append(got, rest)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %s in %v, want %v\n%s", name, table, got, c.want, plan)
			}
		}
	}
}
