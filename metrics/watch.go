package metrics

import (
	"context"
	"log/slog"
	"time"

	"recall/plenigo"
	"recall/store"
)

const (
	overdueFor  = time.Minute
	watchEvery  = 15 * time.Second
	watchTime   = 10 * time.Second // that a look may take
	sampleFresh = time.Minute      // an older one tells nothing of now
	guardDays   = 45               // how far back it is looked for a switch-off; the pages look as far
)

// sample is what stood in the database at one moment.
type sample struct {
	at         time.Time
	backlogs   []store.Backlog
	overdue    []store.Overdue
	replays    store.ReplayTally
	partitions time.Time // until when there are some
	counted    time.Time // when the counts were last complete
	search     store.SearchProgress
	failures   int // open groups, 100 at most
	alerts     store.AlertTally
	sources    []sourceSample
}

// sourceSample is how near plenigo is to switching a source's callback off.
type sourceSample struct {
	slug  string
	judge plenigo.SwitchOff
	off   bool // it must be assumed to be off: no callback was accepted since
}

// Watch looks at the database every 15 seconds, until ctx ends.
func (m *Metrics) Watch(ctx context.Context, db *store.DB, log *slog.Logger) {
	m.db.Store(db)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := m.Look(ctx, db); err != nil && ctx.Err() == nil {
			log.Debug("looking at the database for the metrics", "error", err) // the gauges are gone then, and say so
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look takes one sample.
func (m *Metrics) Look(ctx context.Context, db *store.DB) error {
	ctx, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	s := &sample{at: m.o.Now()}
	var err error
	if s.backlogs, err = db.ListBacklogs(ctx); err != nil {
		return err
	}
	if s.overdue, err = db.ListOverdue(ctx, overdueFor); err != nil {
		return err
	}
	if s.replays, err = db.CountReplays(ctx); err != nil {
		return err
	}
	if s.partitions, err = db.PartitionsUntil(ctx); err != nil {
		return err
	}
	if s.counted, err = db.CountedAt(ctx); err != nil {
		return err
	}
	if s.search, err = db.SearchProgress(ctx); err != nil {
		return err
	}
	if s.failures, err = db.CountOpenFailures(ctx); err != nil {
		return err
	}
	if s.alerts, err = db.CountAlerts(ctx); err != nil {
		return err
	}
	sources, err := db.ListSources(ctx)
	if err != nil {
		return err
	}
	answered, err := db.ListAnswered(ctx, guardDays, plenigo.FailuresADay)
	if err != nil {
		return err
	}
	for _, source := range sources {
		one := sourceSample{slug: source.Slug}
		if a := answered[source.ID]; a != nil {
			one.judge, one.off = a.Judge(s.at)
		}
		s.sources = append(s.sources, one)
	}
	m.sample.Store(s)
	return nil
}
