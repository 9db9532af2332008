package reverify_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"recall/store"
	"recall/verify"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.send(t, 1)
	e, err := h.db.FindEvent(t.Context(), h.events(t, "")[0].ID)
	must(t, err)
	explain := func() *verify.Explanation {
		t.Helper()
		got, err := h.reverify.Explain(t.Context(), e)
		must(t, err)
		return got
	}
	if got := explain(); got.Finding.Cause != "" || got.Result.Reason != verify.ReasonSignatureMismatch || len(got.Tried) == 0 {
		t.Errorf("nothing known fits, but: %+v", got)
	}
	must(t, h.db.CreateSource(t.Context(), &store.Source{
		Slug: "blog", Name: "The blog", Enabled: true, Tolerance: verify.DefaultTolerance, LateWindow: verify.DefaultLateWindow,
		Secrets: []verify.Secret{{Name: "blog's", Key: right}},
	}))
	if got := explain(); got.Finding.Cause != verify.CauseOtherSource {
		t.Errorf("another source's secret: %+v", got.Finding)
	}
	h.pass(time.Hour)
	h.mend(t)
	if got := explain(); got.Finding.Cause != verify.CauseSecretNotYet {
		t.Errorf("a secret that begins later: %+v", got.Finding)
	}
	must(t, h.db.RemoveSource(t.Context(), "shop"))
	if got := explain(); got != nil {
		t.Errorf("of a source that was removed: %+v", got)
	}
}

func TestNothingToExplain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, e := range map[string]*store.Event{
		"body not kept": {ID: uuid.Must(uuid.NewV7()), SourceID: h.source.ID, Verification: verify.TooLarge()},
		"no source":     {ID: uuid.Must(uuid.NewV7()), SourceID: 999},
	} {
		got, err := h.reverify.Explain(t.Context(), e)
		must(t, err)
		if got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The clock here is wrong when other sources are off by the same.
func TestExplainKnowsTheClock(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	id := func(at time.Time, n byte) uuid.UUID {
		id := store.IDAt(at)
		id[6], id[8], id[15] = 0x70, 0x80, n
		return id
	}
	record := func(e *store.Event) {
		t.Helper()
		for _, err := range h.db.RecordEvents(t.Context(), []*store.Event{e}) {
			must(t, err)
		}
	}
	now, ahead := h.db.Now(), 2*time.Hour
	body := []byte(`{"entityType":"CUSTOMER"}`)
	e := &store.Event{ID: id(now, 1), SourceID: h.source.ID, Body: body, Answered: 401, Header: map[string][]string{
		verify.HeaderSignature: {verify.Sign("mistyped", now.Add(ahead), body)},
	}}
	e.Verification = h.reverify.Check(e)
	record(e)
	for i, slug := range []string{"blog", "club"} {
		s := &store.Source{Slug: slug, Name: slug, Enabled: true, Tolerance: verify.DefaultTolerance, Secrets: []verify.Secret{{Name: "1", Key: "another"}}}
		must(t, h.db.CreateSource(t.Context(), s))
		record(&store.Event{ID: id(now.Add(time.Second), byte(i+2)), SourceID: s.ID, Answered: 401, Verification: verify.Result{
			Verdict: verify.Rejected, Reason: verify.ReasonSignatureFuture, Signature: verify.Future, SkewSeconds: -int64(ahead / time.Second),
		}})
	}
	got, err := h.reverify.Explain(t.Context(), e)
	must(t, err)
	if got.Finding.Cause != verify.CauseClock {
		t.Errorf("got %+v", got.Finding)
	}
}
