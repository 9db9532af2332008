package store_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
)

// BenchmarkReplayPlan plans a replay of a million events of 400,000 entities, a tenth of them delivered already.
//
//	go test ./store -run xxx -bench ReplayPlan -benchtime 1x
func BenchmarkReplayPlan(b *testing.B) {
	const events, entities = 1_000_000, 400_000
	db := storetest.New(b)
	now := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	db.Now = func() time.Time { return now }
	source := newSource(b, db, "shop")
	to := crm()
	must(b, db.CreateDestination(b.Context(), to))
	record(b, db, arrived(now, own, ofSource(source.ID)), arrived(now.Add(-24*time.Hour), own, ofSource(source.ID))) // makes the partitions
	start := now.Add(-24 * time.Hour).UnixMilli()
	exec := func(sql string, args ...any) {
		if _, err := db.Pool().Exec(b.Context(), sql, args...); err != nil {
			b.Fatal(err)
		}
	}
	exec(fmt.Sprintf(`
		INSERT INTO events (id, source_id, verdict, reason, signature, verification, answered, arrival, sender, header, body, body_sha256, size,
			is_json, entity_type, callback_type, entity_id, api_version)
		SELECT (lpad(to_hex(%d + n * 80), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid, $1, 'verified', '', 'valid', '{}', 200, 1, '203.0.113.7',
			convert_to(repeat('h', 400), 'UTF8'), convert_to(repeat('b', 600), 'UTF8'), '\x00', 600, true, 'ORDER', 'UPDATE', (n %% %d)::text, ''
		FROM generate_series(1, %d) n`, start, entities, events), source.ID)
	exec(`
		INSERT INTO deliveries (event_id, id, destination_id, trigger, state, created_at)
		SELECT id, id, $1, 'automatic', 'succeeded', now() FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM events) e WHERE n % 10 = 0`, to.ID)
	exec(`ANALYZE`)
	for _, wish := range []store.ReplayWish{{}, {Latest: true}, {Filter: "type:ORDER.UPDATE", Again: true}} {
		b.Run(fmt.Sprintf("latest=%t,again=%t", wish.Latest, wish.Again), func(b *testing.B) {
			wish.Destination = to.Name
			for b.Loop() {
				r := plan(b, db, wish)
				b.ReportMetric(float64(r.Events), "listed")
			}
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			b.ReportMetric(float64(memory.Sys>>20), "MiB")
		})
	}
}
