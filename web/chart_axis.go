package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"recall/store"
)

// niceTop is a round number that the highest bar fits below, and a round step to it.
func niceTop(most int64) (top, step int64) {
	if most <= 3 {
		return max(most, 1), 1
	}
	step = 1
	for {
		for _, m := range []int64{1, 2, 5} {
			if s := step * m; s*3 >= most {
				return (most + s - 1) / s * s, s
			}
		}
		step *= 10
	}
}

// short is a number for a narrow place: 1,200 is 1.2k.
func short(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1_000_000_000, "G"}, {1_000_000, "M"}, {1_000, "k"}} {
		if n >= unit.size {
			return strings.TrimSuffix(strconv.FormatFloat(float64(n/(unit.size/10))/10, 'f', 1, 64), ".0") + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// decimal writes a coordinate as short as a tenth of a unit allows.
func decimal(f float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0")
}

// tickSteps are how far apart labels of the time may be; beyond them are months.
var tickSteps = []time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour,
}

// label puts labels below the bars, at round times of the zone.
func (view *volumeView) label(bars []store.VolumeBar, zone *time.Location) {
	from, to := bars[0].Start, bars[len(bars)-1].End
	slots := float64(max(len(bars), chartSlots))
	at := 0 // bar that the label stands at
	for i, t := range tickTimes(from, to, chartLabels*float64(len(bars))/slots, zone) {
		for at < len(bars)-1 && !t.Before(bars[at].End) {
			at++
		}
		part := t.Sub(bars[at].Start).Seconds() / bars[at].End.Sub(bars[at].Start).Seconds()
		x := 100 * (float64(at) + part) / slots
		tick := chartTick{X: decimal(x) + "%", Text: tickWords(t, zone)}
		switch {
		case x < 3:
			tick.Class = "start"
		case x > 97:
			tick.Class = "end"
		case i%2 == 1:
			tick.Class = "minor"
		}
		view.Ticks = append(view.Ticks, tick)
	}
}

// tickTimes are round times in a span, each as far from the next, and about as many as there is room for, or fewer.
func tickTimes(from, to time.Time, room float64, zone *time.Location) []time.Time {
	for _, step := range tickSteps {
		if to.Sub(from).Seconds() <= step.Seconds()*room {
			return roundTimes(from, to, step, zone)
		}
	}
	var times []time.Time
	y, m, _ := from.In(zone).Date()
	months := 1 + int(to.Sub(from).Hours()/(room*30*24))
	for i := 0; ; i += months {
		t := time.Date(y, m+time.Month(i), 1, 0, 0, 0, 0, zone)
		if !t.Before(to) {
			return times
		}
		if !t.Before(from) {
			times = append(times, t)
		}
	}
}

func roundTimes(from, to time.Time, step time.Duration, zone *time.Location) []time.Time {
	y, m, d := from.In(zone).Date()
	var times []time.Time
	for day := 0; ; day++ {
		midnight := time.Date(y, m, d+day, 0, 0, 0, 0, zone)
		if !midnight.Before(to) {
			return times
		}
		if days := int(step / (24 * time.Hour)); days > 0 {
			date := int(time.Date(y, m, d+day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
			if (date+3)%days == 0 && !midnight.Before(from) { // + 3: weeks begin on Monday
				times = append(times, midnight)
			}
			continue
		}
		for minute := 0; minute < 24*60; minute += int(step / time.Minute) {
			t := time.Date(y, m, d+day, 0, minute, 0, 0, zone)
			if !t.Before(from) && t.Before(to) && (len(times) == 0 || t.After(times[len(times)-1])) {
				times = append(times, t)
			}
		}
	}
}

// tickWords is the time of a label: the date where a day begins.
func tickWords(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	switch {
	case t.Hour() != 0 || t.Minute() != 0:
		return t.Format("15:04")
	case t.YearDay() == 1:
		return t.Format("2006")
	}
	return t.Format("2 Jan")
}

// barWords is the time of a bar.
func barWords(from, to time.Time, zone *time.Location) string {
	from, to = from.In(zone), to.In(zone)
	switch days := to.Sub(from); {
	case days < 23*time.Hour || to.Hour() != 0 || from.Hour() != 0:
		return from.Format("Mon 2 Jan, 15:04") + "–" + to.Format("15:04")
	case days < 26*time.Hour:
		return from.Format("Mon 2 Jan 2006")
	}
	return from.Format("2 Jan") + " – " + to.AddDate(0, 0, -1).Format("2 Jan 2006")
}

// spanWords is the time of a chart.
func spanWords(from, to time.Time, zone *time.Location) string {
	from, to = from.In(zone), to.In(zone)
	if from.Hour() == 0 && from.Minute() == 0 && to.Hour() == 0 && to.Minute() == 0 {
		last := to.AddDate(0, 0, -1)
		if last.Equal(from) {
			return from.Format("Mon 2 Jan 2006")
		}
		return from.Format("2 Jan") + " – " + last.Format("2 Jan 2006")
	}
	if from.Format(time.DateOnly) == to.Add(-time.Second).Format(time.DateOnly) {
		return from.Format("Mon 2 Jan, 15:04") + "–" + to.Format("15:04")
	}
	return from.Format("2 Jan, 15:04") + " – " + to.Format("2 Jan, 15:04")
}

// stepWords is the length of a bar.
func stepWords(step time.Duration) string {
	switch {
	case step == 24*time.Hour:
		return "a day"
	case step > 24*time.Hour:
		return fmt.Sprintf("%d days", step/(24*time.Hour))
	case step == time.Hour:
		return "an hour"
	case step == time.Minute:
		return "a minute"
	}
	return span(step)
}

// countsLag says that the counts are behind, where they are further than usual.
func countsLag(counted, now time.Time, h habits) string {
	if counted.IsZero() || now.Sub(counted) < lagShown {
		return ""
	}
	return "Counted until " + h.exactTo(counted) + " " + zoneWord(counted.In(h.zone())) + "; what came later is not in it yet."
}
