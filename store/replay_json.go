package store

import "time"

// ReplayJSON is a replay for programs: what replay status --json prints, and the API answers.
type ReplayJSON struct {
	ID          int64            `json:"id"`
	State       ReplayState      `json:"state"`
	Why         string           `json:"why,omitempty"`
	Filter      string           `json:"filter"`
	Destination string           `json:"destination"`
	Latest      bool             `json:"latest"`
	Again       bool             `json:"again"`
	Rate        float64          `json:"rate"`
	RateOfLate  float64          `json:"rate_of_late,omitempty"` // measured, events a second
	By          string           `json:"by"`
	Reason      string           `json:"reason,omitempty"`
	CreatedAt   time.Time        `json:"created_at"`
	Looked      int64            `json:"looked"`
	Events      int64            `json:"events"`
	Plan        ReplayCounts     `json:"plan"`
	Sent        int64            `json:"sent"`
	Succeeded   int64            `json:"succeeded"`
	Retrying    int64            `json:"retrying"`
	Failed      int64            `json:"failed"`
	Skipped     map[string]int64 `json:"skipped,omitempty"`
}

// JSON is the replay for JSON.
func (r *Replay) JSON() ReplayJSON {
	return ReplayJSON{
		ID: r.ID, State: r.State, Why: r.Why, Filter: r.Filter, Destination: r.Destination, Latest: r.Latest, Again: r.Again, Rate: r.Rate, RateOfLate: r.RateOfLate(),
		By: r.RequestedBy, Reason: r.Reason, CreatedAt: r.CreatedAt.UTC(), Looked: r.Looked, Events: r.Events, Plan: r.Counts,
		Sent: r.Sent, Succeeded: r.Succeeded, Retrying: r.Retrying, Failed: r.Failed, Skipped: r.Skipped,
	}
}
