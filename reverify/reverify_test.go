package reverify_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"recall/filter"
	"recall/receive"
	"recall/reverify"
	"recall/store"
	"recall/store/storetest"
	"recall/verify"
)

// house is a receiver on a real store whose source has a wrong secret.
type house struct {
	db       *store.DB
	source   *store.Source
	live     *store.Live
	reverify *reverify.Reverifier
	url      string
	sent     atomic.Int64
	now      atomic.Pointer[time.Time]
}

const right = "the-secret-shown-at-plenigo"

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{db: storetest.New(t)}
	start := time.Now().Truncate(time.Second)
	h.now.Store(&start)
	h.db.Now = func() time.Time { return *h.now.Load() }
	h.source = &store.Source{
		Slug: "shop", Name: "Shop", Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{{Name: "first", Key: "mistyped"}},
	}
	must(t, h.db.CreateSource(t.Context(), h.source))
	h.db.OnRecord(func(_ context.Context, _ pgx.Tx, events []*store.Event) error {
		for _, e := range events {
			if e.Verification.Accepted() { // as dispatch does
				h.sent.Add(1)
			}
		}
		return nil
	})
	h.reload(t)
	return h
}

// reload is what a running program does by itself within 2 seconds.
func (h *house) reload(t *testing.T) {
	t.Helper()
	sources, err := h.db.ListSources(t.Context())
	must(t, err)
	h.live = store.NewLive(sources, nil)
	h.reverify = reverify.New(h.db, h.live, nil)
	receiver, err := receive.NewHandler(receive.Options{Recorder: h.db, Sources: h.live, Now: h.db.Now})
	must(t, err)
	server := httptest.NewServer(receiver)
	t.Cleanup(server.Close)
	h.url = server.URL + "/callbacks/shop"
}

func (h *house) mend(t *testing.T) {
	t.Helper()
	h.source.Secrets = append(h.source.Secrets, verify.Secret{Name: "second", Key: right, From: h.db.Now()})
	must(t, h.db.UpdateSource(t.Context(), h.source))
	h.reload(t)
}

func (h *house) pass(d time.Duration) {
	later := h.now.Load().Add(d)
	h.now.Store(&later)
}

// send is a callback signed with the right secret; it returns how it was answered.
func (h *house) send(t *testing.T, n int) int {
	t.Helper()
	body := fmt.Appendf(nil, `{"entityType":"CUSTOMER","callbackType":"CHANGE","entityId":"%d","entity":{"changedDate":"2026-03-04T12:00:00Z"}}`, n)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url, bytes.NewReader(body))
	must(t, err)
	r.Header.Set(verify.HeaderSignature, verify.Sign(right, h.db.Now(), body))
	w, err := http.DefaultClient.Do(r)
	must(t, err)
	w.Body.Close()
	return w.StatusCode
}

func (h *house) events(t *testing.T, text string) []store.EventSummary {
	t.Helper()
	f, err := filter.Parse(text, h.db.Now())
	must(t, err)
	page, err := h.db.ListEvents(t.Context(), store.EventQuery{Filter: f, Limit: 1000})
	must(t, err)
	return page.Events
}

// carryOut takes the steps of Run until no run is under way.
func (h *house) carryOut(t *testing.T) {
	t.Helper()
	for {
		worked, err := h.db.StepReverifyRuns(t.Context(), h.reverify.Check)
		must(t, err)
		if !worked {
			return
		}
	}
}

func TestOneEvent(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if status := h.send(t, 1); status != http.StatusUnauthorized {
		t.Fatalf("answered %d", status)
	}
	e := h.events(t, "")[0]
	r, err := h.reverify.Reverify(t.Context(), e.ID, true, "anna", "look")
	must(t, err)
	if r.Verification.Accepted() || r.Released || h.sent.Load() != 0 {
		t.Errorf("accepted before the secret was mended: %+v", r)
	}
	h.pass(3 * 24 * time.Hour) // freshness is judged as of the arrival
	h.mend(t)
	for i, release := range []bool{false, true, true} {
		r, err = h.reverify.Reverify(t.Context(), e.ID, release, "anna", "the secret was mended")
		must(t, err)
		if r.Verification.Verdict != verify.Verified || r.Verification.Secret != "second" || r.Released != (i == 1) {
			t.Errorf("time %d: %+v", i, r)
		}
	}
	if h.sent.Load() != 1 {
		t.Errorf("released %d times", h.sent.Load())
	}
	list, err := h.db.ListReverifications(t.Context(), e.ID)
	must(t, err)
	if len(list) != 4 || !list[1].Released || list[3].Verification.Reason != verify.ReasonSignatureMismatch {
		t.Errorf("kept: %+v", list)
	}
	whole, err := h.db.FindEvent(t.Context(), e.ID)
	must(t, err)
	if whole.Verification.Verdict != verify.Rejected {
		t.Error("the first result was changed")
	}
	if ok, err := h.db.AcceptedNow(t.Context(), whole); !ok || err != nil {
		t.Errorf("accepted now: %t, %v", ok, err)
	}
	audit, err := h.db.ListAudit(t.Context(), e.ID.String(), 10)
	must(t, err)
	if len(audit) != 4 || audit[0].Reason != "the secret was mended" {
		t.Errorf("audit: %+v", audit)
	}
}

// A repeat that was accepted in the meantime has been sent on; the first arrival is not sent on again. And the other way
// round: after a release, a repeat is only a repeat.
func TestReleaseAndRepeats(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.send(t, 1)
	h.send(t, 2)
	events := h.events(t, "") // newest first
	h.pass(time.Hour)
	h.mend(t)
	if status := h.send(t, 1); status != http.StatusOK || h.sent.Load() != 1 {
		t.Fatalf("the repeat was answered %d, %d sent on", status, h.sent.Load())
	}
	r, err := h.reverify.Reverify(t.Context(), events[1].ID, true, "anna", "")
	must(t, err)
	if r.Released || h.sent.Load() != 1 {
		t.Error("released although a repeat was accepted")
	}
	r, err = h.reverify.Reverify(t.Context(), events[0].ID, true, "anna", "")
	must(t, err)
	if !r.Released || h.sent.Load() != 2 {
		t.Error("not released")
	}
	if status := h.send(t, 2); status != http.StatusOK || h.sent.Load() != 2 {
		t.Errorf("a repeat after the release was answered %d, and sent on: %d", status, h.sent.Load())
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for n := range 130 {
		h.send(t, n)
	}
	h.send(t, 0) // a repeat of the first
	h.pass(time.Hour)
	h.mend(t)
	run, err := h.db.CreateReverifyRun(t.Context(), "source:shop after:1d", "anna", "wrong secret for an hour")
	must(t, err)
	h.pass(time.Minute)
	h.send(t, 500) // accepted
	h.carryOut(t)
	run, err = h.db.FindReverifyRun(t.Context(), run.ID)
	must(t, err)
	if run.State != store.ReverifyCounted || run.Checked != 131 || run.Accepted != 131 || run.Releasable != 131 || h.sent.Load() != 1 {
		t.Fatalf("counted: %+v, sent on %d", run, h.sent.Load())
	}
	must(t, h.db.StartReverifyRun(t.Context(), run.ID, true, "anna"))
	if err := h.db.StartReverifyRun(t.Context(), run.ID, true, "anna"); err == nil {
		t.Error("started twice")
	}
	var wg sync.WaitGroup // several instances
	for range 3 {
		wg.Go(func() { h.carryOut(t) })
	}
	wg.Wait()
	run, err = h.db.FindReverifyRun(t.Context(), run.ID)
	must(t, err)
	if run.State != store.ReverifyDone || run.Checked != 131 || run.Released != 130 || h.sent.Load() != 131 || run.FinishedAt == nil {
		t.Errorf("done: %+v, sent on %d", run, h.sent.Load())
	}
	if err := h.db.CancelReverifyRun(t.Context(), run.ID, "anna"); err == nil {
		t.Error("cancelled after it was done")
	}
	if err := h.db.CancelReverifyRun(t.Context(), 999, "anna"); err == nil {
		t.Error("cancelled one that is not there")
	}
}

func TestWhatCannotBeCheckedStaysRejected(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	e := &store.Event{ID: uuid.Must(uuid.NewV7()), SourceID: h.source.ID, Verification: verify.TooLarge()}
	if r := h.reverify.Check(e); r.Reason != verify.ReasonBodyTooLarge {
		t.Errorf("a body that was not kept: %+v", r)
	}
	e = &store.Event{ID: uuid.Must(uuid.NewV7()), SourceID: 999}
	if r := h.reverify.Check(e); r.Accepted() || r.Reason != verify.ReasonSettingsUnreadable {
		t.Errorf("an unknown source: %+v", r)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
