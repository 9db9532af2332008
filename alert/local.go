package alert

import (
	"fmt"
	"time"

	"recall/store"
)

// Local is what an instance sees of itself.
type Local struct {
	Spool Spool
	Disk  Disk
	Ready bool // callbacks are taken here

	Certificates []Certificate // that listeners prove themselves with
}

// Certificate is one, by the setting that names its file.
type Certificate struct {
	Setting string
	Until   time.Time
}

// Spool is what waits on this instance's disk.
type Spool struct {
	Events    int
	Bytes     int64
	MaxBytes  int64
	Oldest    time.Time // zero: none waits
	AwaySince time.Time // since when the database takes nothing; zero: it does, as far as is known
	Refused   int       // events set aside
	Damaged   int       // files set aside
	Full      bool      // it takes nothing more
}

// Disk is that of the data folder.
type Disk struct {
	Free   int64 // bytes
	Wanted int64 // what should be free
	Known  bool
}

const (
	awayLeast   = time.Minute     // a hiccup is not told
	spoolLeast  = 2 * time.Minute // likewise
	spoolFilled = 70              // percent
	diskLast    = 64 << 20

	certificateSoon = 14 * 24 * time.Hour
	certificateLast = 2 * 24 * time.Hour
)

// local finds what only this instance can tell. since is when the database was last answered; zero: never since the start.
func local(l Local, since, now time.Time) (found []Finding) {
	away := since
	if !l.Spool.AwaySince.IsZero() && l.Spool.AwaySince.Before(away) {
		away = l.Spool.AwaySince
	}
	if now.Sub(away) >= awayLeast {
		f := Finding{Kind: DatabaseAway, Page: "/overview", Words: fmt.Sprintf("It has not answered since %s.", away.UTC().Format(timeForm))}
		switch {
		case l.Spool.Full || !l.Ready:
			f.Level, f.Words = 2, f.Words+" The spool takes no more either, so callbacks are answered 503."
		default:
			f.Words += " Callbacks are taken, answered and kept on this machine's disk meanwhile; pages and deliveries stand still."
		}
		found = append(found, f)
	}
	if s := l.Spool; s.Events > 0 && now.Sub(s.Oldest) >= spoolLeast {
		f := Finding{Kind: SpoolInUse, Page: "/overview", Level: 1, Words: fmt.Sprintf("%d wait for the database, the oldest since %s.", s.Events, s.Oldest.UTC().Format(timeForm))}
		switch {
		case s.Full:
			f.Level, f.Words = 3, f.Words+" No more are taken: callbacks are answered 503."
		case s.MaxBytes > 0 && s.Bytes*100 > s.MaxBytes*spoolFilled:
			f.Level, f.Words = 2, f.Words+fmt.Sprintf(" Over %d %% of what the spool may take is used.", spoolFilled)
		}
		found = append(found, f)
	}
	if s := l.Spool; s.Refused > 0 || s.Damaged > 0 {
		found = append(found, Finding{
			Kind: SpoolSetAside, Page: "/overview", Level: magnitude(int64(s.Refused + s.Damaged)),
			Words: fmt.Sprintf("%d callbacks that the database refuses and %d files that are not whole were set aside.", s.Refused, s.Damaged),
		})
	}
	if d := l.Disk; d.Known && d.Free < d.Wanted {
		f := Finding{Kind: DiskFilling, Page: "/overview", Level: 1, Words: fmt.Sprintf("The disk of the data folder has %d MiB free; %d MiB are needed, with what the spool may still take.", d.Free>>20, d.Wanted>>20)}
		if d.Free < diskLast {
			f.Level, f.Words = 2, fmt.Sprintf("The disk of the data folder has %d MiB free. Soon neither the spool nor a private database can write.", d.Free>>20)
		}
		found = append(found, f)
	}
	for _, c := range l.Certificates {
		f := Finding{Kind: CertificateEnding, Subject: c.Setting, Level: 1, Words: fmt.Sprintf("It ends on %s. From then on nobody can connect who checks it, and callbacks do not come.", c.Until.UTC().Format(timeForm))}
		switch left := c.Until.Sub(now); {
		case left > certificateSoon:
			continue
		case left <= 0:
			f.Level, f.Words = 3, fmt.Sprintf("It ended on %s: nobody can connect who checks it, and callbacks do not come.", c.Until.UTC().Format(timeForm))
		case left <= certificateLast:
			f.Level = 2
		}
		found = append(found, f)
	}
	return found
}

// audit is what the last check of the audit list found.
func audit(s store.AlertState) []Finding {
	if s.AuditFault == "" {
		return nil
	}
	return []Finding{{Kind: AuditBroken, Page: "/audit", Words: s.AuditFault}}
}
