package store

import "time"

// BarsOf is barsOf, for tests of how a time is divided.
func BarsOf(from, to, now time.Time, q VolumeQuery) (string, time.Duration, []VolumeBar) {
	g, step, bars := barsOf(from, to, now, q)
	return string(g), step, bars
}

const (
	NumberedTypes    = maxTypes
	NumberedRejected = maxTypesRejected
)
