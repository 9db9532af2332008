package web

import "time"

// Spool is what this instance keeps on its disk while the database takes nothing.
type Spool struct {
	Events    int
	Bytes     int64 // of disk, what was set aside included
	MaxBytes  int64
	Oldest    time.Time // when the oldest one waiting arrived; zero: none waits
	AwaySince time.Time // since when the database takes nothing; zero: it does, as far as is known
	Refused   int       // events set aside that the database refuses
	Damaged   int       // files set aside that are not whole or not ours
	Full      bool      // it takes nothing more
	Dir       string    // where it is
}

// spoolView is what every page says of the spool: one sentence or more for each line.
type spoolView []string

// newSpoolView is empty while there is nothing to say. What is only on its way, for a moment, is nothing to say: events wait
// and the database takes them.
func newSpoolView(sp Spool, now time.Time) spoolView {
	var v spoolView
	if !sp.AwaySince.IsZero() {
		v = append(v, "The database has taken no callbacks since "+spoolTime(sp.AwaySince, now)+". "+sp.Taken(now))
	} else if sp.Events > 0 {
		v = append(v, "The database takes callbacks again, and those that waited are on their way into it. "+sp.waiting(now))
	}
	if sp.Refused > 0 {
		v = append(v, plural(sp.Refused, "callback that the database refuses was", "callbacks that the database refuses were")+
			" set aside in "+sp.Dir+"/refused. The log says why. Once that is mended, move the files back into "+sp.Dir+" and start anew.")
	}
	if sp.Damaged > 0 {
		v = append(v, plural(sp.Damaged, "file that is not whole was", "files that are not whole were")+
			" set aside in "+sp.Dir+"/damaged. A write broken off by a crash was not answered 2xx; otherwise look at that disk. Move the files away when you have looked at them.")
	}
	return v
}

// Taken says whether callbacks are taken meanwhile, and how many wait.
func (sp Spool) Taken(now time.Time) string {
	if sp.Full {
		return "The spool takes no more either, so callbacks are answered 503, and plenigo tries again: make room on the disk or raise RECALL_SPOOL_MAX and RECALL_SPOOL_MAX_AGE. " + sp.waiting(now)
	}
	return "Callbacks are still taken, answered, and kept on this machine’s disk. " + sp.waiting(now)
}

func (sp Spool) waiting(now time.Time) string {
	if sp.Events == 0 {
		return "None waits."
	}
	text := plural(sp.Events, "callback waits", "callbacks wait")
	if sp.MaxBytes > 0 {
		text += ", with " + size(sp.Bytes) + " of " + size(sp.MaxBytes) + " used"
	}
	if !sp.Oldest.IsZero() {
		text += "; the oldest arrived " + spoolTime(sp.Oldest, now)
	}
	return text + "."
}

// spoolTime is exact to the minute: who reads it compares it with other clocks.
func spoolTime(t, now time.Time) string {
	return t.UTC().Format("2006-01-02 15:04 UTC") + " (" + age(t, now) + ")"
}

// spool asks for the state of the spool, which is in memory and costs no query.
func (s *server) spool() Spool {
	if s.Options.Spool == nil {
		return Spool{}
	}
	return s.Options.Spool()
}

// meanwhile is what becomes of callbacks while the database is away; "" where there is no spool.
func (s *server) meanwhile(now time.Time) string {
	if s.Options.Spool == nil {
		return ""
	}
	return s.spool().Taken(now) + " "
}
