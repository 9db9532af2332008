package web

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"recall/store"
)

// trend is a time as small bars, with the same in words.
type trend struct {
	Words string
	Bars  []bar
}

// bar is one part of the time, in the units of the drawing.
type bar struct{ X, Y, Height string }

const (
	trendHours  = 24
	trendHeight = 24
	barStep     = 5 // 4 wide, 1 between
)

// newTrend draws the 24 hours up to now.
func newTrend(hours []store.FailureHour, now time.Time) trend {
	last := now.UTC().Truncate(time.Hour)
	var counts [trendHours]int64
	var total, most int64
	var when time.Time
	for _, h := range hours {
		i := trendHours - 1 - int(last.Sub(h.Hour)/time.Hour)
		if i < 0 || i >= trendHours || h.Hour.After(last) {
			continue
		}
		counts[i] += h.Events
		total += h.Events
		if h.Events > most {
			most, when = h.Events, h.Hour.UTC()
		}
	}
	t := trend{Words: "None in the last 24 hours", Bars: trendBarsOf(counts[:])}
	if total > 0 {
		t.Words = fmt.Sprintf("Last 24 hours: %s, the most from %s to %s UTC with %s",
			grouped(total), when.Format("15:04"), when.Add(time.Hour).Format("15:04"), grouped(most))
	}
	return t
}

// partsTrend draws parts of a time that the page names.
func partsTrend(counts []int64) trend {
	t := trend{Words: "Nothing arrived", Bars: trendBarsOf(counts)}
	if len(t.Bars) > 0 {
		t.Words = fmt.Sprintf("%s of %d parts of the time had events, the busiest %s", strconv.Itoa(len(t.Bars)), len(counts), grouped(slices.Max(counts)))
	}
	return t
}

// trendBarsOf makes the bars. A part with anything in it is never without one.
func trendBarsOf(counts []int64) []bar {
	if len(counts) == 0 {
		return nil
	}
	var bars []bar
	most := slices.Max(counts)
	for i, n := range counts {
		if n == 0 {
			continue
		}
		height := max(2, int(n*trendHeight/most))
		bars = append(bars, bar{strconv.Itoa(i * barStep), strconv.Itoa(trendHeight - height), strconv.Itoa(height)})
	}
	return bars
}
