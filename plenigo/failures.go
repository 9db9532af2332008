package plenigo

import "time"

// What plenigo does about a callback that it cannot deliver (REFERENCE §4).
const (
	Tries             = 4  // the first attempt and three more; then never again
	FailuresADay      = 10 // as many within one day: a mail to the contact address, and a day that counts
	FailureDaysInARow = 7  // as many such days in a row: plenigo switches the callback off
)

// waits before a callback's further tries. Whether each counts from the first try or from the one before is unknown
// (REFERENCE §8): the first figure is the one, the second the other reading, both from the first try.
var waits = [Tries - 1][2]time.Duration{
	{time.Hour, time.Hour}, {6 * time.Hour, 7 * time.Hour}, {24 * time.Hour, 31 * time.Hour},
}

// NextTry tells when plenigo will send a callback again that was not accepted: the number of that try, and the time
// between which and which it comes. tries are those seen so far, first is when the first of them came. There is none after
// the last.
func NextTry(first time.Time, tries int) (number int, from, to time.Time, ok bool) {
	if tries < 1 || tries >= Tries {
		return 0, time.Time{}, time.Time{}, false
	}
	wait := waits[tries-1]
	return tries + 1, first.Add(wait[0]), first.Add(wait[1]), true
}

// SwitchOff is how near plenigo is to switching a callback off.
type SwitchOff struct {
	Today     int       // failures today
	DaysInRow int       // days in a row with FailuresADay or more, today included if it is one already
	On        time.Time // day it would be switched off if each day until then is such a day; zero while DaysInRow is 0
	Off       time.Time // latest day on which a row of such days became long enough; zero: none did
}

// CountsToday tells whether today is such a day already.
func (s SwitchOff) CountsToday() bool { return s.Today >= FailuresADay }

// Over tells that plenigo has switched it off by this count: look there.
func (s SwitchOff) Over() bool { return s.DaysInRow >= FailureDaysInARow }

// JudgeFailures counts as plenigo does, as far as that is known: whether attempts or events count is not (REFERENCE §8),
// nor where its day begins, so each failed answer counts and a day is one in UTC, which errs on the careful side. failures
// gives the number of failed answers of a day, 00:00 UTC.
func JudgeFailures(failures map[time.Time]int64, now time.Time) SwitchOff {
	today := now.UTC().Truncate(24 * time.Hour)
	s := SwitchOff{Today: int(failures[today])}
	day := today
	if !s.CountsToday() {
		day = today.AddDate(0, 0, -1) // the row may go on today
	}
	if s.DaysInRow = daysInRow(failures, day); s.DaysInRow > 0 {
		s.On = day.AddDate(0, 0, FailureDaysInARow-s.DaysInRow)
	}
	for day, n := range failures {
		if n >= FailuresADay && day.After(s.Off) && daysInRow(failures, day) == FailureDaysInARow {
			s.Off = day
		}
	}
	return s
}

// daysInRow counts the days with enough failures up to one.
func daysInRow(failures map[time.Time]int64, day time.Time) (n int) {
	for failures[day] >= FailuresADay {
		n++
		day = day.AddDate(0, 0, -1)
	}
	return n
}
