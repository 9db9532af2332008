package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"recall/store"
)

// dispatcher is what is known of deliveries; it is a dispatch.Meter.
type dispatcher struct {
	destinations *names
	attempts     *prometheus.CounterVec
	attempting   *prometheus.HistogramVec
	finished     *prometheus.CounterVec
	latency      *prometheus.HistogramVec
}

func newDispatcher() dispatcher {
	return dispatcher{
		destinations: &names{},
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "recall_attempts_total",
			Help: "Attempts to send an event to a destination, by class of the status code; none: there was no answer.",
		}, []string{"destination", "class"}),
		attempting: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "recall_attempt_duration_seconds",
			Help:    "Time an attempt took.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"destination"}),
		finished: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "recall_deliveries_finished_total",
			Help: "Deliveries that ended with an attempt, by what caused them and how they ended.",
		}, []string{"destination", "trigger", "state"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "recall_delivery_latency_seconds",
			Help:    "Time from the making of a delivery, which for automatic ones is the storing of the event, to its success.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 86400},
		}, []string{"destination", "trigger"}),
	}
}

func (d *dispatcher) all() []prometheus.Collector {
	return []prometheus.Collector{d.attempts, d.attempting, d.finished, d.latency}
}

// Attempted counts an attempt, and the end of its delivery if it was the last.
func (d *dispatcher) Attempted(destination string, trigger store.Trigger, state store.DeliveryState, status int, took, age time.Duration) {
	destination = d.destinations.bounded(destination)
	d.attempts.WithLabelValues(destination, class(status)).Inc()
	d.attempting.WithLabelValues(destination).Observe(took.Seconds())
	switch state {
	case store.DeliverySucceeded:
		d.latency.WithLabelValues(destination, string(trigger)).Observe(age.Seconds())
	case store.DeliveryExhausted, store.DeliveryCancelled:
	default:
		return
	}
	d.finished.WithLabelValues(destination, string(trigger), string(state)).Inc()
}
