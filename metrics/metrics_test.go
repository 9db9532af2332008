package metrics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"recall/receive"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// scrape reads every line but the comments, as series and value.
func scrape(t *testing.T, m *Metrics) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	series := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "} "); found && !strings.HasPrefix(line, "#") {
			series[name+"}"] = value
		} else if name, value, found := strings.Cut(strings.TrimSpace(line), " "); found && name != "#" {
			series[name] = value
		}
	}
	return series
}

// want fails for each series that has another value.
func want(t *testing.T, got map[string]string, wanted map[string]string) {
	t.Helper()
	for name, value := range wanted {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
}

// world is a database with a source that plenigo is about to switch off, one that it did, and destinations with deliveries.
func world(t *testing.T) (*Metrics, *store.DB) {
	t.Helper()
	db := storetest.New(t)
	now := func() time.Time { return monday }
	db.Now = now
	ctx := t.Context()
	if err := db.Maintain(ctx); err != nil {
		t.Fatal(err)
	}
	for _, slug := range []string{"shop", "magazine"} {
		source := &store.Source{Slug: slug, Name: slug, Enabled: true, Tolerance: verify.DefaultTolerance}
		if err := db.CreateSource(ctx, source); err != nil {
			t.Fatal(err)
		}
		days := 2
		if slug == "magazine" {
			days = 7
		}
		for day := range days {
			err := db.AddUnstored(ctx, []store.UnstoredRequests{{SourceID: source.ID, Hour: monday.Truncate(time.Hour).AddDate(0, 0, -day), Answered: 503, Requests: 12}}, nil)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, name := range []string{"crm", "mail"} {
		d := &store.Destination{Name: name, URL: "https://example.org/", Signing: store.SigningNone, Timeout: time.Second, State: store.DestinationActive}
		if name == "mail" {
			d.State = store.DestinationPaused
		}
		if err := db.CreateDestination(ctx, d); err != nil {
			t.Fatal(err)
		}
		var deliveries []*store.Delivery
		for n := range 3 * i {
			state := store.DeliveryPending
			if n == 0 {
				state = store.DeliveryExhausted
			}
			id := store.IDAt(monday)
			id[6], id[8], id[15] = 0x70, 0x80, byte(n)
			deliveries = append(deliveries, &store.Delivery{
				EventID: id, DestinationID: d.ID, Trigger: store.TriggerAutomatic, State: state, CreatedAt: monday.Add(time.Duration(n-4) * time.Hour),
			})
		}
		err := pgx.BeginFunc(ctx, db.Pool(), func(tx pgx.Tx) error {
			_, err := db.CreateDeliveriesTx(ctx, tx, deliveries)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, subject := range []string{"shop", "magazine", "news"} {
		a := &store.Alert{Kind: "silence", Subject: subject, Level: 1, OpenedAt: monday, SeenAt: monday}
		if err := db.ChangeAlerts(ctx, func(book *store.AlertBook) error {
			book.Alerts = append(book.Alerts, a)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	open, err := db.ListAlerts(ctx, store.AlertQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.AcknowledgeAlert(ctx, open[0].ID, "admin", ""); err != nil {
		t.Fatal(err)
	}
	channel := &store.AlertChannel{Name: "ops", Kind: store.ChannelWebhook, Webhook: store.WebhookSettings{URL: "https://example.org/hook"}}
	if err := db.SaveAlertChannel(ctx, channel, store.AuditEntry{Actor: "test"}); err != nil {
		t.Fatal(err)
	}
	if err := db.IndexEvents(ctx); err != nil {
		t.Fatal(err)
	}
	if err := db.Rollup(ctx, func(*store.Event) verify.Cause { return "" }); err != nil {
		t.Fatal(err)
	}
	m := New(Options{
		Version: "recall 1.2.3", Now: now, Alerts: []string{"silence", "disk_filling"},
		Spool: func() receive.SpoolStats {
			return receive.SpoolStats{Events: 7, Bytes: 4096, MaxBytes: 1 << 20, Oldest: monday.Add(-time.Minute), AwaySince: monday.Add(-time.Minute), Refused: 1, Damaged: 2}
		},
		Ready: func(context.Context) error { return errors.New("it is stopping") },
	})
	m.db.Store(db)
	return m, db
}

func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	m, db := world(t)
	m.Answered("shop", verify.Verified, "", 200, 3*time.Millisecond)
	m.Answered("shop", verify.Rejected, "signature_mismatch", 401, time.Millisecond)
	m.Answered("", "", "unknown_source", 404, time.Millisecond)
	m.Refused(receive.LimitBudget)
	m.Stored(12, 0, false, 2*time.Millisecond)
	m.Stored(3, 1, true, time.Millisecond)
	m.Attempted("crm", store.TriggerAutomatic, store.DeliverySucceeded, 204, 20*time.Millisecond, time.Second)
	m.Attempted("crm", store.TriggerManual, store.DeliveryWaiting, 0, 20*time.Millisecond, time.Second)
	m.Attempted("crm", store.TriggerReplay, store.DeliveryExhausted, 99999, 20*time.Millisecond, time.Second)
	if got := scrape(t, m); got["recall_sample_age_seconds"] != "" || got["recall_partitions_ahead_seconds"] != "" {
		t.Error("it tells of a database that it has not looked at")
	}
	if err := m.Look(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, m)
	want(t, got, map[string]string{
		`recall_ready`: "0",
		`recall_callbacks_total{code="200",reason="",source="shop",verdict="verified"}`:                   "1",
		`recall_callbacks_total{code="401",reason="signature_mismatch",source="shop",verdict="rejected"}`: "1",
		`recall_callbacks_total{code="404",reason="unknown_source",source="_unknown",verdict=""}`:         "1",
		`recall_callback_duration_seconds_count{class="4xx"}`:                                             "2",
		`recall_refused_total{limit="rejected_budget"}`:                                                   "1",
		`recall_refused_total{limit="source_rate"}`:                                                       "0",
		`recall_batch_events_sum{place="database"}`:                                                       "12",
		`recall_batch_duration_seconds_count{place="spool"}`:                                              "1",
		`recall_batch_failed_events_total{place="spool"}`:                                                 "1",
		`recall_database_takes_events`:                                                                    "0",
		`recall_spool_events`:                                                                             "7",
		`recall_spool_bytes`:                                                                              "4096",
		`recall_spool_oldest_age_seconds`:                                                                 "60",
		`recall_spool_refused_events`:                                                                     "1",
		`recall_spool_damaged_files`:                                                                      "2",
		`recall_attempts_total{class="2xx",destination="crm"}`:                                            "1",
		`recall_attempts_total{class="none",destination="crm"}`:                                           "2",
		`recall_deliveries_finished_total{destination="crm",state="succeeded",trigger="automatic"}`:       "1",
		`recall_deliveries_finished_total{destination="crm",state="exhausted",trigger="replay"}`:          "1",
		`recall_delivery_latency_seconds_count{destination="crm",trigger="automatic"}`:                    "1",
		`recall_deliveries{destination="crm",state="pending"}`:                                            "0",
		`recall_deliveries{destination="mail",state="pending"}`:                                           "2",
		`recall_deliveries{destination="mail",state="exhausted"}`:                                         "1",
		`recall_delivery_oldest_age_seconds{destination="crm"}`:                                           "0",
		`recall_delivery_oldest_age_seconds{destination="mail"}`:                                          "10800",
		`recall_destination_state{destination="mail",state="paused"}`:                                     "1",
		`recall_destination_state{destination="mail",state="active"}`:                                     "0",
		`recall_search_index_building`:                                                                    "0",
		`recall_counts_age_seconds`:                                                                       "0",
		`recall_failure_groups_open`:                                                                      "0",
		`recall_source_failures_today{source="shop"}`:                                                     "12",
		`recall_source_failure_days{source="shop"}`:                                                       "2",
		`recall_source_assumed_off{source="shop"}`:                                                        "0",
		`recall_source_assumed_off{source="magazine"}`:                                                    "1",
		`recall_sample_age_seconds`:                                                                       "0",
		`recall_alerts_open{acknowledged="no",kind="silence"}`:                                            "2",
		`recall_alerts_open{acknowledged="yes",kind="silence"}`:                                           "1",
		`recall_alerts_open{acknowledged="no",kind="disk_filling"}`:                                       "0",
		`recall_alert_channels{state="working"}`:                                                          "1",
		`recall_alert_channels{state="failing"}`:                                                          "0",
		`recall_database_connections{pool="recording",state="most"}`:                                      "4",
	})
	if until := time.Date(2026, 12, 28, 0, 0, 0, 0, time.UTC).Sub(monday).Seconds(); got["recall_partitions_ahead_seconds"] != fmt.Sprintf("%.6e", until) && got["recall_partitions_ahead_seconds"] != fmt.Sprint(until) {
		t.Errorf("partitions ahead: %s, want %f", got["recall_partitions_ahead_seconds"], until)
	}

	m.o.Now = func() time.Time { return monday.Add(2 * time.Minute) }
	got = scrape(t, m)
	if got["recall_sample_age_seconds"] != "120" || got[`recall_deliveries{destination="mail",state="pending"}`] != "" {
		t.Error("what is old is told as if it were so now")
	}
}

// TestDocumented: docs/operations.md describes each metric that there is, and no other.
func TestDocumented(t *testing.T) {
	t.Parallel()
	m, db := world(t)
	m.Answered("shop", verify.Verified, "", 200, 0)
	m.Stored(1, 0, false, 0)
	m.Attempted("crm", store.TriggerManual, store.DeliverySucceeded, 200, 0, 0)
	if err := db.IndexEvents(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := m.Look(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`recall_[^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			described[strings.Trim(name, "`")] = true
		}
	}
	there := map[string]bool{}
	for series := range scrape(t, m) {
		name, _, _ := strings.Cut(series, "{")
		if histogram := regexp.MustCompile(`^(.*)_(bucket|sum|count)$`).FindStringSubmatch(name); histogram != nil {
			name = histogram[1]
		}
		if strings.HasPrefix(name, "recall_") {
			there[name] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(there)); !slices.Equal(got, want) {
		t.Errorf("described\n%s\nthere are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestSeriesAreBounded: however many sources and destinations there are, and however often some are made and removed.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	m := New(Options{Now: func() time.Time { return monday }})
	count := func(from, to int) int {
		for i := from; i < to; i++ {
			name := fmt.Sprintf("name-%d", i)
			m.Answered(name, verify.Verified, "", 200, 0)
			m.Attempted(name, store.TriggerAutomatic, store.DeliverySucceeded, i, 0, 0)
		}
		return len(scrape(t, m))
	}
	at := count(0, mostNames+1)
	if more := count(mostNames+1, 10*mostNames); more > at+5 { // the classes of status codes
		t.Errorf("%d series became %d", at, more)
	}
	got := scrape(t, m)
	want(t, got, map[string]string{
		`recall_callbacks_total{code="200",reason="",source="name-7",verdict="verified"}`: "1",
		`recall_callbacks_total{code="200",reason="",source="_other",verdict="verified"}`: fmt.Sprint(9 * mostNames),
	})
}

// BenchmarkAnswered is what a callback costs besides.
func BenchmarkAnswered(b *testing.B) {
	m := New(Options{})
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m.Answered("shop", verify.Verified, "", 200, 3*time.Millisecond)
		}
	})
}
