package store

import "time"

const (
	day = 24 * time.Hour
	// mostBars keep a chart readable on a narrow screen, and its page small. A quarter of a year is worth some more days.
	mostBars = 60
	mostDays = 92
	// hourlySpan is from when on a time is drawn in whole hours: so it reads few rows.
	hourlySpan = 24*time.Hour - time.Minute
)

// barSteps are the lengths of a bar, each a divisor of what it begins at anew: an hour, or a day.
var barSteps = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 2 * day, 7 * day, 14 * day, 28 * day,
}

// barsOf divides a time into bars: of q.Step, or else as short ones as are readable and kept. The first and the last may
// reach beyond it. Of a time that is too long only the end is left.
func barsOf(from, to, now time.Time, q VolumeQuery) (grain, time.Duration, []VolumeBar) {
	if !from.Before(to) {
		return "", 0, nil
	}
	if _, offset := now.In(q.Zone).Zone(); offset%3600 != 0 { // hours are UTC's
		q.Zone = time.UTC
	}
	least := time.Minute
	if from.Before(now.Add(-minutesKept)) || to.Sub(from) >= hourlySpan {
		least = time.Hour
	}
	if from.Before(now.Add(-hoursKept)) {
		least = day
	}
	step := q.Step
	for _, s := range barSteps {
		if q.Step == 0 && s >= least {
			if step = s; to.Sub(from)/s <= mostBars || s == day && to.Sub(from)/s <= mostDays {
				break
			}
		}
	}
	g := grainOf(step, from, now, q.Zone)
	zone := q.Zone
	if g == days {
		zone = time.UTC
	}
	if earliest := to.Add(-2 * mostBars * step); from.Before(earliest) {
		from = earliest
	}
	var bars []VolumeBar
	for start := barStart(from, step, zone); start.Before(to); {
		end := barEnd(start, step, zone)
		bars = append(bars, VolumeBar{Start: start.UTC(), End: end.UTC()})
		start = end
	}
	return g, step, bars
}

// grainOf is the coarsest that a bar consists of. Days are those of UTC: in another zone they are made of hours, as long
// as these are kept.
func grainOf(step time.Duration, from, now time.Time, zone *time.Location) grain {
	switch {
	case step < time.Hour:
		return minutes
	case step >= day && (isUTC(zone, from, now) || from.Before(now.Add(-hoursKept))):
		return days
	}
	return hours
}

// isUTC tells whether a zone is UTC by another name.
func isUTC(zone *time.Location, times ...time.Time) bool {
	for _, t := range times {
		if _, offset := t.In(zone).Zone(); offset != 0 {
			return false
		}
	}
	return true
}

// barStart is the start of the bar that a time is in. Bars up to an hour begin at whole steps of UTC, which the counts are
// made by; longer ones at whole steps of the zone's day, and those of several days so that all charts agree.
func barStart(t time.Time, step time.Duration, zone *time.Location) time.Time {
	if step <= time.Hour {
		return t.UTC().Truncate(step)
	}
	t = t.In(zone)
	y, m, d := t.Date()
	if step < day {
		h := int(step / time.Hour)
		return time.Date(y, m, d, t.Hour()/h*h, 0, 0, 0, zone)
	}
	n := int(step / day)
	date := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / int64(day/time.Second))
	return time.Date(y, m, d-(date+3)%n, 0, 0, 0, 0, zone) // + 3: weeks begin on Monday
}

// barEnd is the start of the next bar; on a day on which the clocks change it may be an hour longer or shorter.
func barEnd(start time.Time, step time.Duration, zone *time.Location) time.Time {
	if step <= time.Hour {
		return start.Add(step)
	}
	t := start.In(zone)
	y, m, d := t.Date()
	if step < day {
		h := int(step / time.Hour)
		if end := time.Date(y, m, d, t.Hour()/h*h+h, 0, 0, 0, zone); end.After(start) {
			return end
		}
		return start.Add(step)
	}
	return time.Date(y, m, d+int(step/day), 0, 0, 0, 0, zone)
}
