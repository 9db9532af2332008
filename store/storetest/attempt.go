package storetest

import (
	"testing"
	"time"

	"recall/store"
)

// Begin begins an attempt of one delivery, due or not, as an instance that claims it does. One that was under way is lost.
func Begin(t testing.TB, db *store.DB, d *store.Delivery) *store.Attempt {
	t.Helper()
	a := &store.Attempt{StartedAt: db.Now().UTC()}
	err := db.Pool().QueryRow(t.Context(), `
		WITH lost AS (
			INSERT INTO attempts (event_id, delivery_id, number, started_at, request_url, request_header)
			SELECT event_id, id, attempts, attempt_at, '', '' FROM deliveries WHERE event_id = $1 AND id = $2 AND state = 'sending'
		)
		UPDATE deliveries SET state = 'sending', attempts = attempts + 1, attempt_at = $3, next_attempt_at = $4
		WHERE event_id = $1 AND id = $2 AND state IN ('pending', 'sending', 'waiting')
		RETURNING attempts`, d.EventID, d.ID, a.StartedAt, a.StartedAt.Add(time.Minute)).Scan(&a.Number)
	if err != nil {
		t.Fatalf("beginning an attempt of delivery %s: %v", d.ID, err)
	}
	return a
}

// End records how an attempt ended, and where its delivery stands now.
func End(t testing.TB, db *store.DB, d *store.Delivery, a *store.Attempt, state store.DeliveryState, next time.Time) {
	t.Helper()
	if _, errs := db.EndAttempts(t.Context(), []*store.EndedAttempt{{Delivery: d, Attempt: a, State: state, Next: next, Counts: true, Health: true}}); errs[0] != nil {
		t.Fatal(errs[0])
	}
}
