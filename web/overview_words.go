package web

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// rateWords says how often something happens, in the unit in which it is a number to be remembered.
func (h habits) rateWords(n int64, in time.Duration) string {
	if n == 0 || in <= 0 {
		return "none"
	}
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Second, "a second"}, {time.Minute, "a minute"}, {time.Hour, "an hour"}} {
		if rate := float64(n) * float64(unit.length) / float64(in); rate >= 1 {
			return h.roughly(rate) + " " + unit.name
		}
	}
	return h.roughly(float64(n)*24*float64(time.Hour)/float64(in)) + " a day"
}

// roughly is a number with two or three digits that mean something.
func (h habits) roughly(f float64) string {
	if f < 9.95 {
		return h.decimal(f)
	}
	return h.grouped(int64(math.Round(f)))
}

// changeWords compares with the time before; "" where there is nothing to compare with.
func (h habits) changeWords(n, before int64, what string) string {
	switch {
	case before < 0, before == 0 && n == 0:
		return ""
	case before == 0:
		return "; none in " + what
	}
	change := 100 * (float64(n) - float64(before)) / float64(before)
	switch {
	case math.Abs(change) < 1:
		return "; as in " + what
	case change >= 1000:
		return "; " + h.roughly(float64(n)/float64(before)) + " times " + what
	case change > 0:
		return "; " + h.roughly(change) + " % more than in " + what
	}
	return "; " + h.roughly(-change) + " % less than in " + what
}

// shareWords is a part in percent. It is 100 % or 0 % only where it is all or nothing.
func (h habits) shareWords(n, of int64) string {
	if of == 0 {
		return "–"
	}
	share := 100 * float64(n) / float64(of)
	switch {
	case n == 0:
		return "0 %"
	case n == of:
		return "100 %"
	case share < 0.1:
		return "<" + h.decimal(0.1) + " %"
	case share > 99.9:
		return ">" + h.decimal(99.9) + " %"
	}
	return h.decimal(share) + " %"
}

// decimal is a number to a tenth.
func (h habits) decimal(f float64) string {
	if h.German {
		return strings.ReplaceAll(decimal(f), ".", ",")
	}
	return decimal(f)
}

// percent is a length in the drawing.
func percent(f float64) string { return decimal(f) + "%" }

// latencyWords is a time to answer, to two digits.
func (h habits) latencyWords(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1 ms"
	case d < 10*time.Millisecond:
		return h.decimal(float64(d)/float64(time.Millisecond)) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Round(time.Millisecond).Milliseconds(), 10) + " ms"
	}
	return h.decimal(d.Seconds()) + " s"
}
