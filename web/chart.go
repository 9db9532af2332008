package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"recall/filter"
	"recall/store"
	"recall/verify"
)

// Units of the drawing: wide is stretched to the room there is, high is in pixels.
const (
	chartWide   = 1200
	chartHigh   = 96
	chartLeast  = 2 // pixels of a bar that has anything in it, however little
	chartSlots  = 8 // fewer bars leave room at the end instead of growing wide
	chartLabels = 8 // along the time
)

// volumeView is the chart of how many events arrived when, by verdict, with the same in a table. The zero one shows nothing.
type volumeView struct {
	Why     string // there is no chart, and why; "" there is one
	WhyLink link   // what can be drawn instead
	Events  string
	Span    string // the whole time
	Zone    string
	Step    string // what a bar is
	Ranges  []rangeLink
	OutURL  string // a longer time around this one; "" where it is all
	Legend  []volumeLegend
	Rejected, Late,
	Verified string // lines upwards, as wide as BarWidth: the bars
	BarWidth string
	Bars     []volumeBar
	Ticks    []chartTick
	Lines    []chartLine
	TableURL string // "" where the table stands below
	Drag     string // address of a time that is dragged, with {from} and {to} in it
	Starts   string // of the first bar, in minutes, and how many minutes each is long
	Titles   string // of the bars, with | between, without what volume.js adds; "" of a bar without anything in it
	Unsure   string
	Lag      string // the counts are behind
}

// rangeLink chooses a time up to now.
type rangeLink struct {
	link
	Current bool
}

type volumeLegend struct {
	Class string
	mood
	Count string
	URL   string
}

// volumeBar is one bar that has anything in it.
type volumeBar struct {
	URL, Title               string
	When                     string
	Verified, Late, Rejected string
	Events                   string
}

// chartTick is a label below the chart.
type chartTick struct {
	X, Text string
	Class   string // start or end: next to that edge; minor: left out where there is little room
}

// chartLine is a line across the chart, and its label.
type chartLine struct{ Y, TextY, Text string }

// volume is the chart of what a filter finds. It never fails a page: what keeps it from being drawn is said in its place.
func (s *server) volume(ctx context.Context, f filter.Filter, h habits) volumeView {
	v, err := s.DB.Volume(ctx, store.VolumeQuery{Filter: f, Zone: h.zone()})
	switch {
	case errors.Is(err, store.ErrNotCounted):
		return newUncountedView(f)
	case err != nil:
		if ctx.Err() == nil {
			s.Log.Warn("the volume chart is left out", "error", err)
		}
		return volumeView{Why: "The chart cannot be drawn right now."}
	}
	return newVolumeView(v, f, h, s.Now())
}

// newUncountedView says why there is no chart, and offers the one without what stands in its way.
func newUncountedView(f filter.Filter) volumeView {
	rest, keys := f, []string{}
	for _, t := range f.Terms {
		if name := keyName(t); !store.Counted(t) && !slices.Contains(keys, name) {
			keys = append(keys, name)
			rest = rest.Without(t.Key)
		}
	}
	return volumeView{
		Why:     "There is a chart by time, source, verdict, type and answer only, not by " + strings.Join(keys, " or ") + ".",
		WhyLink: link{"Show it without", eventQuery{Text: rest.Text()}.url()},
	}
}

// keyName is what a term asks for, in a word.
func keyName(t filter.Term) string {
	switch t.Key {
	case filter.KeyPayload:
		return "what the body says"
	case filter.KeyReceived:
		return "several times"
	}
	return string(t.Key)
}

// chartRanges are offered above the chart of a list.
var chartRanges = []struct{ Age, Name string }{{"1h", "1 h"}, {"24h", "24 h"}, {"7d", "7 d"}, {"30d", "30 d"}}

func newVolumeView(v *store.Volume, f filter.Filter, h habits, now time.Time) volumeView {
	zone := h.zone()
	untimed := f.Without(filter.KeyAfter).Without(filter.KeyBefore).Without(filter.KeyReceived)
	base, timed := untimed.Text(), len(untimed.Terms) < len(f.Terms)
	view := volumeView{Zone: zoneWord(now.In(zone)), Ranges: newRanges(f, base, timed), Lag: countsLag(v.CountedAt, now, h)}
	if v.CountedAt.IsZero() || len(v.Bars) == 0 && !timed && base == "" {
		return volumeView{} // there are no events yet, and the page says so
	}
	if len(v.Bars) == 0 {
		view.Why = "Nothing was counted in this time."
		return view
	}
	from, to := v.Bars[0].Start, v.Bars[len(v.Bars)-1].End
	view.TableURL = volumeURL(f.Text())
	view.Span, view.Step = spanWords(from, to, zone), stepWords(v.Step)
	view.Drag = eventQuery{Text: timedText(base, "{from}", "{to}")}.url()
	view.Drag = strings.NewReplacer("%7B", "{", "%7D", "}").Replace(view.Drag)
	if timed {
		view.OutURL = eventQuery{Text: widerText(base, from, to, now)}.url()
	}
	if v.Unsure > 0 {
		view.Unsure = h.plural(int(v.Unsure), "event", "events") + " of rare types may match as well: types beyond the most usual are not counted one by one."
	}
	view.draw(v.Bars, base, h)
	view.label(v.Bars, zone)
	view.legend(v.Bars, f, h)
	return view
}

// draw makes the bars.
func (view *volumeView) draw(bars []store.VolumeBar, base string, h habits) {
	var most, total int64
	for _, b := range bars {
		most = max(most, b.Events())
		total += b.Events()
	}
	view.Events = h.plural(int(total), "event", "events")
	top, step := niceTop(most)
	for n := step; n <= top && most > 0; n += step {
		y := chartHigh - float64(chartHigh*n)/float64(top)
		view.Lines = append(view.Lines, chartLine{Y: decimal(min(max(y, 0.5), chartHigh-0.5)), TextY: decimal(max(y+4, 10)), Text: short(n)})
	}
	slot := float64(chartWide) / float64(max(len(bars), chartSlots))
	gap := min(slot/6, 4)
	var rejected, late, verified, starts, titles strings.Builder
	starts.WriteString(strconv.FormatInt(bars[0].Start.Unix()/60, 10))
	day, length, times := "", 0, 0
	for i, b := range bars {
		x := float64(i) * slot
		if minutes := int(b.End.Sub(b.Start).Minutes()); minutes == length {
			times++
		} else {
			writeTimes(&starts, length, times)
			length, times = minutes, 1
		}
		if i > 0 {
			titles.WriteByte('|')
		}
		if b.Events() == 0 {
			continue
		}
		heights := barHeights([]int64{b.Rejected, b.Late, b.Verified}, top)
		y := float64(chartHigh)
		for j, path := range []*strings.Builder{&rejected, &late, &verified} {
			if high := heights[j]; high > 0 {
				path.WriteString("M" + decimal(x+slot/2) + " " + decimal(y) + "v-" + decimal(high))
				y -= high
			}
		}
		when := barWords(b.Start, b.End, h.zone())
		bar := volumeBar{
			When: when, URL: eventQuery{Text: timedText(base, filterTime(b.Start), filterTime(b.End))}.url(),
			Verified: h.grouped(b.Verified), Late: h.grouped(b.Late), Rejected: h.grouped(b.Rejected), Events: h.grouped(b.Events()),
		}
		bar.Title = when + ": " + bar.Events
		if b.Late > 0 {
			bar.Title += ", " + bar.Late + " late"
		}
		if b.Rejected > 0 {
			bar.Title += ", " + bar.Rejected + " rejected"
		}
		on, _, clocked := strings.Cut(when, ", ")
		if clocked && on == day {
			titles.WriteString(strings.TrimPrefix(bar.Title, day)) // a day is said once
		} else {
			titles.WriteString(bar.Title)
		}
		day = on
		view.Bars = append(view.Bars, bar)
	}
	writeTimes(&starts, length, times)
	view.BarWidth = decimal(slot - gap)
	view.Rejected, view.Late, view.Verified = rejected.String(), late.String(), verified.String()
	view.Starts, view.Titles = starts.String(), titles.String()
}

// writeTimes says how long bars are, and how many in a row.
func writeTimes(b *strings.Builder, minutes, times int) {
	if times > 0 {
		fmt.Fprintf(b, " %d*%d", minutes, times)
	}
}

// barHeights shares a bar out among its parts. Each part that is there can be seen, at the cost of the largest.
func barHeights(counts []int64, top int64) []float64 {
	heights := make([]float64, len(counts))
	largest, total, sum := 0, 0.0, int64(0)
	for i, n := range counts {
		sum += n
		if n > 0 {
			heights[i] = max(chartLeast, float64(n*chartHigh)/float64(top))
		}
		if heights[i] > heights[largest] {
			largest = i
		}
		total += heights[i]
	}
	if over := total - max(float64(sum*chartHigh)/float64(top), chartLeast); over > 0 && heights[largest]-over >= chartLeast {
		heights[largest] -= over
	}
	return heights
}

// legend names what the bars consist of, and leads to each part.
func (view *volumeView) legend(bars []store.VolumeBar, f filter.Filter, h habits) {
	counts := map[verify.Verdict]int64{}
	for _, b := range bars {
		counts[verify.Verified] += b.Verified
		counts[verify.Late] += b.Late
		counts[verify.Rejected] += b.Rejected
	}
	for _, v := range []verify.Verdict{verify.Verified, verify.Late, verify.Rejected} {
		text := strings.TrimSpace(f.Without(filter.KeyVerdict).Text() + " " + string(filter.KeyVerdict) + ":" + string(v))
		view.Legend = append(view.Legend, volumeLegend{string(v), verdictMood(v), h.grouped(counts[v]), eventQuery{Text: text}.url()})
	}
}

func newRanges(f filter.Filter, base string, timed bool) []rangeLink {
	now := "" // the age that the filter has
	if len(f.Terms) > 0 {
		values := fieldValues(f)
		if values[filter.KeyBefore] == "" {
			now = values[filter.KeyAfter]
		}
	}
	var list []rangeLink
	for _, r := range chartRanges {
		list = append(list, rangeLink{link{r.Name, eventQuery{Text: strings.TrimSpace(base + " after:" + r.Age)}.url()}, now == r.Age})
	}
	return append(list, rangeLink{link{"All", eventQuery{Text: base}.url()}, !timed})
}

// timedText is a filter of a time.
func timedText(base, from, to string) string {
	return strings.TrimSpace(base + " after:" + from + " before:" + to)
}

// widerText is a filter of three times the time around this one, as far as that has been.
func widerText(base string, from, to, now time.Time) string {
	span := to.Sub(from)
	text := base + " after:" + filterTime(from.Add(-span))
	if later := to.Add(span); later.Before(now) {
		text += " before:" + filterTime(later)
	}
	return strings.TrimSpace(text)
}

// filterTime is a whole minute as the filter reads it, as short as can be.
func filterTime(t time.Time) string {
	t = t.UTC()
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format("2006-01-02")
	}
	return t.Format("2006-01-02T15:04")
}
