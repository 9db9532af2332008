package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/dispatch"
	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// TestKilledWhileSending: two instances share the work, and one is killed in the middle of it. Each event arrives at least once,
// those under way at that moment at most twice, and each entity's in their order.
func TestKilledWhileSending(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	db := openTestStore(t, url, storetest.Key())
	var mu sync.Mutex
	var got []string // events in the order in which they came first
	times := map[string]int{}
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Recall-Event")
		mu.Lock()
		defer mu.Unlock()
		if times[id]++; times[id] == 1 {
			got = append(got, id)
		}
	}))
	t.Cleanup(crm.Close)
	arrived := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(got)
	}

	source := &store.Source{Slug: "shop", Name: "Shop", Enabled: true, Tolerance: verify.DefaultTolerance, Secrets: []verify.Secret{{Name: "first", Key: "example-callback-secret"}}}
	match := ""
	destination := &store.Destination{
		Name: "crm", URL: crm.URL, Match: &match, Signing: store.SigningPlenigo, Timeout: store.DefaultTimeout, RetrySchedule: store.DefaultRetrySchedule(),
		Ordering: store.OrderEntity, State: store.DestinationActive,
	}
	for _, err := range []error{db.CreateSource(t.Context(), source), db.CreateDestination(t.Context(), destination)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	live, err := db.Live(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	idle, err := dispatch.New(db, dispatch.Options{Live: live})
	if err != nil {
		t.Fatal(err)
	}
	db.OnRecord(idle.EnqueueTx)
	const entities, each = 100, 10
	var events []*store.Event
	for i := range entities * each {
		body := []byte(fmt.Sprintf(`{"entityType":"ORDER","callbackType":"CHANGE","entityId":"order-%d","entity":{"number":%d}}`, i%entities, i))
		events = append(events, &store.Event{
			ID: uuid.Must(uuid.NewV7()), SourceID: source.ID, Answered: 200, Body: body, Size: int64(len(body)), BodySHA256: sha256.Sum256(body),
			Envelope: plenigo.Read(body), Verification: verify.Result{Verdict: verify.Verified, Signature: verify.Valid},
		})
	}
	for _, err := range db.RecordEvents(t.Context(), events) {
		if err != nil {
			t.Fatal(err)
		}
	}

	env := []string{"RECALL_DATABASE_URL=" + url, "RECALL_KEY=" + strings.Repeat("ab", 32), "RECALL_EGRESS_ALLOW=127.0.0.0/8", "RECALL_LOG_LEVEL=error"}
	killed, other := launch(t, dataDir(t), env), launch(t, dataDir(t), env)
	killed.wait("some have arrived", func() bool { return arrived() > 100 })
	killed.kill()
	at := time.Now()
	succeeded := func() int {
		return counts(t, db, `SELECT 'all', count(*) FROM deliveries WHERE state = 'succeeded' GROUP BY 1`)["all"]
	}
	other.wait("all have arrived", func() bool {
		// What the killed one had claimed is due when its lease ends: that is in a minute, so let it have passed.
		_, err := db.Pool().Exec(t.Context(), `
			UPDATE deliveries SET next_attempt_at = now()
			WHERE state = 'sending' AND attempt_at < $1 AND next_attempt_at > now() AND now() > $1 + interval '3 seconds'`, at)
		return err == nil && succeeded() == len(events)
	})
	twice := 0
	for _, n := range times {
		twice += n - 1
	}
	if len(got) != len(events) || twice > 64 {
		t.Errorf("%d of %d arrived, %d of them again", len(got), len(events), twice)
	}
	order := map[int][]int{}
	number := map[string]int{}
	for i, e := range events {
		number[e.ID.String()] = i
	}
	for _, id := range got {
		order[number[id]%entities] = append(order[number[id]%entities], number[id])
	}
	for entity, list := range order {
		if !slices.IsSorted(list) {
			t.Errorf("those of order-%d came in the order %v", entity, list)
		}
	}
	other.stop()
}
