package store

// PlanAtOnce has plans made in windows of so many events, and those that find no more than few events at once; the returned
// function undoes it.
func PlanAtOnce(n, few int) (undo func()) {
	atOnce, read, most := planAtOnce, planRead, planFew
	planAtOnce, planRead, planFew = n, n, few
	return func() { planAtOnce, planRead, planFew = atOnce, read, most }
}
