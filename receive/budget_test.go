package receive

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"recall/store"
	"recall/verify"
)

// asker sends callbacks to a receiver behind a trusted proxy.
func asker(t *testing.T, r *receiver) func(path, from string, change ...func(*http.Request)) reply {
	return func(path, from string, change ...func(*http.Request)) reply {
		t.Helper()
		return send(t, r, callback(t, r, []byte("{}"), append(change, func(req *http.Request) {
			req.URL.Path = path
			req.Header.Set("X-Forwarded-For", from)
		})...))
	}
}

func forgedSignature(req *http.Request) { req.Header.Set(verify.HeaderSignature, "t=1729583536,s=00") }

func TestRejectedEventsHaveABudget(t *testing.T) {
	t.Parallel()
	now := signedNow
	sources := []*store.Source{
		shop(),
		shop(func(s *store.Source) { s.ID, s.Slug = 2, "other" }),
		shop(func(s *store.Source) { s.ID, s.Slug, s.Observe = 3, "observed", true }),
		shop(func(s *store.Source) { s.ID, s.Slug, s.Enabled = 4, "disabled", false }),
	}
	m := &memory{}
	c := &counter{unstored: map[store.UnstoredRequests]int64{}, unknown: map[string]store.UnknownRequest{}}
	tally := NewTally(c, func() time.Time { return now })
	r := start(t, Options{
		Recorder: m, Sources: store.NewLive(sources, nil), Tally: tally, RejectedPerHour: 2,
		TrustedProxies: []string{"127.0.0.1"}, Now: func() time.Time { return now },
	})
	ask := asker(t, r)
	// flood sends five forgeries and tells how many were kept.
	flood := func(path, from string, status int) (kept int) {
		t.Helper()
		for range 5 {
			got := ask(path, from, forgedSignature)
			if got.Event != nil {
				kept++
				continue
			}
			if got.status != status || got.Verdict != verify.Rejected || got.Reason == "" || !strings.Contains(got.Message, "More rejected callbacks") {
				t.Errorf("%s from %s, not kept: answered %d %+v", path, from, got.status, got.answer)
			}
		}
		return kept
	}
	for _, c := range []struct {
		name, path, from string
		status, want     int
	}{
		{"a sender", "/callbacks/shop", "203.0.113.7", 401, 2},
		{"the same again", "/callbacks/shop", "203.0.113.7", 401, 0},
		{"another source", "/callbacks/other", "203.0.113.7", 401, 2},
		{"one that observes", "/callbacks/observed", "203.0.113.7", 401, 2},
		{"a disabled one", "/callbacks/disabled", "203.0.113.7", 403, 2},
		{"another sender", "/callbacks/shop", "203.0.113.8", 401, 2},
		{"in IPv6", "/callbacks/shop", "2001:db8:0:1::1", 401, 2},
		{"of the same network", "/callbacks/shop", "2001:db8:0:1:ffff::2", 401, 0},
		{"of another", "/callbacks/shop", "2001:db8:0:2::1", 401, 2},
	} {
		if got := flood(c.path, c.from, c.status); got != c.want {
			t.Errorf("%s: %d kept, want %d", c.name, got, c.want)
		}
	}
	if kept := len(m.kept()); kept != 14 {
		t.Errorf("%d events are kept", kept)
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(tally.Flush(t.Context()))
	hour := now.UTC().Truncate(time.Hour)
	for key, want := range map[store.UnstoredRequests]int64{
		{SourceID: 1, Hour: hour, Answered: 401}: 22, {SourceID: 2, Hour: hour, Answered: 401}: 3,
		{SourceID: 3, Hour: hour, Answered: 401}: 3, {SourceID: 4, Hour: hour, Answered: 403}: 3,
	} {
		if got := c.unstored[key]; got != want {
			t.Errorf("%+v: %d counted, want %d", key, got, want)
		}
	}

	// What is genuine is taken all the while, and from then on the sender has no bound.
	if got := ask("/callbacks/shop", "203.0.113.7"); got.status != 200 {
		t.Errorf("genuine: answered %d", got.status)
	}
	if got := flood("/callbacks/shop", "203.0.113.7", 401); got != 5 {
		t.Errorf("of a sender whose callback was accepted: %d kept", got)
	}
	if got := flood("/callbacks/other", "203.0.113.7", 401); got != 0 {
		t.Errorf("at another source: %d kept", got)
	}
	now = now.Add(time.Hour)
	if got := flood("/callbacks/shop", "203.0.113.8", 401); got != 2 {
		t.Errorf("in the next hour: %d kept", got)
	}
	r.close()
	if n := strings.Count(r.log.String(), "RECALL_REJECTED_PER_HOUR"); n != 9-1 {
		t.Errorf("%d warnings, want one for each sender, source and hour", n)
	}
}

func TestABudgetsTablesAreBounded(t *testing.T) {
	b := newBudget(1)
	for i := range maxKeys + 1000 {
		b.take(int64(i), netip.Addr{}, signedNow)
		b.accepted(int64(-1-i), netip.Addr{})
	}
	if len(b.spent) != maxKeys || len(b.genuine) != maxKeys {
		t.Errorf("%d senders and %d genuine ones are remembered", len(b.spent), len(b.genuine))
	}
	if b := newBudget(0); b != nil {
		t.Error("0 is a limit")
	}
	var none *budget
	none.accepted(1, netip.Addr{})
	if kept, first := none.take(1, netip.Addr{}, signedNow); !kept || first {
		t.Error("no budget bounds")
	}
	if _, err := NewHandler(Options{Recorder: &memory{}, Sources: store.NewLive(nil, nil), RejectedPerHour: -1}); err == nil || !strings.Contains(err.Error(), "RECALL_REJECTED_PER_HOUR") {
		t.Errorf("-1: %v", err)
	}
}
