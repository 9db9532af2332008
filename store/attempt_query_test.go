package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/store/storetest"
)

func TestAttemptIsKept(t *testing.T) {
	db, d := delivered(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, c := range map[string]struct {
		ended, want store.Attempt
	}{
		"an answer": {
			ended: store.Attempt{
				RequestURL: "https://crm.example/in?a=b", RequestHeader: http.Header{"Content-Type": {"application/json"}, "X": {"1", "2"}},
				Duration: 1234 * time.Millisecond, Status: 503, ResponseHeader: http.Header{"Retry-After": {"7"}}, ResponseBody: []byte("later"), ResponseTruncated: true,
			},
			want: store.Attempt{
				StartedAt: noon, RequestURL: "https://crm.example/in?a=b", RequestHeader: http.Header{"Content-Type": {"application/json"}, "X": {"1", "2"}},
				Duration: 1234 * time.Millisecond, Status: 503, ResponseHeader: http.Header{"Retry-After": {"7"}}, ResponseBody: []byte("later"), ResponseTruncated: true,
			},
		},
		"no answer": {
			ended: store.Attempt{Duration: 30 * time.Second, Error: "connection refused"},
			want:  store.Attempt{StartedAt: noon, RequestHeader: http.Header{}, Duration: 30 * time.Second, Error: "connection refused"},
		},
		"an empty answer": {
			ended: store.Attempt{Duration: -time.Second, Status: 204, ResponseHeader: http.Header{}, ResponseBody: []byte{}},
			want:  store.Attempt{StartedAt: noon, RequestHeader: http.Header{}, Status: 204, ResponseHeader: http.Header{}, ResponseBody: []byte{}},
		},
		"a hostile answer": {
			ended: store.Attempt{
				RequestURL: "https://crm.example/\x00\xff", RequestHeader: http.Header{"X": {"\x00\xff"}}, Duration: 1 << 62, Status: 99999, ResponseHeader: http.Header{"a b": {"\x00\xff <script>"}}, ResponseBody: all, Error: "\x00 \xff <script> '; --",
			},
			want: store.Attempt{
				StartedAt: noon, RequestURL: "https://crm.example/\uFFFD\uFFFD", RequestHeader: http.Header{"X": {"\x00\xff"}}, Duration: (1<<31 - 1) * time.Millisecond,
				Status: 32767, ResponseHeader: http.Header{"a b": {"\x00\xff <script>"}}, ResponseBody: all, Error: "\uFFFD \uFFFD <script> '; --",
			},
		},
		"a status that is none": {
			ended: store.Attempt{Status: -5},
			want:  store.Attempt{StartedAt: noon, RequestHeader: http.Header{}},
		},
		"a large answer": {
			ended: store.Attempt{Status: 200, ResponseBody: bytes.Repeat([]byte("x"), 1<<20)},
			want:  store.Attempt{StartedAt: noon, RequestHeader: http.Header{}, Status: 200, ResponseBody: bytes.Repeat([]byte("x"), 1<<20)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := &store.Delivery{EventID: d.EventID, DestinationID: 1, Trigger: store.TriggerManual}
			deliver(t, db, d)
			a := storetest.Begin(t, db, d)
			ended := c.ended
			ended.Number, ended.StartedAt = a.Number, a.StartedAt
			storetest.End(t, db, d, &ended, store.DeliveryExhausted, time.Time{})
			c.want.Number = 1
			i := slices.IndexFunc(listDeliveries(t, db, d.EventID), func(l *store.Delivery) bool { return l.ID == d.ID })
			got := listDeliveries(t, db, d.EventID)[i]
			if len(got.History) != 1 || !reflect.DeepEqual(got.History[0], c.want) {
				t.Errorf("\ngot  %.2000s\nwant %.2000s", fmt.Sprintf("%+v", got.History), fmt.Sprintf("%+v", c.want))
			}
			if got.LastStatus != c.want.Status || got.LastError != c.want.Error {
				t.Errorf("the delivery has %d %q, want %d %q", got.LastStatus, got.LastError, c.want.Status, c.want.Error)
			}
		})
	}
}

func TestAnAttemptThatNeverEnded(t *testing.T) {
	db, d := delivered(t)
	storetest.Begin(t, db, d)
	got := listDeliveries(t, db, d.EventID)[0]
	if len(got.History) != 1 || got.History[0].Duration >= 0 || got.State != store.DeliverySending || got.Attempts != 1 {
		t.Errorf("%+v", got)
	}
	// The process died; the next one tries again.
	storetest.Begin(t, db, d)
	got = listDeliveries(t, db, d.EventID)[0]
	if len(got.History) != 2 || got.History[0].Duration >= 0 || got.History[1].Duration >= 0 || got.History[1].Number != 2 {
		t.Errorf("%+v", got)
	}
}

// TestEndOfAnAttempt goes through the states of store.DeliveryState.
func TestEndOfAnAttempt(t *testing.T) {
	next := noon.Add(time.Hour)
	for name, c := range map[string]struct {
		state    store.DeliveryState
		next     time.Time
		status   int
		error    string
		wantNext time.Time
		finished bool
	}{
		"succeeded":                   {store.DeliverySucceeded, time.Time{}, 200, "", time.Time{}, true},
		"waiting":                     {store.DeliveryWaiting, next, 503, "", next, false},
		"waiting without an answer":   {store.DeliveryWaiting, next, 0, "refused", next, false},
		"exhausted, whatever next is": {store.DeliveryExhausted, next, 500, "", time.Time{}, true},
		"cancelled":                   {store.DeliveryCancelled, time.Time{}, 0, "the destination was removed", time.Time{}, true},
		"waiting, due at once":        {store.DeliveryWaiting, time.Time{}, 429, "", noon, false},
	} {
		t.Run(name, func(t *testing.T) {
			db, d := delivered(t)
			a := storetest.Begin(t, db, d)
			if got := findDelivery(t, db, d); got.State != store.DeliverySending || got.Attempts != 1 || a.Number != 1 || !got.AttemptAt.Equal(noon) {
				t.Errorf("begun: %+v, attempt %+v", got, a)
			}
			a.Status, a.Error = c.status, c.error
			for range 2 { // said twice is said once
				storetest.End(t, db, d, a, c.state, c.next)
			}
			got := findDelivery(t, db, d)
			if got.State != c.state || !got.NextAttemptAt.Equal(c.wantNext) || got.FinishedAt.IsZero() == c.finished ||
				got.LastStatus != c.status || got.LastError != c.error || got.Attempts != 1 || got.Tries != 1 || got.Held {
				t.Errorf("ended: %+v", got)
			}
			if n := count(t, db, "attempts"); n != 1 {
				t.Errorf("%d attempts, want 1", n)
			}
		})
	}
}

// TestLastStatusIsOfTheLastAnswer: a try without an answer does not hide the one before.
func TestLastStatusIsOfTheLastAnswer(t *testing.T) {
	db, d := delivered(t)
	for _, a := range []*store.Attempt{{Status: 503}, {Error: "refused"}} {
		a.Number = storetest.Begin(t, db, d).Number
		storetest.End(t, db, d, a, store.DeliveryWaiting, noon)
	}
	if got := findDelivery(t, db, d); got.LastStatus != 503 || got.LastError != "refused" {
		t.Errorf("%d %q", got.LastStatus, got.LastError)
	}
}

func TestDeliveryKeepsItsState(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, db *store.DB, d *store.Delivery)
		state     store.DeliveryState // how the first try ends
		want      store.DeliveryState
		status    int
	}{
		"cancelled meanwhile": {
			func(t *testing.T, db *store.DB, d *store.Delivery) {
				_, err := db.CancelDeliveries(t.Context(), d.DestinationID)
				must(t, err)
			}, store.DeliverySucceeded, store.DeliveryCancelled, 0,
		},
		"another try has begun": {
			func(t *testing.T, db *store.DB, d *store.Delivery) {
				storetest.Begin(t, db, d)
			}, store.DeliveryExhausted, store.DeliverySending, 0,
		},
		"another try has begun, this one succeeded": {
			func(t *testing.T, db *store.DB, d *store.Delivery) {
				storetest.Begin(t, db, d)
			}, store.DeliverySucceeded, store.DeliverySucceeded, 418,
		},
		"another try has succeeded": {
			func(t *testing.T, db *store.DB, d *store.Delivery) {
				a := storetest.Begin(t, db, d)
				a.Status = 200
				storetest.End(t, db, d, a, store.DeliverySucceeded, time.Time{})
			}, store.DeliveryWaiting, store.DeliverySucceeded, 200,
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, d := delivered(t)
			a := storetest.Begin(t, db, d)
			c.meanwhile(t, db, d)
			a.Status = 418
			storetest.End(t, db, d, a, c.state, noon)
			got := listDeliveries(t, db, d.EventID)[0]
			if got.State != c.want || got.LastStatus != c.status || !got.NextAttemptAt.IsZero() {
				t.Errorf("%+v, want %s with status %d", got, c.want, c.status)
			}
			if got.History[0].Status != 418 {
				t.Errorf("the attempt is not recorded: %+v", got.History[0])
			}
		})
	}
}

// TestOneBadAttemptFailsNoOther: each is recorded as far as it can be.
func TestOneBadAttemptFailsNoOther(t *testing.T) {
	db, d := delivered(t)
	var ended []*store.EndedAttempt
	for range 9 {
		d := &store.Delivery{EventID: d.EventID, DestinationID: 1, Trigger: store.TriggerManual}
		deliver(t, db, d)
		a := storetest.Begin(t, db, d)
		a.Status = 200
		ended = append(ended, &store.EndedAttempt{Delivery: d, Attempt: a, State: store.DeliverySucceeded})
	}
	ended[2].Delivery = &store.Delivery{EventID: uuid.Nil, ID: uuid.Max} // no partition
	ended[7].State = "lost"
	_, errs := db.EndAttempts(t.Context(), ended[:7])
	for i, err := range errs {
		if i == 2 && !errors.Is(err, store.ErrRefused) || i != 2 && err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, errs := db.EndAttempts(t.Context(), ended[7:8]); errs[0] == nil {
		t.Error("ended in a state that there is not")
	}
	if n := count(t, db, "attempts"); n != 6 {
		t.Errorf("%d attempts", n)
	}
}
