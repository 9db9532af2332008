package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"recall/receive"
	"recall/verify"
)

// receiver is what is known of callbacks; it is a receive.Meter.
type receiver struct {
	sources   *names
	callbacks *prometheus.CounterVec
	answering *prometheus.HistogramVec
	refused   *prometheus.CounterVec
	storing   *prometheus.HistogramVec
	batches   *prometheus.HistogramVec
	unstored  *prometheus.CounterVec
}

func newReceiver() receiver {
	r := receiver{
		sources: &names{},
		callbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "recall_callbacks_total",
			Help: "Requests answered by the receiver, by source, verdict, reason and status code.",
		}, []string{"source", "verdict", "reason", "code"}),
		answering: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "recall_callback_duration_seconds",
			Help:    "Time from a request's header to its answer, by class of the status code.",
			Buckets: fastBuckets,
		}, []string{"class"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "recall_refused_total",
			Help: "Callbacks, or connections, that a limit kept out.",
		}, []string{"limit"}),
		storing: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "recall_batch_duration_seconds",
			Help:    "Time until a batch of callbacks was on disk, or was given up, by place: database or spool.",
			Buckets: fastBuckets,
		}, []string{"place"}),
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "recall_batch_events",
			Help:    "Callbacks in a batch.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500},
		}, []string{"place"}),
		unstored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "recall_batch_failed_events_total",
			Help: "Callbacks that a place did not take; what the database does not take is tried in the spool.",
		}, []string{"place"}),
	}
	// What an alert watches is there from the start: a series that begins at 1 has no increase.
	for _, limit := range receive.Limits {
		r.refused.WithLabelValues(string(limit))
	}
	for _, place := range places {
		r.unstored.WithLabelValues(place)
	}
	return r
}

// fastBuckets are for what ends within milliseconds on a good day, and within half a minute on a bad one.
var fastBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

var places = [2]string{"database", "spool"}

func (r *receiver) all() []prometheus.Collector {
	return []prometheus.Collector{r.callbacks, r.answering, r.refused, r.storing, r.batches, r.unstored}
}

// Answered counts a request.
func (r *receiver) Answered(source string, verdict verify.Verdict, reason string, status int, took time.Duration) {
	r.callbacks.WithLabelValues(r.sources.bounded(source), string(verdict), reason, strconv.Itoa(status)).Inc()
	r.answering.WithLabelValues(class(status)).Observe(took.Seconds())
}

// Refused counts what a limit kept out.
func (r *receiver) Refused(by receive.Limit) { r.refused.WithLabelValues(string(by)).Inc() }

// Stored times a batch.
func (r *receiver) Stored(events, failed int, spooled bool, took time.Duration) {
	place := places[0]
	if spooled {
		place = places[1]
	}
	r.storing.WithLabelValues(place).Observe(took.Seconds())
	r.batches.WithLabelValues(place).Observe(float64(events))
	r.unstored.WithLabelValues(place).Add(float64(failed))
}

// class is that of a status code; "none" is that of no answer. A destination may answer anything.
func class(status int) string {
	if status < 100 || status > 599 {
		return "none"
	}
	return strconv.Itoa(status/100) + "xx"
}
