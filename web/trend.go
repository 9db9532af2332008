package web

import (
	"fmt"
	"strconv"
	"time"

	"recall/store"
)

// trend is the last 24 hours as small bars, with the same in words.
type trend struct {
	Words string
	Bars  []bar
}

// bar is one hour, in the units of the drawing.
type bar struct{ X, Y, Height string }

const (
	trendHours  = 24
	trendHeight = 24
	barStep     = 5 // 4 wide, 1 between
)

// newTrend draws the hours up to now. An hour with anything in it is never without a bar.
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
	t := trend{Words: "None in the last 24 hours"}
	if total > 0 {
		t.Words = fmt.Sprintf("Last 24 hours: %s, the most from %s to %s UTC with %s",
			grouped(total), when.Format("15:04"), when.Add(time.Hour).Format("15:04"), grouped(most))
	}
	for i, n := range counts {
		if n == 0 {
			continue
		}
		height := max(2, int(n*trendHeight/most))
		t.Bars = append(t.Bars, bar{strconv.Itoa(i * barStep), strconv.Itoa(trendHeight - height), strconv.Itoa(height)})
	}
	return t
}
