package store_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

func newSource(t testing.TB, db *store.DB, slug string) *store.Source {
	t.Helper()
	s := &store.Source{
		Slug: slug, Name: slug, Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{{Name: "first", Key: "s3cret"}},
	}
	if err := db.CreateSource(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// rollup counts until everything is counted: a commit is followed only when every transaction of the server that began
// before it is over, those of other tests included.
func rollup(t testing.TB, db *store.DB, cause verify.Cause) {
	t.Helper()
	for {
		if err := db.Rollup(t.Context(), func(*store.Event) verify.Cause { return cause }); err != nil {
			t.Fatal(err)
		}
		var counted int
		if err := db.Pool().QueryRow(t.Context(), "SELECT coalesce(sum(events), 0)::int FROM source_hours").Scan(&counted); err != nil {
			t.Fatal(err)
		}
		if counted >= count(t, db, "events") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestSecretUses(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Now = func() time.Time { return noon.AddDate(0, 0, 1) }
	s := newSource(t, db, "shop")
	add := func(at time.Time, n int, change func(*store.Event)) {
		for i := range n {
			record(t, db, arrived(at, fmt.Sprintf(`{"entityId":"%d at %s"}`, i, at), func(e *store.Event) {
				e.SourceID = s.ID
				change(e)
			}))
		}
	}
	by := func(secret string) func(*store.Event) {
		return func(e *store.Event) { e.Verification.Secret = secret }
	}
	add(noon, 3, by("first"))
	add(noon.Add(time.Hour), 2, by("second"))
	add(noon.AddDate(0, 0, 1), 4, rejected)
	rollup(t, db, "")
	rollup(t, db, "") // nothing is counted twice
	add(noon.AddDate(0, 0, 1).Add(time.Minute), 1, by("second"))
	rollup(t, db, "")

	uses, err := db.SecretUses(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(uses) != 2 || uses[0].Secret != "first" || uses[0].Events != 3 || uses[1].Events != 3 ||
		!uses[0].LastUsed.Equal(noon) || !uses[1].LastUsed.Equal(noon.AddDate(0, 0, 1).Add(time.Minute)) {
		t.Errorf("uses of secrets: %+v", uses)
	}
}

func TestRollupBySeveralAtOnce(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	s := newSource(t, db, "shop")
	for i := range 1200 / 100 {
		var events []*store.Event
		for n := range 100 {
			events = append(events, arrived(noon, fmt.Sprintf(`{"entityId":"%d.%d"}`, i, n), func(e *store.Event) {
				e.SourceID = s.ID
				e.Verification.Secret = "first"
			}))
		}
		record(t, db, events...)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := db.Rollup(context.Background(), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	rollup(t, db, "")
	uses, err := db.SecretUses(t.Context(), s.ID)
	if err != nil || len(uses) != 1 || uses[0].Events != 1200 {
		t.Errorf("%+v, %v", uses, err)
	}
}

func TestFailureGroups(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	db.Now = func() time.Time { return noon.Add(time.Hour) }
	s := newSource(t, db, "shop")
	forge := func(n int, sender func(i int) netip.Addr) {
		var events []*store.Event
		for i := range n {
			events = append(events, arrived(noon, fmt.Sprintf(`{"entityId":"%d %s"}`, i, sender(i)), rejected, func(e *store.Event) {
				e.SourceID, e.Sender = s.ID, sender(i)
			}))
		}
		record(t, db, events...)
	}
	one := netip.MustParseAddr("198.51.100.1")
	forge(200, func(int) netip.Addr { return one })
	rollup(t, db, "secret_blanks")

	list := func() []store.Failure {
		t.Helper()
		failures, err := db.ListFailures(t.Context(), store.FailureQuery{})
		if err != nil {
			t.Fatal(err)
		}
		return failures
	}
	f := list()
	if len(f) != 1 || f[0].Events != 200 || f[0].Cause != "secret_blanks" || f[0].Sender != one || f[0].Source != "shop" ||
		f[0].State != store.FailureOpen || !f[0].FirstSeen().Equal(noon) || len(f[0].Hours) != 1 || f[0].Hours[0].Events != 200 {
		t.Fatalf("%+v", f)
	}

	// Looked at, resolved, and open again when it comes back.
	for _, state := range []store.FailureState{store.FailureAcknowledged, store.FailureResolved} {
		if err := db.SetFailureState(t.Context(), f[0].ID, state, "anna", "the secret was mended"); err != nil {
			t.Fatal(err)
		}
		if got, err := db.FindFailure(t.Context(), f[0].ID); err != nil || got.State != state || got.ChangedBy != "anna" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if n, err := db.CountOpenFailures(t.Context()); n != 0 || err != nil {
		t.Errorf("%d open, %v", n, err)
	}
	if entries, err := db.ListAudit(t.Context(), fmt.Sprint(f[0].ID), 10); err != nil || len(entries) != 2 {
		t.Errorf("%+v, %v", entries, err)
	}
	forge(1, func(int) netip.Addr { return one })
	rollup(t, db, "secret_blanks")
	if f := list(); len(f) != 1 || f[0].State != store.FailureOpen || f[0].Events != 201 {
		t.Errorf("%+v", f)
	}
	if err := db.SetFailureState(t.Context(), 999, store.FailureResolved, "anna", ""); err != store.ErrNotFound {
		t.Errorf("%v", err)
	}

	// A flood from everywhere is bounded, and hides no group that was there before.
	forge(300, func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}) })
	rollup(t, db, "")
	f = list()
	total, anonymous := int64(0), int64(0)
	for _, g := range f {
		total += g.Events
		if !g.Sender.IsValid() {
			anonymous += g.Events
		}
	}
	if len(f) != 51 || total != 501 || anonymous != 251 {
		t.Errorf("%d groups with %d events, %d of many addresses", len(f), total, anonymous)
	}
}

func TestUnknownRequestsAreBounded(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	var unknown []store.UnknownRequest
	for i := range 600 {
		unknown = append(unknown, store.UnknownRequest{
			Path: fmt.Sprintf("/callbacks/%d", i), Sender: "198.51.100.1", Signed: i == 0, Requests: 1,
			FirstAt: noon.Add(time.Duration(i) * time.Second), LastAt: noon.Add(time.Duration(i) * time.Second),
		})
	}
	for range 2 {
		if err := db.AddUnstored(t.Context(), nil, unknown); err != nil {
			t.Fatal(err)
		}
	}
	list, err := db.ListUnknownRequests(t.Context(), 1000)
	if err != nil || len(list) != 500 || !list[0].Signed || list[0].Requests != 2 || list[1].Path != "/callbacks/599" {
		t.Errorf("%d kept, %v", len(list), err)
	}
}
