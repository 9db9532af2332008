package verify

import (
	"fmt"
	"time"
)

// repeats are how long after the first try plenigo sends a callback again (REFERENCE §4), whether it counts each pause
// from the first try (1, 6, 24 h) or from the one before (1, 7, 31 h).
var repeats = []time.Duration{time.Hour, 6 * time.Hour, 7 * time.Hour, 24 * time.Hour, 31 * time.Hour}

// repeatSlack is how much later than planned a repeat may come.
const repeatSlack = 15 * time.Minute

// freshness looks for what put the time of an authentic callback off. A repeat goes before a wrong clock: after an outage
// of ours every source's callbacks come an hour late together, and clocks are seldom off by just that.
func (s *search) freshness(r Result) Finding {
	skew := r.skew()
	if r.Signature == Expired && s.c.Scheme == Plenigo {
		for _, after := range repeats {
			s.try(CauseRepeat)
			if skew < after-time.Minute || skew > after+repeatSlack {
				continue
			}
			f := Finding{Cause: CauseRepeat, Words: fmt.Sprintf("It is plenigo's repeat after %.0f h, most likely, and carries the time of the first try: it was signed %s.", after.Hours(), skewWords(skew))}
			if r.Verdict != Late {
				f.Do = "If repeats shall be accepted, give the source a late window of 32 h, then verify the callback again."
			}
			return f
		}
	}
	if len(s.facts.Nearby) > 0 {
		s.try(CauseClock)
		if same, other := s.nearby(r.SkewSeconds); same > other {
			way := "ahead"
			if skew < 0 {
				way = "behind"
			}
			return Finding{Cause: CauseClock,
				Words: fmt.Sprintf("The clock here is about %s %s, most likely: callbacks of %s came with the same difference at that time.", skew.Abs(), way, count(same, "other source")),
				Do:    "Set the clock right (timedatectl shows whether it is synchronised), then verify the callbacks of that time again."}
		}
	}
	f := Finding{Words: fmt.Sprintf("The signature is right, but it was made %s.", skewWords(skew))}
	switch {
	case r.Signature == Future:
		f.Do = "Check the clock here first (timedatectl shows whether it is synchronised), then ask the sender about its clock."
	case r.Verdict == Late:
		f.Words += " It is within the late window, so it is accepted."
	default:
		f.Do = "It was held up on the way, or somebody who has seen it sends it again. If you trust it, give the source a longer late window, then verify the callback again."
	}
	return f
}

// nearby counts the other sources whose callbacks were off by about the same, and those whose were not.
func (s *search) nearby(seconds int64) (same, other int) {
	const near = 60 // seconds: what lies between sending and arriving, and between two callbacks
	agree := map[string]bool{}
	for _, n := range s.facts.Nearby {
		d := n.Seconds - seconds
		before, seen := agree[n.Source]
		agree[n.Source] = -near <= d && d <= near && (before || !seen)
	}
	for _, agrees := range agree {
		if agrees {
			same++
		} else {
			other++
		}
	}
	return same, other
}
