package alert

import (
	"testing"
	"time"
)

var monday = time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC)

// weekly makes the hours of some weeks before monday, each as the given function says.
func weekly(weeks int, zone *time.Location, n func(week int, hour time.Time) int64) map[time.Time]int64 {
	hours := map[time.Time]int64{}
	for week := 1; week <= weeks; week++ {
		for h := range 7 * 24 {
			hour := monday.AddDate(0, 0, -7*week).Add(time.Duration(h) * time.Hour)
			hours[hour] = n(week, hour.In(zone))
		}
	}
	return hours
}

func TestSilence(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	steady := func(n int64) func(int, time.Time) int64 { return func(int, time.Time) int64 { return n } }
	office := func(_ int, hour time.Time) int64 {
		if hour.Hour() >= 8 && hour.Hour() < 18 {
			return 60
		}
		return 0
	}
	batch := func(_ int, hour time.Time) int64 {
		if hour.Hour() == 3 {
			return 100
		}
		return 0
	}
	at := func(hour, minute int) time.Time {
		return monday.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
	}
	for name, test := range map[string]struct {
		weeks    int
		hours    func(int, time.Time) int64
		from, to time.Time
		zone     *time.Location
		down     []time.Time // hours
		want     bool
	}{
		"busy, ten minutes":                      {5, steady(1000), at(10, 0), at(10, 10), nil, nil, false},
		"busy, a quarter of an hour":             {5, steady(1000), at(10, 0), at(10, 15), nil, nil, true},
		"sixty an hour, half an hour":            {5, steady(60), at(10, 0), at(10, 30), nil, nil, false},
		"sixty an hour, an hour":                 {5, steady(60), at(10, 0), at(11, 0), nil, nil, true},
		"two an hour, five hours":                {5, steady(2), at(10, 0), at(15, 0), nil, nil, false},
		"two an hour, six hours":                 {5, steady(2), at(10, 0), at(16, 0), nil, nil, true},
		"office hours, the night before":         {5, office, at(-6, 5), at(8, 10), nil, nil, false},
		"office hours, the morning":              {5, office, at(-6, 5), at(9, 0), nil, nil, true},
		"office hours, a little after the close": {5, office, at(17, 50), at(20, 0), nil, nil, false},
		"a nightly batch, not due yet":           {5, batch, at(-20, 10), at(3, 50), nil, nil, false},
		"a nightly batch, missed":                {5, batch, at(-20, 10), at(4, 0), nil, nil, true},
		"one week is no habit":                   {1, steady(100), at(10, 0), at(13, 0), nil, nil, false},
		"two weeks are":                          {2, steady(100), at(10, 0), at(13, 0), nil, nil, true},
		"one of three weeks was a holiday": {3, func(week int, _ time.Time) int64 {
			return map[int]int64{1: 0, 2: 100, 3: 100}[week]
		}, at(10, 0), at(13, 0), nil, nil, true},
		"two of three were": {3, func(week int, _ time.Time) int64 {
			return map[int]int64{1: 0, 2: 0, 3: 100}[week]
		}, at(10, 0), at(13, 0), nil, nil, false},
		"a few a week": {5, func(_ int, hour time.Time) int64 {
			if hour.Hour() == 10 && int(hour.Weekday())%2 == 1 {
				return 1
			}
			return 0
		}, at(-24*5, 0), at(23, 0), nil, nil, false},
		"weeks in which we were away ourselves are not counted": {2, steady(100), at(10, 0), at(13, 0), nil, []time.Time{at(11-7*24, 0)}, false},
		"in the zone of the batch, after clocks went back":      {5, batch, at(-20, 10), at(3, 30), berlin, nil, true}, // 03:00 there is 01:00 by UTC
	} {
		t.Run(name, func(t *testing.T) {
			zone := time.UTC
			if test.zone != nil {
				zone = test.zone
			}
			r := rhythm{accepted: weekly(test.weeks, zone, test.hours), zone: zone, since: monday.AddDate(0, 0, -7*test.weeks)}
			r.down = func(hour time.Time) bool {
				for _, h := range test.down {
					if h.Equal(hour) {
						return true
					}
				}
				return false
			}
			least, most, weeks, got := r.missed(test.from, test.to)
			if got != test.want {
				t.Errorf("%t, want %t (%d to %d in %d weeks)", got, test.want, least, most, weeks)
			}
		})
	}
}

// A nightly batch stays at its hour by the clock on the wall.
func TestSilenceWhenClocksChange(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	hours := map[time.Time]int64{}
	for day := 1; day <= 40; day++ { // up to Sunday, 25 October 2026, when clocks go back
		hours[time.Date(2026, 10, 26-day, 4, 0, 0, 0, berlin).UTC()] = 100
	}
	r := rhythm{accepted: hours, down: func(time.Time) bool { return false }, zone: berlin}
	last := time.Date(2026, 10, 25, 4, 20, 0, 0, berlin).UTC()
	for minutes, want := range map[int]bool{-30: false, 30: false, 60: true} { // of the batch on Monday
		to := time.Date(2026, 10, 26, 4, minutes, 0, 0, berlin).UTC()
		if _, _, _, got := r.missed(last, to); got != want {
			t.Errorf("%s: %t, want %t", to.In(berlin), got, want)
		}
	}
	r.zone = time.UTC
	if _, _, _, got := r.missed(last, time.Date(2026, 10, 26, 4, 0, 0, 0, berlin).UTC()); !got {
		t.Error("by UTC it is missed an hour too early, which is what the zone is for")
	}
}
