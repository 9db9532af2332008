package store

import (
	"context"
	"time"
)

// DestinationJSON is a destination without anything secret: what destination list --json prints, and the API answers.
type DestinationJSON struct {
	Name           string            `json:"name"`
	URL            string            `json:"url"` // without its query
	Method         string            `json:"method"`
	Match          *string           `json:"match"` // null: manual only
	Signing        string            `json:"signing"`
	OwnSecret      bool              `json:"own_secret"`
	PassSignature  bool              `json:"pass_signature"`
	State          string            `json:"state"`
	StateReason    string            `json:"state_reason"`
	TimeoutSeconds float64           `json:"timeout_seconds"`
	RetrySeconds   []int64           `json:"retry_seconds"`
	MaxRate        *float64          `json:"max_rate"`        // null: no limit
	MaxConcurrency *int              `json:"max_concurrency"` // null: no limit of its own
	Order          string            `json:"order"`
	Headers        []string          `json:"headers"` // secret ones: their names
	ClearHeaders   map[string]string `json:"clear_headers"`
	Waiting        int               `json:"waiting"`   // at most 10,000 are counted
	Exhausted      int               `json:"exhausted"` // and not sent again since; likewise
	Demo           bool              `json:"demo"`
	CreatedAt      time.Time         `json:"created_at"`
}

// JSON is the destination for JSON, with what is open of its deliveries.
func (d *Destination) JSON(open OpenCount) DestinationJSON {
	j := DestinationJSON{
		Name: d.Name, URL: d.ShownURL(), Method: d.Method, Match: d.Match, Signing: string(d.Signing), OwnSecret: len(d.Secrets) > 0,
		PassSignature: d.PassSignature, State: string(d.State), StateReason: d.StateReason, TimeoutSeconds: d.Timeout.Seconds(),
		RetrySeconds: []int64{}, Order: string(d.Ordering), Headers: []string{}, ClearHeaders: map[string]string{},
		Waiting: open.Waiting, Exhausted: open.Exhausted, Demo: d.Demo, CreatedAt: d.CreatedAt,
	}
	for _, wait := range d.RetrySchedule {
		j.RetrySeconds = append(j.RetrySeconds, seconds(wait))
	}
	for _, h := range d.Headers {
		j.Headers = append(j.Headers, h.Name)
	}
	for _, h := range d.ClearHeaders {
		j.ClearHeaders[h.Name] = h.Value
	}
	if d.MaxRate > 0 {
		j.MaxRate = &d.MaxRate
	}
	if d.MaxConcurrency > 0 {
		j.MaxConcurrency = &d.MaxConcurrency
	}
	return j
}

// OpenCount is how much is open of a destination's deliveries, each counted up to a bound: MostBacklog, MostExhausted.
type OpenCount struct{ Waiting, Exhausted int }

// CountOpen tells what is open by the destination's name. It may return ErrTooSlow.
func (db *DB) CountOpen(ctx context.Context) (map[string]OpenCount, error) {
	open := map[string]OpenCount{}
	backlogs, err := db.ListBacklogs(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range backlogs {
		open[b.Destination] = OpenCount{Waiting: b.Waiting()}
	}
	groups, err := db.ListExhausted(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if !g.Removed {
			o := open[g.Destination]
			o.Exhausted += g.Deliveries
			open[g.Destination] = o
		}
	}
	return open, nil
}
