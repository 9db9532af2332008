package alert

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestLocal(t *testing.T) {
	now := monday
	well := Local{Ready: true, Disk: Disk{Known: true, Free: 2 << 30, Wanted: 1 << 30}}
	for name, test := range map[string]struct {
		change func(*Local)
		since  time.Duration // that the database has not answered
		want   []string      // kind and level
	}{
		"well":                        {nil, 0, nil},
		"a hiccup of the database":    {nil, 59 * time.Second, nil},
		"it is away":                  {nil, time.Minute, []string{"database_away 1"}},
		"away, and the spool is full": {func(l *Local) { l.Spool.Full = true }, time.Hour, []string{"database_away 2"}},
		"it answers, and takes nothing": {func(l *Local) {
			l.Spool = Spool{AwaySince: now.Add(-5 * time.Minute), Events: 3, Oldest: now.Add(-5 * time.Minute)}
		}, 0, []string{"database_away 1", "spool_in_use 1"}},
		"a moment in the spool": {func(l *Local) { l.Spool = Spool{Events: 3, Oldest: now.Add(-time.Minute)} }, 0, nil},
		"the spool fills": {func(l *Local) {
			l.Spool = Spool{Events: 3, Oldest: now.Add(-time.Hour), Bytes: 71, MaxBytes: 100}
		}, 0, []string{"spool_in_use 2"}},
		"set aside":                 {func(l *Local) { l.Spool.Damaged = 1 }, 0, []string{"spool_set_aside 1"}},
		"the disk fills":            {func(l *Local) { l.Disk.Free = 1 << 29 }, 0, []string{"disk_filling 1"}},
		"the disk is full":          {func(l *Local) { l.Disk.Free = 1 << 20 }, 0, []string{"disk_filling 2"}},
		"nothing known of the disk": {func(l *Local) { l.Disk = Disk{} }, 0, nil},
		"a certificate of months":   {func(l *Local) { l.Certificates = []Certificate{{"RECALL_TLS_CERT", now.AddDate(0, 2, 0)}} }, 0, nil},
		"certificates that end": {func(l *Local) {
			l.Certificates = []Certificate{{"A", now.AddDate(0, 0, 10)}, {"B", now.AddDate(0, 0, 1)}, {"C", now.AddDate(0, 0, -1)}}
		}, 0, []string{"certificate_ending 1", "certificate_ending 2", "certificate_ending 3"}},
	} {
		l := well
		if test.change != nil {
			test.change(&l)
		}
		var got []string
		for _, f := range local(l, now.Add(-test.since), now) {
			got = append(got, fmt.Sprint(f.Kind, " ", max(1, f.Level)))
			if f.Words == "" {
				t.Errorf("%s: %s says nothing", name, f.Kind)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
