package store_test

import (
	"fmt"
	"testing"
	"time"

	"recall/store"
	"recall/store/storetest"
)

// What is counted is what is listed: through the index, behind it, and where none helps; up to the end that was asked for,
// and no longer than the patience lasts.
func TestCountEvents(t *testing.T) {
	t.Parallel()
	db := storetest.New(t)
	for i := range 30 {
		record(t, db, arrived(noon.Add(time.Duration(i)*time.Hour), fmt.Sprintf(`{"e":{"n":%d,"odd":%d}}`, i, i%2)))
		if i == 20 {
			must(t, db.IndexSegments(t.Context(), 4))
		}
	}
	for _, test := range []struct {
		filter string
		most   int
		want   store.EventCount
	}{
		{"", 100, store.EventCount{Events: 30}},
		{"", 29, store.EventCount{Events: 29, More: true}},
		{"", 30, store.EventCount{Events: 30}},
		{"verdict:verified", 100, store.EventCount{Events: 30}},
		{"verdict:rejected", 100, store.EventCount{}},
		{"e.odd:1", 100, store.EventCount{Events: 15}},
		{"e.odd:1", 10, store.EventCount{Events: 10, More: true}},
		{"-e.odd:1", 100, store.EventCount{Events: 15}},
		{"e.odd:*", 100, store.EventCount{Events: 30}},
		{"e.n:>4 before:2020-01-01", 100, store.EventCount{}},
	} {
		got, err := db.CountUpTo(t.Context(), parse(t, test.filter), time.Minute, test.most)
		if must(t, err); got != test.want {
			t.Errorf("%q up to %d: %+v, want %+v", test.filter, test.most, got, test.want)
		}
	}
	got, err := db.CountEvents(t.Context(), parse(t, "-e.odd:1"), time.Nanosecond)
	if must(t, err); !got.More || got.CountedTo.IsZero() || got.Events >= 15 {
		t.Errorf("without patience: %+v", got)
	}
}
