package alert

import (
	"slices"
	"time"
)

// A source is silent when nothing was accepted from it since a time, and in the same hours of the weeks before there always
// was. The time that is compared grows with the silence: a busy source is missed within the hour, one with an event or two
// an hour after half a day, a nightly batch an hour after its time, and one with a few events a week never, as nobody could tell.

const (
	weeksBack     = 5
	weeksLeast    = 2  // that must be known
	busyEvents    = 20 // a time was busy if that many came in it,
	busyHours     = 6  // or some came in that many hours of it
	steadyEvents  = 20 // an hour whose neighbours have that many too is taken as spread evenly
	quietLeast    = 15 * time.Minute
	quietMost     = 6 * 24 * time.Hour // a longer silence is compared by its last days; weeks must not overlap it
	downTolerance = 10                 // one hour of so many may be unknown
)

// rhythm is what is known of one source, in hours.
type rhythm struct {
	accepted map[time.Time]int64
	down     func(hour time.Time) bool // nobody took callbacks then
	since    time.Time                 // before that it was not watched
	zone     *time.Location            // whose weeks count: a night's batch stays at its hour when clocks change
}

// missed tells whether callbacks are missing from one time to another, and how many came in the same hours of the weeks that
// are compared, the least and the most.
func (r rhythm) missed(from, to time.Time) (least, most int64, weeks int, missed bool) {
	if to.Sub(from) > quietMost {
		from = to.Add(-quietMost)
	}
	if to.Sub(from) < quietLeast {
		return 0, 0, 0, false
	}
	var busy []int64
	for week := 1; week <= weeksBack; week++ {
		a, b := r.shift(from, week), r.shift(to, week)
		if a.Before(r.since) {
			break
		}
		events, hours, known := r.count(a, b)
		if !known {
			continue
		}
		weeks++
		if events >= busyEvents || hours >= busyHours {
			busy = append(busy, events)
		}
	}
	wanted := weeks
	if weeks > weeksLeast {
		wanted-- // a holiday, or a hole of before
	}
	if weeks < weeksLeast || len(busy) < wanted {
		return 0, 0, weeks, false
	}
	return slices.Min(busy), slices.Max(busy), weeks, true
}

// shift is the same time of the week, so many weeks before.
func (r rhythm) shift(t time.Time, weeks int) time.Time {
	return t.In(r.zone).AddDate(0, 0, -7*weeks).UTC()
}

// count is how many events came between two times, and in how many hours. Of hours that are not wholly between them, half the
// share counts where events came evenly, and nothing where they may have come in a burst. known is false where nobody can tell.
func (r rhythm) count(from, to time.Time) (events int64, hours int, known bool) {
	down, all := 0, 0
	for hour := from.Truncate(time.Hour); hour.Before(to); hour = hour.Add(time.Hour) {
		all++
		if r.down(hour) {
			down++
			continue
		}
		n := r.accepted[hour]
		if share := overlap(hour, from, to); share < 1 {
			if n < steadyEvents || r.accepted[hour.Add(-time.Hour)] < steadyEvents || r.accepted[hour.Add(time.Hour)] < steadyEvents {
				continue
			}
			n = int64(float64(n) * share / 2)
		}
		if n > 0 {
			events, hours = events+n, hours+1
		}
	}
	return events, hours, down*downTolerance <= all
}

// overlap is the share of an hour between two times.
func overlap(hour, from, to time.Time) float64 {
	a, b := hour, hour.Add(time.Hour)
	if from.After(a) {
		a = from
	}
	if to.Before(b) {
		b = to
	}
	return float64(b.Sub(a)) / float64(time.Hour)
}
