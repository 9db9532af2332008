package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/store"
)

func TestAttemptIsKept(t *testing.T) {
	db, d := delivered(t)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, c := range map[string]struct {
		began, ended, want store.Attempt
	}{
		"an answer": {
			began: store.Attempt{StartedAt: noon.Add(time.Second), RequestURL: "https://crm.example/in?a=b", RequestHeader: http.Header{"Content-Type": {"application/json"}, "X": {"1", "2"}}},
			ended: store.Attempt{Duration: 1234 * time.Millisecond, Status: 503, ResponseHeader: http.Header{"Retry-After": {"7"}}, ResponseBody: []byte("later"), ResponseTruncated: true},
			want: store.Attempt{
				StartedAt: noon.Add(time.Second), RequestURL: "https://crm.example/in?a=b", RequestHeader: http.Header{"Content-Type": {"application/json"}, "X": {"1", "2"}},
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
			began: store.Attempt{RequestURL: "https://crm.example/\x00\xff", RequestHeader: http.Header{"X": {"\x00\xff"}}},
			ended: store.Attempt{Duration: 1 << 62, Status: 99999, ResponseHeader: http.Header{"a b": {"\x00\xff <script>"}}, ResponseBody: all, Error: "\x00 \xff <script> '; --"},
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
			a := c.began
			must(t, db.BeginAttempt(t.Context(), d.EventID, d.ID, &a))
			ended := c.ended
			ended.Number = a.Number
			must(t, db.EndAttempt(t.Context(), d.EventID, d.ID, &ended, store.DeliveryExhausted, time.Time{}))
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
	a := &store.Attempt{}
	must(t, db.BeginAttempt(t.Context(), d.EventID, d.ID, a))
	got := listDeliveries(t, db, d.EventID)[0]
	if len(got.History) != 1 || got.History[0].Duration >= 0 || got.State != store.DeliverySending || got.Attempts != 1 {
		t.Errorf("%+v", got)
	}
	// The process died; the next one tries again.
	must(t, db.BeginAttempt(t.Context(), d.EventID, d.ID, a))
	if a.Number != 2 {
		t.Errorf("the next try has number %d", a.Number)
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
		"succeeded":                      {store.DeliverySucceeded, time.Time{}, 200, "", time.Time{}, true},
		"waiting":                        {store.DeliveryWaiting, next, 503, "", next, false},
		"waiting without an answer":      {store.DeliveryWaiting, next, 0, "refused", next, false},
		"exhausted, whatever next is":    {store.DeliveryExhausted, next, 500, "", time.Time{}, true},
		"cancelled":                      {store.DeliveryCancelled, time.Time{}, 0, "the destination was removed", time.Time{}, true},
		"waiting, the time not yet sure": {store.DeliveryWaiting, time.Time{}, 429, "", time.Time{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			db, d := delivered(t)
			a := &store.Attempt{}
			must(t, db.BeginAttempt(t.Context(), d.EventID, d.ID, a))
			if got := findDelivery(t, db, d); got.State != store.DeliverySending || got.Attempts != 1 || a.Number != 1 || !a.StartedAt.Equal(noon) {
				t.Errorf("begun: %+v, attempt %+v", got, a)
			}
			a.Status, a.Error = c.status, c.error
			must(t, db.EndAttempt(t.Context(), d.EventID, d.ID, a, c.state, c.next))
			must(t, db.EndAttempt(t.Context(), d.EventID, d.ID, a, c.state, c.next)) // said twice is said once
			got := findDelivery(t, db, d)
			if got.State != c.state || !got.NextAttemptAt.Equal(c.wantNext) || got.FinishedAt.IsZero() == c.finished ||
				got.LastStatus != c.status || got.LastError != c.error || got.Attempts != 1 {
				t.Errorf("ended: %+v", got)
			}
			err := db.BeginAttempt(t.Context(), d.EventID, d.ID, a)
			if c.finished != errors.Is(err, store.ErrFinished) || !c.finished && err != nil {
				t.Errorf("another try: %v", err)
			}
			got = findDelivery(t, db, d)
			if !c.finished && (got.State != store.DeliverySending || !got.NextAttemptAt.IsZero() || got.LastStatus != c.status || a.Number != 2) {
				t.Errorf("another try: %+v", got)
			}
			if n := count(t, db, "attempts"); c.finished && n != 1 {
				t.Errorf("%d attempts, want 1", n)
			}
		})
	}
}

// TestLastStatusIsOfTheLastAnswer: a try without an answer does not hide the one before.
func TestLastStatusIsOfTheLastAnswer(t *testing.T) {
	db, d := delivered(t)
	for _, a := range []*store.Attempt{{Status: 503}, {Error: "refused"}} {
		must(t, db.BeginAttempt(t.Context(), d.EventID, d.ID, a))
		must(t, db.EndAttempt(t.Context(), d.EventID, d.ID, a, store.DeliveryWaiting, noon))
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
				must(t, db.BeginAttempt(t.Context(), d.EventID, d.ID, &store.Attempt{}))
			}, store.DeliveryExhausted, store.DeliverySending, 0,
		},
		"another try has begun, this one succeeded": {
			func(t *testing.T, db *store.DB, d *store.Delivery) {
				must(t, db.BeginAttempt(t.Context(), d.EventID, d.ID, &store.Attempt{}))
			}, store.DeliverySucceeded, store.DeliverySucceeded, 418,
		},
		"another try has succeeded": {
			func(t *testing.T, db *store.DB, d *store.Delivery) {
				a := &store.Attempt{Status: 200}
				must(t, db.BeginAttempt(t.Context(), d.EventID, d.ID, a))
				must(t, db.EndAttempt(t.Context(), d.EventID, d.ID, a, store.DeliverySucceeded, time.Time{}))
			}, store.DeliveryWaiting, store.DeliverySucceeded, 200,
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, d := delivered(t)
			a := &store.Attempt{}
			must(t, db.BeginAttempt(t.Context(), d.EventID, d.ID, a))
			c.meanwhile(t, db, d)
			a.Status = 418
			must(t, db.EndAttempt(t.Context(), d.EventID, d.ID, a, c.state, noon))
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

func TestAttemptsThatCannotBe(t *testing.T) {
	db, d := delivered(t)
	for name, ids := range map[string][2]uuid.UUID{
		"other delivery": {d.EventID, uuid.Max}, "other event": {store.IDAt(noon), d.ID}, "no partition": {uuid.Nil, d.ID},
	} {
		if err := db.BeginAttempt(t.Context(), ids[0], ids[1], &store.Attempt{}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s begun: %v", name, err)
		}
		if err := db.EndAttempt(t.Context(), ids[0], ids[1], &store.Attempt{Number: 1}, store.DeliverySucceeded, time.Time{}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s ended: %v", name, err)
		}
	}
	if err := db.EndAttempt(t.Context(), d.EventID, d.ID, &store.Attempt{Number: 1}, store.DeliverySucceeded, time.Time{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("ended without a beginning: %v", err)
	}
	a := &store.Attempt{}
	must(t, db.BeginAttempt(t.Context(), d.EventID, d.ID, a))
	for _, state := range []store.DeliveryState{"", "lost", store.DeliveryPending, store.DeliverySending} {
		if err := db.EndAttempt(t.Context(), d.EventID, d.ID, a, state, time.Time{}); err == nil {
			t.Errorf("ended in %q", state)
		}
	}
	if got := findDelivery(t, db, d); got.State != store.DeliverySending {
		t.Errorf("%s", got.State)
	}
}

func TestAttemptsAtOnceHaveTheirOwnNumbers(t *testing.T) {
	db, d := delivered(t)
	numbers := make([]int, 12)
	var wg sync.WaitGroup
	for i := range numbers {
		wg.Go(func() {
			var a store.Attempt
			if err := db.BeginAttempt(t.Context(), d.EventID, d.ID, &a); err != nil {
				t.Error(err)
			}
			numbers[i] = a.Number
		})
	}
	wg.Wait()
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != i+1 {
			t.Fatalf("numbers %v", numbers)
		}
	}
	if got := findDelivery(t, db, d); got.Attempts != len(numbers) {
		t.Errorf("%d attempts", got.Attempts)
	}
}
