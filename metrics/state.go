package metrics

import (
	"context"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"recall/store"
)

// state is what is asked for at a scrape: memory only.
type state struct{ m *Metrics }

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("recall_"+name, help, labels, nil)
}

var (
	buildInfo = gauge("build_info", "1, with the program's version.", "version", "go")
	ready     = gauge("ready", "1 while callbacks should be sent here, as /health/ready says.")

	takesEvents   = gauge("database_takes_events", "1 while the database takes callbacks, as far as is known; 0 while they go to the spool.")
	spoolEvents   = gauge("spool_events", "Callbacks in the spool that wait for the database.")
	spoolBytes    = gauge("spool_bytes", "Disk that the spool takes, with what was set aside.")
	spoolMaxBytes = gauge("spool_max_bytes", "Disk that the spool may take (RECALL_SPOOL_MAX).")
	spoolOldest   = gauge("spool_oldest_age_seconds", "Age of the oldest callback that waits in the spool; 0: none waits.")
	spoolRefused  = gauge("spool_refused_events", "Callbacks set aside because the database refuses them.")
	spoolDamaged  = gauge("spool_damaged_files", "Spool files set aside because they are not whole.")

	connections = gauge("database_connections", "Connections to the database: used, idle, and the most there may be.", "pool", "state")
	waits       = gauge("database_waits_total", "How often somebody had to wait for a connection.", "pool")
	waited      = gauge("database_wait_seconds_total", "Time spent waiting for a connection.", "pool")

	sampleAge        = gauge("sample_age_seconds", "Age of what is told of the database's contents; past 60 it is left out.")
	deliveriesOpen   = gauge("deliveries", "Deliveries that have not succeeded, by state, the oldest 10,000 of a destination.", "destination", "state")
	deliveryOldest   = gauge("delivery_oldest_age_seconds", "Age of the oldest delivery that waits for its destination; 0: none waits.", "destination")
	destinationState = gauge("destination_state", "1 for the state that a destination is in.", "destination", "state")
	deliveriesLate   = gauge("deliveries_overdue", "Deliveries that have been due for more than a minute to an active destination without a limit of its own, 1,000 at most: nobody works, or cannot keep up.", "destination")
	deliveryLate     = gauge("delivery_overdue_seconds", "For how long the latest of them has been due; 0: none is overdue.", "destination")
	replays          = gauge("replays", "Replays that are kept, by where they stand.", "state")
	replayEvents     = gauge("replay_events", "Events of the replays that are kept: sent, delivered, retrying, given_up, passed_over, and remaining on the lists of those under way.", "what")
	partitionsAhead  = gauge("partitions_ahead_seconds", "Time for which tables have their partitions in advance.")
	countsAge        = gauge("counts_age_seconds", "How far failures and counts on the pages are behind.")
	searchAge        = gauge("search_index_age_seconds", "How far the search index is behind the arrivals, to within 20 seconds; left out until it first caught up.")
	searchBuilding   = gauge("search_index_building", "1 while the search index is being made from older events.")
	failuresOpen     = gauge("failure_groups_open", "Groups of rejected callbacks that nobody has looked at, 100 at most.")
	alertsOpen       = gauge("alerts_open", "Open alerts, by kind and whether somebody has acknowledged them.", "kind", "acknowledged")
	alertChannels    = gauge("alert_channels", "Channels by which people are told of alerts and that are not paused: working, and failing since their last message.", "state")
	failuresToday    = gauge("source_failures_today", "Requests of a source answered other than 2xx since 00:00 UTC.", "source")
	failureDays      = gauge("source_failure_days", "Days in a row with 10 failures or more; after 7 plenigo switches the callback off.", "source")
	assumedOff       = gauge("source_assumed_off", "1 if plenigo must be assumed to have switched the callback off.", "source")
)

// Describe makes state a collector that may tell more at one time than at another.
func (state) Describe(chan<- *prometheus.Desc) {}

// Collect tells what is so now.
func (s state) Collect(to chan<- prometheus.Metric) {
	tell := func(what *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(what, prometheus.GaugeValue, value, labels...)
	}
	tell(buildInfo, 1, s.m.o.Version, runtime.Version())
	now := s.m.o.Now()
	if s.m.o.Ready != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		tell(ready, truth(s.m.o.Ready(ctx) == nil))
		cancel()
	}
	if s.m.o.Spool != nil {
		spool := s.m.o.Spool()
		tell(takesEvents, truth(spool.AwaySince.IsZero()))
		tell(spoolEvents, float64(spool.Events))
		tell(spoolBytes, float64(spool.Bytes))
		tell(spoolMaxBytes, float64(spool.MaxBytes))
		tell(spoolOldest, since(spool.Oldest, now))
		tell(spoolRefused, float64(spool.Refused))
		tell(spoolDamaged, float64(spool.Damaged))
	}
	if db := s.m.db.Load(); db != nil {
		for pool, stat := range db.PoolStats() {
			tell(connections, float64(stat.AcquiredConns()), pool, "used")
			tell(connections, float64(stat.IdleConns()), pool, "idle")
			tell(connections, float64(stat.MaxConns()), pool, "most")
			to <- prometheus.MustNewConstMetric(waits, prometheus.CounterValue, float64(stat.EmptyAcquireCount()), pool)
			to <- prometheus.MustNewConstMetric(waited, prometheus.CounterValue, stat.EmptyAcquireWaitTime().Seconds(), pool)
		}
	}
	sample := s.m.sample.Load()
	if sample == nil {
		return
	}
	age := max(0, now.Sub(sample.at))
	tell(sampleAge, age.Seconds())
	if age > sampleFresh {
		return
	}
	tell(partitionsAhead, max(0, sample.partitions.Sub(now).Seconds()))
	if !sample.counted.IsZero() {
		tell(countsAge, since(sample.counted, now))
	}
	if !sample.search.IndexedAt.IsZero() {
		tell(searchAge, since(sample.search.IndexedAt, now))
	}
	tell(searchBuilding, truth(sample.search.Building))
	tell(failuresOpen, float64(sample.failures))
	for _, kind := range s.m.o.Alerts {
		waiting := sample.alerts.Waiting[kind]
		tell(alertsOpen, float64(waiting), kind, "no")
		tell(alertsOpen, float64(sample.alerts.Open[kind]-waiting), kind, "yes")
	}
	tell(alertChannels, float64(sample.alerts.Channels-sample.alerts.Failing), "working")
	tell(alertChannels, float64(sample.alerts.Failing), "failing")
	for _, b := range sample.backlogs[:min(mostNames, len(sample.backlogs))] {
		for _, state := range []store.DeliveryState{store.DeliveryPending, store.DeliverySending, store.DeliveryWaiting, store.DeliveryExhausted} {
			tell(deliveriesOpen, float64(b.Deliveries[state]), b.Destination, string(state))
		}
		tell(deliveryOldest, since(b.Oldest, now), b.Destination)
		for _, state := range []store.DestinationState{store.DestinationActive, store.DestinationPaused, store.DestinationBroken} {
			tell(destinationState, truth(b.State == state), b.Destination, string(state))
		}
	}
	late := map[string]store.Overdue{}
	for _, o := range sample.overdue {
		late[o.Destination] = o
	}
	for _, b := range sample.backlogs[:min(mostNames, len(sample.backlogs))] {
		tell(deliveriesLate, float64(late[b.Destination].Deliveries), b.Destination)
		tell(deliveryLate, late[b.Destination].Late.Seconds(), b.Destination)
	}
	for _, state := range store.ReplayStates {
		tell(replays, float64(sample.replays.States[state]), string(state))
	}
	for what, n := range map[string]int64{
		"sent": sample.replays.Sent, "delivered": sample.replays.Delivered, "retrying": sample.replays.Retrying, "given_up": sample.replays.GivenUp,
		"passed_over": sample.replays.PassedOver, "remaining": sample.replays.Remaining,
	} {
		tell(replayEvents, float64(n), what)
	}
	for _, source := range sample.sources[:min(mostNames, len(sample.sources))] {
		tell(failuresToday, float64(source.judge.Today), source.slug)
		tell(failureDays, float64(source.judge.DaysInRow), source.slug)
		tell(assumedOff, truth(source.off), source.slug)
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// since is an age in seconds; 0 where there is nothing.
func since(t, now time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, now.Sub(t).Seconds())
}
