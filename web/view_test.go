package web

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/mask"
	"recall/plenigo"
	"recall/store"
	"recall/verify"
)

var testNow = time.Date(2026, 11, 24, 10, 41, 7, 0, time.UTC)

// at makes an event id of a moment.
func at(t time.Time, n byte) uuid.UUID {
	var id uuid.UUID
	ms := t.UnixMilli()
	for i := 5; i >= 0; i-- {
		id[i] = byte(ms)
		ms >>= 8
	}
	id[6], id[8], id[15] = 0x70, 0x80, n
	return id
}

func TestEventRow(t *testing.T) {
	t.Parallel()
	arrived := testNow.Add(-90 * time.Second)
	id := at(arrived, 1)
	base := store.EventSummary{
		ID: id, ReceivedAt: arrived, Source: "shop", Verdict: verify.Verified, Answered: 200, Arrival: 1,
		EntityType: "CUSTOMER_OPT_IN", CallbackType: "CHANGE", EntityID: "48213", Customers: []string{"48213"},
	}
	row := newEventRow(&base, eventQuery{}, testNow, habits{})
	want := eventRow{
		URL: "/events/" + id.String(), ID: id.String(), Clock: "10:39:37", Milli: ".000",
		Time:    timeView{"2026-11-24T10:39:37.000Z", "2026-11-24 10:39:37.000 UTC", "1 min ago"},
		Verdict: mood{toneGood, "check", "Verified"},
		Entity:  "Customer opt in", Callback: "change", EntityID: "48213",
		EntityURL: "/entities/customer_opt_in/48213",
		Customers: []link{{"48213", "/events?q=customer:48213"}},
		Source:    link{"shop", "/events?q=source:shop"}, Answered: 200, AnsweredTone: toneGood,
		Signature: "not checked", Size: "0 bytes",
	}
	if !reflect.DeepEqual(row, want) {
		t.Errorf("got  %+v\nwant %+v", row, want)
	}

	tests := map[string]struct {
		change func(*store.EventSummary)
		check  func(eventRow) bool
	}{
		"rejected": {
			func(e *store.EventSummary) {
				e.Verdict, e.Reason, e.Answered = verify.Rejected, verify.ReasonSignatureMismatch, 401
			},
			func(r eventRow) bool {
				return r.Verdict.Word == "Rejected" && r.Reason == "signature does not match" && r.AnsweredTone == toneBad
			},
		},
		"repeat": {
			func(e *store.EventSummary) { e.Arrival = 2 },
			func(r eventRow) bool { return r.Repeat == "2nd arrival" },
		},
		"many customers": {
			func(e *store.EventSummary) { e.Customers = []string{"1", "2", "3", "4", "5"} },
			func(r eventRow) bool { return len(r.Customers) == shownCustomers && r.More == 2 },
		},
		"no envelope": {
			func(e *store.EventSummary) { e.EntityType, e.CallbackType, e.EntityID = "", "", "" },
			func(r eventRow) bool { return r.Entity == "" && r.EntityURL == "" && !r.NewType },
		},
		"test callback of a source that expects others": {
			func(e *store.EventSummary) {
				e.EntityType, e.CallbackType, e.UnexpectedType = store.TestEntityType, "TEST", true
			},
			func(r eventRow) bool { return r.Test && r.Unexpected && !r.NewType },
		},
		"type plenigo never had": {
			func(e *store.EventSummary) { e.EntityType, e.CallbackType = "HAMSTER", "FED" },
			func(r eventRow) bool { return r.NewType && r.Entity == "Hamster" },
		},
		"deliveries": {
			func(e *store.EventSummary) {
				e.Deliveries = []store.DeliveryCount{{State: store.DeliveryWaiting, Count: 2}}
			},
			func(r eventRow) bool {
				return len(r.Deliveries) == 1 && r.Deliveries[0].Word == "waiting" && r.Deliveries[0].Count == 2
			},
		},
	}
	for name, test := range tests {
		e := base
		test.change(&e)
		if row := newEventRow(&e, eventQuery{}, testNow, habits{}); !test.check(row) {
			t.Errorf("%s: %+v", name, row)
		}
	}
}

// Every verdict, status, reason and state has a word of its own.
func TestWordsAreComplete(t *testing.T) {
	t.Parallel()
	for _, s := range []verify.Status{verify.Valid, verify.Mismatch, verify.Missing, verify.Malformed, verify.Expired, verify.Future, verify.NoSecret, verify.NotRequired, verify.NotChecked} {
		if statusMood(s).Icon == "question" {
			t.Errorf("status %s has no words", s)
		}
	}
	for _, s := range []store.DeliveryState{store.DeliveryPending, store.DeliverySending, store.DeliverySucceeded, store.DeliveryWaiting, store.DeliveryExhausted, store.DeliveryCancelled} {
		if deliveryMood(s).Icon == "question" {
			t.Errorf("state %s has no words", s)
		}
	}
	for _, r := range []verify.Reason{
		verify.ReasonSignatureMissing, verify.ReasonSignatureMalformed, verify.ReasonSignatureMismatch, verify.ReasonSignatureExpired,
		verify.ReasonSignatureFuture, verify.ReasonNoSecret, verify.ReasonBasicMissing, verify.ReasonBasicMalformed,
		verify.ReasonBasicMismatch, verify.ReasonHeaderMissing, verify.ReasonHeaderMismatch, verify.ReasonSourceDisabled,
		verify.ReasonBodyTooLarge, verify.ReasonSettingsUnreadable,
	} {
		if text := reasonWords(r); text == words(string(r)) && r != verify.ReasonHeaderMissing && r != verify.ReasonBodyTooLarge {
			t.Errorf("reason %s has no words", r)
		}
	}
}

func TestHeadersThatLetSomeoneInAreHidden(t *testing.T) {
	t.Parallel()
	source := &store.Source{Headers: []verify.Header{{Name: "x-shop-token", Value: "s3cret"}}}
	header := http.Header{
		"Authorization": {"Basic cGxlbmlnbzpzM2NyZXQ="}, "Proxy-Authorization": {"s3cret"}, "Cookie": {"a=s3cret"},
		"Set-Cookie": {"b=s3cret"}, "X-Shop-Token": {"s3cret", "s3cret too"}, "Content-Type": {"application/json"},
		"Plenigo-Signature": {"t=1,s=00"}, "Php-Auth-Pw": {"s3cret"},
	}
	var shown []string
	for _, v := range headerViews(header, sight{rules: mask.Default()}.header(source), mask.Everything) {
		if v.Hidden && v.Value != "" && v.Value != "Basic" {
			t.Errorf("%s shows %q", v.Name, v.Value)
		}
		if !v.Hidden {
			shown = append(shown, v.Name)
		}
	}
	if want := []string{"Content-Type", "Plenigo-Signature"}; !reflect.DeepEqual(shown, want) {
		t.Errorf("shown in clear: %v, want %v", shown, want)
	}
}

func TestWhyNoRedispatch(t *testing.T) {
	t.Parallel()
	verified, rejected := &store.Event{}, &store.Event{}
	verified.Verification.Verdict, rejected.Verification.Verdict = verify.Verified, verify.Rejected
	some := []*store.Destination{{Name: "crm", State: store.DestinationActive}}
	tests := map[string]struct {
		event        *store.Event
		destinations []*store.Destination
		role         store.Role
		possible     bool
	}{
		"operator":       {verified, some, store.RoleOperator, true},
		"admin":          {verified, some, store.RoleAdmin, true},
		"viewer":         {verified, some, store.RoleViewer, false},
		"rejected":       {rejected, some, store.RoleAdmin, false},
		"no destination": {verified, nil, store.RoleAdmin, false},
	}
	for name, test := range tests {
		v := newRedispatchView(test.event, test.event.Verification.Accepted(), test.destinations, string(test.role))
		if (v.Why == "") != test.possible {
			t.Errorf("%s: why %q", name, v.Why)
		}
	}
}

func TestCustomersAreNamedOnce(t *testing.T) {
	t.Parallel()
	views := customerViews([]plenigo.CustomerLink{{CustomerID: "1", Path: "entityId"}, {CustomerID: "2", Path: "entity.b"}, {CustomerID: "1", Path: "entity.a"}})
	if len(views) != 2 || views[0].Text != "1" || !reflect.DeepEqual(views[0].Paths, []string{"entityId", "entity.a"}) {
		t.Errorf("got %+v", views)
	}
}

func TestSourceViewTellsNoSecret(t *testing.T) {
	t.Parallel()
	source := &store.Source{
		Slug: "shop", Name: "Shop", Enabled: true, Tolerance: 5 * time.Minute, LateWindow: 32 * time.Hour,
		Secrets: []verify.Secret{
			{Name: "now", Key: "s3cret"}, {Name: "old", Key: "s3cret", Until: testNow}, {Name: "next", Key: "s3cret", From: testNow.Add(time.Hour)},
		},
		Basic: &verify.BasicAuth{User: "plenigo", Password: "s3cret"}, Headers: []verify.Header{{Name: "X-Token", Value: "s3cret"}},
	}
	v := newSourceView(source, "https://recall.example", testNow)
	if got := v.CallbackURL; got != "https://recall.example/callbacks/shop" {
		t.Errorf("callback URL %q", got)
	}
	var states []string
	for _, s := range v.Secrets {
		states = append(states, s.State.Word)
	}
	if want := []string{"not yet", "over", "valid"}; !reflect.DeepEqual(states, want) {
		t.Errorf("states %v, want %v", states, want)
	}
	if text := renderText(t, sourceShowPage(sourceShowView{Source: v})); containsSecret(text) {
		t.Error("the page shows a secret")
	}

	source.Secrets = source.Secrets[1:]
	if got := newSourceView(source, "", testNow).State; got.Tone != toneBad {
		t.Errorf("without a valid secret the state is %+v", got)
	}
	source.Enabled = false
	if got := newSourceView(source, "", testNow).State.Word; got != "disabled" {
		t.Errorf("disabled source: %q", got)
	}
}
