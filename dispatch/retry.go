package dispatch

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"recall/store"
)

// maxRetryAfter bounds what a destination may ask for.
const maxRetryAfter = 24 * time.Hour

// goneWait leaves the time to pause a destination that answered 410 Gone.
const goneWait = 30 * time.Second

// judge says what an attempt that has ended means for its delivery (the arrows are drawn at store.DeliveryState) and for its
// destination's health. Only an answer of 2xx that came whole is success: with any other the destination may not have what we
// think it has, and is asked again, until the schedule is used up. What we broke off, what answered 410 Gone, which pauses
// the destination, and what only probed a broken one uses up none of it.
func (d *Dispatcher) judge(e *store.EndedAttempt, schedule []time.Duration, probing bool) {
	a, now := e.Attempt, d.now()
	if a.Error == "" && a.Status >= 200 && a.Status < 300 {
		e.State, e.Counts, e.Health = store.DeliverySucceeded, true, true
		return
	}
	e.State, e.Next = store.DeliveryWaiting, now
	switch {
	case a.Status == http.StatusGone:
		e.Next = now.Add(goneWait)
		return
	case a.Error == interrupted || probing:
		return
	}
	e.Counts, e.Health = true, e.Trigger != store.TriggerManual
	if e.Tries >= len(schedule) {
		e.State, e.Next = store.DeliveryExhausted, time.Time{}
		return
	}
	wait := max(schedule[e.Tries], retryAfter(a.ResponseHeader, now))
	e.Next = now.Add(d.jitter(wait))
}

// retryAfter is how long the destination asks to be left alone: seconds or a date. 0 where it does not.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
