package web

import "time"

// timeView is a time as a page shows it: how long ago, with the exact time one hover away and in the markup.
type timeView struct{ Machine, Exact, Age string }

func newTime(t, now time.Time) timeView {
	if t.IsZero() {
		return timeView{}
	}
	return timeView{machine(t), exact(t), age(t, now)}
}
