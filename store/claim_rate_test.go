package store

import (
	"testing"
	"time"
)

func TestRateOf(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { return new(now.Add(d)) }
	for _, c := range []struct {
		name      string
		perSecond float64
		at        *time.Time
		tokens    int
		allows    time.Duration // one more, with all of them taken
	}{
		{"none yet", 2, nil, 1, 500 * time.Millisecond},
		{"long ago", 2, at(-time.Hour), 1, 500 * time.Millisecond},
		{"just now", 2, at(0), 0, 500 * time.Millisecond},
		{"half of it", 2, at(-250 * time.Millisecond), 0, 250 * time.Millisecond},
		{"many", 100, nil, 10, 10 * time.Millisecond},
		{"many, some taken", 100, at(-25 * time.Millisecond), 2, 5 * time.Millisecond},
		{"one an hour", 1.0 / 3600, at(-30 * time.Minute), 0, 30 * time.Minute},
		{"ahead", 2, at(time.Second), 0, 1500 * time.Millisecond},
	} {
		r := rateOf(c.perSecond, c.at, now)
		if r.tokens != c.tokens || r.allows(r.tokens).Sub(now) != c.allows {
			t.Errorf("%s: %d, then after %s; want %d, %s", c.name, r.tokens, r.allows(r.tokens).Sub(now), c.tokens, c.allows)
		}
	}
}
