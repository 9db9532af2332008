package dispatch

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	var p pace
	at := func(after time.Duration) time.Time { return noon.Add(after) }
	for _, step := range []struct {
		after time.Duration
		add   int
		busy  bool
	}{
		{0, 500, false},
		{100 * time.Millisecond, 1, true},
		{300 * time.Millisecond, 0, true},  // the span before was
		{550 * time.Millisecond, 0, false}, // and the next was not
		{600 * time.Millisecond, 501, true},
		{2 * time.Second, 0, false},
	} {
		p.add(step.add, at(step.after))
		if got := p.busy(at(step.after)); got != step.busy {
			t.Errorf("after %s: busy %v", step.after, got)
		}
	}
}
