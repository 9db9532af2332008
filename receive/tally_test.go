package receive

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"recall/store"
	"recall/verify"
)

type counter struct {
	away      bool
	unstored  map[store.UnstoredRequests]int64
	unknown   map[string]store.UnknownRequest
	latencies []store.AnswerLatency
}

func (c *counter) AddLatencies(_ context.Context, latencies []store.AnswerLatency) error {
	if c.away {
		return errors.New("away")
	}
	c.latencies = append(c.latencies, latencies...)
	return nil
}

func (c *counter) AddUnstored(_ context.Context, unstored []store.UnstoredRequests, unknown []store.UnknownRequest) error {
	if c.away {
		return errors.New("away")
	}
	for _, u := range unstored {
		n := u.Requests
		u.Requests = 0
		c.unstored[u] += n
	}
	for _, u := range unknown {
		was := c.unknown[u.Path]
		u.Requests += was.Requests
		c.unknown[u.Path] = u
	}
	return nil
}

func TestTally(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 59, 0, 0, time.UTC)
	c := &counter{unstored: map[store.UnstoredRequests]int64{}, unknown: map[string]store.UnknownRequest{}}
	tally := NewTally(c, func() time.Time { return now })
	ask := func(path, signature string) {
		r := httptest.NewRequest("POST", path, nil)
		if signature != "" {
			r.Header.Set(verify.HeaderSignature, signature)
		}
		tally.addUnknown(r, "198.51.100.1")
	}
	tally.addUnstored(7, 503)
	ask("/callbacks/shopp", "")
	c.away = true
	if tally.Flush(t.Context()) == nil {
		t.Error("flushed to nobody")
	}
	now = now.Add(2 * time.Minute)
	tally.addUnstored(7, 503)
	ask("/callbacks/shopp", "t=1,s=00")
	if tally.Flush(t.Context()) == nil {
		t.Error("flushed to nobody")
	}
	c.away = false
	for range 2 { // what was flushed is flushed once
		if err := tally.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ten, eleven := now.Truncate(time.Hour).Add(-time.Hour), now.Truncate(time.Hour)
	if c.unstored[store.UnstoredRequests{SourceID: 7, Hour: ten, Answered: 503}] != 1 || c.unstored[store.UnstoredRequests{SourceID: 7, Hour: eleven, Answered: 503}] != 1 || len(c.unstored) != 2 {
		t.Errorf("%+v", c.unstored)
	}
	if u := c.unknown["/callbacks/shopp"]; u.Requests != 2 || !u.Signed || !u.FirstAt.Equal(now.Add(-2*time.Minute)) || !u.LastAt.Equal(now) {
		t.Errorf("%+v", u)
	}

	for i := range 2 * mostUnknown {
		ask(fmt.Sprintf("/callbacks/%d", i), "")
	}
	if len(tally.unknown) != mostUnknown {
		t.Errorf("%d kept in memory", len(tally.unknown))
	}
	var none *Tally
	none.addUnstored(1, 503) // counts nothing
	none.addLatency(1, answerUnstored, 503, time.Second)
}

func TestTallyOfLatencies(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 59, 59, 0, time.UTC)
	c := &counter{away: true}
	tally := NewTally(c, func() time.Time { return now })
	verified := answer{Verdict: verify.Verified}
	for range 3 {
		tally.addLatency(7, verified, 200, 3*time.Millisecond)
	}
	tally.addLatency(7, answerLimited, 429, time.Microsecond) // not read
	tally.addLatency(7, answerSlow, 408, time.Hour)           // their doing
	tally.addLatency(8, answerUnstored, 503, 10*time.Second)
	if tally.Flush(t.Context()) == nil {
		t.Error("flushed to nobody")
	}
	tally.addLatency(7, verified, 200, 3*time.Millisecond)
	c.away = false
	for range 2 {
		if err := tally.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	slices.SortFunc(c.latencies, func(a, b store.AnswerLatency) int { return int(a.SourceID - b.SourceID) })
	minute := now.Truncate(time.Minute)
	want := []store.AnswerLatency{
		{SourceID: 7, Minute: minute, Bucket: store.LatencyBucket(3 * time.Millisecond), Answers: 4},
		{SourceID: 8, Minute: minute, Bucket: store.LatencyBucket(10 * time.Second), Answers: 1},
	}
	if !slices.Equal(c.latencies, want) {
		t.Errorf("got %+v, want %+v", c.latencies, want)
	}
}
