package alert

import (
	"context"
	"fmt"
	"slices"
	"time"

	"recall/plenigo"
	"recall/store"
)

const (
	guardDays    = 45 // how far back it is looked for a switch-off; the pages look as far
	nearDays     = 2  // failing days in a row from which on a switch-off is near
	burstTime    = 15 * time.Minute
	burstLeast   = 20 // rejected in that time,
	burstPercent = 20 // and this share of all
	endingSoon   = 7 * 24 * time.Hour
	caseByHand   = 24 * time.Hour // a case that somebody opened waits for so long before it is told
	outageLeast  = 30 * time.Minute
	outageTold   = 24 * time.Hour
	countsLate   = 10 * time.Minute // with counts further behind nobody is called silent
)

// shared finds what any instance can see in the database.
func (w *Watcher) shared(ctx context.Context, db *store.DB) ([]Finding, error) {
	now := w.o.Now()
	open, err := db.ListAlerts(ctx, store.AlertQuery{Limit: 1000}) // a silence lasts until it is contradicted
	if err != nil {
		return nil, err
	}
	sources, err := db.ListSources(ctx)
	if err != nil {
		return nil, err
	}
	var all []Finding
	for _, find := range []func(context.Context, *store.DB, []*store.Source, time.Time) ([]Finding, error){guards, bursts, secrets, attention, exhausted} {
		found, err := find(ctx, db, sources, now)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	uptime, err := db.ListUptime(ctx, now.AddDate(0, 0, -7*weeksBack-8))
	if err != nil {
		return nil, err
	}
	gaps := gapsOf(uptime, now)
	all = append(all, outages(gaps, now)...)
	silent, err := w.silences(ctx, db, sources, gaps, open, all)
	return append(all, silent...), err
}

func guards(ctx context.Context, db *store.DB, sources []*store.Source, now time.Time) (found []Finding, err error) {
	answered, err := db.ListAnswered(ctx, guardDays, plenigo.FailuresADay)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		a := answered[s.ID]
		if a == nil {
			continue
		}
		judged, off := a.Judge(now)
		f := Finding{Subject: s.Slug, Page: "/failures?source=" + s.Slug}
		switch {
		case off:
			f.Kind = SwitchedOff
			f.Words = fmt.Sprintf("There were %d failed answers or more on %d days in a row, up to %s, and no callback was accepted since.",
				plenigo.FailuresADay, plenigo.FailureDaysInARow, judged.Off.Format(time.DateOnly))
		case judged.DaysInRow >= nearDays && !judged.Over():
			f.Kind, f.Level = SwitchOffNear, judged.DaysInRow
			f.Words = fmt.Sprintf("%d days in a row with %d failed answers or more. If it goes on, plenigo switches the callback off on %s.",
				judged.DaysInRow, plenigo.FailuresADay, judged.On.Format(time.DateOnly))
		default:
			continue
		}
		found = append(found, f)
	}
	return found, nil
}

func bursts(ctx context.Context, db *store.DB, sources []*store.Source, now time.Time) (found []Finding, err error) {
	recent, err := db.ListRecentArrivals(ctx, now.Add(-burstTime))
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		r := recent[s.ID]
		if !s.Enabled || r.Rejected <= burstLeast || r.Rejected*100 < r.All*burstPercent {
			continue
		}
		found = append(found, Finding{
			Kind: RejectedBurst, Subject: s.Slug, Page: "/failures?source=" + s.Slug, Level: magnitude(r.Rejected / 10),
			Words: fmt.Sprintf("%d of %d callbacks were rejected within %d minutes.", r.Rejected, r.All, int(burstTime.Minutes())),
		})
	}
	return found, nil
}

// magnitude is 1 below ten, 2 below a hundred and so on, so that what grows tenfold is told at once.
func magnitude(n int64) int {
	level := 1
	for ; n >= 10; n /= 10 {
		level++
	}
	return level
}

func secrets(_ context.Context, _ *store.DB, sources []*store.Source, now time.Time) (found []Finding, err error) {
	for _, s := range sources {
		if !s.Enabled || s.Demo {
			continue
		}
		f := Finding{Kind: SecretEnding, Subject: s.Slug, Page: "/sources/" + s.Slug}
		ends, valid := validUntil(s, now)
		switch {
		case s.Unreadable:
			f.Level, f.Words = 3, "Its settings cannot be opened with this program's key, so all is rejected."
		case !valid:
			f.Level, f.Words = 3, "It has no secret that is valid now, so all is rejected."
		case ends.IsZero() || ends.Sub(now) > endingSoon:
			continue
		default:
			f.Level, f.Words = 1, fmt.Sprintf("After %s no secret of it is valid, and all is rejected from then on.", ends.UTC().Format(timeForm))
			if ends.Sub(now) < 24*time.Hour {
				f.Level = 2
			}
		}
		found = append(found, f)
	}
	return found, nil
}

// validUntil tells whether a secret is valid now, and until when one is without a gap; zero: no end.
func validUntil(s *store.Source, now time.Time) (until time.Time, valid bool) {
	at := now
	for range len(s.Secrets) + 1 {
		next := time.Time{}
		for _, secret := range s.Secrets {
			if !secret.ValidAt(at) {
				continue
			}
			if secret.Until.IsZero() {
				return time.Time{}, true
			}
			if secret.Until.After(next) {
				next = secret.Until
			}
		}
		if next.IsZero() {
			break
		}
		at, until, valid = next, next, true
	}
	return until, valid
}

func attention(ctx context.Context, db *store.DB, _ []*store.Source, now time.Time) (found []Finding, err error) {
	a, err := db.FindAttention(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range a.Broken {
		f := Finding{Kind: DestinationBroken, Subject: d.Name, Page: "/destinations/" + d.Name, Words: "Ten attempts in a row failed. Its deliveries wait, and it is probed."}
		if d.Gone {
			f.Kind, f.Words = DestinationGone, "It answered 410 Gone and is paused: its deliveries wait until somebody resumes it."
		}
		found = append(found, f)
	}
	for _, r := range a.Replays {
		found = append(found, Finding{
			Kind: ReplayStopped, Subject: fmt.Sprint(r.ID), Page: fmt.Sprintf("/replays/%d", r.ID),
			Words: fmt.Sprintf("The replay to %s stopped by itself, because too much failed or the destination is broken. %d events of its list are not sent.", r.Destination, r.Left),
		})
	}
	for _, e := range a.Erasures {
		f := Finding{Kind: ErasureWaiting, Subject: fmt.Sprint(e.ID), Page: fmt.Sprintf("/erasures/%d", e.ID)}
		switch {
		case !e.Confirm:
			f.Words = "It is held up: something keeps it from going on by itself. Its page says what."
		case e.ByHand && now.Sub(e.Since) < caseByHand:
			continue
		default:
			f.Words = "Somebody has to look at what was found, and confirm it. Nothing is destroyed until then."
		}
		found = append(found, f)
	}
	return found, nil
}

func exhausted(ctx context.Context, db *store.DB, _ []*store.Source, _ time.Time) (found []Finding, err error) {
	backlogs, err := db.ListBacklogs(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range backlogs {
		n := b.Deliveries[store.DeliveryExhausted]
		if n == 0 {
			continue
		}
		count := fmt.Sprintf("%d deliveries have", n)
		switch {
		case n == 1:
			count = "1 delivery has"
		case n >= store.MostBacklog:
			count = fmt.Sprintf("%d deliveries or more have", n)
		}
		found = append(found, Finding{
			Kind: DeliveriesExhausted, Subject: b.Destination, Page: "/exhausted", Level: magnitude(int64(n)),
			Words: count + " used up their tries. They never go away by themselves: send them again after a fix, or let them go.",
		})
	}
	return found, nil
}

// gap is a time in which nobody took callbacks.
type gap struct{ From, To time.Time }

// gapsOf are those between the first quarter of an hour that is known and now.
func gapsOf(uptime []time.Time, now time.Time) (gaps []gap) {
	for i, quarter := range uptime {
		next := now
		if i+1 < len(uptime) {
			next = uptime[i+1]
		}
		if end := quarter.Add(store.AlertQuarter); next.Sub(end) >= store.AlertQuarter {
			gaps = append(gaps, gap{end, next})
		}
	}
	return gaps
}

// outages tells of gaps for a day: what came to nobody then is to be asked for.
func outages(gaps []gap, now time.Time) []Finding {
	for _, g := range slices.Backward(gaps) {
		if now.Sub(g.To) < outageTold && g.To.Sub(g.From) >= outageLeast && g.To.Before(now) {
			return []Finding{{
				Kind: Outage, Page: "/overview",
				Words: fmt.Sprintf("No instance took callbacks from about %s to %s. plenigo repeats each three times within about a day; look for what is missing after that.", g.From.Format(timeForm), g.To.Format(timeForm)),
			}}
		}
	}
	return nil
}

// silences finds sources of which nothing was accepted though there usually is.
func (w *Watcher) silences(ctx context.Context, db *store.DB, sources []*store.Source, gaps []gap, open []*store.Alert, found []Finding) (silent []Finding, err error) {
	now := w.o.Now()
	watched, err := db.WatchSources(ctx, sources)
	if err != nil {
		return nil, err
	}
	counted, err := db.CountedAt(ctx)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, s := range sources {
		ids = append(ids, s.ID)
	}
	arrivals, err := db.ListArrivals(ctx, ids, now.AddDate(0, 0, -7*weeksBack-8))
	if err != nil {
		return nil, err
	}
	down := func(hour time.Time) bool {
		return slices.ContainsFunc(gaps, func(g gap) bool { return g.From.Before(hour.Add(time.Hour)) && g.To.After(hour) })
	}
	spooled := slices.ContainsFunc(open, func(a *store.Alert) bool {
		return a.Open() && (Kind(a.Kind) == SpoolInUse || Kind(a.Kind) == DatabaseAway)
	})
	for _, s := range sources {
		if !s.Enabled || s.Demo {
			continue
		}
		a := arrivals[s.ID]
		f := Finding{Kind: Silence, Subject: s.Slug, Page: "/sources/" + s.Slug}
		if was := openAlert(&store.AlertBook{Alerts: open}, f, ""); was != nil {
			if !a.Last.After(was.OpenedAt) { // it lasts until a callback is accepted
				f.Words, f.Level = was.Words, was.Level
				silent = append(silent, f)
			}
			continue
		}
		if now.Sub(counted) > countsLate || spooled {
			continue
		}
		from := latest(a.Last, watched[s.ID])
		if n := len(gaps); n > 0 {
			from = latest(from, gaps[n-1].To)
		}
		r := rhythm{accepted: a.Accepted, down: down, since: s.CreatedAt, zone: w.o.Zone}
		least, most, weeks, missed := r.missed(from, counted)
		if !missed || refused(a, from, least, found, s.Slug) {
			continue
		}
		f.Words = fmt.Sprintf("Nothing was accepted since %s. In the same hours of the last %d weeks there were %d to %d callbacks.", from.UTC().Format(timeForm), weeks, least, most)
		if least == most {
			f.Words = fmt.Sprintf("Nothing was accepted since %s. In the same hours of the last %d weeks there were %d callbacks.", from.UTC().Format(timeForm), weeks, least)
		}
		silent = append(silent, f)
	}
	return silent, nil
}

// refused tells that the callbacks come, and are rejected: another alert says so.
func refused(a *store.Arrivals, from time.Time, usual int64, found []Finding, slug string) bool {
	var n int64
	for hour, refused := range a.Refused {
		if !hour.Before(from.Truncate(time.Hour)) {
			n += refused
		}
	}
	return n*2 >= usual && slices.ContainsFunc(found, func(f Finding) bool {
		return f.Subject == slug && (f.Kind == RejectedBurst || f.Kind == SwitchOffNear || f.Kind == SecretEnding)
	})
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
