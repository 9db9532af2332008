package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func days(n int) *int { return &n }

func setRetention(t testing.TB, db *store.DB, source int64, class store.RetentionClass, n *int) {
	t.Helper()
	must(t, db.SetRetention(t.Context(), source, class, n, store.AuditEntry{Actor: "anna", Action: "retention.set", Subject: "all"}))
}

func of(s *store.Source) func(*store.Event) { return func(e *store.Event) { e.SourceID = s.ID } }

// hangOn gives an event a delivery that stands as said, with one attempt.
func hangOn(t testing.TB, db *store.DB, e *store.Event, state string) {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := db.Pool().Exec(t.Context(), `
		INSERT INTO deliveries (event_id, id, destination_id, trigger, state, created_at) VALUES ($1, $2, 1, 'manual', $3::text::delivery_state, $4)`,
		e.ID, id, state, e.ReceivedAt())
	must(t, err)
	_, err = db.Pool().Exec(t.Context(), `
		INSERT INTO attempts (event_id, delivery_id, number, started_at, request_url, request_header) VALUES ($1, $2, 1, $3, '', '')`, e.ID, id, e.ReceivedAt())
	must(t, err)
}

func kept(t testing.TB, db *store.DB, e *store.Event) bool {
	t.Helper()
	_, err := db.FindEvent(t.Context(), e.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func exists(t testing.TB, db *store.DB, table string) (there bool) {
	t.Helper()
	must(t, db.Pool().QueryRow(t.Context(), `SELECT to_regclass($1) IS NOT NULL`, table).Scan(&there))
	return there
}

func TestRetention(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	now := noon // Wednesday, 4 March 2026
	db.Now = func() time.Time { return now }
	shop, club := newSource(t, db, "shop"), newSource(t, db, "club")
	n := 0
	add := func(at time.Time, change ...func(*store.Event)) *store.Event {
		n++
		e := arrived(at, fmt.Sprintf(`{"entityType":"CUSTOMER","callbackType":"CREATION","entityId":"%d"}`, n), change...)
		record(t, db, e)
		return e
	}
	old := noon.AddDate(0, 0, -60) // its week is over long before
	first, forged, foreign := add(old, of(shop)), add(old, of(shop), rejected), add(old, of(club))
	open, done := add(old, of(shop)), add(old, of(shop))
	held, listed := add(old, of(shop)), add(old, of(club))
	young := add(noon.AddDate(0, 0, -5), of(shop))
	hangOn(t, db, open, "waiting")
	hangOn(t, db, done, "exhausted")
	rollup(t, db, verify.Cause(""))
	must(t, db.IndexEvents(t.Context()))

	// Without a rule nothing is removed.
	must(t, db.Maintain(t.Context()))
	if count(t, db, "events") != n {
		t.Fatal("something was removed without a rule")
	}

	must(t, db.PlaceHold(t.Context(), &store.Hold{Reason: "case 7", PlacedBy: "anna"}, filter.Filter{}, held.ID, store.AuditEntry{Actor: "anna"}))
	chosen, err := filter.Parse("source:club "+listed.Envelope.EntityID, now)
	must(t, err)
	hold := &store.Hold{Filter: "source:club", Reason: "case 8", PlacedBy: "anna"}
	must(t, db.PlaceHold(t.Context(), hold, chosen, uuid.Nil, store.AuditEntry{Actor: "anna"}))
	if hold.Events != 1 {
		t.Fatalf("the hold keeps %d events", hold.Events)
	}
	if err := db.PlaceHold(t.Context(), &store.Hold{Reason: "x"}, filter.Filter{}, uuid.Must(uuid.NewV7()), store.AuditEntry{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a hold on nothing: %v", err)
	}
	for _, h := range []struct {
		e    *store.Event
		want string
	}{{held, "case 7"}, {listed, "case 8"}, {first, ""}} {
		holds, err := db.HoldsOf(t.Context(), h.e.ID)
		must(t, err)
		if got := len(holds); (got == 1) != (h.want != "") || got == 1 && holds[0].Reason != h.want {
			t.Errorf("holds %+v, want %q", holds, h.want)
		}
	}

	// One source, one class: row by row, and the preview says how many.
	setRetention(t, db, shop.ID, store.RetainAccepted, days(30))
	preview := func() map[string]store.Due {
		t.Helper()
		rules, err := db.RetentionRules(t.Context())
		must(t, err)
		p, err := db.PreviewRetention(t.Context(), rules)
		must(t, err)
		by := map[string]store.Due{"open": {Rows: p.Open}}
		for _, d := range p.List {
			by[fmt.Sprintf("%d %s", d.SourceID, d.Class)] = d
		}
		return by
	}
	before := preview()
	if d := before[fmt.Sprintf("%d accepted", shop.ID)]; d.Rows != 3 || d.Held != 1 || before["open"].Rows != 1 {
		t.Errorf("preview %+v, open %d; want 3 with the open one, and 1 held", d, before["open"].Rows)
	}
	must(t, db.RunRetention(t.Context(), "anna"))
	for name, k := range map[string]struct {
		e    *store.Event
		want bool
	}{
		"due": {first, false}, "delivered": {done, false}, "rejected": {forged, true}, "of another source": {foreign, true},
		"with an open delivery": {open, true}, "held": {held, true}, "young": {young, true},
	} {
		if kept(t, db, k.e) != k.want {
			t.Errorf("%s: kept %t", name, !k.want)
		}
	}
	if count(t, db, "attempts") != 1 || count(t, db, "deliveries") != 1 {
		t.Error("what hung on a removed event is there still, or what hung on another is not")
	}
	removed, err := db.FindRemoved(t.Context(), first.ID)
	must(t, err)
	if removed.Accepted != 2 || removed.Rejected != 0 || !strings.Contains(removed.Words(first.ID), "2 accepted events, on 2026-03-04") {
		t.Errorf("removed %+v: %s", removed, removed.Words(first.ID))
	}
	if _, err := db.FindRemoved(t.Context(), store.IDAt(noon)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nothing was removed of this week: %v", err)
	}
	entries, err := db.FindAudit(t.Context(), store.AuditQuery{Action: "retention.remove"})
	must(t, err)
	if len(entries) != 1 || fmt.Sprint(entries[0].Detail) != "map[events:2 kept back:2]" {
		t.Errorf("audit %+v", entries)
	}

	// Everything in the week is due: what is kept still keeps the partition.
	setRetention(t, db, 0, store.RetainAccepted, days(30))
	setRetention(t, db, 0, store.RetainRejected, days(7))
	must(t, db.RunRetention(t.Context(), "anna"))
	if kept(t, db, forged) || kept(t, db, foreign) || !kept(t, db, listed) || !exists(t, db, "events_2026w01") {
		t.Error("want only what is held, or on its way")
	}
	must(t, db.ReleaseHold(t.Context(), hold.ID, "over", store.AuditEntry{Actor: "anna"}))
	if err := db.ReleaseHold(t.Context(), hold.ID, "again", store.AuditEntry{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("released twice: %v", err)
	}
	must(t, db.RunRetention(t.Context(), "anna"))
	if kept(t, db, listed) || !kept(t, db, held) {
		t.Error("after one of two holds is released")
	}
	must(t, db.ReleaseHold(t.Context(), 1, "over", store.AuditEntry{Actor: "anna"}))
	_, err = db.Pool().Exec(t.Context(), `UPDATE deliveries SET state = 'succeeded'`)
	must(t, err)
	must(t, db.RunRetention(t.Context(), "anna"))
	for _, table := range []string{"events_2026w01", "deliveries_2026w01", "attempts_2026w01", "search_segments_2026w01"} {
		if exists(t, db, table) {
			t.Errorf("%s is there", table)
		}
	}
	if !kept(t, db, young) || count(t, db, "events") != 1 {
		t.Error("the young event is not there, or others are")
	}
	if removed, err = db.FindRemoved(t.Context(), open.ID); err != nil || removed.Accepted != 6 || removed.Rejected != 1 {
		t.Errorf("removed %+v, %v; want all seven", removed, err)
	}
	for key, d := range preview() {
		if d.Rows != 0 {
			t.Errorf("due after the run: %s %d", key, d.Rows)
		}
	}

	// What comes late makes the week again, and goes again.
	late := add(old, of(shop))
	if !kept(t, db, late) {
		t.Fatal("not stored")
	}
	must(t, db.RunRetention(t.Context(), "anna"))
	if kept(t, db, late) || exists(t, db, "events_2026w01") {
		t.Error("what came late stays for ever")
	}
}

// Attempts and audit entries go by rules of their own; the events and deliveries stay.
func TestRetentionOfAttemptsAndAudit(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	shop, club := newSource(t, db, "shop"), newSource(t, db, "club")
	for _, s := range []*store.Source{shop, club} {
		e := arrived(noon.AddDate(0, 0, -60), s.Slug, of(s))
		record(t, db, e)
		hangOn(t, db, e, "succeeded")
	}
	for _, age := range []int{1, 90, 91} {
		must(t, db.AddAudit(t.Context(), store.AuditEntry{At: noon.AddDate(0, 0, -age), Actor: "anna", Action: "user.login", Subject: "anna"}))
	}
	_, err := db.Pool().Exec(t.Context(), `DELETE FROM audit_entries WHERE at > $1`, noon.AddDate(0, 0, -50))
	must(t, err)
	setRetention(t, db, club.ID, store.RetainAttempts, days(20))
	setRetention(t, db, 0, store.RetainAudit, days(30))
	must(t, db.RunRetention(t.Context(), "anna"))
	if count(t, db, "attempts") != 1 || count(t, db, "deliveries") != 2 || count(t, db, "events") != 2 {
		t.Errorf("%d attempts, want the one of the source without a rule", count(t, db, "attempts"))
	}
	old, err := db.FindAudit(t.Context(), store.AuditQuery{Until: noon.AddDate(0, 0, -30)})
	must(t, err)
	if len(old) != 0 {
		t.Errorf("%d old entries of the audit list", len(old))
	}
	if err := db.SetRetention(t.Context(), shop.ID, store.RetainAudit, days(3), store.AuditEntry{}); err == nil {
		t.Error("the audit list of a source was given a time")
	}
	if err := db.SetRetention(t.Context(), 0, store.RetainAccepted, days(-1), store.AuditEntry{}); err == nil {
		t.Error("-1 days were taken")
	}
}

// What destinations answered goes by a rule of its own: the attempts stay, with their statuses, and say when their answers went.
func TestRetentionOfAnswers(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	now := noon
	db.Now = func() time.Time { return now }
	shop, club := newSource(t, db, "shop"), newSource(t, db, "club")
	old := noon.AddDate(0, 0, -60)
	n := 0
	add := func(s *store.Source, state string) *store.Event {
		n++
		e := arrived(old, fmt.Sprint(n), of(s))
		record(t, db, e)
		hangOn(t, db, e, state)
		return e
	}
	of, open, held, foreign := add(shop, "succeeded"), add(shop, "waiting"), add(shop, "succeeded"), add(club, "succeeded")
	_, err := db.Pool().Exec(t.Context(), `UPDATE attempts SET status = 200, response_header = $1, response_body = $2, response_truncated = true`, []byte("X-Back: 48213\r\n"), []byte("thanks, 48213"))
	must(t, err)
	test := &store.EditedTest{EventID: of.ID, ID: uuid.Must(uuid.NewV7()), By: "anna", Reason: "why", Method: "POST", Attempt: store.Attempt{StartedAt: old, RequestHeader: map[string][]string{}}}
	must(t, db.BeginEditedTest(t.Context(), test))
	test.Status, test.ResponseBody = 201, []byte("thanks, 48213")
	must(t, db.EndEditedTest(t.Context(), test))
	must(t, db.PlaceHold(t.Context(), &store.Hold{Reason: "case 7", PlacedBy: "anna"}, filter.Filter{}, held.ID, store.AuditEntry{Actor: "anna"}))
	setRetention(t, db, shop.ID, store.RetainAnswers, days(20))

	if state, err := db.RetentionState(t.Context()); err != nil || !state.EndedAt.IsZero() || !state.Late(now) {
		t.Errorf("before the first run: %+v, %v", state, err)
	}
	rules, err := db.RetentionRules(t.Context())
	must(t, err)
	_, err = db.Pool().Exec(t.Context(), `ANALYZE attempts_2026w01`)
	must(t, err)
	rollup(t, db, verify.Cause(""))
	due := func() map[string]int64 {
		t.Helper()
		p, err := db.PreviewRetention(t.Context(), rules)
		must(t, err)
		rows := map[string]int64{}
		for _, d := range p.List {
			if d.Class == store.RetainAnswers && !d.Until.IsZero() {
				rows[fmt.Sprint(d.SourceID)] = d.Rows
			}
		}
		return rows
	}
	if got := due(); got[fmt.Sprint(shop.ID)] != 3 || len(got) != 1 {
		t.Errorf("preview %v, want 3 of the one source", got)
	}
	must(t, db.RunRetention(t.Context(), "anna"))
	answers := func(e *store.Event) (bodies int, removed time.Time) {
		t.Helper()
		list, err := db.ListDeliveries(t.Context(), e.ID)
		must(t, err)
		for _, d := range list {
			for _, a := range d.History {
				if a.ResponseBody != nil || a.ResponseHeader != nil || a.ResponseTruncated {
					bodies++
				}
				if a.Status != 0 && !a.AnswerRemovedAt.IsZero() {
					removed = a.AnswerRemovedAt
				}
			}
		}
		return bodies, removed
	}
	if n, removed := answers(of); n != 0 || !removed.Equal(noon) {
		t.Errorf("the answer is there still, or the attempt does not say when it went: %d, %s", n, removed)
	}
	for name, e := range map[string]*store.Event{"on its way": open, "held": held, "of a source without a rule": foreign} {
		if n, removed := answers(e); n != 1 || !removed.IsZero() {
			t.Errorf("%s: the answer is gone", name)
		}
	}
	if test, err = db.FindEditedTest(t.Context(), of.ID, test.ID); err != nil || test.ResponseBody != nil || test.Status != 201 || !test.AnswerRemovedAt.Equal(noon) {
		t.Errorf("the answer to a test: %+v, %v", test, err)
	}
	if count(t, db, "attempts") != 4 {
		t.Error("attempts went with their answers")
	}
	entries, err := db.FindAudit(t.Context(), store.AuditQuery{Action: "retention.remove"})
	must(t, err)
	if len(entries) != 1 || fmt.Sprint(entries[0].Detail) != "map[answers:2 kept back:2]" {
		t.Errorf("audit %+v", entries)
	}
	var left int64
	must(t, db.Pool().QueryRow(t.Context(), `SELECT rows FROM retention_removed WHERE class = 'answers' AND week = '2025-12-29' AND source_id = $1`, shop.ID).Scan(&left))
	if left != 2 {
		t.Errorf("%d counted, want 2", left)
	}
	if state, err := db.RetentionState(t.Context()); err != nil || !state.DoneAt.Equal(noon) || state.Error != "" || state.Late(now) {
		t.Errorf("after a run: %+v, %v", state, err)
	}

	// What is answered when such an event is sent again later goes in its time, too.
	must(t, db.ReleaseHold(t.Context(), 1, "over", store.AuditEntry{Actor: "anna"}))
	_, err = db.Pool().Exec(t.Context(), `UPDATE deliveries SET state = 'succeeded'`)
	must(t, err)
	must(t, db.RunRetention(t.Context(), "anna"))
	var again int
	must(t, db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM retention_swept WHERE class = 'answers' AND again_at IS NOT NULL`).Scan(&again))
	if n, _ := answers(held); n != 0 || again != 0 {
		t.Fatalf("what was kept back did not go: %d, to be looked at again: %d", n, again)
	}
	list, err := db.ListDeliveries(t.Context(), of.ID)
	must(t, err)
	sent := &store.EndedAttempt{Delivery: list[0], State: store.DeliverySucceeded, Attempt: &store.Attempt{Number: 2, StartedAt: now, RequestHeader: map[string][]string{}, Status: 200, ResponseBody: []byte("again")}}
	if _, errs := db.EndAttempts(t.Context(), []*store.EndedAttempt{sent}); errs[0] != nil {
		t.Fatal(errs)
	}
	now = noon.AddDate(0, 0, 2)
	must(t, db.RunRetention(t.Context(), "anna"))
	if n, _ := answers(of); n != 1 {
		t.Error("an answer of two days ago went by a rule of 20 days")
	}
	now = noon.AddDate(0, 0, 40)
	must(t, db.RunRetention(t.Context(), "anna"))
	if n, _ := answers(of); n != 0 {
		t.Error("what was answered after the week was looked at stays for ever")
	}
}

// Whether anything was decided on, and whether runs come to their ends, is told.
func TestRetentionTellsHowItStands(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Now = func() time.Time { return noon }
	shop, club := newSource(t, db, "shop"), newSource(t, db, "club")
	undecided := func() string {
		t.Helper()
		rules, err := db.RetentionRules(t.Context())
		must(t, err)
		return fmt.Sprint(rules.Undecided([]*store.Source{shop, club}))
	}
	for _, step := range []struct {
		name   string
		source int64
		class  store.RetentionClass
		days   *int
		want   string
	}{
		{"one of two sources", shop.ID, store.RetainAccepted, days(30), "[accepted rejected audit]"},
		{"each source", club.ID, store.RetainAccepted, days(0), "[rejected audit]"},
		{"for ever is said, too", 0, store.RetainRejected, days(0), "[audit]"},
		{"the audit list", 0, store.RetainAudit, days(400), "[]"},
		{"taken back", club.ID, store.RetainAccepted, nil, "[accepted]"},
	} {
		setRetention(t, db, step.source, step.class, step.days)
		if got := undecided(); got != step.want {
			t.Errorf("%s: undecided %s, want %s", step.name, got, step.want)
		}
	}
	if got := fmt.Sprint(store.RetentionRules(nil).Undecided(nil)); got != "[accepted rejected audit]" {
		t.Errorf("without sources and rules: %s", got)
	}
	record(t, db, arrived(noon.AddDate(0, 0, -60), "x", of(shop)))
	_, err := db.Pool().Exec(t.Context(), `ALTER TABLE retention_swept RENAME TO elsewhere`)
	must(t, err)
	if err := db.RunRetention(t.Context(), "anna"); err == nil {
		t.Fatal("it ran without its table")
	}
	if state, err := db.RetentionState(t.Context()); err != nil || !state.EndedAt.Equal(noon) || !state.DoneAt.IsZero() || !strings.Contains(state.Error, "retention_swept") {
		t.Errorf("after a failed run: %+v, %v", state, err)
	}
}

// A run that ends between deciding on a week and its last partition is gone on from, wherever it ended; and nobody who writes
// meanwhile is stopped.
func TestRetentionGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]func(t *testing.T, db *store.DB){
		"decided": func(*testing.T, *store.DB) {},
		"detached": func(t *testing.T, db *store.DB) {
			_, err := db.Pool().Exec(t.Context(), `ALTER TABLE events DETACH PARTITION events_2026w01`)
			must(t, err)
		},
		"some dropped": func(t *testing.T, db *store.DB) {
			_, err := db.Pool().Exec(t.Context(), `DROP TABLE events_2026w01, attempts_2026w01`)
			must(t, err)
		},
		"detach pending": func(t *testing.T, db *store.DB) {
			reader, err := db.Pool().Begin(t.Context())
			must(t, err)
			defer reader.Rollback(t.Context())
			_, err = reader.Exec(t.Context(), `SELECT count(*) FROM events`)
			must(t, err)
			conn, err := db.Pool().Acquire(t.Context())
			must(t, err)
			defer conn.Release()
			_, err = conn.Exec(t.Context(), `SET lock_timeout = 50`)
			must(t, err)
			if _, err = conn.Exec(t.Context(), `ALTER TABLE events DETACH PARTITION events_2026w01 CONCURRENTLY`); err == nil {
				t.Fatal("nobody was waited for")
			}
			_, err = conn.Exec(t.Context(), `RESET lock_timeout`)
			must(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := storetest.New(t)
			db.Now = func() time.Time { return noon }
			shop := newSource(t, db, "shop")
			e, young := arrived(noon.AddDate(0, 0, -60), "old", of(shop)), arrived(noon, "young", of(shop))
			record(t, db, e, young)
			_, err := db.Pool().Exec(t.Context(), `INSERT INTO retention_weeks (week, decided_at) VALUES ('2025-12-29', $1)`, noon)
			must(t, err)
			crash(t, db)
			stop := make(chan struct{})
			var writer sync.WaitGroup
			writer.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					for _, err := range db.RecordEvents(t.Context(), []*store.Event{arrived(noon, fmt.Sprint(i), of(shop))}) {
						if err != nil {
							t.Error(err)
						}
					}
				}
			})
			err = db.RunRetention(t.Context(), "anna")
			close(stop)
			writer.Wait()
			must(t, err)
			if kept(t, db, e) || !kept(t, db, young) || exists(t, db, "events_2026w01") || exists(t, db, "reverifications_2026w01") {
				t.Error("the week is not gone, or more than it")
			}
			var undone int
			must(t, db.Pool().QueryRow(t.Context(), `SELECT count(*) FROM retention_weeks WHERE done_at IS NULL`).Scan(&undone))
			if undone > 0 {
				t.Error("the week stands as not done")
			}
		})
	}
}

// Two do not remove at once.
func TestRetentionRunsOnce(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	must(t, pgx.BeginFunc(t.Context(), db.Pool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1)`, store.LockRetentionRun); err != nil {
			return err
		}
		if err := db.RunRetention(t.Context(), "anna"); !errors.Is(err, store.ErrRetentionRuns) {
			t.Errorf("two at once: %v", err)
		}
		return db.Maintain(t.Context())
	}))
}
