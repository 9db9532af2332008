package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/plenigo"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// noon is a time in the past, so that partitions have to be made for it on demand.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// arrived is an event that is verified, signed when it arrived, unless changed.
func arrived(at time.Time, body string, change ...func(*store.Event)) *store.Event {
	id := uuid.Must(uuid.NewV7())
	prefix := store.IDAt(at)
	copy(id[:6], prefix[:6])
	e := &store.Event{
		ID: id, SourceID: 1, Answered: http.StatusOK, Sender: netip.MustParseAddr("203.0.113.7"),
		Verification: verify.Result{Verdict: verify.Verified, Signature: verify.Valid, SignedAt: at.Unix()},
		Header:       http.Header{"Content-Type": {"application/json"}},
		Body:         []byte(body), Size: int64(len(body)), Envelope: plenigo.Read([]byte(body)),
	}
	for _, f := range change {
		f(e)
	}
	e.BodySHA256 = sha256.Sum256(e.Body)
	return e
}

func rejected(e *store.Event) {
	e.Verification = verify.Result{Verdict: verify.Rejected, Reason: verify.ReasonSignatureMismatch, Signature: verify.Mismatch, SignedAt: e.Verification.SignedAt}
	e.Answered = http.StatusUnauthorized
}

func signedAt(t time.Time) func(*store.Event) {
	return func(e *store.Event) { e.Verification.SignedAt = t.Unix() }
}

func record(t testing.TB, db *store.DB, events ...*store.Event) {
	t.Helper()
	for i, err := range db.RecordEvents(t.Context(), events) {
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
}

// sentOn collects what is to be sent on.
type sentOn struct {
	mu  sync.Mutex
	ids []uuid.UUID
}

func collectSentOn(db *store.DB) *sentOn {
	s := &sentOn{}
	db.OnRecord(func(_ context.Context, _ pgx.Tx, events []*store.Event) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range events {
			s.ids = append(s.ids, e.ID)
		}
		return nil
	})
	return s
}

func count(t testing.TB, db *store.DB, table string) (n int) {
	t.Helper()
	if err := db.Pool().QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// own is a body that carries its own time; plain is one that does not.
const (
	own    = `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"7","entity":{"customerId":"7","changedDate":"2026-03-04T11:59:59Z"}}`
	plainA = `{"entityType":"CUSTOMER_OPT_IN","callbackType":"CHANGE","entityId":"7","entity":{"customerId":"7","optIn":true}}`
	plainB = `{"entityType":"CUSTOMER_OPT_IN","callbackType":"CHANGE","entityId":"7","entity":{"customerId":"7","optIn":false}}`
	other  = `{"entityType":"CUSTOMER_OPT_IN","callbackType":"CHANGE","entityId":"8","entity":{"customerId":"8","optIn":false}}`
)

func TestArrivals(t *testing.T) {
	t.Parallel()
	type arrival struct {
		after    time.Duration // since noon
		body     string
		change   func(*store.Event)
		arrival  int // want
		sentOn   bool
		firstIs  int // index of the group's first
		inOneGo  bool
		sourceID int64
	}
	fresh := func(e *store.Event) {}
	oldT := signedAt(noon)
	late := func(e *store.Event) {
		e.Verification = verify.Result{Verdict: verify.Late, Reason: verify.ReasonSignatureExpired, Signature: verify.Expired, SignedAt: noon.Unix()}
	}
	tests := map[string][]arrival{
		"a repeat after its answer was lost": {
			{0, own, fresh, 1, true, 0, false, 1}, {time.Hour, own, late, 2, false, 0, false, 1}, {7 * time.Hour, own, fresh, 3, false, 0, false, 1},
		},
		"rejected first, accepted an hour later": {
			{0, own, rejected, 1, false, 0, false, 1}, {time.Hour, own, fresh, 2, true, 0, false, 1}, {7 * time.Hour, own, fresh, 3, false, 0, false, 1},
		},
		"a body that carries its own time is one state, also freshly signed after another state": {
			{0, own, fresh, 1, true, 0, false, 1},
			{time.Minute, strings.Replace(own, "11:59:59", "12:00:30", 1), fresh, 1, true, 1, false, 1},
			{2 * time.Minute, own, fresh, 2, false, 0, false, 1},
		},
		"A, B, A are three states": {
			{0, plainA, fresh, 1, true, 0, false, 1}, {time.Minute, plainB, fresh, 1, true, 1, false, 1}, {2 * time.Minute, plainA, fresh, 1, true, 2, false, 1},
			{3 * time.Minute, plainA, fresh, 2, false, 2, false, 1},
		},
		"A, B, A in one batch": {
			{0, plainA, fresh, 1, true, 0, true, 1}, {time.Second, plainB, fresh, 1, true, 1, true, 1}, {2 * time.Second, plainA, fresh, 1, true, 2, true, 1},
		},
		"A, B, A with the signed time of the first A is a replay": {
			{0, plainA, fresh, 1, true, 0, false, 1}, {time.Minute, plainB, fresh, 1, true, 1, false, 1}, {2 * time.Minute, plainA, oldT, 2, false, 0, false, 1},
		},
		"A, A with nothing in between is a repeat, also freshly signed": {
			{0, plainA, fresh, 1, true, 0, false, 1}, {time.Minute, other, fresh, 1, true, 1, false, 1}, {2 * time.Minute, plainA, fresh, 2, false, 0, false, 1},
		},
		"A, rejected B, A is a repeat": {
			{0, plainA, fresh, 1, true, 0, false, 1}, {time.Minute, plainB, rejected, 1, false, 1, false, 1}, {2 * time.Minute, plainA, fresh, 2, false, 0, false, 1},
		},
		"after the window it is a callback of its own": {
			{0, own, fresh, 1, true, 0, false, 1}, {33 * time.Hour, own, fresh, 1, true, 1, false, 1},
		},
		"forgeries do not keep the window open": {
			{0, own, fresh, 1, true, 0, false, 1}, {31 * time.Hour, own, rejected, 2, false, 0, false, 1}, {34 * time.Hour, own, fresh, 1, true, 2, false, 1},
		},
		"equal bodies of two sources have nothing to do with each other": {
			{0, own, fresh, 1, true, 0, false, 1}, {time.Minute, own, fresh, 1, true, 1, false, 2},
		},
		"equal bodies in one batch": {
			{0, own, fresh, 1, true, 0, true, 1}, {0, own, fresh, 2, false, 0, true, 1}, {0, own, rejected, 3, false, 0, true, 1},
		},
		"a rejected and an accepted one in one batch": {
			{0, own, rejected, 1, false, 0, true, 1}, {0, own, fresh, 2, true, 0, true, 1},
		},
	}
	for name, arrivals := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := storetest.New(t)
			sent := collectSentOn(db)
			var events, batch []*store.Event
			for _, a := range arrivals {
				e := arrived(noon.Add(a.after), a.body, a.change)
				e.SourceID = a.sourceID
				events = append(events, e)
				if a.inOneGo {
					batch = append(batch, e)
					continue
				}
				record(t, db, e)
			}
			record(t, db, batch...)
			var want []uuid.UUID
			for i, a := range arrivals {
				e := events[i]
				first := uuid.Nil
				if a.firstIs != i {
					first = events[a.firstIs].ID
				}
				if e.Arrival != a.arrival || e.RepeatOf != first {
					t.Errorf("event %d: arrival %d of %s, want %d of %s", i, e.Arrival, e.RepeatOf, a.arrival, first)
				}
				if a.sentOn {
					want = append(want, e.ID)
				}
			}
			if fmt.Sprint(sent.ids) != fmt.Sprint(want) {
				t.Errorf("sent on %v, want %v", sent.ids, want)
			}
		})
	}
}

// Shuffled arrivals of a few callbacks, on two instances at once: each is sent on once, and numbered 1 to n.
func TestEqualArrivalsAtOneMoment(t *testing.T) {
	t.Parallel()
	url := storetest.URL(t)
	var instances []*store.DB
	sent := &sync.Map{}
	var sentCount atomic.Int64
	for range 2 {
		db, err := store.Open(t.Context(), url, storetest.Key(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		db.OnRecord(func(_ context.Context, _ pgx.Tx, events []*store.Event) error {
			for _, e := range events {
				sent.Store(e.ID, true)
			}
			return nil
		})
		instances = append(instances, db)
	}
	random := rand.New(rand.NewPCG(1, 2))
	const callbacks, repeats = 20, 8
	var events []*store.Event
	for i := range callbacks {
		body := strings.Replace(own, `"7"`, fmt.Sprintf(`"%d"`, i), 2)
		for n := range repeats {
			e := arrived(noon.Add(time.Duration(n)*time.Minute), body)
			if n%3 == 0 {
				rejected(e)
			}
			events = append(events, e)
		}
	}
	random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	var wg sync.WaitGroup
	for i := 0; i < len(events); i += 10 {
		wg.Go(func() {
			for _, err := range instances[i/10%2].RecordEvents(t.Context(), events[i:i+10]) {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()

	numbers := map[[32]byte]map[int]bool{}
	accepted := map[[32]byte]int{}
	for _, e := range events {
		if numbers[e.BodySHA256] == nil {
			numbers[e.BodySHA256] = map[int]bool{}
		}
		numbers[e.BodySHA256][e.Arrival] = true
		var first uuid.UUID
		if err := instances[0].Pool().QueryRow(t.Context(), `SELECT accepted_event_id FROM arrival_groups WHERE body_sha256 = $1`, e.BodySHA256[:]).Scan(&first); err != nil {
			t.Fatal(err)
		}
		if e.ID == first {
			accepted[e.BodySHA256]++
			if _, ok := sent.Load(e.ID); !ok {
				t.Errorf("the accepted arrival %s was not sent on", e.ID)
			}
		}
	}
	sent.Range(func(any, any) bool { sentCount.Add(1); return true })
	for body, n := range numbers {
		if len(n) != repeats || accepted[body] != 1 {
			t.Errorf("a callback has arrivals %v and %d accepted ones", n, accepted[body])
		}
	}
	if len(numbers) != callbacks || count(t, instances[0], "events") != callbacks*repeats {
		t.Errorf("%d callbacks, %d events", len(numbers), count(t, instances[0], "events"))
	}
}

func TestOneBadEventFailsAlone(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	var events []*store.Event
	for i := range 9 {
		events = append(events, arrived(noon, fmt.Sprintf(`{"entityId":"%d"}`, i)))
	}
	events[4].Envelope.EntityID = "NUL\x00 is no text" // plenigo.Read makes none
	for i, err := range db.RecordEvents(t.Context(), events) {
		if (err != nil) != (i == 4) {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if n := count(t, db, "events"); n != 8 {
		t.Errorf("%d events stored, want 8", n)
	}
	if n := count(t, db, "arrival_groups"); n != 8 {
		t.Errorf("%d arrival groups, want 8", n)
	}
}

func TestRecordingTwiceIsRecordingOnce(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	sent := collectSentOn(db)
	a, b, c := arrived(noon, own), arrived(noon, plainA), arrived(noon, own)
	record(t, db, a, b)
	a.Arrival = 0
	record(t, db, a, c, b, c)
	slices.SortFunc(sent.ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	sent.ids = slices.Compact(sent.ids) // a transaction that finds an event there already is rolled back with all its hook did
	if count(t, db, "events") != 3 || a.Arrival != 1 || b.Arrival != 1 || c.Arrival != 2 || c.RepeatOf != a.ID || len(sent.ids) != 2 {
		t.Errorf("%d events, arrivals %d %d %d, sent on %d", count(t, db, "events"), a.Arrival, b.Arrival, c.Arrival, len(sent.ids))
	}
}

// The hook shares the transaction: if it fails, nothing is stored.
func TestHookFails(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.OnRecord(func(_ context.Context, tx pgx.Tx, events []*store.Event) error {
		for _, e := range events {
			if e.Envelope.EntityID == "7" {
				return errors.New("the hook failed")
			}
		}
		return nil
	})
	errs := db.RecordEvents(t.Context(), []*store.Event{arrived(noon, own), arrived(noon, other)})
	if errs[0] == nil || errs[1] != nil || count(t, db, "events") != 1 {
		t.Errorf("%v, %d events", errs, count(t, db, "events"))
	}
}

// cutter is a proxy in front of PostgreSQL that can swallow what the server answers to a COMMIT.
type cutter struct {
	url  string
	mode atomic.Int32 // 0: pass on; 1: cut when COMMIT comes, before the server sees it; 2: let it through, cut the answer
}

func newCutter(t *testing.T, url string) *cutter {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := &cutter{url: fmt.Sprintf("postgres://recall@%s/%s?sslmode=disable", l.Addr(), config.Database)}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go c.serve(client, fmt.Sprintf("%s/.s.PGSQL.%d", config.Host, config.Port))
		}
	}()
	return c
}

func (c *cutter) serve(client net.Conn, socket string) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	var cut atomic.Bool
	go func() {
		defer client.Close()
		b := make([]byte, 1<<16)
		for {
			n, err := server.Read(b)
			if err != nil || cut.Load() {
				return
			}
			client.Write(b[:n])
		}
	}()
	b := make([]byte, 1<<16)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		if strings.Contains(strings.ToLower(string(b[:n])), "commit\x00") {
			switch c.mode.Swap(0) {
			case 1:
				return
			case 2:
				cut.Store(true)
			}
		}
		server.Write(b[:n])
	}
}

func TestCommitWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]int32{"not committed": 1, "committed": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCutter(t, storetest.URL(t))
			db, err := store.Open(t.Context(), c.url, storetest.Key(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			record(t, db, arrived(noon, other)) // partitions are there now
			e := arrived(noon, own)
			c.mode.Store(mode)
			record(t, db, e)
			if c.mode.Load() != 0 {
				t.Error("no commit was cut")
			}
			record(t, db, e) // and again by id
			if n := count(t, db, "events"); n != 2 || e.Arrival != 1 {
				t.Errorf("%d events, want 2; arrival %d, want 1", n, e.Arrival)
			}
		})
	}
}

func TestDroppedPartitionIsMadeAgain(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	record(t, db, arrived(noon, own))
	if _, err := db.Pool().Exec(t.Context(), "DROP TABLE events_2026w10, deliveries_2026w10, attempts_2026w10"); err != nil {
		t.Fatal(err)
	}
	record(t, db, arrived(noon, plainA))
	if n := count(t, db, "events_2026w10"); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Partitions are made while a writer holds the table, by several at once.
func TestPartitionsStopNoWriter(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	record(t, db, arrived(noon, own))
	tx, err := db.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(t.Context(), `DELETE FROM events WHERE false`); err != nil { // the lock of every writer
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			e := arrived(noon.AddDate(0, 0, 7+i%2*7), fmt.Sprintf(`{"entityId":"%d"}`, i))
			if err := db.RecordEvents(t.Context(), []*store.Event{e})[0]; err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestMaintain(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	now := noon
	db.Now = func() time.Time { return now }
	record(t, db, arrived(noon, own))
	if err := db.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if count(t, db, "arrival_groups") != 1 || count(t, db, "commits") != 1 {
		t.Error("something was deleted too early")
	}
	if n := count(t, db, "pg_class WHERE relname LIKE 'events_2026w1%' AND relkind = 'r'"); n != 5 {
		t.Errorf("%d weeks have their partitions, want this one and 4 ahead", n)
	}
	now = time.Now().Add(4 * 24 * time.Hour)
	if err := db.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if count(t, db, "arrival_groups") != 0 || count(t, db, "commits") != 0 || count(t, db, "events") != 1 {
		t.Error("what has expired was not deleted, or too much was")
	}
}

func TestMigrateTwiceAndStatus(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := db.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := db.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	states, err := db.MigrationStatus(t.Context())
	if err != nil || len(states) < 4 || states[0].AppliedAt.IsZero() {
		t.Errorf("%v, %v", states, err)
	}
	if _, err := db.Pool().Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)`); err != nil {
		t.Fatal(err)
	}
	must(t, db.Migrate(t.Context())) // of the next release, which lets this one run beside it
	must(t, db.CheckSchema(t.Context()))
	if ahead, err := db.SchemaAhead(t.Context()); err != nil || ahead == 0 {
		t.Errorf("%d migrations ahead, %v", ahead, err)
	}
	_, err = db.Pool().Exec(t.Context(), `UPDATE schema_support SET least = 99998`)
	must(t, err)
	if err := db.Migrate(t.Context()); !errors.Is(err, store.ErrSchemaNewer) {
		t.Errorf("a newer schema: %v", err)
	}
	if err := db.CheckSchema(t.Context()); !errors.Is(err, store.ErrSchemaNewer) {
		t.Errorf("a newer schema: %v", err)
	}
}

func TestOpenHidesThePassword(t *testing.T) {
	t.Parallel()
	_, err := store.Open(t.Context(), "postgres://anna:s3cret@host:notaport/db", storetest.Key(), nil)
	if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "RECALL_DATABASE_URL") {
		t.Errorf("%v", err)
	}
}
