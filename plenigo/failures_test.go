package plenigo

import (
	"testing"
	"time"
)

func TestNextTry(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 11, 24, 10, 2, 0, 0, time.UTC)
	for _, test := range []struct {
		tries, number int
		from, to      time.Duration
		ok            bool
	}{
		{0, 0, 0, 0, false}, {1, 2, time.Hour, time.Hour, true}, {2, 3, 6 * time.Hour, 7 * time.Hour, true},
		{3, 4, 24 * time.Hour, 31 * time.Hour, true}, {4, 0, 0, 0, false}, {9, 0, 0, 0, false},
	} {
		number, from, to, ok := NextTry(first, test.tries)
		if ok != test.ok || number != test.number || ok && (from.Sub(first) != test.from || to.Sub(first) != test.to) {
			t.Errorf("after %d tries: %d, %s to %s, %t", test.tries, number, from, to, ok)
		}
	}
}

func TestTheDayOfTheSwitchOff(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		failures []int64 // today, yesterday, …
		ago      int     // -1: none
	}{
		"none":               {nil, -1},
		"six days":           {[]int64{10, 10, 10, 10, 10, 10}, -1},
		"the seventh":        {[]int64{10, 10, 10, 10, 10, 10, 10}, 0},
		"two days later":     {[]int64{0, 1, 10, 10, 10, 10, 10, 10, 10}, 2},
		"it goes on":         {[]int64{10, 10, 10, 10, 10, 10, 10, 10, 10}, 2},
		"and again, shorter": {[]int64{10, 10, 0, 10, 10, 10, 10, 10, 10, 10}, 3},
	} {
		failures := map[time.Time]int64{}
		for ago, n := range test.failures {
			failures[now.Truncate(24*time.Hour).AddDate(0, 0, -ago)] = n
		}
		want := now.Truncate(24*time.Hour).AddDate(0, 0, -test.ago)
		if test.ago < 0 {
			want = time.Time{}
		}
		if got := JudgeFailures(failures, now).Off; !got.Equal(want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestJudgeFailures(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	day := func(ago int) time.Time { return now.Truncate(24*time.Hour).AddDate(0, 0, -ago) }
	tests := map[string]struct {
		failures []int64 // today, yesterday, …
		today    int
		inRow    int
		on       int // days from today
		over     bool
	}{
		"none":                                   {nil, 0, 0, 0, false},
		"nine today":                             {[]int64{9}, 9, 0, 0, false},
		"ten today":                              {[]int64{10}, 10, 1, 6, false},
		"three days, not today yet":              {[]int64{1, 10, 20, 30}, 1, 3, 3, false},
		"three days and today":                   {[]int64{12, 10, 20, 30}, 12, 4, 3, false},
		"a good day in between":                  {[]int64{12, 10, 9, 30, 30, 30, 30, 30}, 12, 2, 5, false},
		"the seventh day":                        {[]int64{10, 10, 10, 10, 10, 10, 10}, 10, 7, 0, true},
		"six days, and today is the last chance": {[]int64{0, 10, 10, 10, 10, 10, 10}, 0, 6, 0, false},
	}
	for name, test := range tests {
		failures := map[time.Time]int64{}
		for ago, n := range test.failures {
			failures[day(ago)] = n
		}
		got := JudgeFailures(failures, now)
		if got.Today != test.today || got.DaysInRow != test.inRow || got.Over() != test.over {
			t.Errorf("%s: %+v", name, got)
		}
		if test.inRow > 0 && !got.On.Equal(day(-test.on)) || test.inRow == 0 && !got.On.IsZero() {
			t.Errorf("%s: switched off on %s, want in %d days", name, got.On, test.on)
		}
	}
}
