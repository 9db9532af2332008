package web

import "time"

// timeView is a time as a page shows it: how long ago, with the exact time one hover away and in the markup.
type timeView struct{ Machine, Exact, Age string }

// exact is the time where the reader's clock stands.
func (t timeView) exact(h habits) string {
	at, err := time.Parse(time.RFC3339, t.Machine)
	if err != nil {
		return t.Exact
	}
	return h.exact(at)
}

func newTime(t, now time.Time) timeView {
	if t.IsZero() {
		return timeView{}
	}
	return timeView{machine(t), exact(t), age(t, now)}
}
