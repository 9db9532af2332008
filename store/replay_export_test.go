package store

// PlanAtOnce has plans made in windows of so many events; the returned function undoes it.
func PlanAtOnce(n int) (undo func()) {
	was := planAtOnce
	planAtOnce = n
	return func() { planAtOnce = was }
}
