package alert

import (
	"strings"
	"testing"
	"time"

	"recall/store"
)

var timing = Timing{Window: time.Minute, Pause: 5 * time.Minute, Repeat: time.Hour, Most: 24 * time.Hour}

// story is a book as time goes by.
type story struct {
	t    *testing.T
	book store.AlertBook
	now  time.Time
	said []string // titles of the messages
}

func newStory(t *testing.T) *story {
	return &story{t: t, now: monday, book: store.AlertBook{Channels: []*store.AlertChannel{{ID: 1, Name: "ops"}}}}
}

// look goes on by a while and looks.
func (s *story) look(after time.Duration, found ...Finding) {
	s.t.Helper()
	s.now = s.now.Add(after)
	c := scope{shared: true, instance: "one", now: s.now, timing: timing}
	c.apply(&s.book, found)
	c.digest(&s.book, words{"https://recall.example", "one"})
	for _, m := range s.book.Messages {
		s.said = append(s.said, m.Title)
	}
	s.book.Messages = nil
	s.book.Alerts = withoutDone(s.book.Alerts)
}

func (s *story) want(titles ...string) {
	s.t.Helper()
	if got, want := strings.Join(s.said, "\n"), strings.Join(titles, "\n"); got != want {
		s.t.Errorf("at %s said:\n%s\nwant:\n%s", s.now.Format(time.TimeOnly), got, want)
	}
	s.said = nil
}

func broken(name string) Finding {
	return Finding{Kind: DestinationBroken, Subject: name, Words: "It fails."}
}

func TestDigestWaitsForTheWindow(t *testing.T) {
	s := newStory(t)
	s.look(0, broken("crm"))
	s.want()
	s.look(30*time.Second, broken("crm"), broken("erp"), broken("bus"))
	s.want()
	s.look(30*time.Second, broken("crm"), broken("erp"), broken("bus"), broken("dwh"))
	s.want("Destination crm keeps failing (and 3 more)")
	s.look(time.Minute, broken("crm"), broken("erp"), broken("bus"), broken("dwh"), broken("late"))
	s.look(2*time.Minute, broken("crm"), broken("erp"), broken("bus"), broken("dwh"), broken("late"))
	s.want() // five minutes lie between two messages
	s.look(2*time.Minute, broken("crm"), broken("erp"), broken("bus"), broken("dwh"), broken("late"))
	s.want("Destination late keeps failing")
}

func TestDigestIsRepeatedAtGrowingIntervals(t *testing.T) {
	s := newStory(t)
	var at []int
	for minute := range 4 * 24 * 60 {
		s.look(time.Minute, broken("crm"))
		if len(s.said) > 0 {
			at = append(at, minute)
			s.said = nil
		}
	}
	want := []int{1, 61, 181, 421, 901, 1861, 3301, 4741} // after 1, 2, 4, 8, 16, 24, 24 hours
	if len(at) != len(want) {
		t.Fatalf("told at minutes %v, want %v", at, want)
	}
	for i := range at {
		if at[i] != want[i] {
			t.Errorf("told at minutes %v, want %v", at, want)
			break
		}
	}
}

func TestAlertsEnd(t *testing.T) {
	hold := AboutOf(string(DestinationBroken)).Hold
	t.Run("told once", func(t *testing.T) {
		s := newStory(t)
		s.look(0, broken("crm"))
		s.look(time.Minute, broken("crm"))
		s.want("Destination crm keeps failing")
		s.look(10 * time.Minute)
		s.look(hold - time.Second)
		s.want()
		s.look(time.Second)
		s.look(time.Minute)
		s.want("Over: Destination crm keeps failing")
		s.look(3 * time.Hour)
		s.want()
	})
	t.Run("what was over before anybody was told is not told", func(t *testing.T) {
		s := newStory(t)
		s.look(0, Finding{Kind: DiskFilling})
		s.look(30*time.Second, broken("crm"))
		s.book.Channels = nil
		s.look(time.Hour)
		s.look(time.Hour)
		s.book.Channels = newStory(t).book.Channels
		s.look(time.Hour)
		s.want()
		if len(s.book.Alerts) > 0 {
			t.Errorf("%+v is left", s.book.Alerts[0])
		}
	})
	t.Run("what comes and goes is one", func(t *testing.T) {
		s := newStory(t)
		for range 60 {
			s.look(time.Minute, broken("crm"))
			s.look(time.Minute)
		}
		s.want("Destination crm keeps failing", "Still: Destination crm keeps failing")
		if len(s.book.Alerts) != 1 {
			t.Errorf("%d alerts", len(s.book.Alerts))
		}
	})
	t.Run("an acknowledged one is not repeated, and its end is told", func(t *testing.T) {
		s := newStory(t)
		s.look(0, broken("crm"))
		s.look(time.Minute, broken("crm"))
		s.said = nil
		a := s.book.Alerts[0]
		a.AcknowledgedAt, a.AcknowledgedBy, a.TellAt = s.now, "anna", time.Time{}
		for range 30 {
			s.look(time.Hour, broken("crm"))
		}
		s.want()
		s.look(time.Minute)
		s.look(hold)
		s.look(time.Minute)
		s.want("Over: Destination crm keeps failing")
	})
	t.Run("a worse one is told at once, also an acknowledged one", func(t *testing.T) {
		s := newStory(t)
		near := func(days int) Finding { return Finding{Kind: SwitchOffNear, Subject: "shop", Level: days} }
		s.look(0, near(2))
		s.look(time.Minute, near(2))
		s.said = nil
		s.book.Alerts[0].AcknowledgedAt, s.book.Alerts[0].TellAt = s.now, time.Time{}
		s.look(24*time.Hour, near(3))
		s.look(time.Minute, near(3))
		s.want("Still: plenigo may switch off shop")
	})
	t.Run("of an instance that is gone", func(t *testing.T) {
		s := newStory(t)
		s.look(0)
		s.book.Alerts = []*store.Alert{{ID: 7, Kind: string(SpoolInUse), Instance: "two", Words: "3 wait.", OpenedAt: s.now, SeenAt: s.now, Told: 1, ToldAt: s.now}}
		s.look(30 * time.Minute)
		s.want()
		s.look(31 * time.Minute)
		s.look(time.Minute)
		s.want("Over: Callbacks wait in the spool on two")
	})
}

func TestChannelsTakeTheirKinds(t *testing.T) {
	s := newStory(t)
	s.book.Channels = []*store.AlertChannel{
		{ID: 1, Name: "all"}, {ID: 2, Name: "disk", Kinds: []string{string(DiskFilling)}}, {ID: 3, Name: "audit", Kinds: []string{string(AuditBroken)}},
	}
	c := scope{shared: true, instance: "one", now: monday, timing: timing}
	found := []Finding{broken("crm"), {Kind: DiskFilling, Words: "Full."}}
	c.apply(&s.book, found)
	c.now = monday.Add(time.Minute)
	c.apply(&s.book, found)
	c.digest(&s.book, words{"https://recall.example/", "one"})
	got := map[string]string{}
	for _, m := range s.book.Messages {
		got[m.Channel] = m.Title
	}
	if len(got) != 2 || got["all"] != "Destination crm keeps failing (and 1 more)" || got["disk"] != "The disk is nearly full on one" {
		t.Errorf("%v", got)
	}
	body := s.book.Messages[0].Body
	for _, want := range []string{"New\n", "It fails.", "Since 2026-10-12 00:00 UTC.", "docs/runbook.md#recalldestinationbroken", "All alerts: https://recall.example/alerts"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in:\n%s", want, body)
		}
	}
}

// A message stays readable, however much there is to tell.
func TestDigestIsBounded(t *testing.T) {
	s := newStory(t)
	var found []Finding
	for n := range 300 {
		found = append(found, broken(strings.Repeat("x", 60)+string(rune('a'+n%26))+string(rune('a'+n/26))))
	}
	s.look(0, found...)
	s.look(time.Minute, found...)
	s.want("Destination xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxaa keeps failing (and 299 more)")
	m := words{}.digest(append([]*store.Alert{}, s.book.Alerts...), s.now)
	if n := len(m.Body); n > 10_000 || !strings.Contains(m.Body, "and 280 more") {
		t.Errorf("%d bytes: …%s", n, m.Body[max(0, n-300):])
	}
}
