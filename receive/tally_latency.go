package receive

import (
	"context"
	"net/http"
	"time"

	"recall/store"
)

// mostLatencies bounds the counts of latencies that wait in memory: about a day of ten sources.
const mostLatencies = 100_000

type latencyKey struct {
	source int64
	minute int64 // since 1970
	bucket int
}

// addLatency counts how long an answer took to a callback that was read to its end. What came too fast, or broke off,
// tells nothing of us.
func (t *Tally) addLatency(source int64, a answer, status int, took time.Duration) {
	if t == nil || a.Verdict == "" && status != http.StatusServiceUnavailable {
		return
	}
	key := latencyKey{source, t.now().Unix() / 60, store.LatencyBucket(took)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, there := t.latencies[key]; there || len(t.latencies) < mostLatencies {
		t.latencies[key]++
	}
}

// flushLatencies hands the latencies over. What cannot be handed over now is kept for the next time.
func (t *Tally) flushLatencies(ctx context.Context) error {
	t.mu.Lock()
	counted := t.latencies
	t.latencies = map[latencyKey]int64{}
	t.mu.Unlock()
	if len(counted) == 0 {
		return nil
	}
	list := make([]store.AnswerLatency, 0, len(counted))
	for key, n := range counted {
		list = append(list, store.AnswerLatency{SourceID: key.source, Minute: time.Unix(key.minute*60, 0).UTC(), Bucket: key.bucket, Answers: n})
	}
	err := t.counter.AddLatencies(ctx, list)
	if err == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, n := range counted {
		if _, there := t.latencies[key]; there || len(t.latencies) < mostLatencies {
			t.latencies[key] += n
		}
	}
	return err
}
