package filter

import (
	"fmt"
	"time"
)

// Ranks are how an index finds values that are compared rather than equal: a number's is its sign and its power of ten, a
// time's are its month and its year. What a value of a filter asks for by >, <= and the like has one of the ranks that the
// filter's value names, so whatever has none of them need not be looked at.

const (
	maxPower  = 21  // of ten: beyond it all numbers are of one rank
	minPower  = -10 // and below
	firstYear = 1990
	lastYear  = 2060
)

// Ranks of a value of a body; none: it is never more or less than anything.
func (s Scalar) Ranks() []string {
	switch s.Kind {
	case KindNumber:
		if n, ok := ParseNumber(s.Text); ok {
			return []string{numberRank(n.rank())}
		}
	case KindString:
		if t, ok := parseStamp(s); ok {
			year, month := rankOf(t)
			return []string{yearRank(year), monthRank(year, month)}
		}
	}
	return nil
}

// Ranks of which everything has at least one that the value holds for, with OpMore … OpRange. There are a hundred at most.
func (v Value) Ranks() []string {
	switch v.Op {
	case OpMore, OpAtLeast, OpLess, OpAtMost, OpRange:
	default:
		return nil
	}
	if v.Low == nil && v.High == nil {
		return v.timeRanks()
	}
	low, high := -(maxPower - minPower + 1), maxPower-minPower+1
	if v.Low != nil {
		low = v.Low.rank()
	}
	if v.High != nil {
		high = v.High.rank()
	}
	var ranks []string
	for rank := low; rank <= high; rank++ {
		ranks = append(ranks, numberRank(rank))
	}
	return ranks
}

// rank rises with the number: 0 is 0's, below it are negative ones.
func (n Number) rank() int {
	return n.sign() * (min(max(n.exp, minPower), maxPower) - minPower + 1)
}

func numberRank(rank int) string       { return fmt.Sprint("e", rank) }
func yearRank(year int) string         { return fmt.Sprint("y", year) }
func monthRank(year, month int) string { return fmt.Sprint("m", 12*year+month) }

// rankOf is the year and month that count for a time.
func rankOf(t time.Time) (year, month int) {
	t = t.UTC()
	switch year := t.Year(); {
	case year < firstYear:
		return firstYear, 1
	case year > lastYear:
		return lastYear, 12
	}
	return t.Year(), int(t.Month())
}

// timeRanks are whole years, and months at the ends.
func (v Value) timeRanks() []string {
	year, month := firstYear, 1
	untilYear, untilMonth := lastYear, 12
	if !v.Time.IsZero() {
		year, month = rankOf(v.Time)
	}
	if !v.Until.IsZero() {
		untilYear, untilMonth = rankOf(v.Until)
	}
	var ranks []string
	for year < untilYear || year == untilYear && month <= untilMonth {
		if month == 1 && (year < untilYear || untilMonth == 12) {
			ranks = append(ranks, yearRank(year))
			year++
			continue
		}
		ranks = append(ranks, monthRank(year, month))
		if month++; month > 12 {
			year, month = year+1, 1
		}
	}
	return ranks
}
