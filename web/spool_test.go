package web

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestSpoolIsToldOnEveryPage(t *testing.T) {
	t.Parallel()
	var now atomic.Pointer[Spool]
	s := newSite(t, func(o *Options) { o.Spool = func() Spool { return *now.Load() } })
	now.Store(&Spool{MaxBytes: 1 << 30, Dir: "/data/spool"})
	anna := s.as(t, "anna")
	at := time.Now().Add(-90 * time.Minute)
	for _, c := range []struct {
		name  string
		spool Spool
		want  []string // one for each line
	}{
		{"nothing", Spool{}, nil},
		{"the database was away and nothing came", Spool{AwaySince: at}, []string{
			"The database has taken no callbacks since " + spoolTime(at, time.Now()) + ". Callbacks are still taken, answered, and kept on this machine’s disk. None waits."}},
		{"callbacks wait", Spool{AwaySince: at, Events: 1234, Bytes: 2_500_000, MaxBytes: 1_000_000_000, Oldest: at.Add(time.Minute)}, []string{
			"1,234 callbacks wait, with 2.5 MB of 1000.0 MB used; the oldest arrived " + spoolTime(at.Add(time.Minute), time.Now()) + "."}},
		{"full", Spool{AwaySince: at, Events: 1, Full: true, Oldest: at}, []string{"so callbacks are answered 503, and plenigo tries again: make room on the disk or raise RECALL_SPOOL_MAX"}},
		{"being drained", Spool{Events: 2, Oldest: at}, []string{"takes callbacks again, and those that waited are on their way into it. 2 callbacks wait; the oldest"}},
		{"set aside", Spool{Refused: 1, Damaged: 2, Dir: "/data/spool"}, []string{
			"1 callback that the database refuses was set aside in /data/spool/refused.",
			"2 files that are not whole were set aside in /data/spool/damaged."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			now.Store(&c.spool)
			for _, path := range []string{"/events", "/sources", "/account", "/nowhere"} {
				lines := anna.get(path).page().all("#spool p")
				if len(lines) != len(c.want) {
					t.Fatalf("%s has %d lines of the spool, want %d", path, len(lines), len(c.want))
				}
				for i, line := range lines {
					if !strings.Contains(line.text(), c.want[i]) {
						t.Errorf("%s says %q, want in it %q", path, line.text(), c.want[i])
					}
				}
			}
			if len(s.visitor(t).get("/login").page().all("#spool")) != 0 {
				t.Error("the log-in page tells strangers")
			}
		})
	}
}

// The page of an outage cannot know who is logged in; it says no more than that callbacks are safe, and how many.
func TestErrorPageSaysThatCallbacksAreTaken(t *testing.T) {
	t.Parallel()
	spool := Spool{AwaySince: time.Now().Add(-time.Hour), Events: 3, Bytes: 12_288, MaxBytes: 1 << 30, Oldest: time.Now().Add(-time.Hour)}
	s := newSite(t, func(o *Options) { o.Spool = func() Spool { return spool } })
	anna := s.as(t, "anna")
	s.db.Close()
	a := anna.get("/events")
	text := a.page().one(t, "main").text()
	if a.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "Callbacks are still taken, answered, and kept on this machine’s disk. 3 callbacks wait,") {
		t.Errorf("%s: %s", a.Status, text)
	}
}
