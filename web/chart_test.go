package web

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recall/filter"
	"recall/static"
	"recall/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with the file of its name in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if got != string(want) {
		t.Errorf("%s differs; if that is right: go test ./web -run %s -update\n%s", path, t.Name(), got)
	}
}

func parseFilter(t testing.TB, text string) filter.Filter {
	t.Helper()
	f, err := filter.Parse(text, testNow)
	must(t, err)
	return f
}

// hourly makes a volume of bars of an hour that ends now.
func hourly(counts ...store.VolumeBar) *store.Volume {
	v := &store.Volume{Step: time.Hour, CountedAt: testNow}
	start := testNow.Truncate(time.Hour).Add(-time.Duration(len(counts)-1) * time.Hour)
	for i, b := range counts {
		b.Start, b.End = start.Add(time.Duration(i)*time.Hour), start.Add(time.Duration(i+1)*time.Hour)
		v.Bars = append(v.Bars, b)
	}
	return v
}

func TestVolumeChartGolden(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	must(t, err)
	day := &store.Volume{Step: 24 * time.Hour, CountedAt: testNow.Add(-time.Hour), Unsure: 7}
	for i := range 40 {
		start := time.Date(2026, 10, 16+i, 0, 0, 0, 0, time.UTC)
		day.Bars = append(day.Bars, store.VolumeBar{Start: start, End: start.AddDate(0, 0, 1), Verified: int64(i * 1000), Rejected: int64(i % 3)})
	}
	for name, test := range map[string]struct {
		volume *store.Volume
		filter string
		habits habits
	}{
		"chart_hours.html": {hourly(store.VolumeBar{Verified: 310, Late: 4, Rejected: 1}, store.VolumeBar{}, store.VolumeBar{Rejected: 9}, store.VolumeBar{Verified: 1}), `source:shop type:"a b","<x>" after:4h`, habits{Zone: berlin}},
		"chart_days.html":  {day, "", habits{German: true}},
	} {
		view := newVolumeView(test.volume, parseFilter(t, test.filter), test.habits, testNow)
		golden(t, name, strings.NewReplacer("><", ">\n<", static.URL("js/volume.js"), "volume.js").Replace(renderText(t, volumeChart(view)))+"\n")
	}
}

func TestVolumeViewWithoutAChart(t *testing.T) {
	t.Parallel()
	if v := newVolumeView(&store.Volume{}, filter.Filter{}, habits{}, testNow); renderText(t, volumeChart(v)) != "" {
		t.Errorf("before anything is counted it shows %+v", v)
	}
	if v := newVolumeView(&store.Volume{CountedAt: testNow}, parseFilter(t, "after:2027-01-01"), habits{}, testNow); v.Why == "" {
		t.Errorf("an empty time: %+v", v)
	}
	v := newUncountedView(parseFilter(t, "source:shop customer:1 -entity:2 customer:3 after:2h"))
	if v.Why != "There is a chart by time, source, verdict, type and answer only, not by customer or entity." || v.WhyLink.URL != "/events?q=source:shop+after:2h" {
		t.Errorf("%+v", v)
	}
}

func TestVolumeViewLinks(t *testing.T) {
	t.Parallel()
	v := newVolumeView(hourly(store.VolumeBar{Verified: 2}, store.VolumeBar{}), parseFilter(t, `-verdict:late after:24h source:shop before:1m`), habits{}, testNow)
	base := "/events?q=-verdict:late+source:shop"
	got := []string{v.Bars[0].URL, v.Drag, v.OutURL, v.Legend[2].URL, v.Ranges[1].URL, v.Ranges[4].URL}
	want := []string{
		base + "+after:2026-11-24T09:00+before:2026-11-24T10:00", base + "+after:{from}+before:{to}", base + "+after:2026-11-24T07:00",
		"/events?q=after:24h+source:shop+before:1m+verdict:rejected", base + "+after:24h", base,
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %s, want %s", got[i], want[i])
		}
	}
	for _, url := range got {
		if strings.Contains(url, "{") {
			continue
		}
		text := strings.NewReplacer("/events?q=", "", "+", " ").Replace(url)
		if _, err := filter.Parse(text, testNow); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, age := range []string{"", "after:1h", "after:24h", "after:25h", "after:1h before:5m"} {
		current := ""
		for _, r := range newVolumeView(hourly(store.VolumeBar{Late: 1}), parseFilter(t, age), habits{}, testNow).Ranges {
			if r.Current {
				current += r.Text
			}
		}
		if want := map[string]string{"": "All", "after:1h": "1 h", "after:24h": "24 h"}[age]; current != want {
			t.Errorf("%q: %q is current, want %q", age, current, want)
		}
	}
}

// Whatever is there can be seen, and no bar is higher than the chart.
func TestBarHeights(t *testing.T) {
	t.Parallel()
	for _, counts := range [][]int64{{1, 0, 99_999}, {1, 1, 1}, {0, 0, 1}, {100_000, 0, 0}, {1, 50_000, 50_000}, {3, 1, 1_000_000_000_000}} {
		top, _ := niceTop(counts[0] + counts[1] + counts[2])
		total := 0.0
		for i, h := range barHeights(counts, top) {
			total += h
			if counts[i] > 0 && h < chartLeast || counts[i] == 0 && h != 0 {
				t.Errorf("%v: part %d is %v high", counts, i, h)
			}
		}
		if total > chartHigh+0.001 {
			t.Errorf("%v: %v high", counts, total)
		}
	}
}

func TestChartNumbers(t *testing.T) {
	t.Parallel()
	for most, want := range map[int64][2]int64{0: {1, 1}, 1: {1, 1}, 3: {3, 1}, 4: {4, 2}, 7: {10, 5}, 11: {15, 5}, 310: {400, 200}, 999: {1000, 500}, 1_000_001: {1_500_000, 500_000}} {
		if top, step := niceTop(most); [2]int64{top, step} != want && (top < most || top%step != 0 || top/step > 4) {
			t.Errorf("%d: up to %d by %d", most, top, step)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1k", 1250: "1.2k", 20_000: "20k", 999_999: "999.9k", 3_500_000: "3.5M", 2_000_000_000: "2G"} {
		if got := short(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

// Labels stand at round times of the zone, not too many, whatever the span.
func TestTicks(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	must(t, err)
	for _, span := range []time.Duration{time.Minute, 7 * time.Minute, time.Hour, 5 * time.Hour, 24 * time.Hour, 3 * 24 * time.Hour, 30 * 24 * time.Hour, 91 * 24 * time.Hour, 1200 * 24 * time.Hour} {
		from := time.Date(2026, 10, 24, 22, 0, 0, 0, time.UTC)
		times := tickTimes(from, from.Add(span), chartLabels, berlin)
		if len(times) < 1 || len(times) > chartLabels+1 {
			t.Errorf("%s: %d labels", span, len(times))
		}
		var words []string
		for i, at := range times {
			words = append(words, tickWords(at, berlin))
			if i > 0 && (!at.After(times[i-1]) || words[i] == words[i-1]) {
				t.Errorf("%s: %s after %s", span, words[i], words[i-1])
			}
		}
	}
}
