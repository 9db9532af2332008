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

// outcome is where a delivery stands after an attempt (the arrows are drawn at store.DeliveryState).
type outcome struct {
	state store.DeliveryState
	next  time.Time // of the next attempt, while waiting
}

// judge says what an attempt that has ended means for its delivery. Only an answer of 2xx that came whole is success:
// with any other the destination may not have what we think it has, and is asked again, until the schedule is used up.
func (d *Dispatcher) judge(a *store.Attempt, schedule []time.Duration) outcome {
	if a.Error == "" && a.Status >= 200 && a.Status < 300 {
		return outcome{state: store.DeliverySucceeded}
	}
	now := d.now()
	if a.Error == interrupted { // which says nothing about the destination
		return outcome{state: store.DeliveryWaiting, next: now}
	}
	if a.Number > len(schedule) {
		return outcome{state: store.DeliveryExhausted}
	}
	wait := max(schedule[a.Number-1], retryAfter(a.ResponseHeader, now))
	return outcome{state: store.DeliveryWaiting, next: now.Add(d.jitter(wait))}
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
