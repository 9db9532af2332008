package receive

import (
	"net/http"
	"time"

	"recall/store"
	"recall/verify"
)

// Meter is told what the receiver does, for who watches it from outside; metrics.Metrics is one. It is called on the way of
// every callback and by many at once, so it must be quick.
type Meter interface {
	// Answered: a request was answered that long after its header had come. source is the slug of a source that there is,
	// "" where the request named none; reason is one of our own codes, "" where there is none.
	Answered(source string, verdict verify.Verdict, reason string, status int, took time.Duration)
	// Refused: a limit kept something out.
	Refused(by Limit)
	// Stored: a batch was brought to the database, or to the spool, in that time; failed events of it were not taken.
	Stored(events, failed int, spooled bool, took time.Duration)
}

// Limit names what keeps callbacks out.
type Limit string

const (
	LimitSource      Limit = "source_rate"     // RECALL_RATE_PER_SOURCE
	LimitAddress     Limit = "address_rate"    // RECALL_RATE_PER_ADDRESS
	LimitRoom        Limit = "memory"          // too many bytes of callbacks are held at once
	LimitBudget      Limit = "rejected_budget" // RECALL_REJECTED_PER_HOUR
	LimitConnections Limit = "connections"     // of one network
)

// Limits are all of them.
var Limits = []Limit{LimitSource, LimitAddress, LimitRoom, LimitBudget, LimitConnections}

// reply answers, and tells the meter. source is the zero one where the request named none that there is.
func (h *Handler) reply(w http.ResponseWriter, source store.LiveSource, a answer, status int, start time.Time) {
	a.write(w, status)
	slug, reason := "", string(a.Reason)
	if source.Source != nil {
		slug = source.Slug
	}
	if a.Error != "" {
		reason = a.Error
	}
	took := h.now().Sub(start)
	if source.Source != nil {
		h.tally.addLatency(source.ID, a, status, took)
	}
	h.meter.Answered(slug, a.Verdict, reason, status, took)
}

// noMeter is who watches where nobody does.
type noMeter struct{}

func (noMeter) Answered(string, verify.Verdict, string, int, time.Duration) {}
func (noMeter) Refused(Limit)                                               {}
func (noMeter) Stored(int, int, bool, time.Duration)                        {}
