package filter_test

import (
	"os"
	"regexp"
	"testing"

	"recall/filter"
)

// BenchmarkPayload is what one callback costs whoever looks into it: to list all it can be found by, and to match filters.
func BenchmarkPayload(b *testing.B) {
	text, err := os.ReadFile(docs)
	if err != nil {
		b.Fatal(err)
	}
	body := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(text)[1]
	b.Run("index", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for s := range filter.Scalars(body) {
				filter.PathKey(s.Path)
				s.Folded()
				s.Words()
			}
		}
	})
	for name, filterText := range map[string]string{"path": "entity.items[].productId:P3", "compare": "entity.accumulatedPrice:>1000", "text": `"Anna Meier"`} {
		f, err := filter.Parse(filterText, now)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if f.Match(filter.Subject{Payload: filter.NewPayload(body)}) {
					b.Fatal("it matches")
				}
			}
		})
	}
}
